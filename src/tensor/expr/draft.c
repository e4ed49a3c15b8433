/*
 * draft.c - pieces while an operation makes them, and the layout of the finished expression.
 */
#include "tensor/expr/draft.h"

#include <stdlib.h>
#include <string.h>

void wfs_draft_init(struct wfs_draft *draft, uint32_t ndim)
{
    bool small = ndim <= WFS_DRAFT_INLINE_NDIM;
    draft->ndim = ndim;
    draft->n_pieces = draft->n_factors = 0;
    draft->cap_pieces = 1;
    draft->pieces = &draft->inline_piece;
    draft->cap_boxes = small ? 2 * WFS_DRAFT_INLINE_NDIM : 0;
    draft->boxes = draft->inline_box;
    draft->cap_firsts = small ? WFS_DRAFT_INLINE_NDIM + 1 : 0;
    draft->firsts = draft->inline_first;
    draft->cap_factors = WFS_DRAFT_INLINE_FACTORS;
    draft->factors = draft->inline_factors;
}

void wfs_draft_free(struct wfs_draft *draft)
{
    if (draft->pieces != &draft->inline_piece)
        free(draft->pieces);
    if (draft->boxes != draft->inline_box)
        free(draft->boxes);
    if (draft->firsts != draft->inline_first)
        free(draft->firsts);
    if (draft->factors != draft->inline_factors)
        free(draft->factors);
    wfs_draft_init(draft, draft->ndim);
}

/* Grows an array that starts inside the draft. The pointers have different types: hence memcpy. */
static int grow(void *array_pp, const void *inline_array, size_t *cap, size_t used, size_t need,
                size_t elem_bytes)
{
    void *old;
    if (need <= *cap)
        return 0;
    memcpy(&old, array_pp, sizeof(old));
    size_t new_cap = need > 2 * *cap ? need : 2 * *cap, size_bytes;
    if (!wfs_mul_size(new_cap, elem_bytes, &size_bytes))
        return -ENOMEM;
    void *grown = old == inline_array ? malloc(size_bytes) : realloc(old, size_bytes);
    if (!grown)
        return -ENOMEM;
    if (old == inline_array)
        memcpy(grown, old, used * elem_bytes);
    memcpy(array_pp, &grown, sizeof(grown));
    *cap = new_cap;
    return 0;
}

static int make_room(struct wfs_draft *draft, size_t n_more_factors)
{
    size_t n = draft->n_pieces, box = 2 * (size_t)draft->ndim, first = (size_t)draft->ndim + 1;
    if (grow(&draft->pieces, &draft->inline_piece, &draft->cap_pieces, n, n + 1,
             sizeof(*draft->pieces)) ||
        grow(&draft->boxes, draft->inline_box, &draft->cap_boxes, n * box, (n + 1) * box,
             sizeof(*draft->boxes)) ||
        grow(&draft->firsts, draft->inline_first, &draft->cap_firsts, n * first, (n + 1) * first,
             sizeof(*draft->firsts)) ||
        grow(&draft->factors, draft->inline_factors, &draft->cap_factors, draft->n_factors,
             draft->n_factors + n_more_factors, sizeof(*draft->factors)))
        return -ENOMEM;
    return 0;
}

int wfs_draft_add(struct wfs_draft *draft, const struct wfs_sketch *sketch)
{
    uint32_t ndim = draft->ndim, n_factors = sketch->first_factor[ndim];
    if (draft->n_pieces == WFS_EXPR_MAX_PIECES)
        return -E2BIG;
    if (make_room(draft, n_factors))
        return -ENOMEM;
    size_t i = draft->n_pieces++;
    uint64_t *box = draft->boxes + i * 2 * ndim;
    draft->pieces[i] = (struct wfs_draft_entry){.bytes = sketch->bytes,
                                                .base_bits = sketch->base_bits,
                                                .ops = sketch->ops,
                                                .dtype = sketch->dtype,
                                                .n_ops = sketch->n_ops,
                                                .factors_at = draft->n_factors};
    memcpy(box, sketch->start, ndim * sizeof(*box));
    memcpy(box + ndim, sketch->count, ndim * sizeof(*box));
    memcpy(draft->firsts + i * (ndim + 1), sketch->first_factor,
           (ndim + 1) * sizeof(*draft->firsts));
    memcpy(draft->factors + draft->n_factors, sketch->factors, n_factors * sizeof(*draft->factors));
    draft->n_factors += n_factors;
    return 0;
}

struct wfs_piece wfs_draft_piece(const struct wfs_draft *draft, size_t i)
{
    const struct wfs_draft_entry *p = &draft->pieces[i];
    const uint64_t *box = draft->boxes + i * 2 * draft->ndim;
    return (struct wfs_piece){.bytes = p->bytes,
                              .base_bits = p->base_bits,
                              .dtype = p->dtype,
                              .n_ops = p->n_ops,
                              .ops = p->ops,
                              .start = box,
                              .count = box + draft->ndim,
                              .first_factor = draft->firsts + i * (draft->ndim + 1),
                              .factors = draft->factors + p->factors_at};
}

/* ---- order --------------------------------------------------------------------------------- */

struct wfs_draft_order wfs_draft_order(const struct wfs_draft *draft, const uint64_t *shape)
{
    struct wfs_draft_order best = {
        .draft = draft, .axis = 0, .max_count = draft->ndim ? shape[0] : 1};
    uint64_t best_ratio = 0;
    for (uint32_t axis = 0; axis < draft->ndim; axis++) {
        uint64_t max = 0;
        for (size_t i = 0; i < draft->n_pieces; i++)
            max = wfs_max_u64(max, draft->boxes[i * 2 * draft->ndim + draft->ndim + axis]);
        if (max > 0 && shape[axis] / max > best_ratio) {
            best_ratio = shape[axis] / max;
            best.axis = axis;
            best.max_count = max;
        }
    }
    return best;
}

static int compare_pieces(const void *a_index, const void *b_index, void *arg)
{
    const struct wfs_draft_order *order = arg;
    uint32_t ndim = order->draft->ndim;
    const uint64_t *a = order->draft->boxes + *(const uint32_t *)a_index * 2 * (size_t)ndim;
    const uint64_t *b = order->draft->boxes + *(const uint32_t *)b_index * 2 * (size_t)ndim;
    if (!order->is_last && a[order->axis] != b[order->axis])
        return a[order->axis] < b[order->axis] ? -1 : 1;
    for (uint32_t i = 0; i < ndim; i++)
        if (i != order->axis && a[i] != b[i])
            return a[i] < b[i] ? -1 : 1;
    return a[order->axis] < b[order->axis] ? -1 : a[order->axis] > b[order->axis];
}

uint32_t *wfs_draft_sorted(const struct wfs_draft *draft, struct wfs_draft_order *order)
{
    uint32_t *index = malloc(draft->n_pieces * sizeof(*index));
    bool in_order = true;
    for (uint32_t i = 0; index && i < draft->n_pieces; i++) {
        index[i] = i;
        in_order = in_order && (i == 0 || compare_pieces(&index[i - 1], &index[i], order) <= 0);
    }
    if (index && !in_order)
        qsort_r(index, draft->n_pieces, sizeof(*index), compare_pieces, order);
    return index;
}

/* ---- layout -------------------------------------------------------------------------------- */

static const uint64_t no_start[WFS_MAX_NDIM];

/* Zero axes first: they hide the overflow of the others (a view of an empty tensor is empty). */
static int size_of(enum wfs_dtype dtype, uint32_t ndim, const uint64_t *shape,
                   struct wfs_expr *expr, struct wfs_error *err)
{
    expr->dtype = dtype;
    expr->ndim = ndim;
    expr->n_elems = expr->size_bytes = 0;
    for (uint32_t i = 0; i < ndim; i++)
        if (shape[i] == 0)
            return 0;
    return wfs_shape_size(dtype, ndim, shape, &expr->n_elems, &expr->size_bytes, err);
}

/* How the one allocation is cut: the expression, pieces, shape, boxes, factors, factor indices. */
struct layout {
    struct wfs_expr *expr;
    struct wfs_piece *pieces;
    uint64_t *shape, *boxes;
    struct wfs_factor *factors;
    uint32_t *firsts;
};

static int lay_out(struct wfs_arena *arena, const struct wfs_draft *draft, bool own_boxes,
                   struct layout *ret, struct wfs_error *err)
{
    size_t n = draft->n_pieces, ndim = draft->ndim, n_boxes = own_boxes ? 2 * n * ndim : 0;
    size_t size = sizeof(*ret->expr) + n * sizeof(*ret->pieces) +
                  (ndim + n_boxes) * sizeof(uint64_t) + draft->n_factors * sizeof(*ret->factors) +
                  n * (ndim + 1) * sizeof(uint32_t);
    char *at = wfs_arena_alloc(arena, size);
    if (!at)
        return wfs_error_nomem(err, "a tensor expression");
    ret->expr = (struct wfs_expr *)(void *)at;
    ret->pieces = (struct wfs_piece *)(void *)(ret->expr + 1);
    ret->shape = (uint64_t *)(void *)(ret->pieces + n);
    ret->boxes = ret->shape + ndim;
    ret->factors = (struct wfs_factor *)(void *)(ret->boxes + n_boxes);
    ret->firsts = (uint32_t *)(void *)(ret->factors + draft->n_factors);
    return 0;
}

/* Copies the i-th piece behind what the layout holds so far. */
static void place(struct layout *at, const struct wfs_draft *draft, size_t i, bool own_boxes,
                  struct wfs_piece *ret)
{
    struct wfs_piece piece = wfs_draft_piece(draft, i);
    uint32_t ndim = draft->ndim, n_factors = piece.first_factor[ndim];
    memcpy(at->factors, piece.factors, n_factors * sizeof(*at->factors));
    memcpy(at->firsts, piece.first_factor, (ndim + 1) * sizeof(*at->firsts));
    piece.factors = at->factors;
    piece.first_factor = at->firsts;
    if (own_boxes) {
        memcpy(at->boxes, piece.start, 2 * ndim * sizeof(*at->boxes));
        piece.start = at->boxes;
        piece.count = at->boxes + ndim;
        at->boxes += 2 * ndim;
    } else {
        piece.start = no_start;
        piece.count = at->shape;
    }
    at->factors += n_factors;
    at->firsts += ndim + 1;
    *ret = piece;
}

static int build(struct wfs_draft *draft, struct wfs_arena *arena, enum wfs_dtype dtype,
                 const uint64_t *shape, const struct wfs_expr **ret, struct wfs_error *err)
{
    struct wfs_expr head = {.sort_max_count = draft->ndim ? shape[0] : 1};
    struct layout at;
    uint32_t *index wfs_cleanup(wfs_freep) = NULL;
    int r = size_of(dtype, draft->ndim, shape, &head, err);
    if (r)
        return r;
    if (draft->n_pieces > 1) {
        struct wfs_draft_order order = wfs_draft_order(draft, shape);
        head.sort_axis = order.axis;
        head.sort_max_count = order.max_count;
        index = wfs_draft_sorted(draft, &order);
        if (!index)
            return wfs_error_nomem(err, "the pieces of a tensor");
    }
    bool own_boxes = draft->n_pieces > 1; /* the one piece covers the whole shape */
    r = lay_out(arena, draft, own_boxes, &at, err);
    if (r)
        return r;
    head.n_pieces = (uint32_t)draft->n_pieces;
    head.pieces = at.pieces;
    head.shape = at.shape;
    *at.expr = head;
    if (draft->ndim > 0)
        memcpy(at.shape, shape, draft->ndim * sizeof(*shape));
    for (size_t i = 0; i < draft->n_pieces; i++)
        place(&at, draft, index ? index[i] : i, own_boxes, &at.pieces[i]);
    *ret = at.expr;
    return 0;
}

int wfs_draft_finish(struct wfs_draft *draft, struct wfs_arena *arena, enum wfs_dtype dtype,
                     const uint64_t *shape, const struct wfs_expr **ret, struct wfs_error *err)
{
    int r = build(draft, arena, dtype, shape, ret, err);
    wfs_draft_free(draft);
    return r;
}
