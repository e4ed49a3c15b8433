/*
 * torch_tensor.h - a tensor as a view of a storage.
 */
#ifndef WEIGHTFS_SOURCE_TORCH_TORCH_TENSOR_H
#define WEIGHTFS_SOURCE_TORCH_TORCH_TENSOR_H

#include "source/torch/torch.h"

/* A view of a storage, as _rebuild_tensor* describe it. */
struct wfs_torch_view {
    const struct wfs_node *persid, *offset, *size, *stride;
    const struct wfs_node *metadata; /* {'conj': True, 'neg': True}, or NULL */
    bool has_dtype;                  /* v3: of this type; else the storage's */
    enum wfs_dtype dtype;
};
/* -EINVAL, -EOVERFLOW: this tensor cannot be shown, and why; other codes: the file cannot be
 * read. */
int wfs_torch_view_tensor(struct wfs_torch *t, const struct wfs_torch_view *view,
                          struct wfs_torch_tensor *ret, struct wfs_error *err);
bool wfs_torch_shape_of(const struct wfs_node *node, uint32_t *ret_ndim,
                        uint64_t shape[WFS_MAX_NDIM]);

#endif
