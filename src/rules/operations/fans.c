/*
 * fans.c - operations that join tensors or tell one apart.
 */
#include "rules/operations/fans.h"

#include "rules/operations/call.h"
#include "rules/operations/inverting.h"

static const struct wfs_operation concat, stack, split, unstack;

static int check_equal(struct wfs_op_call *call, uint32_t axis)
{
    const struct wfs_expr *const *in = call->in;
    for (uint32_t i = 1; i < call->n_in; i++)
        if (in[i]->ndim <= axis || in[i]->shape[axis] != in[0]->shape[axis])
            return wfs_op_error(call->err, call->op, "parts of different sizes");
    return 0;
}

/* concat(axis, sizes ...): each part has the size that is written for it. */
static int check_sizes(struct wfs_op_call *call, uint32_t axis)
{
    const struct wfs_op *op = call->op;
    if (op->n_args == 1)
        return op->equal ? check_equal(call, axis) : 0;
    if (op->n_args - 1 != call->n_in)
        return wfs_op_error(call->err, op, "%u sizes for %u parts", op->n_args - 1, call->n_in);
    for (uint32_t i = 0; i < call->n_in; i++) {
        int64_t size;
        int r = call->integer(call->scope, op->args[i + 1], &size);
        if (r)
            return r;
        uint64_t has = call->in[i]->ndim > axis ? call->in[i]->shape[axis] : 0;
        if (size < 0 || has != (uint64_t)size)
            return wfs_op_error(call->err, op, "part %u has size %llu, not %lld", i,
                                (unsigned long long)has, (long long)size);
    }
    return 0;
}

static int apply_concat(struct wfs_op_call *call)
{
    uint32_t axis;
    int r = wfs_op_axis(call, 0, call->in[0]->ndim, &axis);
    if (!r)
        r = check_sizes(call, axis);
    return r ? r : wfs_expr_concat(call->arena, call->n_in, call->in, axis, &call->ret, call->err);
}

static int invert_concat(struct wfs_inverting *v, struct wfs_op *op)
{
    const struct wfs_cap *cap = op->cap == WFS_NO_INDEX ? NULL : &v->rule->caps[op->cap];
    if (op->n_args == 1 && !op->equal)
        return wfs_invert_refuse(v, op->pos, "concat must say its sizes, or `equal`");
    if (cap && cap->kind != WFS_CAP_ALT && !cap->ranged)
        return wfs_invert_refuse(v, op->pos,
                                 "how many parts there are is not known: {i:0-3} would say");
    op->operation = &split;
    op->equal = false;
    return 0;
}

static int invert_split(struct wfs_inverting *v, struct wfs_op *op)
{
    (void)v;
    op->operation = &concat;
    op->equal = op->n_args == 1;
    return 0;
}

static int apply_stack(struct wfs_op_call *call)
{
    uint32_t axis;
    int r = wfs_op_axis(call, 0, call->in[0]->ndim + 1, &axis);
    return r ? r : wfs_expr_stack(call->arena, call->n_in, call->in, axis, &call->ret, call->err);
}

static int invert_stack(struct wfs_inverting *v, struct wfs_op *op)
{
    (void)v;
    op->operation = &unstack;
    return 0;
}

static int invert_unstack(struct wfs_inverting *v, struct wfs_op *op)
{
    (void)v;
    op->operation = &stack;
    return 0;
}

/* The one term of a sum that is not zeros throughout; NULL where it is not one alone. */
static const struct wfs_expr *only_term(const struct wfs_op_call *call)
{
    const struct wfs_expr *term = NULL;
    for (uint32_t i = 0; i < call->n_in; i++) {
        if (wfs_expr_is_zeros(call->in[i]))
            continue;
        if (term)
            return NULL;
        term = call->in[i];
    }
    return term;
}

static int apply_sum(struct wfs_op_call *call)
{
    int r = wfs_expr_sum(call->arena, call->n_in, call->in, &call->ret, call->err);
    const struct wfs_expr *term = !r && call->zero_terms ? only_term(call) : NULL;
    if (term) {
        *call->zero_terms += call->n_in - 1;
        call->ret = term;
    }
    return r;
}

static int sum_loses(struct wfs_op_call *call, const char **ret)
{
    const struct wfs_dtype_info *info = wfs_dtype_info(call->ret->dtype);
    *ret = NULL;
    if (call->n_in < 2 || info->kind == WFS_KIND_FLOAT || info->kind == WFS_KIND_COMPLEX)
        return 0;
    *ret = wfs_arena_printf(call->arena, "whole numbers of %s may wrap", info->name);
    return *ret ? 0 : wfs_error_nomem(call->err, "mapping");
}

static const struct wfs_operation concat = {.name = "concat",
                                            .usage = "concat([capture,] axis[, sizes ... | equal])",
                                            .class = WFS_OP_JOIN,
                                            .min_args = 1,
                                            .max_args = WFS_OP_MAX_ARGS,
                                            .cap = WFS_OP_MAY_CAP,
                                            .takes_equal = true,
                                            .apply = apply_concat,
                                            .invert = invert_concat};
static const struct wfs_operation stack = {.name = "stack",
                                           .usage = "stack([capture,] axis)",
                                           .class = WFS_OP_JOIN,
                                           .min_args = 1,
                                           .max_args = 1,
                                           .cap = WFS_OP_MAY_CAP,
                                           .apply = apply_stack,
                                           .invert = invert_stack};
static const struct wfs_operation sum = {
    .name = "sum", .usage = "sum", .class = WFS_OP_JOIN, .apply = apply_sum, .loses = sum_loses};
static const struct wfs_operation split = {.name = "split",
                                           .usage = "split([capture,] axis[, sizes ...])",
                                           .class = WFS_OP_SPLIT,
                                           .min_args = 1,
                                           .max_args = WFS_OP_MAX_ARGS,
                                           .cap = WFS_OP_MAY_CAP,
                                           .invert = invert_split};
static const struct wfs_operation unstack = {.name = "unstack",
                                             .usage = "unstack(capture, axis)",
                                             .class = WFS_OP_SPLIT,
                                             .min_args = 1,
                                             .max_args = 1,
                                             .cap = WFS_OP_MUST_CAP,
                                             .by_steps = true,
                                             .invert = invert_unstack};
static const struct wfs_operation pick = {
    .name = "pick", .usage = "pick(n)", .class = WFS_OP_PICK, .min_args = 1, .max_args = 1};
static const struct wfs_operation at = {
    .name = "at", .usage = "at(n)", .class = WFS_OP_AT, .min_args = 1, .max_args = 1};
const struct wfs_operation *const wfs_fans_operations[] = {&concat,  &stack, &sum, &split,
                                                           &unstack, &pick,  &at,  NULL};
