/*
 * passed_through.h - the files of the checkpoint that hold no weights, in a view's directory.
 */
#ifndef WEIGHTFS_TREE_CONTENTS_PASSED_THROUGH_H
#define WEIGHTFS_TREE_CONTENTS_PASSED_THROUGH_H

#include "tree/nodes/builder.h"

/* After tensors/ and the loader files, which win over them. */
int wfs_tree_add_passed_through(struct wfs_tree_builder *b, uint32_t dir, uint32_t plan,
                                struct wfs_error *err);

#endif
