/*
 * inverse_ops.c - the inverse of a list of operations: the inverse of each, in the other order.
 */
#include "rules/inverse_ops.h"

#include "rules/operations/operation.h"

static int invert_op(struct wfs_inverting *v, const struct wfs_op *in, struct wfs_op *out)
{
    *out = *in;
    if (!in->operation->invert)
        return wfs_invert_refuse(v, in->pos, "this operation loses what it came from");
    return in->operation->invert(v, out);
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
