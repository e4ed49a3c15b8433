/*
 * call.h - what the operations' functions share: arguments, and messages. Public to the stages
 * above.
 */
#ifndef WEIGHTFS_RULES_OPERATIONS_CALL_H
#define WEIGHTFS_RULES_OPERATIONS_CALL_H

#include "rules/operations/operation.h"

/* -EINVAL "flax.map:3:9: reshape(2, 3): WHAT" */
int wfs_op_error(struct wfs_error *err, const struct wfs_op *op, const char *fmt, ...)
    WFS_PRINTF(3, 4);
/* An axis of a tensor with ndim of them; negative counts from the end. */
int wfs_op_axis(struct wfs_op_call *call, uint32_t arg, uint32_t ndim, uint32_t *ret);
/* A size or a position: a whole number from 0 up. */
int wfs_op_size(struct wfs_op_call *call, uint32_t arg, uint64_t *ret);

#endif
