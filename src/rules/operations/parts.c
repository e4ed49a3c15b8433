/*
 * parts.c - operations that take a part of a tensor, or repeat it along an axis.
 */
#include "rules/operations/parts.h"

#include "rules/operations/call.h"
#include "rules/operations/inverting.h"

static const struct wfs_operation slice, part;

static int apply_slice(struct wfs_op_call *call)
{
    uint32_t axis;
    uint64_t start = 0, stop = 0, step = 1;
    int r = wfs_op_axis(call, 0, call->in[0]->ndim, &axis);
    if (!r)
        r = wfs_op_size(call, 1, &start);
    if (!r)
        r = wfs_op_size(call, 2, &stop);
    if (!r && call->op->n_args > 3)
        r = wfs_op_size(call, 3, &step);
    return r ? r
             : wfs_expr_slice(call->arena, call->in[0], axis, start, stop, step, &call->ret,
                              call->err);
}

static int apply_part(struct wfs_op_call *call)
{
    uint32_t axis;
    uint64_t i = 0, n = 0;
    int r = wfs_op_axis(call, 0, call->in[0]->ndim, &axis);
    if (!r)
        r = wfs_op_size(call, 1, &i);
    if (!r)
        r = wfs_op_size(call, 2, &n);
    if (r)
        return r;
    uint64_t size = call->in[0]->shape[axis];
    if (n == 0 || i >= n || size % n)
        return wfs_op_error(call->err, call->op, "axis %u of size %llu has no part %llu of %llu",
                            axis, (unsigned long long)size, (unsigned long long)i,
                            (unsigned long long)n);
    return wfs_expr_slice(call->arena, call->in[0], axis, size / n * i, size / n * (i + 1), 1,
                          &call->ret, call->err);
}

static int apply_pad(struct wfs_op_call *call)
{
    uint32_t axis;
    uint64_t before = 0, after = 0;
    double value = 0;
    int r = wfs_op_axis(call, 0, call->in[0]->ndim, &axis);
    if (!r)
        r = wfs_op_size(call, 1, &before);
    if (!r)
        r = wfs_op_size(call, 2, &after);
    if (!r && call->op->n_args > 3)
        r = call->real(call->scope, call->op->args[3], &value);
    return r ? r
             : wfs_expr_pad(call->arena, call->in[0], axis, before, after, value, &call->ret,
                            call->err);
}

/* slice(axis, before, shape[axis] - after) */
static int invert_pad(struct wfs_inverting *v, struct wfs_op *op)
{
    const struct wfs_vexpr *const *a = op->args;
    const struct wfs_vexpr *stop =
        wfs_invert_binary(v, op, WFS_BIN_SUB, wfs_invert_shape(v, op, a[0]), a[2]);
    const struct wfs_vexpr *args[] = {a[0], a[1], stop};
    op->operation = &slice;
    return wfs_invert_args(v, op, args, 3);
}

static int apply_tile(struct wfs_op_call *call)
{
    uint32_t axis;
    uint64_t n = 0;
    int r = wfs_op_axis(call, 0, call->in[0]->ndim, &axis);
    if (!r)
        r = wfs_op_size(call, 1, &n);
    return r ? r : wfs_expr_tile(call->arena, call->in[0], axis, n, &call->ret, call->err);
}

/* The first of the copies. */
static int invert_tile(struct wfs_inverting *v, struct wfs_op *op)
{
    const struct wfs_vexpr *part_args[] = {op->args[0], wfs_invert_int(v, op, 0), op->args[1]};
    op->operation = &part;
    return wfs_invert_args(v, op, part_args, 3);
}

static int apply_repeat(struct wfs_op_call *call)
{
    uint32_t axis;
    uint64_t n = 0;
    int r = wfs_op_axis(call, 0, call->in[0]->ndim, &axis);
    if (!r)
        r = wfs_op_size(call, 1, &n);
    return r ? r : wfs_expr_repeat(call->arena, call->in[0], axis, n, &call->ret, call->err);
}

/* Every n-th step of the axis. */
static int invert_repeat(struct wfs_inverting *v, struct wfs_op *op)
{
    const struct wfs_vexpr *const *a = op->args;
    const struct wfs_vexpr *steps[] = {a[0], wfs_invert_int(v, op, 0),
                                       wfs_invert_shape(v, op, a[0]), a[1]};
    op->operation = &slice;
    return wfs_invert_args(v, op, steps, 4);
}

static const struct wfs_operation slice = {.name = "slice",
                                           .usage = "slice(axis, start, stop[, step])",
                                           .min_args = 3,
                                           .max_args = 4,
                                           .apply = apply_slice};
static const struct wfs_operation part = {
    .name = "part", .usage = "part(axis, i, n)", .min_args = 3, .max_args = 3, .apply = apply_part};
static const struct wfs_operation pad = {.name = "pad",
                                         .usage = "pad(axis, before, after[, value])",
                                         .min_args = 3,
                                         .max_args = 4,
                                         .apply = apply_pad,
                                         .invert = invert_pad};
static const struct wfs_operation tile = {.name = "tile",
                                          .usage = "tile(axis, n)",
                                          .min_args = 2,
                                          .max_args = 2,
                                          .apply = apply_tile,
                                          .invert = invert_tile};
static const struct wfs_operation repeat = {.name = "repeat",
                                            .usage = "repeat(axis, n)",
                                            .min_args = 2,
                                            .max_args = 2,
                                            .apply = apply_repeat,
                                            .invert = invert_repeat};
const struct wfs_operation *const wfs_parts_operations[] = {&slice, &part,   &pad,
                                                            &tile,  &repeat, NULL};
