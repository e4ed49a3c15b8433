/*
 * merge.c - joining neighbouring pieces that are one strided box of one source: what was split and
 * is put together again, and layers that follow each other in their file.
 */
#include "tensor/expr/merge.h"

#include <stdlib.h>
#include <string.h>

#include "tensor/convert/elem.h"

/* The one axis on which b follows a directly while all else agrees; false if there is none. */
static bool adjacent_axis(const struct wfs_sketch *a, const struct wfs_piece *b, uint32_t *ret)
{
    uint32_t n_differ = 0;
    for (uint32_t i = 0; i < a->ndim; i++) {
        if (a->start[i] == b->start[i] && a->count[i] == b->count[i])
            continue;
        if (b->start[i] != a->start[i] + a->count[i] || n_differ++ > 0)
            return false;
        *ret = i;
    }
    return n_differ == 1;
}

static bool same_factors(const struct wfs_factor *a, uint32_t a_n, const struct wfs_factor *b,
                         uint32_t b_n)
{
    return a_n == b_n && (a_n == 0 || memcmp(a, b, a_n * sizeof(*a)) == 0);
}

/* The outermost factor of an axis, apart from those inside it which two pieces share. An axis that
 * has only the shared ones counts as one step of the given distance. */
struct outer {
    struct wfs_factor factor;
    const struct wfs_factor *inner;
    uint32_t n_inner;
};

static struct outer outer_of(const struct wfs_factor *factors, uint32_t n, bool has_outer,
                             int64_t distance)
{
    if (!has_outer)
        return (struct outer){{1, distance}, factors, n};
    return (struct outer){factors[0], factors + 1, n - 1};
}

/* Whether b's steps on an axis follow a's, `distance` bits apart, as steps of one outer factor.
 * Where neither has such a factor, `dense` bits (0: any distance) make them one. */
static bool join_outer(const struct wfs_factor *a, uint32_t a_n, const struct wfs_factor *b,
                       uint32_t b_n, int64_t distance, uint64_t dense, struct outer *ret)
{
    for (int with_a = 1; with_a >= 0; with_a--) {
        for (int with_b = 1; with_b >= 0; with_b--) {
            if (a_n < (uint32_t)with_a || b_n < (uint32_t)with_b || a_n - with_a != b_n - with_b)
                continue;
            int64_t stride = with_a ? a[0].stride_bits : with_b ? b[0].stride_bits : distance;
            struct outer x = outer_of(a, a_n, with_a, stride), y = outer_of(b, b_n, with_b, stride);
            if (x.factor.stride_bits == y.factor.stride_bits &&
                distance == stride * (int64_t)x.factor.count &&
                (with_a || with_b || dense == 0 || (uint64_t)llabs(distance) == dense) &&
                same_factors(x.inner, x.n_inner, y.inner, y.n_inner)) {
                *ret = x;
                ret->factor.count += y.factor.count;
                return true;
            }
        }
    }
    return false;
}

static void load(struct wfs_sketch *sketch, uint32_t ndim, const struct wfs_piece *piece)
{
    wfs_sketch_begin(sketch, piece);
    for (uint32_t i = 0; i < ndim; i++)
        wfs_sketch_copy_axis(sketch, piece, i);
}

static const struct wfs_factor *sketch_factors(const struct wfs_sketch *sketch, uint32_t axis,
                                               uint32_t *ret_n)
{
    *ret_n = sketch->first_factor[axis + 1] - sketch->first_factor[axis];
    return sketch->factors + sketch->first_factor[axis];
}

/* All but the factors of `axis` agree. */
static bool same_but(const struct wfs_sketch *a, const struct wfs_piece *b, uint32_t axis)
{
    if (a->bytes != b->bytes || a->dtype != b->dtype ||
        !wfs_ops_equal(a->n_ops, a->ops, b->n_ops, b->ops))
        return false;
    for (uint32_t i = 0; i < a->ndim; i++) {
        uint32_t n;
        const struct wfs_factor *factors = sketch_factors(a, i, &n);
        if (i != axis &&
            !same_factors(factors, n, wfs_piece_factors(b, i), wfs_piece_n_factors(b, i)))
            return false;
    }
    return true;
}

/* How far apart two neighbours lie in the source if both are parts of one tensor that was split. */
static uint64_t dense_bits(const struct wfs_piece *piece, uint32_t ndim)
{
    uint64_t bits = wfs_dtype_bits(piece->dtype);
    for (uint32_t i = 0; i < ndim; i++)
        bits *= piece->count[i];
    return bits;
}

/* Makes a the union of a and b where that is one strided box. */
static bool absorb(struct wfs_sketch *a, const struct wfs_piece *b, bool at_any_distance)
{
    uint32_t axis, n;
    struct outer outer;
    struct wfs_sketch joined;
    struct wfs_piece whole = *b;
    if (!adjacent_axis(a, b, &axis) || !same_but(a, b, axis))
        return false;
    const struct wfs_factor *factors = sketch_factors(a, axis, &n);
    if (!join_outer(factors, n, wfs_piece_factors(b, axis), wfs_piece_n_factors(b, axis),
                    (int64_t)(b->base_bits - a->base_bits),
                    at_any_distance ? 0 : dense_bits(b, a->ndim), &outer))
        return false;

    whole.base_bits = a->base_bits;
    wfs_sketch_begin(&joined, &whole);
    for (uint32_t i = 0; i < a->ndim; i++) {
        if (i != axis) {
            wfs_sketch_copy_axis(&joined, b, i);
            continue;
        }
        wfs_sketch_axis(&joined, a->start[i], a->count[i] + b->count[i]);
        wfs_sketch_factor(&joined, outer.factor.count, outer.factor.stride_bits);
        for (uint32_t f = 0; f < outer.n_inner; f++)
            wfs_sketch_factor(&joined, outer.inner[f].count, outer.inner[f].stride_bits);
    }
    *a = joined;
    return true;
}

/* Goes over the sorted pieces once and puts what can be joined into `merged`. */
static int merge_pass(const struct wfs_draft *draft, const uint32_t *index, bool at_any_distance,
                      struct wfs_draft *merged)
{
    struct wfs_sketch sketch;
    int r = 0;
    for (size_t i = 0; !r && i < draft->n_pieces; i++) {
        struct wfs_piece next = wfs_draft_piece(draft, index[i]);
        if (i > 0 && absorb(&sketch, &next, at_any_distance))
            continue;
        if (i > 0)
            r = wfs_draft_add(merged, &sketch);
        load(&sketch, draft->ndim, &next);
    }
    return r ? r : wfs_draft_add(merged, &sketch);
}

/* Moves a draft. Its arrays may lie inside it, and then the pointers to them must move too. */
static void move_draft(struct wfs_draft *to, struct wfs_draft *from)
{
    wfs_draft_free(to);
    *to = *from;
    if (from->pieces == &from->inline_piece)
        to->pieces = &to->inline_piece;
    if (from->boxes == from->inline_box)
        to->boxes = to->inline_box;
    if (from->firsts == from->inline_first)
        to->firsts = to->inline_first;
    if (from->factors == from->inline_factors)
        to->factors = to->inline_factors;
    wfs_draft_init(from, from->ndim);
}

static bool covers(const struct wfs_draft *draft, uint32_t axis, uint64_t extent)
{
    for (size_t i = 0; i < draft->n_pieces; i++)
        if (wfs_draft_piece(draft, i).count[axis] != extent)
            return false;
    return true;
}

/* Joins what is adjacent on one axis. At any distance only if all of the axis becomes one: a part
 * of it would depend on what was joined first, and equal functions are to look equal. */
static int merge_axis(struct wfs_draft *draft, const uint64_t *shape, uint32_t axis,
                      bool at_any_distance)
{
    struct wfs_draft_order order = {.draft = draft, .axis = axis, .is_last = true};
    struct wfs_draft merged;
    if (covers(draft, axis, shape[axis]))
        return 0;
    uint32_t *index wfs_cleanup(wfs_freep) = wfs_draft_sorted(draft, &order);
    if (!index)
        return -ENOMEM;
    wfs_draft_init(&merged, draft->ndim);
    int r = merge_pass(draft, index, at_any_distance, &merged);
    if (!r && (!at_any_distance || covers(&merged, axis, shape[axis])))
        move_draft(draft, &merged);
    wfs_draft_free(&merged);
    return r;
}

int wfs_draft_merge(struct wfs_draft *draft, const uint64_t *shape)
{
    /* What is joined on one axis may make neighbours on another: a sweep that finds nothing is the
     * last; more than one an axis are not worth their time. */
    for (uint32_t sweep = 0; sweep < draft->ndim; sweep++) {
        size_t before = draft->n_pieces;
        for (uint32_t i = 0; i < 2 * draft->ndim && draft->n_pieces > 1; i++) {
            int r = merge_axis(draft, shape, i % draft->ndim, i >= draft->ndim);
            if (r)
                return r;
        }
        if (draft->n_pieces == before)
            break;
    }
    return 0;
}
