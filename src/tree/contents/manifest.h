/*
 * manifest.h - what the writers of loader files are told of a view, and which of them it has.
 */
#ifndef WEIGHTFS_TREE_CONTENTS_MANIFEST_H
#define WEIGHTFS_TREE_CONTENTS_MANIFEST_H

#include "tree/nodes/builder.h"

/* Every tensor of the view. Lives in the arena. -ENOMEM. */
int wfs_tree_manifest(const struct wfs_session *session, uint32_t plan, struct wfs_arena *arena,
                      struct wfs_manifest *ret, struct wfs_error *err);
/* Whether the view shows the writer's file: -o files= says so, else the view's rule sets. */
bool wfs_tree_wants_file(const struct wfs_session *session, const struct wfs_plan *plan,
                         const struct wfs_writer *writer);

#endif
