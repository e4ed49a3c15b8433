/*
 * unlisted.h - loader files that a view would have and does not list, and why: one that cannot hold
 * what the view has, and one that would silently lack a tensor of the checkpoint.
 */
#ifndef WEIGHTFS_TREE_CONTENTS_UNLISTED_H
#define WEIGHTFS_TREE_CONTENTS_UNLISTED_H

#include "tree/nodes/builder.h"

/* *ret is true where the writer's file is not listed, which is then remembered and reported: the
 * writer refuses the view's manifest (NULL: it has nothing to refuse), or the file would lack a
 * refused tensor. `arena` may end before the tree. -ENOMEM. */
int wfs_tree_is_refused(struct wfs_tree_builder *b, uint32_t plan, const struct wfs_writer *writer,
                        const struct wfs_manifest *manifest, struct wfs_arena *arena, bool *ret);
/* *ret: why the file is not listed, naming a refused tensor that it would lack; or NULL. Under
 * -o partial it is NULL, and the report says what the file lacks. -ENOMEM. */
int wfs_tree_refuse_partial(struct wfs_tree_builder *b, uint32_t plan, const char *file_name,
                            const char **ret);
/* Remembers why a file is not there, and says so in the report. `file_name` is borrowed. -ENOMEM. */
int wfs_tree_note_refusal(struct wfs_tree_builder *b, uint32_t plan, const char *file_name,
                          const char *refusal);
/* The same without a line in the report. */
int wfs_tree_remember_refusal(struct wfs_tree_builder *b, uint32_t plan, const char *file_name,
                              const char *refusal);

#endif
