/*
 * tensors.h - tensors/ of one view: directories of parameters.
 */
#ifndef WEIGHTFS_TREE_CONTENTS_TENSORS_H
#define WEIGHTFS_TREE_CONTENTS_TENSORS_H

#include "tree/nodes/builder.h"

int wfs_tree_add_tensors(struct wfs_tree_builder *b, uint32_t dir, uint32_t plan,
                         struct wfs_error *err);
/* True where .npy can type it and -o format=raw does not say otherwise. */
bool wfs_tree_is_npy(const struct wfs_session *session, const struct wfs_expr *expr);

#endif
