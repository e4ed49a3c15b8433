/*
 * torch_object.h - what a node of the pickle is.
 */
#ifndef WEIGHTFS_SOURCE_TORCH_TORCH_OBJECT_H
#define WEIGHTFS_SOURCE_TORCH_TORCH_OBJECT_H

#include "source/torch/torch.h"

enum wfs_torch_what {
    WFS_TORCH_OTHER,   /* no tensor: *ret_node is what to show (itself, or what it wraps) */
    WFS_TORCH_TENSOR,  /* *ret; and *ret_node, where not NULL, a DICT of parts beside it */
    WFS_TORCH_WRAPPER, /* of other tensors: *ret_node has them, or is NULL; err says what it is */
};
/* What a node is. -EINVAL and the like: a tensor that cannot be shown, and why. */
int wfs_torch_object(struct wfs_torch *t, const struct wfs_node *node,
                     enum wfs_torch_what *ret_what, struct wfs_torch_tensor *ret,
                     const struct wfs_node **ret_node, struct wfs_error *err);

#endif
