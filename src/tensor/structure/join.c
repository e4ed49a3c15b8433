/*
 * join.c - operations that put pieces beside each other: concat, stack, tile and pad.
 */
#include "tensor/tensor.h"

#include <string.h>

#include "tensor/expr/fill.h"
#include "tensor/expr/merge.h"
#include "tensor/expr/nested.h"
#include "tensor/structure/structure.h"

/* Draws a piece that is moved along one axis. */
static int add_moved(struct wfs_draft *draft, const struct wfs_expr *in, uint32_t i, uint32_t axis,
                     uint64_t distance)
{
    struct wfs_sketch sketch;
    wfs_sketch_begin(&sketch, &in->pieces[i]);
    for (uint32_t a = 0; a < in->ndim; a++)
        wfs_sketch_copy_axis(&sketch, &in->pieces[i], a);
    sketch.start[axis] += distance;
    return wfs_draft_add(draft, &sketch);
}

static int add_all_moved(struct wfs_draft *draft, const struct wfs_expr *in, uint32_t axis,
                         uint64_t distance)
{
    int r = 0;
    for (uint32_t i = 0; !r && i < in->n_pieces; i++)
        r = add_moved(draft, in, i, axis, distance);
    return r;
}

static int finish(struct wfs_draft *draft, int r, struct wfs_arena *arena, enum wfs_dtype dtype,
                  const uint64_t *shape, const struct wfs_expr **ret, struct wfs_error *err)
{
    if (!r)
        r = wfs_draft_merge(draft, shape);
    if (r) {
        wfs_draft_free(draft);
        return r == -E2BIG ? wfs_error_set(err, E2BIG, "a tensor of more than %d pieces",
                                           WFS_EXPR_MAX_PIECES)
                           : wfs_error_nomem(err, "a tensor expression");
    }
    return wfs_draft_finish(draft, arena, dtype, shape, ret, err);
}

/* ---- concat and stack ---------------------------------------------------------------------- */

static int check_operands(uint32_t n, const struct wfs_expr *const *in, uint32_t axis,
                          uint64_t *ret_extent, struct wfs_error *err)
{
    uint64_t extent = 0;
    if (n == 0)
        return wfs_error_set(err, EINVAL, "concat: of nothing");
    int r = wfs_check_axis("concat", in[0], axis, err);
    if (r)
        return r;
    for (uint32_t i = 0; i < n; i++) {
        if (in[i]->dtype != in[0]->dtype)
            return wfs_error_set(err, EINVAL, "concat: part %u is %s, part 0 is %s", i,
                                 wfs_dtype_info(in[i]->dtype)->name,
                                 wfs_dtype_info(in[0]->dtype)->name);
        if (in[i]->ndim != in[0]->ndim)
            return wfs_error_set(err, EINVAL, "concat: part %u has %u axes, part 0 has %u", i,
                                 in[i]->ndim, in[0]->ndim);
        for (uint32_t a = 0; a < in[0]->ndim; a++)
            if (a != axis && in[i]->shape[a] != in[0]->shape[a])
                return wfs_error_set(
                    err, EINVAL, "concat: axis %u of part %u has size %llu, of part 0 %llu", a, i,
                    (unsigned long long)in[i]->shape[a], (unsigned long long)in[0]->shape[a]);
        if (!wfs_add_u64(extent, in[i]->shape[axis], &extent))
            return wfs_error_set(err, EOVERFLOW, "concat: axis %u overflows 64 bits", axis);
    }
    *ret_extent = extent;
    return 0;
}

/* Parts of many pieces are read through one nested piece each. */
static int nest_parts(struct wfs_arena *arena, uint32_t n, const struct wfs_expr *const *in,
                      uint32_t axis, const uint64_t *shape, const struct wfs_expr **ret,
                      struct wfs_error *err)
{
    struct wfs_draft draft;
    uint64_t at = 0;
    int r = 0;
    wfs_draft_init(&draft, in[0]->ndim);
    for (uint32_t i = 0; !r && i < n; i++) {
        const struct wfs_expr *part = in[i];
        if (part->n_pieces > 1) {
            int nested =
                wfs_expr_nest(arena, part, part->ndim, part->shape, part->dtype, &part, err);
            if (nested) {
                wfs_draft_free(&draft);
                return nested;
            }
        }
        r = add_all_moved(&draft, part, axis, at);
        at += in[i]->shape[axis];
    }
    return finish(&draft, r, arena, in[0]->dtype, shape, ret, err);
}

int wfs_expr_concat(struct wfs_arena *arena, uint32_t n, const struct wfs_expr *const *in,
                    uint32_t axis, const struct wfs_expr **ret, struct wfs_error *err)
{
    struct wfs_draft draft;
    uint64_t shape[WFS_MAX_NDIM], extent, at = 0;
    int r = check_operands(n, in, axis, &extent, err);
    if (r)
        return r;
    memcpy(shape, in[0]->shape, in[0]->ndim * sizeof(*shape));
    shape[axis] = extent;
    wfs_draft_init(&draft, in[0]->ndim);
    for (uint32_t i = 0; !r && i < n; i++) {
        r = add_all_moved(&draft, in[i], axis, at);
        at += in[i]->shape[axis];
    }
    if (r == -E2BIG) {
        wfs_draft_free(&draft);
        return nest_parts(arena, n, in, axis, shape, ret, err);
    }
    return finish(&draft, r, arena, in[0]->dtype, shape, ret, err);
}

/* The parts with an axis of size 1 inserted differ from the parts in two words a piece; making them
 * takes memory that is dropped with the arena, as every intermediate expression does. */
int wfs_expr_stack(struct wfs_arena *arena, uint32_t n, const struct wfs_expr *const *in,
                   uint32_t axis, const struct wfs_expr **ret, struct wfs_error *err)
{
    if (n == 0)
        return wfs_error_set(err, EINVAL, "stack: of nothing");
    const struct wfs_expr **parts = wfs_arena_array(arena, n, sizeof(*parts));
    if (!parts)
        return wfs_error_nomem(err, "a stack of tensors");
    for (uint32_t i = 0; i < n; i++) {
        int r = wfs_expr_unsqueeze(arena, in[i], axis, &parts[i], err);
        if (r)
            return r;
    }
    return wfs_expr_concat(arena, n, parts, axis, ret, err);
}

/* ---- tile ---------------------------------------------------------------------------------- */

/* A piece that covers the axis repeats by an outer factor that stands still. */
static int add_tiled(struct wfs_draft *draft, const struct wfs_expr *in, uint32_t i, uint32_t axis,
                     uint64_t n)
{
    const struct wfs_piece *piece = &in->pieces[i];
    struct wfs_sketch sketch;
    wfs_sketch_begin(&sketch, piece);
    for (uint32_t a = 0; a < in->ndim; a++) {
        wfs_sketch_axis(&sketch, piece->start[a], piece->count[a] * (a == axis ? n : 1));
        if (a == axis)
            wfs_sketch_factor(&sketch, n, 0);
        wfs_sketch_factors(&sketch, piece, a);
    }
    return wfs_draft_add(draft, &sketch);
}

static int add_all_tiled(struct wfs_draft *draft, const struct wfs_expr *in, uint32_t axis,
                         uint64_t n)
{
    int r = 0;
    for (uint32_t i = 0; !r && i < in->n_pieces; i++) {
        if (in->pieces[i].count[axis] == in->shape[axis]) {
            r = add_tiled(draft, in, i, axis, n);
            continue;
        }
        for (uint64_t k = 0; !r && k < n; k++)
            r = add_moved(draft, in, i, axis, k * in->shape[axis]);
    }
    return r;
}

int wfs_expr_tile(struct wfs_arena *arena, const struct wfs_expr *in, uint32_t axis, uint64_t n,
                  const struct wfs_expr **ret, struct wfs_error *err)
{
    struct wfs_draft draft;
    uint64_t shape[WFS_MAX_NDIM], n_elems, size_bytes;
    int r = wfs_check_axis("tile", in, axis, err);
    if (r)
        return r;
    memcpy(shape, in->shape, in->ndim * sizeof(*shape));
    if (!wfs_mul_u64(shape[axis], n, &shape[axis]))
        return wfs_error_set(err, EOVERFLOW, "tile: axis %u overflows 64 bits", axis);
    wfs_draft_init(&draft, in->ndim);
    if (n == 0 || in->n_elems == 0)
        return wfs_draft_finish(&draft, arena, in->dtype, shape, ret, err);
    r = wfs_shape_size(in->dtype, in->ndim, shape, &n_elems, &size_bytes, err);
    if (r)
        return r;
    r = add_all_tiled(&draft, in, axis, n);
    if (r == -E2BIG) {
        wfs_draft_free(&draft);
        r = wfs_expr_nest(arena, in, in->ndim, in->shape, in->dtype, &in, err);
        if (r)
            return r;
        r = add_all_tiled(&draft, in, axis, n);
    }
    return finish(&draft, r, arena, in->dtype, shape, ret, err);
}

/* ---- pad ----------------------------------------------------------------------------------- */

static int add_fill(struct wfs_draft *draft, const struct wfs_piece *fill, const uint64_t *shape,
                    uint32_t axis, uint64_t start, uint64_t count)
{
    struct wfs_sketch sketch;
    if (count == 0)
        return 0;
    wfs_sketch_begin(&sketch, fill);
    for (uint32_t a = 0; a < draft->ndim; a++) {
        uint64_t n = a == axis ? count : shape[a];
        wfs_sketch_axis(&sketch, a == axis ? start : 0, n);
        wfs_sketch_factor(&sketch, n, 0);
    }
    return wfs_draft_add(draft, &sketch);
}

int wfs_expr_pad(struct wfs_arena *arena, const struct wfs_expr *in, uint32_t axis, uint64_t before,
                 uint64_t after, double value, const struct wfs_expr **ret, struct wfs_error *err)
{
    struct wfs_draft draft;
    struct wfs_piece fill = {.dtype = in->dtype};
    uint64_t shape[WFS_MAX_NDIM];
    bool is_empty = false;
    int r = wfs_check_axis("pad", in, axis, err);
    if (!r)
        r = wfs_fill_bytes(arena, in->dtype, value, &fill.bytes, err);
    if (r)
        return r;
    memcpy(shape, in->shape, in->ndim * sizeof(*shape));
    if (!wfs_add_u64(shape[axis], before, &shape[axis]) ||
        !wfs_add_u64(shape[axis], after, &shape[axis]))
        return wfs_error_set(err, EOVERFLOW, "pad: axis %u overflows 64 bits", axis);
    for (uint32_t a = 0; a < in->ndim; a++)
        is_empty = is_empty || shape[a] == 0;
    wfs_draft_init(&draft, in->ndim);
    if (is_empty)
        return wfs_draft_finish(&draft, arena, in->dtype, shape, ret, err);
    r = add_fill(&draft, &fill, shape, axis, 0, before);
    if (!r)
        r = add_all_moved(&draft, in, axis, before);
    if (!r)
        r = add_fill(&draft, &fill, shape, axis, before + in->shape[axis], after);
    return finish(&draft, r, arena, in->dtype, shape, ret, err);
}
