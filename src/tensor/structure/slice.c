/*
 * slice.c - a range of one axis. On an axis of several factors (a merge of axes) a range that is
 * not aligned to the inner factors is cut into head, body and tail, each a piece of its own; a step
 * through such an axis nests, as its elements lie in no order that factors could say.
 */
#include "tensor/tensor.h"

#include <string.h>

#include "tensor/expr/merge.h"
#include "tensor/expr/nested.h"
#include "tensor/expr/range.h"
#include "tensor/structure/structure.h"

struct slice {
    uint32_t axis;
    uint64_t start, stop, step;
};

/* The slice's own range of the piece: n elements from `first` (of the piece), the at-th of the
 * slice on; n is 0 where the piece has none. */
struct part {
    uint64_t first, n, at;
};

static struct part part_of(const struct wfs_piece *piece, const struct slice *slice)
{
    uint64_t low = piece->start[slice->axis], high = low + piece->count[slice->axis];
    uint64_t skip = low > slice->start ? (low - slice->start + slice->step - 1) / slice->step : 0;
    uint64_t first = slice->start + skip * slice->step;
    uint64_t end = wfs_min_u64(high, slice->stop);
    if (first >= end)
        return (struct part){0};
    return (struct part){first - low, (end - first + slice->step - 1) / slice->step, skip};
}

/* Draws the axes around a new one that the caller's function draws. */
static void draw_before(struct wfs_sketch *sketch, const struct wfs_piece *piece, uint32_t axis)
{
    wfs_sketch_begin(sketch, piece);
    for (uint32_t a = 0; a < axis; a++)
        wfs_sketch_copy_axis(sketch, piece, a);
}

static int add_after(struct wfs_draft *draft, struct wfs_sketch *sketch,
                     const struct wfs_piece *piece, uint32_t axis)
{
    for (uint32_t a = axis + 1; a < draft->ndim; a++)
        wfs_sketch_copy_axis(sketch, piece, a);
    return wfs_draft_add(draft, sketch);
}

static int add_stepped(struct wfs_draft *draft, const struct wfs_piece *piece, uint32_t axis,
                       const struct part *part, uint64_t step)
{
    struct wfs_sketch sketch;
    draw_before(&sketch, piece, axis);
    wfs_sketch_axis(&sketch, part->at, part->n);
    if (wfs_piece_n_factors(piece, axis) > 0) {
        int64_t stride = wfs_piece_factors(piece, axis)->stride_bits;
        sketch.base_bits += part->first * (uint64_t)stride;
        wfs_sketch_factor(&sketch, part->n, part->n > 1 ? stride * (int64_t)step : 0);
    }
    return add_after(draft, &sketch, piece, axis);
}

/* Draws a range of a factored axis as its head, its body of whole steps and its tail. */
static int add_cut(struct wfs_draft *draft, const struct wfs_piece *piece, uint32_t axis,
                   const struct part *part)
{
    const struct wfs_factor *factors = wfs_piece_factors(piece, axis);
    uint32_t n_factors = wfs_piece_n_factors(piece, axis);
    struct wfs_range range;
    struct wfs_range_box box;
    uint64_t at = part->at;
    wfs_range_init_factors(&range, n_factors, factors, part->first, part->first + part->n);
    while (wfs_range_next(&range, &box)) {
        struct wfs_sketch sketch;
        draw_before(&sketch, piece, axis);
        wfs_sketch_axis(&sketch, at, box.n_elems);
        for (uint32_t f = 0; f < n_factors; f++) {
            sketch.base_bits += box.index[f] * (uint64_t)factors[f].stride_bits;
            if (f >= box.axis)
                wfs_sketch_factor(&sketch, f == box.axis ? box.n : factors[f].count,
                                  factors[f].stride_bits);
        }
        int r = add_after(draft, &sketch, piece, axis);
        if (r)
            return r;
        at += box.n_elems;
    }
    return 0;
}

/* -E2BIG where the slice must nest. */
static int add_slices(struct wfs_draft *draft, const struct wfs_expr *in, const struct slice *slice)
{
    for (uint32_t i = 0; i < in->n_pieces; i++) {
        const struct wfs_piece *piece = &in->pieces[i];
        struct part part = part_of(piece, slice);
        int r = 0;
        if (part.n == 0)
            continue;
        if (wfs_piece_n_factors(piece, slice->axis) <= 1)
            r = add_stepped(draft, piece, slice->axis, &part, slice->step);
        else if (slice->step == 1 || part.n == 1)
            r = add_cut(draft, piece, slice->axis, &part);
        else
            r = -E2BIG;
        if (r)
            return r;
    }
    return 0;
}

static int check_slice(const struct wfs_expr *in, const struct slice *slice, struct wfs_error *err)
{
    int r = wfs_check_axis("slice", in, slice->axis, err);
    if (r)
        return r;
    if (slice->step == 0)
        return wfs_error_set(err, EINVAL, "slice: a step of 0");
    if (slice->start > slice->stop || slice->stop > in->shape[slice->axis])
        return wfs_error_set(err, EINVAL, "slice: %llu to %llu of axis %u, which has size %llu",
                             (unsigned long long)slice->start, (unsigned long long)slice->stop,
                             slice->axis, (unsigned long long)in->shape[slice->axis]);
    return 0;
}

int wfs_expr_slice(struct wfs_arena *arena, const struct wfs_expr *in, uint32_t axis,
                   uint64_t start, uint64_t stop, uint64_t step, const struct wfs_expr **ret,
                   struct wfs_error *err)
{
    struct slice slice = {axis, start, stop, step};
    uint64_t shape[WFS_MAX_NDIM];
    struct wfs_draft draft;
    int r = check_slice(in, &slice, err);
    if (r)
        return r;
    memcpy(shape, in->shape, in->ndim * sizeof(*shape));
    shape[axis] = (stop - start) / step + ((stop - start) % step != 0);
    /* A step beyond the range picks its first element alone, as one of the range's length does;
     * strides stay small by it. */
    slice.step = wfs_min_u64(step, wfs_max_u64(stop - start, 1));
    wfs_draft_init(&draft, in->ndim);
    r = add_slices(&draft, in, &slice);
    if (r == -E2BIG) {
        wfs_draft_free(&draft);
        r = wfs_expr_nest(arena, in, in->ndim, in->shape, in->dtype, &in, err);
        if (r)
            return r;
        r = add_slices(&draft, in, &slice);
    }
    if (!r)
        r = wfs_draft_merge(&draft, shape);
    if (r) {
        wfs_draft_free(&draft);
        return wfs_error_nomem(err, "a tensor expression");
    }
    return wfs_draft_finish(&draft, arena, in->dtype, shape, ret, err);
}
