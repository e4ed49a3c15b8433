/*
 * torch_zip.h - objects that torch.save wrote as a ZIP inside another file: the items of DCP.
 */
#ifndef WEIGHTFS_SOURCE_TORCH_TORCH_ZIP_H
#define WEIGHTFS_SOURCE_TORCH_TORCH_ZIP_H

#include "source/torch/torch.h"

/* The one tensor of the ZIP at bytes[off, off + len) of a file of the catalog. */
int wfs_torch_zip_item(struct wfs_catalog *catalog, uint32_t file, uint64_t off, uint64_t len,
                       struct wfs_torch_tensor *ret, struct wfs_error *err);
/* Any object without tensors; its nodes live in into->scratch. */
int wfs_torch_zip_object(struct wfs_torch *into, uint32_t file, uint64_t off, uint64_t len,
                         const struct wfs_node **ret_root, struct wfs_error *err);

#endif
