/*
 * inverting.c - what the inverses of operations are made with.
 */
#include "rules/operations/inverting.h"

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

const struct wfs_vexpr *wfs_invert_int(struct wfs_inverting *v, const struct wfs_op *op, int64_t i)
{
    struct wfs_vexpr *e = new_expr(v, WFS_V_CONST, op);
    if (e)
        e->value = (struct wfs_value){.kind = WFS_VALUE_INT, .i = i};
    return e;
}

const struct wfs_vexpr *wfs_invert_real(struct wfs_inverting *v, const struct wfs_op *op, double r)
{
    struct wfs_vexpr *e = new_expr(v, WFS_V_CONST, op);
    if (e)
        e->value = (struct wfs_value){.kind = WFS_VALUE_REAL, .r = r};
    return e;
}

const struct wfs_vexpr *wfs_invert_binary(struct wfs_inverting *v, const struct wfs_op *op,
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

const struct wfs_vexpr *wfs_invert_shape(struct wfs_inverting *v, const struct wfs_op *op,
                                         const struct wfs_vexpr *axis)
{
    struct wfs_vexpr *e = new_expr(v, WFS_V_SHAPE, op);
    if (e) {
        e->n_args = 1;
        e->args[0] = axis;
    }
    return e;
}

int wfs_invert_args(struct wfs_inverting *v, struct wfs_op *op, const struct wfs_vexpr *const *args,
                    uint32_t n)
{
    for (uint32_t i = 0; i < n; i++)
        if (!args[i])
            return -ENOMEM;
    op->args = wfs_arena_memdup(v->arena, args, n * sizeof(args[0]));
    op->n_args = n;
    return op->args ? 0 : wfs_invert_nomem(v);
}

int wfs_invert_same(struct wfs_inverting *v, struct wfs_op *op)
{
    (void)v;
    (void)op;
    return 0;
}

int wfs_invert_layout(struct wfs_inverting *v, struct wfs_op *op)
{
    const char *mid = strchr(op->layout, '>');
    op->layout =
        wfs_arena_printf(v->arena, "%s>%.*s", mid + 1, (int)(mid - op->layout), op->layout);
    return op->layout ? 0 : wfs_invert_nomem(v);
}
