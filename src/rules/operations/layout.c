/*
 * layout.c - operations that give the axes another order or other bounds.
 */
#include "rules/operations/layout.h"

#include <string.h>

#include "rules/operations/call.h"
#include "rules/operations/inverting.h"

static const struct wfs_operation squeeze, unsqueeze;

static int apply_transpose(struct wfs_op_call *call)
{
    if (call->in[0]->ndim != 2)
        return wfs_op_error(call->err, call->op,
                            "a tensor with %u axes; transpose is for 2 "
                            "(reverse turns all axes around)",
                            call->in[0]->ndim);
    return wfs_expr_reverse_axes(call->arena, call->in[0], &call->ret, call->err);
}

static int apply_reverse(struct wfs_op_call *call)
{
    return wfs_expr_reverse_axes(call->arena, call->in[0], &call->ret, call->err);
}

static int apply_permute(struct wfs_op_call *call)
{
    uint32_t perm[WFS_MAX_NDIM];
    if (call->op->n_args != call->in[0]->ndim)
        return wfs_op_error(call->err, call->op, "%u axes for a tensor with %u", call->op->n_args,
                            call->in[0]->ndim);
    for (uint32_t i = 0; i < call->op->n_args; i++) {
        int r = wfs_op_axis(call, i, call->in[0]->ndim, &perm[i]);
        if (r)
            return r;
    }
    return wfs_expr_permute(call->arena, call->in[0], perm, &call->ret, call->err);
}

static int invert_permute(struct wfs_inverting *v, struct wfs_op *op)
{
    const struct wfs_vexpr *args[WFS_MAX_NDIM] = {0};
    if (op->n_args > WFS_MAX_NDIM)
        return wfs_invert_refuse(v, op->pos, "too many axes");
    for (uint32_t i = 0; i < op->n_args; i++) {
        const struct wfs_value *a = &op->args[i]->value;
        if (op->args[i]->kind != WFS_V_CONST || a->kind != WFS_VALUE_INT || a->i < 0 ||
            a->i >= op->n_args || args[a->i])
            return wfs_invert_refuse(v, op->pos, "permute needs the numbers of all axes");
        args[a->i] = wfs_invert_int(v, op, i);
    }
    return wfs_invert_args(v, op, args, op->n_args);
}

/* "OI*>*IO": '*' stands for the axes that are left, in order. */
static int apply_layout(struct wfs_op_call *call)
{
    const char *from = call->op->layout, *mid = strchr(from, '>');
    uint32_t n = (uint32_t)(mid - from), perm[WFS_MAX_NDIM], n_perm = 0;
    const char *star = memchr(from, '*', n);
    uint32_t ndim = call->in[0]->ndim, fixed = star ? n - 1 : n;
    if (star ? ndim < fixed : ndim != fixed)
        return wfs_op_error(call->err, call->op, "a tensor with %u axes", ndim);
    uint32_t star_at = star ? (uint32_t)(star - from) : n, spread = ndim - fixed;
    for (uint32_t i = 0; i < n; i++) {
        uint32_t at = (uint32_t)((const char *)memchr(from, mid[1 + i], n) - from);
        uint32_t count = at == star_at ? spread : 1, base = at > star_at ? at - 1 + spread : at;
        for (uint32_t k = 0; k < count; k++)
            perm[n_perm++] = base + k;
    }
    return wfs_expr_permute(call->arena, call->in[0], perm, &call->ret, call->err);
}

static int apply_flip(struct wfs_op_call *call)
{
    const struct wfs_expr *e = call->in[0];
    for (uint32_t i = 0; i < call->op->n_args; i++) {
        uint32_t axis;
        int r = wfs_op_axis(call, i, e->ndim, &axis);
        if (!r)
            r = wfs_expr_flip(call->arena, e, axis, &e, call->err);
        if (r)
            return r;
    }
    call->ret = e;
    return 0;
}

static int apply_flatten(struct wfs_op_call *call)
{
    return wfs_expr_reshape(call->arena, call->in[0], 1, &call->in[0]->n_elems, &call->ret,
                            call->err);
}

/* reshape(...; sizes before): the tensor must have them (-1: any). */
static int check_from(struct wfs_op_call *call)
{
    bool same = call->op->n_from == call->in[0]->ndim;
    for (uint32_t i = 0; same && i < call->op->n_from; i++) {
        int64_t v;
        int r = call->integer(call->scope, call->op->from[i], &v);
        if (r)
            return r;
        same = v == -1 || (v >= 0 && (uint64_t)v == call->in[0]->shape[i]);
    }
    return same ? 0 : wfs_op_error(call->err, call->op, "the sizes before are others");
}

/* One size may be -1: what is left. */
static int apply_reshape(struct wfs_op_call *call)
{
    uint64_t shape[WFS_MAX_NDIM], known = 1;
    int64_t v;
    uint32_t rest = WFS_NO_INDEX, n = call->op->n_args;
    int bad = call->op->n_from ? check_from(call) : 0;
    if (bad)
        return bad;
    for (uint32_t i = 0; i < n; i++) {
        int r = call->integer(call->scope, call->op->args[i], &v);
        if (r)
            return r;
        if (v < -1 || (v == -1 && rest != WFS_NO_INDEX))
            return wfs_op_error(call->err, call->op,
                                "one size may be -1, the others are from 0 up");
        if (v == -1)
            rest = i;
        shape[i] = v < 0 ? 1 : (uint64_t)v;
        if (!wfs_mul_u64(known, shape[i], &known))
            return wfs_op_error(call->err, call->op, "sizes beyond 64 bits");
    }
    if (rest != WFS_NO_INDEX) {
        if (known == 0 || call->in[0]->n_elems % known)
            return wfs_op_error(call->err, call->op, "%llu elements do not divide by %llu",
                                (unsigned long long)call->in[0]->n_elems,
                                (unsigned long long)known);
        shape[rest] = call->in[0]->n_elems / known;
    }
    return wfs_expr_reshape(call->arena, call->in[0], n, shape, &call->ret, call->err);
}

static int invert_reshape(struct wfs_inverting *v, struct wfs_op *op)
{
    if (!op->n_from)
        return wfs_invert_refuse(v, op->pos,
                                 "reshape must say what it comes from, as in "
                                 "reshape(H, D, -1; H*D, -1)");
    const struct wfs_vexpr *const *to = op->args;
    uint32_t n_to = op->n_args;
    op->args = op->from;
    op->n_args = op->n_from;
    op->from = to;
    op->n_from = n_to;
    return 0;
}

static int apply_squeeze(struct wfs_op_call *call)
{
    uint32_t axis;
    if (call->op->n_args == 0)
        return wfs_expr_squeeze_all(call->arena, call->in[0], &call->ret, call->err);
    int r = wfs_op_axis(call, 0, call->in[0]->ndim, &axis);
    return r ? r : wfs_expr_squeeze(call->arena, call->in[0], axis, &call->ret, call->err);
}

static int invert_squeeze(struct wfs_inverting *v, struct wfs_op *op)
{
    op->operation = &unsqueeze;
    return op->n_args ? 0 : wfs_invert_refuse(v, op->pos, "squeeze must say which axis");
}

static int apply_unsqueeze(struct wfs_op_call *call)
{
    uint32_t axis;
    int r = wfs_op_axis(call, 0, call->in[0]->ndim + 1, &axis);
    return r ? r : wfs_expr_unsqueeze(call->arena, call->in[0], axis, &call->ret, call->err);
}

static int invert_unsqueeze(struct wfs_inverting *v, struct wfs_op *op)
{
    (void)v;
    op->operation = &squeeze;
    return 0;
}

static const struct wfs_operation transpose = {
    .name = "transpose", .usage = "transpose", .apply = apply_transpose, .invert = wfs_invert_same};
static const struct wfs_operation reverse = {
    .name = "reverse", .usage = "reverse", .apply = apply_reverse, .invert = wfs_invert_same};
static const struct wfs_operation permute = {.name = "permute",
                                             .usage = "permute(axis, ...)",
                                             .min_args = 1,
                                             .max_args = WFS_OP_MAX_ARGS,
                                             .apply = apply_permute,
                                             .invert = invert_permute};
const struct wfs_operation wfs_op_layout = {
    .name = "", .usage = "\"OI*>*IO\"", .apply = apply_layout, .invert = wfs_invert_layout};
static const struct wfs_operation flip = {.name = "flip",
                                          .usage = "flip(axis, ...)",
                                          .min_args = 1,
                                          .max_args = WFS_OP_MAX_ARGS,
                                          .apply = apply_flip,
                                          .invert = wfs_invert_same};
static const struct wfs_operation flatten = {
    .name = "flatten", .usage = "flatten", .apply = apply_flatten};
static const struct wfs_operation reshape = {
    .name = "reshape",
    .usage = "reshape(size, ...) or reshape(size, ...; size before, ...)",
    .max_args = WFS_OP_MAX_ARGS,
    .takes_from = true,
    .apply = apply_reshape,
    .invert = invert_reshape};
static const struct wfs_operation squeeze = {.name = "squeeze",
                                             .usage = "squeeze or squeeze(axis)",
                                             .max_args = 1,
                                             .apply = apply_squeeze,
                                             .invert = invert_squeeze};
static const struct wfs_operation unsqueeze = {.name = "unsqueeze",
                                               .usage = "unsqueeze(axis)",
                                               .min_args = 1,
                                               .max_args = 1,
                                               .apply = apply_unsqueeze,
                                               .invert = invert_unsqueeze};
const struct wfs_operation *const wfs_layout_operations[] = {
    &transpose, &reverse, &permute, &flip, &flatten, &reshape, &squeeze, &unsqueeze, NULL};
