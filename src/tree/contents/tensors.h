/*
 * tensors.h - tensors/ of one view: directories of parameters.
 */
#ifndef WEIGHTFS_TREE_CONTENTS_TENSORS_H
#define WEIGHTFS_TREE_CONTENTS_TENSORS_H

#include "tree/nodes/builder.h"

int wfs_tree_add_tensors(struct wfs_tree_builder *b, uint32_t dir, uint32_t plan,
                         struct wfs_error *err);
/* Whether the tensor is shown as .npy: -o format=raw was not given, and .npy has its dtype. */
bool wfs_tree_is_npy(const struct wfs_session *session, const struct wfs_expr *expr);

#endif
