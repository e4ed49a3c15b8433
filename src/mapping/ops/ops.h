/*
 * ops.h - one operation of a rule on the tensors at hand.
 */
#ifndef WEIGHTFS_MAPPING_OPS_OPS_H
#define WEIGHTFS_MAPPING_OPS_OPS_H

#include "mapping/eval/eval.h"
#include "rules/operations/call.h"

/* The operation on n tensors, its arguments evaluated in `scope`. `in` lives as long as the call. */
struct wfs_op_call wfs_op_call(const struct wfs_scope *scope, const struct wfs_op *op,
                               const struct wfs_expr *const *in, uint32_t n);
/* Runs an operation of class ONE, JOIN or FILL: call->ret. What may be lost is reported for the
 * scope's item. -EINVAL "flax.map:3:9: WHAT". */
int wfs_op_run(struct wfs_op_call *call, struct wfs_sink *sink);
/* Classes ONE and FILL. */
int wfs_op_apply(const struct wfs_run *run, const struct wfs_op *op, struct wfs_val *val);

#endif
