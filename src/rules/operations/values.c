/*
 * values.c - operations that touch values: a cast, a factor, a summand, exp and log.
 */
#include "rules/operations/values.h"

#include <math.h>
#include <stdlib.h>

#include "rules/operations/call.h"
#include "rules/operations/inverting.h"

static int apply_cast(struct wfs_op_call *call)
{
    struct wfs_elem_op elem = {.kind = WFS_ELEM_CAST, .dtype = call->op->dtype};
    call->ret = call->in[0];
    if (elem.dtype == call->in[0]->dtype)
        return 0;
    return wfs_expr_elementwise(call->arena, call->in[0], &elem, &call->ret, call->err);
}

static int cast_loses(struct wfs_op_call *call, const char **ret)
{
    bool exact = wfs_convert_is_exact(call->in[0]->dtype, call->ret->dtype);
    *ret = exact ? NULL : "values are rounded";
    return 0;
}

/* bfloat16 as float32, in which what is computed with it is rounded. */
static int apply_widen(struct wfs_op_call *call)
{
    struct wfs_elem_op elem = {.kind = WFS_ELEM_CAST, .dtype = WFS_F32};
    call->ret = call->in[0];
    if (call->in[0]->dtype != WFS_BF16)
        return 0;
    return wfs_expr_elementwise(call->arena, call->in[0], &elem, &call->ret, call->err);
}

static int apply_number(struct wfs_op_call *call, enum wfs_elem_op_kind kind)
{
    struct wfs_elem_op elem = {.kind = kind, .dtype = call->in[0]->dtype};
    int r = call->real(call->scope, call->op->args[0], &elem.value);
    return r ? r : wfs_expr_elementwise(call->arena, call->in[0], &elem, &call->ret, call->err);
}

/* A float's factor that is a power of two within this keeps all but the outermost values. */
#define EXACT_MAX_EXPONENT 32

/* Does a factor or summand keep every value? NULL, or what it may do to some. */
static const char *what_is_lost(bool scales, enum wfs_dtype dtype, double x)
{
    /* What holds bfloat16 is a float of as wide a range. */
    bool is_wide = wfs_convert_is_exact(WFS_BF16, dtype);
    enum wfs_dtype_kind kind = wfs_dtype_info(dtype)->kind;
    int exponent;
    if (x == (scales ? 1 : 0))
        return NULL;
    if (kind != WFS_KIND_FLOAT && kind != WFS_KIND_COMPLEX)
        return scales && x == 0 ? NULL : "values are cut to whole numbers, or wrap";
    if (!scales || fabs(frexp(x, &exponent)) != 0.5)
        return "values are rounded";
    if (x == -1 || (is_wide && abs(exponent) <= EXACT_MAX_EXPONENT))
        return NULL;
    return "values may leave the type's range";
}

static int number_loses(struct wfs_op_call *call, bool scales, const char **ret)
{
    double x;
    int r = call->real(call->scope, call->op->args[0], &x);
    *ret = r ? "values are rounded" : what_is_lost(scales, call->ret->dtype, x);
    return r;
}

static int invert_number(struct wfs_inverting *v, struct wfs_op *op, enum wfs_binop undo,
                         double neutral)
{
    const struct wfs_vexpr *arg =
        wfs_invert_binary(v, op, undo, wfs_invert_real(v, op, neutral), op->args[0]);
    return wfs_invert_args(v, op, &arg, 1);
}

static int apply_scale(struct wfs_op_call *call)
{
    return apply_number(call, WFS_ELEM_SCALE);
}

static int scale_loses(struct wfs_op_call *call, const char **ret)
{
    return number_loses(call, true, ret);
}

static int invert_scale(struct wfs_inverting *v, struct wfs_op *op)
{
    return invert_number(v, op, WFS_BIN_DIV, 1.0);
}

static int apply_add(struct wfs_op_call *call)
{
    return apply_number(call, WFS_ELEM_ADD);
}

static int add_loses(struct wfs_op_call *call, const char **ret)
{
    return number_loses(call, false, ret);
}

static int invert_add(struct wfs_inverting *v, struct wfs_op *op)
{
    return invert_number(v, op, WFS_BIN_SUB, 0.0);
}

/* scale_rows(rows, x, ...): the next so many rows by the next factor. */
static int apply_scale_rows(struct wfs_op_call *call)
{
    const struct wfs_expr *in = call->in[0], *parts[WFS_OP_MAX_ARGS];
    uint32_t n = call->op->n_args / 2;
    uint64_t at = 0, rows = 0;
    if (call->op->n_args % 2 || !in->ndim)
        return wfs_op_error(call->err, call->op, "expected rows and factors by turns");
    for (uint32_t i = 0; i < n; i++) {
        struct wfs_elem_op elem = {.kind = WFS_ELEM_SCALE, .dtype = in->dtype};
        int r = wfs_op_size(call, 2 * i, &rows);
        if (!r)
            r = call->real(call->scope, call->op->args[2 * i + 1], &elem.value);
        if (!r && rows > in->shape[0] - at)
            r = wfs_op_error(call->err, call->op, "more rows than the tensor's %llu",
                             (unsigned long long)in->shape[0]);
        if (!r)
            r = wfs_expr_slice(call->arena, in, 0, at, at + rows, 1, &parts[i], call->err);
        if (!r)
            r = wfs_expr_elementwise(call->arena, parts[i], &elem, &parts[i], call->err);
        if (r)
            return r;
        at += rows;
    }
    if (at != in->shape[0])
        return wfs_op_error(call->err, call->op, "%llu rows of %llu", (unsigned long long)at,
                            (unsigned long long)in->shape[0]);
    return wfs_expr_concat(call->arena, n, parts, 0, &call->ret, call->err);
}

static int invert_scale_rows(struct wfs_inverting *v, struct wfs_op *op)
{
    const struct wfs_vexpr *args[WFS_OP_MAX_ARGS];
    for (uint32_t i = 0; i < op->n_args; i++)
        args[i] =
            i % 2 ? wfs_invert_binary(v, op, WFS_BIN_DIV, wfs_invert_real(v, op, 1.0), op->args[i])
                  : op->args[i];
    return wfs_invert_args(v, op, args, op->n_args);
}

/* e^x or log(x) of what float32 holds. */
static int apply_function(struct wfs_op_call *call, enum wfs_elem_op_kind kind)
{
    struct wfs_elem_op cast = {.kind = WFS_ELEM_CAST, .dtype = WFS_F32};
    struct wfs_elem_op elem = {.kind = kind, .dtype = WFS_F32};
    const struct wfs_expr *e;
    if (!wfs_convert_is_exact(call->in[0]->dtype, WFS_F32))
        return wfs_op_error(call->err, call->op, "values of %s are not all float32's",
                            wfs_dtype_info(call->in[0]->dtype)->name);
    int r = wfs_expr_elementwise(call->arena, call->in[0], &cast, &e, call->err);
    return r ? r : wfs_expr_elementwise(call->arena, e, &elem, &call->ret, call->err);
}

static int apply_exp(struct wfs_op_call *call)
{
    return apply_function(call, WFS_ELEM_EXP);
}

static int apply_log(struct wfs_op_call *call)
{
    return apply_function(call, WFS_ELEM_LOG);
}

static int function_loses(struct wfs_op_call *call, const char **ret)
{
    (void)call;
    *ret = "values are rounded";
    return 0;
}

static const struct wfs_operation exponential, logarithm;

static int invert_exp(struct wfs_inverting *v, struct wfs_op *op)
{
    (void)v;
    op->operation = &logarithm;
    return 0;
}

static int invert_log(struct wfs_inverting *v, struct wfs_op *op)
{
    (void)v;
    op->operation = &exponential;
    return 0;
}

static const struct wfs_operation widen = {
    .name = "widen", .usage = "widen", .apply = apply_widen, .invert = wfs_invert_same};
static const struct wfs_operation scale_rows = {.name = "scale_rows",
                                                .usage = "scale_rows(rows, x, ...)",
                                                .min_args = 2,
                                                .max_args = WFS_OP_MAX_ARGS,
                                                .apply = apply_scale_rows,
                                                .loses = function_loses,
                                                .invert = invert_scale_rows};
static const struct wfs_operation exponential = {.name = "exp",
                                                 .usage = "exp",
                                                 .apply = apply_exp,
                                                 .loses = function_loses,
                                                 .invert = invert_exp};
static const struct wfs_operation logarithm = {.name = "log",
                                               .usage = "log",
                                               .apply = apply_log,
                                               .loses = function_loses,
                                               .invert = invert_log};
static const struct wfs_operation cast = {.name = "cast",
                                          .usage = "cast(dtype)",
                                          .takes_dtype = true,
                                          .apply = apply_cast,
                                          .loses = cast_loses};
static const struct wfs_operation scale = {.name = "scale",
                                           .usage = "scale(x)",
                                           .min_args = 1,
                                           .max_args = 1,
                                           .apply = apply_scale,
                                           .loses = scale_loses,
                                           .invert = invert_scale};
static const struct wfs_operation add = {.name = "add",
                                         .usage = "add(x)",
                                         .min_args = 1,
                                         .max_args = 1,
                                         .apply = apply_add,
                                         .loses = add_loses,
                                         .invert = invert_add};
const struct wfs_operation *const wfs_values_operations[] = {
    &cast, &widen, &scale, &scale_rows, &add, &exponential, &logarithm, NULL};
