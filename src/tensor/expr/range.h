/*
 * range.h - ranges of a row-major order, cut into boxes. Private to tensor/.
 */
#ifndef WEIGHTFS_TENSOR_EXPR_RANGE_H
#define WEIGHTFS_TENSOR_EXPR_RANGE_H

#include "tensor/expr/piece.h"

/* Cuts [pos, end) of a row-major order into boxes, at most 2 * ndim - 1. */
struct wfs_range {
    uint32_t ndim;
    uint64_t shape[WFS_MAX_NDIM];
    uint64_t suffix[WFS_MAX_NDIM + 1]; /* suffix[i]: product of shape[i..] */
    uint64_t pos, end;
};
/* The box: index[i] alone for i < axis, [index[axis], index[axis] + n) there, all of the rest. */
struct wfs_range_box {
    uint32_t axis;
    uint64_t n, n_elems;
    uint64_t index[WFS_MAX_NDIM];
};
void wfs_range_init(struct wfs_range *range, uint32_t ndim, const uint64_t *shape, uint64_t pos,
                    uint64_t end);
/* The same over the factors of an axis. */
void wfs_range_init_factors(struct wfs_range *range, uint32_t n, const struct wfs_factor *factors,
                            uint64_t pos, uint64_t end);
bool wfs_range_next(struct wfs_range *range, struct wfs_range_box *box);

#endif
