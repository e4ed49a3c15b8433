/*
 * ops.h - what ops*.c share.
 */
#ifndef WEIGHTFS_MAPPING_OPS_H
#define WEIGHTFS_MAPPING_OPS_H

#include "mapping/stage.h"

/* zeros, ones, full, arange, sinusoid. */
int wfs_op_fill(const struct wfs_scope *scope, const struct wfs_op *op,
                const struct wfs_expr **ret);
static inline bool wfs_op_is_fan(const struct wfs_op *op)
{
    return op->kind >= WFS_OP_AT && op->kind <= WFS_OP_UNSTACK;
}

#endif
