/*
 * torch_storage.h - storages of PyTorch files: what a persistent id names.
 */
#ifndef WEIGHTFS_SOURCE_TORCH_TORCH_STORAGE_H
#define WEIGHTFS_SOURCE_TORCH_TORCH_STORAGE_H

#include "source/torch/torch.h"

/* The storage of ('storage', class, key, location, numel[, view]); the first id of a key counts, as
 * for torch. -EINVAL: it is no such tuple, or the sizes are impossible. *ret_off_elems and
 * *ret_n_elems: the legacy view of it (whole: 0 and all). Not located yet. */
int wfs_torch_storage_of(struct wfs_torch *t, const struct wfs_node *persid,
                         struct wfs_torch_storage **ret, uint64_t *ret_off_bytes,
                         uint64_t *ret_size_bytes, struct wfs_error *err);
/* bytes[off, off + size) is all there is of the storage: checks it against the declared size. */
void wfs_torch_storage_place(struct wfs_torch *t, struct wfs_torch_storage *storage,
                             struct wfs_bytes *bytes, uint64_t off, uint64_t size_bytes);

#endif
