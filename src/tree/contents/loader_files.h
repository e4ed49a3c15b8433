/*
 * loader_files.h - whole files of a view.
 */
#ifndef WEIGHTFS_TREE_CONTENTS_LOADER_FILES_H
#define WEIGHTFS_TREE_CONTENTS_LOADER_FILES_H

#include "tree/nodes/builder.h"

/* The loader files of one view in its directory, shards among them. -EINVAL where a rule set names a
 * loader file that there is not. */
int wfs_tree_add_loader_files(struct wfs_tree_builder *b, uint32_t dir, uint32_t plan,
                              struct wfs_error *err);

#endif
