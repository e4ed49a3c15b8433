/*
 * ops.h - one operation of a rule on one tensor.
 */
#ifndef WEIGHTFS_MAPPING_OPS_H
#define WEIGHTFS_MAPPING_OPS_H

#include "mapping/eval/eval.h"

/* Not for fans. */
int wfs_op_apply(const struct wfs_run *run, const struct wfs_op *op, struct wfs_val *val);
static inline bool wfs_op_is_fan(const struct wfs_op *op)
{
    return op->kind >= WFS_OP_AT && op->kind <= WFS_OP_UNSTACK;
}
/* -EINVAL "flax.map:3:9: WHAT" */
int wfs_op_error(struct wfs_sink *sink, const struct wfs_op *op, const char *fmt, ...)
    WFS_PRINTF(3, 4);
/* An axis argument; negative counts from the end. */
int wfs_op_axis(const struct wfs_scope *scope, const struct wfs_op *op, uint32_t arg, uint32_t ndim,
                uint32_t *ret);

#endif
