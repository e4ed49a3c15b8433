/*
 * piece.h - how one piece of an expression is made. Private to tensor/.
 *
 * An operation draws each new piece as a SKETCH on its stack, axis after axis, and adds it to a
 * DRAFT; wfs_draft_finish lays the whole expression out in one allocation of the arena.
 *
 * Invariant of every finished expression (so that equal functions look equal): a factor's count is
 * at least 2; no factor continues its inner neighbour (outer.stride != inner.count * inner.stride);
 * the pieces stand sorted. As counts multiply to the piece's elements, a piece has fewer than 64
 * factors.
 */
#ifndef WEIGHTFS_TENSOR_EXPR_PIECE_H
#define WEIGHTFS_TENSOR_EXPR_PIECE_H

#include "tensor/tensor.h"

#define WFS_MAX_FACTORS 64
/* Bits that one source may reach to: keeps stride * count inside int64. 256 PiB. */
#define WFS_EXPR_MAX_BITS (UINT64_C(1) << 61)

struct wfs_sketch {
    struct wfs_bytes *bytes;
    uint64_t base_bits;
    enum wfs_dtype dtype;
    uint32_t n_ops;
    const struct wfs_elem_op *ops;
    uint32_t ndim; /* axes drawn so far */
    uint64_t start[WFS_MAX_NDIM], count[WFS_MAX_NDIM];
    uint32_t first_factor[WFS_MAX_NDIM + 1];
    struct wfs_factor factors[WFS_MAX_FACTORS];
};

/* The piece's source, base and operations; no axes yet. */
static inline void wfs_sketch_begin(struct wfs_sketch *sketch, const struct wfs_piece *piece)
{
    sketch->bytes = piece->bytes;
    sketch->base_bits = piece->base_bits;
    sketch->dtype = piece->dtype;
    sketch->n_ops = piece->n_ops;
    sketch->ops = piece->ops;
    sketch->ndim = 0;
    sketch->first_factor[0] = 0;
}

static inline void wfs_sketch_axis(struct wfs_sketch *sketch, uint64_t start, uint64_t count)
{
    uint32_t axis = sketch->ndim++;
    sketch->start[axis] = start;
    sketch->count[axis] = count;
    sketch->first_factor[axis + 1] = sketch->first_factor[axis];
}

/* Appends an inner factor to the last axis; where it continues the factor before it, the two become
 * one. */
static inline void wfs_sketch_factor(struct wfs_sketch *sketch, uint64_t count, int64_t stride_bits)
{
    uint32_t first = sketch->first_factor[sketch->ndim - 1];
    uint32_t *n = &sketch->first_factor[sketch->ndim];
    if (count == 1)
        return;
    if (*n > first && sketch->factors[*n - 1].stride_bits == stride_bits * (int64_t)count) {
        sketch->factors[*n - 1].count *= count;
        sketch->factors[*n - 1].stride_bits = stride_bits;
        return;
    }
    sketch->factors[(*n)++] = (struct wfs_factor){count, stride_bits};
}

static inline uint32_t wfs_piece_n_factors(const struct wfs_piece *piece, uint32_t axis)
{
    return piece->first_factor[axis + 1] - piece->first_factor[axis];
}

static inline const struct wfs_factor *wfs_piece_factors(const struct wfs_piece *piece,
                                                         uint32_t axis)
{
    return piece->factors + piece->first_factor[axis];
}

/* Appends the factors of a piece's axis to the last axis. */
static inline void wfs_sketch_factors(struct wfs_sketch *sketch, const struct wfs_piece *piece,
                                      uint32_t axis)
{
    const struct wfs_factor *factors = wfs_piece_factors(piece, axis);
    for (uint32_t i = 0; i < wfs_piece_n_factors(piece, axis); i++)
        wfs_sketch_factor(sketch, factors[i].count, factors[i].stride_bits);
}

static inline void wfs_sketch_copy_axis(struct wfs_sketch *sketch, const struct wfs_piece *piece,
                                        uint32_t axis)
{
    wfs_sketch_axis(sketch, piece->start[axis], piece->count[axis]);
    wfs_sketch_factors(sketch, piece, axis);
}

#endif
