/*
 * info.h - info/: what was found, how each view maps it, and what the mount has done so far.
 */
#ifndef WEIGHTFS_TREE_CONTENTS_INFO_H
#define WEIGHTFS_TREE_CONTENTS_INFO_H

#include "tree/nodes/builder.h"

int wfs_tree_add_info(struct wfs_tree_builder *b, uint32_t dir, struct wfs_error *err);

#endif
