/*
 * shards.h - a tensor from the pieces that were written of it.
 */
#ifndef WEIGHTFS_SOURCE_SHARDED_SHARDS_H
#define WEIGHTFS_SOURCE_SHARDED_SHARDS_H

#include "tensor/tensor.h"

/* A piece of a tensor: it stands at `offset` of the whole. */
struct wfs_shard {
    const struct wfs_expr *expr;
    uint64_t offset[WFS_MAX_NDIM];
};

/* The whole of `shape` from n hyper-rectangles that cover it exactly, each element once; shards of
 * no elements are passed over; sorts `shards`. *ret_axis: the axis along which it is cut, -1 where
 * it is whole or cut along several. -EINVAL: a gap, an overlap, another type, or a partition that
 * no sequence of straight cuts makes. */
int wfs_shards_assemble(struct wfs_arena *arena, enum wfs_dtype dtype, uint32_t ndim,
                        const uint64_t *shape, struct wfs_shard *shards, uint32_t n,
                        const struct wfs_expr **ret, int32_t *ret_axis, struct wfs_error *err);

#endif
