/*
 * heads.c - row orders within attention heads and within the gates of recurrent cells.
 */
#include "rules/operations/heads.h"

#include <string.h>

#include "rules/operations/call.h"
#include "rules/operations/inverting.h"

static const struct wfs_operation rope, unrope;

/* Half-split rows (H, 2, d/2) to interleaved rows (H, d/2, 2) and back, on axis 0. */
static int reorder(struct wfs_op_call *call, bool to_interleaved)
{
    uint64_t heads = 0, shape[WFS_MAX_NDIM];
    uint32_t perm[WFS_MAX_NDIM], ndim = call->in[0]->ndim;
    int r = wfs_op_size(call, 0, &heads);
    if (r)
        return r;
    if (ndim == 0 || ndim + 2 > WFS_MAX_NDIM || heads == 0 || call->in[0]->shape[0] % heads ||
        call->in[0]->shape[0] / heads % 2)
        return wfs_op_error(call->err, call->op,
                            "expected rows that divide into %llu heads of an even size",
                            (unsigned long long)heads);
    uint64_t half = call->in[0]->shape[0] / heads / 2;
    shape[0] = heads;
    shape[1] = to_interleaved ? 2 : half;
    shape[2] = to_interleaved ? half : 2;
    for (uint32_t i = 0; i < ndim + 2; i++)
        perm[i] = i;
    perm[1] = 2;
    perm[2] = 1;
    for (uint32_t i = 1; i < ndim; i++)
        shape[i + 2] = call->in[0]->shape[i];
    const struct wfs_expr *e;
    r = wfs_expr_reshape(call->arena, call->in[0], ndim + 2, shape, &e, call->err);
    if (!r)
        r = wfs_expr_permute(call->arena, e, perm, &e, call->err);
    return r ? r
             : wfs_expr_reshape(call->arena, e, ndim, call->in[0]->shape, &call->ret, call->err);
}

static int apply_rope(struct wfs_op_call *call)
{
    return reorder(call, true);
}

static int invert_rope(struct wfs_inverting *v, struct wfs_op *op)
{
    (void)v;
    op->operation = &unrope;
    return 0;
}

static int apply_unrope(struct wfs_op_call *call)
{
    return reorder(call, false);
}

static int invert_unrope(struct wfs_inverting *v, struct wfs_op *op)
{
    (void)v;
    op->operation = &rope;
    return 0;
}

/* "ifgo>ifog": equal blocks along an axis (default 0) in another order. */
static int apply_gates(struct wfs_op_call *call)
{
    const char *from = call->op->layout, *mid = strchr(from, '>');
    uint32_t n = (uint32_t)(mid - from), axis = 0;
    const struct wfs_expr *parts[WFS_MAX_NDIM];
    int r = call->op->n_args ? wfs_op_axis(call, 0, call->in[0]->ndim, &axis) : 0;
    if (r)
        return r;
    if (call->in[0]->ndim == 0 || call->in[0]->shape[axis] % n)
        return wfs_op_error(call->err, call->op, "axis %u does not divide into %u gates", axis, n);
    uint64_t size = call->in[0]->shape[axis] / n;
    for (uint32_t i = 0; i < n; i++) {
        uint64_t at = (uint64_t)((const char *)memchr(from, mid[1 + i], n) - from);
        r = wfs_expr_slice(call->arena, call->in[0], axis, at * size, (at + 1) * size, 1, &parts[i],
                           call->err);
        if (r)
            return r;
    }
    return wfs_expr_concat(call->arena, n, parts, axis, &call->ret, call->err);
}

static const struct wfs_operation rope = {.name = "rope",
                                          .usage = "rope(heads)",
                                          .min_args = 1,
                                          .max_args = 1,
                                          .apply = apply_rope,
                                          .invert = invert_rope};
static const struct wfs_operation unrope = {.name = "unrope",
                                            .usage = "unrope(heads)",
                                            .min_args = 1,
                                            .max_args = 1,
                                            .apply = apply_unrope,
                                            .invert = invert_unrope};
static const struct wfs_operation gates = {.name = "gates",
                                           .usage = "gates(\"ifgo>ifog\"[, axis])",
                                           .max_args = 1,
                                           .takes_layout = true,
                                           .apply = apply_gates,
                                           .invert = wfs_invert_layout};
const struct wfs_operation *const wfs_heads_operations[] = {&rope, &unrope, &gates, NULL};
