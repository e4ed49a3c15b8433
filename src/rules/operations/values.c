/*
 * values.c - operations that touch values: a cast, a factor, a summand.
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
const struct wfs_operation *const wfs_values_operations[] = {&cast, &scale, &add, NULL};
