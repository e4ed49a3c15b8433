/*
 * torch_wrappers.h - calls that put a tensor into something else.
 */
#ifndef WEIGHTFS_SOURCE_TORCH_TORCH_WRAPPERS_H
#define WEIGHTFS_SOURCE_TORCH_TORCH_WRAPPERS_H

#include "source/torch/torch.h"

/* Takes one wrapper off: 0 and *ret, or 1 where there is none. -EINVAL: it is none of torch's. */
int wfs_torch_unwrap(struct wfs_torch *t, const struct wfs_node *call, const struct wfs_node **ret,
                     struct wfs_error *err);
/* A wrapper that has no bytes of its own. *ret_node: what is in it, to show in its place, or NULL;
 * `err` has what it is. */
int wfs_torch_open_wrapper(struct wfs_torch *t, const struct wfs_node *call,
                           const struct wfs_node **ret_node, struct wfs_error *err);
/* "type float32 and shape (2, 3)", of the arguments from `at` on. */
void wfs_torch_put_type(struct wfs_buf *out, const struct wfs_node *call, uint32_t at);

#endif
