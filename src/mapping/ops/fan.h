/*
 * fan.h - operations that join tensors or tell one apart, and a rule's operations in order.
 */
#ifndef WEIGHTFS_MAPPING_OPS_FAN_H
#define WEIGHTFS_MAPPING_OPS_FAN_H

#include "mapping/ops/ops.h"

/* Applies operations in order; *vals is replaced. Appends what was done to `text`, where given. */
int wfs_ops_run(const struct wfs_run *run, const struct wfs_ops *ops, struct wfs_vals *vals,
                struct wfs_buf *text);

#endif
