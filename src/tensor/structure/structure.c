/*
 * structure.c - operations that change each piece on its own and keep their number: permute, flip,
 * squeeze, repeat, bitcast, and the chaining of element operations.
 */
#include "tensor/structure/structure.h"

#include <string.h>

#include "tensor/convert/elem.h"
#include "tensor/expr/draft.h"
#include "tensor/expr/nested.h"

int wfs_check_layout(const char *op, const struct wfs_expr *in, struct wfs_error *err)
{
    if (!wfs_dtype_is_block(in->dtype))
        return 0;
    return wfs_error_set(err, ENOTSUP, "%s: a tensor of %s blocks has no other layout", op,
                         wfs_dtype_info(in->dtype)->name);
}

int wfs_check_axis(const char *op, const struct wfs_expr *in, uint32_t axis, struct wfs_error *err)
{
    if (axis < in->ndim)
        return wfs_check_layout(op, in, err);
    return wfs_error_set(err, EINVAL, "%s: axis %u of a tensor of %u axes", op, axis, in->ndim);
}

/* Draws piece -> sketch, axis by axis, for every piece of `in`. */
typedef void (*redraw_fn)(const struct wfs_expr *in, const struct wfs_piece *piece, const void *arg,
                          struct wfs_sketch *sketch);

static int redraw(struct wfs_arena *arena, const struct wfs_expr *in, enum wfs_dtype dtype,
                  uint32_t ndim, const uint64_t *shape, redraw_fn fn, const void *arg,
                  const struct wfs_expr **ret, struct wfs_error *err)
{
    struct wfs_draft draft;
    struct wfs_sketch sketch;
    wfs_draft_init(&draft, ndim);
    for (uint32_t i = 0; i < in->n_pieces; i++) {
        wfs_sketch_begin(&sketch, &in->pieces[i]);
        fn(in, &in->pieces[i], arg, &sketch);
        if (wfs_draft_add(&draft, &sketch)) {
            wfs_draft_free(&draft);
            return wfs_error_nomem(err, "a tensor expression");
        }
    }
    return wfs_draft_finish(&draft, arena, dtype, shape, ret, err);
}

/* ---- permute ------------------------------------------------------------------------------- */

static void draw_permuted(const struct wfs_expr *in, const struct wfs_piece *piece, const void *arg,
                          struct wfs_sketch *sketch)
{
    const uint32_t *perm = arg;
    for (uint32_t i = 0; i < in->ndim; i++)
        wfs_sketch_copy_axis(sketch, piece, perm[i]);
}

int wfs_expr_permute(struct wfs_arena *arena, const struct wfs_expr *in, const uint32_t *perm,
                     const struct wfs_expr **ret, struct wfs_error *err)
{
    uint64_t shape[WFS_MAX_NDIM], seen = 0;
    for (uint32_t i = 0; i < in->ndim; i++) {
        int r = wfs_check_axis("permute", in, perm[i], err);
        if (r)
            return r;
        if (seen >> perm[i] & 1)
            return wfs_error_set(err, EINVAL, "permute: axis %u stands twice", perm[i]);
        seen |= UINT64_C(1) << perm[i];
        shape[i] = in->shape[perm[i]];
    }
    return redraw(arena, in, in->dtype, in->ndim, shape, draw_permuted, perm, ret, err);
}

int wfs_expr_reverse_axes(struct wfs_arena *arena, const struct wfs_expr *in,
                          const struct wfs_expr **ret, struct wfs_error *err)
{
    uint32_t perm[WFS_MAX_NDIM];
    for (uint32_t i = 0; i < in->ndim; i++)
        perm[i] = in->ndim - 1 - i;
    return wfs_expr_permute(arena, in, perm, ret, err);
}

/* ---- flip ---------------------------------------------------------------------------------- */

static void draw_flipped(const struct wfs_expr *in, const struct wfs_piece *piece, const void *arg,
                         struct wfs_sketch *sketch)
{
    uint32_t axis = *(const uint32_t *)arg;
    for (uint32_t i = 0; i < in->ndim; i++) {
        if (i != axis) {
            wfs_sketch_copy_axis(sketch, piece, i);
            continue;
        }
        const struct wfs_factor *factors = wfs_piece_factors(piece, i);
        wfs_sketch_axis(sketch, in->shape[i] - piece->start[i] - piece->count[i], piece->count[i]);
        for (uint32_t f = 0; f < wfs_piece_n_factors(piece, i); f++) {
            sketch->base_bits += (factors[f].count - 1) * (uint64_t)factors[f].stride_bits;
            wfs_sketch_factor(sketch, factors[f].count, -factors[f].stride_bits);
        }
    }
}

int wfs_expr_flip(struct wfs_arena *arena, const struct wfs_expr *in, uint32_t axis,
                  const struct wfs_expr **ret, struct wfs_error *err)
{
    int r = wfs_check_axis("flip", in, axis, err);
    if (r)
        return r;
    return redraw(arena, in, in->dtype, in->ndim, in->shape, draw_flipped, &axis, ret, err);
}

/* ---- squeeze and unsqueeze ----------------------------------------------------------------- */

struct keep {
    uint32_t n;
    uint32_t axes[WFS_MAX_NDIM];
};

static void draw_kept(const struct wfs_expr *in, const struct wfs_piece *piece, const void *arg,
                      struct wfs_sketch *sketch)
{
    const struct keep *keep = arg;
    (void)in;
    for (uint32_t i = 0; i < keep->n; i++)
        wfs_sketch_copy_axis(sketch, piece, keep->axes[i]);
}

static int keep_axes(struct wfs_arena *arena, const struct wfs_expr *in, const struct keep *keep,
                     const struct wfs_expr **ret, struct wfs_error *err)
{
    uint64_t shape[WFS_MAX_NDIM];
    for (uint32_t i = 0; i < keep->n; i++)
        shape[i] = in->shape[keep->axes[i]];
    int r = wfs_check_layout("squeeze", in, err);
    if (r)
        return r;
    return redraw(arena, in, in->dtype, keep->n, shape, draw_kept, keep, ret, err);
}

int wfs_expr_squeeze_all(struct wfs_arena *arena, const struct wfs_expr *in,
                         const struct wfs_expr **ret, struct wfs_error *err)
{
    struct keep keep = {0};
    for (uint32_t i = 0; i < in->ndim; i++)
        if (in->shape[i] != 1)
            keep.axes[keep.n++] = i;
    return keep_axes(arena, in, &keep, ret, err);
}

int wfs_expr_squeeze(struct wfs_arena *arena, const struct wfs_expr *in, uint32_t axis,
                     const struct wfs_expr **ret, struct wfs_error *err)
{
    struct keep keep = {0};
    int r = wfs_check_axis("squeeze", in, axis, err);
    if (r)
        return r;
    if (in->shape[axis] != 1)
        return wfs_error_set(err, EINVAL, "squeeze: axis %u has size %llu, not 1", axis,
                             (unsigned long long)in->shape[axis]);
    for (uint32_t i = 0; i < in->ndim; i++)
        if (i != axis)
            keep.axes[keep.n++] = i;
    return keep_axes(arena, in, &keep, ret, err);
}

static void draw_unsqueezed(const struct wfs_expr *in, const struct wfs_piece *piece,
                            const void *arg, struct wfs_sketch *sketch)
{
    uint32_t axis = *(const uint32_t *)arg;
    for (uint32_t i = 0; i <= in->ndim; i++) {
        if (i == axis)
            wfs_sketch_axis(sketch, 0, 1);
        if (i < in->ndim)
            wfs_sketch_copy_axis(sketch, piece, i);
    }
}

int wfs_expr_unsqueeze(struct wfs_arena *arena, const struct wfs_expr *in, uint32_t axis,
                       const struct wfs_expr **ret, struct wfs_error *err)
{
    uint64_t shape[WFS_MAX_NDIM];
    if (axis > in->ndim)
        return wfs_error_set(err, EINVAL, "unsqueeze: axis %u of a tensor of %u axes", axis,
                             in->ndim);
    if (in->ndim == WFS_MAX_NDIM)
        return wfs_error_set(err, EINVAL, "unsqueeze: more than %d axes", WFS_MAX_NDIM);
    int r = wfs_check_layout("unsqueeze", in, err);
    if (r)
        return r;
    for (uint32_t i = 0; i <= in->ndim; i++)
        shape[i] = i < axis ? in->shape[i] : i == axis ? 1 : in->shape[i - 1];
    return redraw(arena, in, in->dtype, in->ndim + 1, shape, draw_unsqueezed, &axis, ret, err);
}

/* ---- repeat -------------------------------------------------------------------------------- */

struct repeat {
    uint32_t axis;
    uint64_t n;
};

/* Each index n times: an inner factor that stands still. */
static void draw_repeated(const struct wfs_expr *in, const struct wfs_piece *piece, const void *arg,
                          struct wfs_sketch *sketch)
{
    const struct repeat *repeat = arg;
    for (uint32_t i = 0; i < in->ndim; i++) {
        uint64_t n = i == repeat->axis ? repeat->n : 1;
        wfs_sketch_axis(sketch, piece->start[i] * n, piece->count[i] * n);
        wfs_sketch_factors(sketch, piece, i);
        wfs_sketch_factor(sketch, n, 0);
    }
}

int wfs_expr_repeat(struct wfs_arena *arena, const struct wfs_expr *in, uint32_t axis, uint64_t n,
                    const struct wfs_expr **ret, struct wfs_error *err)
{
    const struct repeat repeat = {axis, n};
    uint64_t shape[WFS_MAX_NDIM], n_elems, size_bytes;
    int r = wfs_check_axis("repeat", in, axis, err);
    if (r)
        return r;
    memcpy(shape, in->shape, in->ndim * sizeof(*shape));
    if (!wfs_mul_u64(shape[axis], n, &shape[axis]))
        return wfs_error_set(err, EOVERFLOW, "repeat: axis %u overflows 64 bits", axis);
    if (n == 0 || in->n_elems == 0) {
        const struct wfs_expr none = {.dtype = in->dtype, .ndim = in->ndim, .shape = in->shape};
        return redraw(arena, &none, in->dtype, in->ndim, shape, draw_repeated, &repeat, ret, err);
    }
    r = wfs_shape_size(in->dtype, in->ndim, shape, &n_elems, &size_bytes, err);
    if (r)
        return r;
    return redraw(arena, in, in->dtype, in->ndim, shape, draw_repeated, &repeat, ret, err);
}

/* ---- bitcast ------------------------------------------------------------------------------- */

static void draw_bitcast(const struct wfs_expr *in, const struct wfs_piece *piece, const void *arg,
                         struct wfs_sketch *sketch)
{
    sketch->dtype = *(const enum wfs_dtype *)arg;
    for (uint32_t i = 0; i < in->ndim; i++)
        wfs_sketch_copy_axis(sketch, piece, i);
}

int wfs_expr_bitcast(struct wfs_arena *arena, const struct wfs_expr *in, enum wfs_dtype dtype,
                     const struct wfs_expr **ret, struct wfs_error *err)
{
    int r = wfs_check_layout("bitcast", in, err);
    if (r)
        return r;
    if (wfs_dtype_is_block(dtype) || wfs_dtype_bits(in->dtype) != wfs_dtype_bits(dtype))
        return wfs_error_set(err, EINVAL, "bitcast: %s and %s have different widths",
                             wfs_dtype_info(in->dtype)->name, wfs_dtype_info(dtype)->name);
    /* Computed values have the computation's type, so they are nested and read again as bytes. */
    for (uint32_t i = 0; i < in->n_pieces; i++)
        if (in->pieces[i].n_ops > 0)
            return wfs_expr_nest(arena, in, in->ndim, in->shape, dtype, ret, err);
    return redraw(arena, in, dtype, in->ndim, in->shape, draw_bitcast, &dtype, ret, err);
}

/* ---- element operations -------------------------------------------------------------------- */

static bool undoes_itself(enum wfs_elem_op_kind kind)
{
    return kind == WFS_ELEM_NEG || kind == WFS_ELEM_CONJ || kind == WFS_ELEM_BYTESWAP;
}

/* ops + op into *ret. Twice negated is as it was. */
static int chain(struct wfs_arena *arena, uint32_t n, const struct wfs_elem_op *ops,
                 const struct wfs_elem_op *op, uint32_t *ret_n, const struct wfs_elem_op **ret)
{
    if (n > 0 && undoes_itself(op->kind) && ops[n - 1].kind == op->kind &&
        ops[n - 1].dtype == op->dtype) {
        *ret_n = n - 1;
        *ret = ops;
        return 0;
    }
    struct wfs_elem_op *all = wfs_arena_array(arena, (size_t)n + 1, sizeof(*all));
    if (!all)
        return -ENOMEM;
    if (n > 0)
        memcpy(all, ops, n * sizeof(*all));
    all[n] = (struct wfs_elem_op){
        .kind = op->kind,
        .dtype = op->dtype,
        .value = op->kind == WFS_ELEM_SCALE || op->kind == WFS_ELEM_ADD ? op->value : 0};
    *ret_n = n + 1;
    *ret = all;
    return 0;
}

/* The neighbours' chains are mostly one and the same: they share its extension too. */
struct chained {
    const struct wfs_elem_op *old_ops, *new_ops;
    uint32_t old_n, new_n;
};

static int add_chained(struct wfs_arena *arena, struct wfs_draft *draft, const struct wfs_expr *in,
                       uint32_t i, const struct wfs_elem_op *op, struct chained *last)
{
    const struct wfs_piece *piece = &in->pieces[i];
    struct wfs_sketch sketch;
    if (i == 0 || piece->n_ops != last->old_n || piece->ops != last->old_ops) {
        last->old_n = piece->n_ops;
        last->old_ops = piece->ops;
        int r = chain(arena, piece->n_ops, piece->ops, op, &last->new_n, &last->new_ops);
        if (r)
            return r;
    }
    wfs_sketch_begin(&sketch, piece);
    sketch.n_ops = last->new_n;
    sketch.ops = last->new_ops;
    for (uint32_t axis = 0; axis < in->ndim; axis++)
        wfs_sketch_copy_axis(&sketch, piece, axis);
    return wfs_draft_add(draft, &sketch);
}

int wfs_expr_elementwise(struct wfs_arena *arena, const struct wfs_expr *in,
                         const struct wfs_elem_op *op, const struct wfs_expr **ret,
                         struct wfs_error *err)
{
    const uint64_t zero[2] = {0, 0};
    uint64_t out[2];
    struct wfs_draft draft;
    struct chained last = {0};
    int r = wfs_check_layout("an operation on values", in, err);
    if (!r && wfs_dtype_is_block(op->dtype))
        r = wfs_error_set(err, ENOTSUP, "cast: to %s blocks", wfs_dtype_info(op->dtype)->name);
    /* The operation is tried on one element, so that one that has no meaning for the type fails
     * here and not in a read. */
    if (!r)
        r = wfs_elem_apply(in->dtype, op, zero, out, 1, err);
    if (r)
        return r;
    if (op->kind == WFS_ELEM_CAST && op->dtype == in->dtype) {
        *ret = in;
        return 0;
    }
    wfs_draft_init(&draft, in->ndim);
    for (uint32_t i = 0; i < in->n_pieces; i++) {
        if (add_chained(arena, &draft, in, i, op, &last)) {
            wfs_draft_free(&draft);
            return wfs_error_nomem(err, "a tensor expression");
        }
    }
    return wfs_draft_finish(&draft, arena, op->dtype, in->shape, ret, err);
}
