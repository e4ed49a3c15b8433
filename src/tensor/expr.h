/*
 * expr.h - how expressions are made: private to src/tensor.
 *
 * An operation draws each new piece as a SKETCH on its stack, axis after axis, and adds it to a
 * DRAFT; wfs_draft_finish lays the whole expression out in one allocation of the arena.
 *
 * Invariant of every finished expression (so that equal functions look equal): a factor's count is
 * at least 2; no factor continues its inner neighbour (outer.stride != inner.count * inner.stride);
 * the pieces stand sorted. As counts multiply to the piece's elements, a piece has fewer than 64
 * factors.
 */
#ifndef TENSOR_EXPR_H
#define TENSOR_EXPR_H

#include <string.h>

#include "tensor/tensor.h"

#define WFS_MAX_FACTORS 64
/* Bits that one source may reach to: keeps stride * count inside int64. 256 PiB. */
#define WFS_EXPR_MAX_BITS (UINT64_C(1) << 61)
/* A reshape that would cut its input into more pieces than this nests instead: a nested flatten is
 * read as fast, and takes no memory. */
#define WFS_EXPR_MAX_CUTS 1024
/* Expressions inside expressions: each level has a frame and scratch of its own while it reads. */
#define WFS_EXPR_MAX_DEPTH 16

/* ---- one piece being made ------------------------------------------------------------------ */

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

/* Appends an inner factor to the last axis; one that the factor before continues is joined to it.
 */
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

/* ---- all pieces ---------------------------------------------------------------------------- */

/* One piece of few axes needs no heap. */
#define WFS_DRAFT_INLINE_NDIM    8
#define WFS_DRAFT_INLINE_FACTORS 16

struct wfs_draft_entry {
    struct wfs_bytes *bytes;
    uint64_t base_bits;
    const struct wfs_elem_op *ops;
    enum wfs_dtype dtype;
    uint32_t n_ops;
    size_t factors_at; /* into factors */
};

struct wfs_draft {
    uint32_t ndim;
    size_t n_pieces, cap_pieces;
    struct wfs_draft_entry *pieces;
    size_t cap_boxes;
    uint64_t *boxes; /* 2 * ndim a piece: start, count */
    size_t cap_firsts;
    uint32_t *firsts; /* ndim + 1 a piece */
    size_t n_factors, cap_factors;
    struct wfs_factor *factors;
    struct wfs_draft_entry inline_piece;
    uint64_t inline_box[2 * WFS_DRAFT_INLINE_NDIM];
    uint32_t inline_first[WFS_DRAFT_INLINE_NDIM + 1];
    struct wfs_factor inline_factors[WFS_DRAFT_INLINE_FACTORS];
};

void wfs_draft_init(struct wfs_draft *draft, uint32_t ndim);
void wfs_draft_free(struct wfs_draft *draft);
/* 0, -ENOMEM, or -E2BIG past WFS_EXPR_MAX_PIECES: without a message, the caller may nest. */
int wfs_draft_add(struct wfs_draft *draft, const struct wfs_sketch *sketch);
struct wfs_piece wfs_draft_piece(const struct wfs_draft *draft, size_t i);
/* Pieces by their start: on one axis first (or last, where is_last), then on the others in turn. */
struct wfs_draft_order {
    const struct wfs_draft *draft; /* of at least one axis */
    uint32_t axis;
    bool is_last;
    uint64_t max_count; /* of the pieces on the axis */
};
/* By the axis on which a range meets the fewest pieces. */
struct wfs_draft_order wfs_draft_order(const struct wfs_draft *draft, const uint64_t *shape);
/* A malloc'd permutation of the pieces, or NULL when out of memory. */
uint32_t *wfs_draft_sorted(const struct wfs_draft *draft, struct wfs_draft_order *order);
/* Joins neighbours that are one strided box of one source. 0 or -ENOMEM. */
int wfs_draft_merge(struct wfs_draft *draft, const uint64_t *shape);
/* Lays the expression out and frees the draft, on failure too. */
int wfs_draft_finish(struct wfs_draft *draft, struct wfs_arena *arena, enum wfs_dtype dtype,
                     const uint64_t *shape, const struct wfs_expr **ret, struct wfs_error *err);

/* ---- ranges of a row-major order ------------------------------------------------------------ */

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

/* ---- shared by the operations -------------------------------------------------------------- */

int wfs_check_axis(const char *op, const struct wfs_expr *in, uint32_t axis, struct wfs_error *err);
/* The same elements as one contiguous run of a computed source. */
int wfs_expr_nest(struct wfs_arena *arena, const struct wfs_expr *in, uint32_t ndim,
                  const uint64_t *shape, enum wfs_dtype dtype, const struct wfs_expr **ret,
                  struct wfs_error *err);
/* One element of the value as a source (base 0, all strides 0). */
int wfs_fill_bytes(struct wfs_arena *arena, enum wfs_dtype dtype, double value,
                   struct wfs_bytes **ret, struct wfs_error *err);
/* A source of dtype's elements start + step * i. */
int wfs_arange_bytes(struct wfs_arena *arena, enum wfs_dtype dtype, double start, double step,
                     uint64_t n_elems, struct wfs_bytes **ret, struct wfs_error *err);
bool wfs_ops_equal(uint32_t a_n, const struct wfs_elem_op *a, uint32_t b_n,
                   const struct wfs_elem_op *b);
/* NULL unless bytes are those of wfs_expr_as_bytes. */
const struct wfs_expr *wfs_nested_expr(const struct wfs_bytes *bytes);
/* The operands of a sum; NULL for other sources. */
const struct wfs_expr *const *wfs_sum_operands(const struct wfs_bytes *bytes, uint32_t *ret_n);
/* Bytes that are made by a computation of this module. */
bool wfs_bytes_computed(const struct wfs_bytes *bytes);
/* As wfs_expr_is_run, computed sources included. */
bool wfs_expr_is_any_run(const struct wfs_expr *expr, struct wfs_bytes **ret_bytes,
                         uint64_t *ret_off);

#endif
