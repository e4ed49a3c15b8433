/*
 * fans.h - operations that join tensors or tell one apart.
 */
#ifndef WEIGHTFS_RULES_OPERATIONS_FANS_H
#define WEIGHTFS_RULES_OPERATIONS_FANS_H

#include "rules/operations/operation.h"

/* The rows, NULL-terminated. */
extern const struct wfs_operation *const wfs_fans_operations[];

#endif
