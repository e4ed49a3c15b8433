/*
 * checkpoint.h - what stands behind the opaque types of weightfs.h.
 */
#ifndef WEIGHTFS_API_CHECKPOINT_H
#define WEIGHTFS_API_CHECKPOINT_H

#include "weightfs.h"

#include "tree/tree.h"

/* What is described of a tensor, and what it is read by. */
struct wfs_api_tensor {
    const struct wfs_expr *expr;
    struct wfs_hash hash;
    const char *name, *operations;
    uint32_t n_sources;
    const char *const *sources;
};

struct wfs_checkpoint {
    struct wfs_arena *arena; /* of what follows; constant once the checkpoint is open */
    struct wfs_session *session;
    uint32_t n_tensors;
    struct wfs_api_tensor *tensors;
    struct wfs_strmap by_name; /* joined name -> index, or WFS_API_AMBIGUOUS */
    struct wfs_buf warnings;
};
#define WFS_API_AMBIGUOUS UINT64_MAX

/* Copies what went wrong to the caller, if it wants to know; returns r. */
int wfs_api_fail(int r, const struct wfs_error *err, struct wfs_failure *failure);
/* Copies a description over the caller's. Both begin with their struct_size: what the caller's has
 * no room for is left out, and what the library does not know is zeroed. -EINVAL where the caller's
 * size is not set. */
int wfs_api_describe(void *ret, const void *description, struct wfs_error *err);

#endif
