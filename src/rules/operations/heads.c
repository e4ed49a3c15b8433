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

/* The sizes from argument 2 on, of parts that lie beside each other; WFS_MAX_NDIM of them at most. */
static int part_sizes(struct wfs_op_call *call, uint64_t *sizes, uint32_t *ret_n, uint64_t *ret_sum)
{
    uint32_t n = call->op->n_args - 2;
    if (n > WFS_MAX_NDIM)
        return wfs_op_error(call->err, call->op, "more than %d parts", WFS_MAX_NDIM);
    *ret_n = n;
    *ret_sum = 0;
    for (uint32_t i = 0; i < n; i++) {
        int r = wfs_op_size(call, i + 2, &sizes[i]);
        if (!r && !wfs_add_u64(*ret_sum, sizes[i], ret_sum))
            r = wfs_op_error(call->err, call->op, "sizes beyond 64 bits");
        if (r)
            return r;
    }
    return 0;
}

/* An axis of n rows as `before` x `after` rows, or two axes as one. */
static int reshape_axis(struct wfs_op_call *call, const struct wfs_expr **e, uint32_t axis,
                        uint64_t before, uint64_t after, bool merges)
{
    uint64_t shape[WFS_MAX_NDIM + 1];
    const struct wfs_expr *in = *e;
    uint32_t n = 0, taken = merges ? 2 : 1;
    for (uint32_t i = 0; i < axis; i++)
        shape[n++] = in->shape[i];
    shape[n++] = before;
    if (!merges)
        shape[n++] = after;
    for (uint32_t i = axis + taken; i < in->ndim; i++)
        shape[n++] = in->shape[i];
    return wfs_expr_reshape(call->arena, in, n, shape, e, call->err);
}

/* One part of every group: the groups' axis and the part's as one, or the part's rows as the groups
 * that they go back to. */
static int take_part(struct wfs_op_call *call, uint32_t axis, uint64_t groups, uint64_t at,
                     uint64_t size, bool regroups, const struct wfs_expr **e)
{
    uint64_t rows = groups * size;
    int r = wfs_expr_slice(call->arena, *e, regroups ? axis : axis + 1, at,
                           at + (regroups ? rows : size), 1, e, call->err);
    return r ? r : reshape_axis(call, e, axis, regroups ? groups : rows, size, !regroups);
}

/* Rows of each group (part, part, ...) to all first parts, all second ones, ...; or back. */
static int group_rows(struct wfs_op_call *call, bool regroups)
{
    const struct wfs_expr *in = call->in[0], *parts[WFS_MAX_NDIM];
    uint64_t sizes[WFS_MAX_NDIM], sum = 0, groups = 0, at = 0, rows = 0;
    uint32_t axis, n = 0;
    int r = wfs_op_axis(call, 0, in->ndim, &axis);
    if (!r)
        r = wfs_op_size(call, 1, &groups);
    if (!r)
        r = part_sizes(call, sizes, &n, &sum);
    if (r)
        return r;
    if (in->ndim >= WFS_MAX_NDIM || !wfs_mul_u64(groups, sum, &rows) || in->shape[axis] != rows)
        return wfs_op_error(call->err, call->op, "axis %u has size %llu, not %llu groups of %llu",
                            axis, (unsigned long long)in->shape[axis], (unsigned long long)groups,
                            (unsigned long long)sum);
    if (!regroups)
        r = reshape_axis(call, &in, axis, groups, sum, false);
    for (uint32_t i = 0; !r && i < n; i++) {
        parts[i] = in;
        r = take_part(call, axis, groups, at, sizes[i], regroups, &parts[i]);
        at += regroups ? groups * sizes[i] : sizes[i];
    }
    if (!r)
        r = wfs_expr_concat(call->arena, n, parts, regroups ? axis + 1 : axis, &in, call->err);
    if (!r && regroups)
        r = reshape_axis(call, &in, axis, rows, 0, true);
    call->ret = in;
    return r;
}

static int apply_ungroup(struct wfs_op_call *call)
{
    return group_rows(call, false);
}

static int apply_group(struct wfs_op_call *call)
{
    return group_rows(call, true);
}

static const struct wfs_operation ungroup, group;

static int invert_ungroup(struct wfs_inverting *v, struct wfs_op *op)
{
    (void)v;
    op->operation = &group;
    return 0;
}

static int invert_group(struct wfs_inverting *v, struct wfs_op *op)
{
    (void)v;
    op->operation = &ungroup;
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
static const struct wfs_operation ungroup = {.name = "ungroup",
                                             .usage = "ungroup(axis, groups, size, ...)",
                                             .min_args = 3,
                                             .max_args = WFS_OP_MAX_ARGS,
                                             .apply = apply_ungroup,
                                             .invert = invert_ungroup};
static const struct wfs_operation group = {.name = "group",
                                           .usage = "group(axis, groups, size, ...)",
                                           .min_args = 3,
                                           .max_args = WFS_OP_MAX_ARGS,
                                           .apply = apply_group,
                                           .invert = invert_group};
const struct wfs_operation *const wfs_heads_operations[] = {&rope,    &unrope, &gates,
                                                            &ungroup, &group,  NULL};
