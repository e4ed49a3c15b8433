/*
 * merge.c - joining neighbouring pieces that are one strided box of one source: what was split and
 * is put together again, and layers that lie at equal distances in their file.
 */
#include <stdlib.h>

#include "tensor/expr.h"

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

/* The outermost factor after b's steps follow a's, distance apart; false where they do not. */
static bool join_outer(const struct wfs_factor *a, uint32_t a_n, const struct wfs_factor *b,
                       uint32_t b_n, int64_t distance, struct wfs_factor *ret_outer,
                       uint32_t *ret_n_inner)
{
    const struct wfs_factor one = {1, distance};
    struct wfs_factor a_outer = one, b_outer = one;
    if (a_n == b_n && a_n > 0 && a[0].stride_bits == b[0].stride_bits &&
        distance == a[0].stride_bits * (int64_t)a[0].count) {
        a_outer = *a++;
        b_outer = *b++;
        a_n--, b_n--;
    } else if (a_n == b_n + 1 && distance == a[0].stride_bits * (int64_t)a[0].count) {
        a_outer = *a++;
        a_n--;
        b_outer.stride_bits = a_outer.stride_bits;
    } else if (b_n == a_n + 1 && distance == b[0].stride_bits) {
        b_outer = *b++;
        b_n--;
    }
    if (!same_factors(a, a_n, b, b_n))
        return false;
    *ret_outer = (struct wfs_factor){a_outer.count + b_outer.count, b_outer.stride_bits};
    *ret_n_inner = a_n;
    return true;
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

/* Makes a the union of a and b where that is one strided box. */
static bool absorb(struct wfs_sketch *a, const struct wfs_piece *b)
{
    uint32_t axis, a_n, n_inner;
    struct wfs_factor outer;
    struct wfs_sketch joined;
    if (a->bytes != b->bytes || a->dtype != b->dtype ||
        !wfs_ops_equal(a->n_ops, a->ops, b->n_ops, b->ops) || !adjacent_axis(a, b, &axis))
        return false;
    for (uint32_t i = 0; i < a->ndim; i++) {
        const struct wfs_factor *factors = sketch_factors(a, i, &a_n);
        if (i != axis &&
            !same_factors(factors, a_n, wfs_piece_factors(b, i), wfs_piece_n_factors(b, i)))
            return false;
    }
    const struct wfs_factor *factors = sketch_factors(a, axis, &a_n);
    uint32_t b_n = wfs_piece_n_factors(b, axis);
    if (!join_outer(factors, a_n, wfs_piece_factors(b, axis), b_n,
                    (int64_t)(b->base_bits - a->base_bits), &outer, &n_inner))
        return false;

    struct wfs_piece whole = *b;
    whole.base_bits = a->base_bits;
    wfs_sketch_begin(&joined, &whole);
    for (uint32_t i = 0; i < a->ndim; i++) {
        if (i != axis) {
            wfs_sketch_copy_axis(&joined, b, i);
            continue;
        }
        wfs_sketch_axis(&joined, a->start[i], a->count[i] + b->count[i]);
        wfs_sketch_factor(&joined, outer.count, outer.stride_bits);
        for (uint32_t f = a_n - n_inner; f < a_n; f++)
            wfs_sketch_factor(&joined, factors[f].count, factors[f].stride_bits);
    }
    *a = joined;
    return true;
}

/* One pass over the sorted pieces into `merged`. */
static int merge_pass(const struct wfs_draft *draft, const uint32_t *index,
                      struct wfs_draft *merged)
{
    struct wfs_sketch sketch;
    int r = 0;
    for (size_t i = 0; !r && i < draft->n_pieces; i++) {
        struct wfs_piece next = wfs_draft_piece(draft, index[i]);
        if (i > 0 && absorb(&sketch, &next))
            continue;
        if (i > 0)
            r = wfs_draft_add(merged, &sketch);
        load(&sketch, draft->ndim, &next);
    }
    return r ? r : wfs_draft_add(merged, &sketch);
}

/* A draft's arrays may lie inside it: moving it mends the pointers. */
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

int wfs_draft_merge(struct wfs_draft *draft, const uint64_t *shape)
{
    /* Each pass may make neighbours for another axis; a pass that finds nothing is the last. */
    for (uint32_t pass = 0; pass < draft->ndim && draft->n_pieces > 1; pass++) {
        size_t before = draft->n_pieces;
        struct wfs_draft_order order = wfs_draft_order(draft, shape);
        uint32_t *index wfs_cleanup(wfs_freep) = wfs_draft_sorted(draft, &order);
        struct wfs_draft merged;
        if (!index)
            return -ENOMEM;
        wfs_draft_init(&merged, draft->ndim);
        int r = merge_pass(draft, index, &merged);
        if (r) {
            wfs_draft_free(&merged);
            return r;
        }
        move_draft(draft, &merged);
        if (draft->n_pieces == before)
            break;
    }
    return 0;
}
