/*
 * inverse_ops.c - the inverse of an operation: what undoes it, or why nothing does.
 */
#include "rules/inverse_ops.h"

#include <string.h>

int wfs_invert_refuse(struct wfs_inverting *v, struct wfs_pos pos, const char *why)
{
    return wfs_error_set(v->err, EINVAL, "%s:%u:%u: no inverse: %s", pos.file, pos.line, pos.col,
                         why);
}

int wfs_invert_nomem(struct wfs_inverting *v)
{
    return wfs_error_nomem(v->err, "rules");
}

static struct wfs_vexpr *new_expr(struct wfs_inverting *v, enum wfs_vexpr_kind kind,
                                  const struct wfs_op *op)
{
    struct wfs_vexpr *e = wfs_arena_alloc(v->arena, sizeof(*e));
    if (!e) {
        wfs_invert_nomem(v);
        return NULL;
    }
    e->kind = kind;
    e->pos = op->pos;
    return e;
}

static const struct wfs_vexpr *int_expr(struct wfs_inverting *v, const struct wfs_op *op, int64_t i)
{
    struct wfs_vexpr *e = new_expr(v, WFS_V_CONST, op);
    if (e)
        e->value = (struct wfs_value){.kind = WFS_VALUE_INT, .i = i};
    return e;
}

static const struct wfs_vexpr *binary(struct wfs_inverting *v, const struct wfs_op *op,
                                      enum wfs_binop bin, const struct wfs_vexpr *a,
                                      const struct wfs_vexpr *b)
{
    struct wfs_vexpr *e = a && b ? new_expr(v, WFS_V_BINARY, op) : NULL;
    if (e) {
        e->op = (int)bin;
        e->n_args = 2;
        e->args[0] = a;
        e->args[1] = b;
    }
    return e;
}

static const struct wfs_vexpr *shape_expr(struct wfs_inverting *v, const struct wfs_op *op,
                                          const struct wfs_vexpr *axis)
{
    struct wfs_vexpr *e = new_expr(v, WFS_V_SHAPE, op);
    if (e) {
        e->n_args = 1;
        e->args[0] = axis;
    }
    return e;
}

static int set_args(struct wfs_inverting *v, struct wfs_op *op, const struct wfs_vexpr *const *args,
                    uint32_t n)
{
    for (uint32_t i = 0; i < n; i++)
        if (!args[i])
            return -ENOMEM;
    op->args = wfs_arena_memdup(v->arena, args, n * sizeof(args[0]));
    op->n_args = n;
    return op->args ? 0 : wfs_invert_nomem(v);
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
        args[a->i] = int_expr(v, op, i);
    }
    return set_args(v, op, args, op->n_args);
}

/* "OI*>*IO" -> "*IO>OI*" */
static int invert_layout(struct wfs_inverting *v, struct wfs_op *op)
{
    const char *mid = strchr(op->layout, '>');
    op->layout =
        wfs_arena_printf(v->arena, "%s>%.*s", mid + 1, (int)(mid - op->layout), op->layout);
    return op->layout ? 0 : wfs_invert_nomem(v);
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

/* pad -> slice(axis, before, shape[axis] - after); repeat -> every n-th; tile -> the first. */
static int invert_size(struct wfs_inverting *v, struct wfs_op *op)
{
    const struct wfs_vexpr *const *a = op->args;
    const struct wfs_vexpr *size = shape_expr(v, op, a[0]), *zero = int_expr(v, op, 0);
    if (op->kind == WFS_OP_PAD) {
        const struct wfs_vexpr *stop = binary(v, op, WFS_BIN_SUB, size, a[2]);
        const struct wfs_vexpr *args[] = {a[0], a[1], stop};
        op->kind = WFS_OP_SLICE;
        return set_args(v, op, args, 3);
    }
    bool tile = op->kind == WFS_OP_TILE;
    const struct wfs_vexpr *part[] = {a[0], zero, a[1]}, *steps[] = {a[0], zero, size, a[1]};
    op->kind = tile ? WFS_OP_PART : WFS_OP_SLICE;
    return tile ? set_args(v, op, part, 3) : set_args(v, op, steps, 4);
}

static int invert_values(struct wfs_inverting *v, struct wfs_op *op)
{
    bool scale = op->kind == WFS_OP_SCALE;
    struct wfs_vexpr *one = new_expr(v, WFS_V_CONST, op);
    if (!one)
        return -ENOMEM;
    one->value = (struct wfs_value){.kind = WFS_VALUE_REAL, .r = scale ? 1.0 : 0.0};
    const struct wfs_vexpr *arg =
        binary(v, op, scale ? WFS_BIN_DIV : WFS_BIN_SUB, one, op->args[0]);
    return set_args(v, op, &arg, 1);
}

/* concat <-> split, stack <-> unstack */
static int invert_fan(struct wfs_inverting *v, struct wfs_op *op)
{
    const struct wfs_cap *cap = op->cap == WFS_NO_INDEX ? NULL : &v->rule->caps[op->cap];
    bool counted = !cap || cap->kind == WFS_CAP_ALT || cap->ranged;
    switch (op->kind) {
    case WFS_OP_STACK:
        op->kind = WFS_OP_UNSTACK;
        return 0;
    case WFS_OP_UNSTACK:
        op->kind = WFS_OP_STACK;
        return 0;
    case WFS_OP_SPLIT:
        op->kind = WFS_OP_CONCAT;
        op->equal = op->n_args == 1;
        return 0;
    default:
        break;
    }
    if (op->n_args == 1 && !op->equal)
        return wfs_invert_refuse(v, op->pos, "concat must say its sizes, or `equal`");
    if (!counted)
        return wfs_invert_refuse(v, op->pos,
                                 "how many parts there are is not known: {i:0-3} would say");
    op->kind = WFS_OP_SPLIT;
    op->equal = false;
    return 0;
}

static int invert_op(struct wfs_inverting *v, const struct wfs_op *in, struct wfs_op *out)
{
    *out = *in;
    switch (in->kind) {
    case WFS_OP_TRANSPOSE:
    case WFS_OP_REVERSE:
    case WFS_OP_FLIP:
        return 0;
    case WFS_OP_PERMUTE:
        return invert_permute(v, out);
    case WFS_OP_LAYOUT:
    case WFS_OP_GATES:
        return invert_layout(v, out);
    case WFS_OP_RESHAPE:
        return invert_reshape(v, out);
    case WFS_OP_SQUEEZE:
        out->kind = WFS_OP_UNSQUEEZE;
        return in->n_args ? 0 : wfs_invert_refuse(v, in->pos, "squeeze must say which axis");
    case WFS_OP_UNSQUEEZE:
        out->kind = WFS_OP_SQUEEZE;
        return 0;
    case WFS_OP_ROPE:
        out->kind = WFS_OP_UNROPE;
        return 0;
    case WFS_OP_UNROPE:
        out->kind = WFS_OP_ROPE;
        return 0;
    case WFS_OP_PAD:
    case WFS_OP_TILE:
    case WFS_OP_REPEAT:
        return invert_size(v, out);
    case WFS_OP_SCALE:
    case WFS_OP_ADD:
        return invert_values(v, out);
    case WFS_OP_CONCAT:
    case WFS_OP_STACK:
    case WFS_OP_SPLIT:
    case WFS_OP_UNSTACK:
        return invert_fan(v, out);
    default:
        return wfs_invert_refuse(v, in->pos, "this operation loses what it came from");
    }
}

int wfs_invert_ops(struct wfs_inverting *v, const struct wfs_ops *in, struct wfs_ops *ret)
{
    struct wfs_op *ops = wfs_arena_array(v->arena, in->n ? in->n : 1, sizeof(*ops));
    if (!ops)
        return wfs_invert_nomem(v);
    for (uint32_t i = 0; i < in->n; i++) {
        struct wfs_op *op = &ops[in->n - 1 - i];
        int r = invert_op(v, &in->op[i], op);
        if (r)
            return r;
        op->text = wfs_arena_printf(v->arena, "~%s", in->op[i].text);
        if (!op->text)
            return wfs_invert_nomem(v);
    }
    *ret = (struct wfs_ops){in->n, ops};
    return 0;
}
