/*
 * inverse_ops.h - the inverse of a list of operations.
 */
#ifndef WEIGHTFS_RULES_INVERSE_OPS_H
#define WEIGHTFS_RULES_INVERSE_OPS_H

#include "rules/operations/inverting.h"

/* The inverses of the operations, in reverse order. -EINVAL where one has none. */
int wfs_invert_ops(struct wfs_inverting *v, const struct wfs_ops *in, struct wfs_ops *ret);

#endif
