/*
 * loader_files.h - whole files of a view.
 */
#ifndef WEIGHTFS_TREE_CONTENTS_LOADER_FILES_H
#define WEIGHTFS_TREE_CONTENTS_LOADER_FILES_H

#include "tree/nodes/builder.h"

/* Adds the loader files of one view, also those in shards, to its directory. -EINVAL where a rule
 * set names a loader file that does not exist. */
int wfs_tree_add_loader_files(struct wfs_tree_builder *b, uint32_t dir, uint32_t plan,
                              struct wfs_error *err);

#endif
