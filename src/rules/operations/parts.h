/*
 * parts.h - operations that take a part of a tensor, or repeat it along an axis.
 */
#ifndef WEIGHTFS_RULES_OPERATIONS_PARTS_H
#define WEIGHTFS_RULES_OPERATIONS_PARTS_H

#include "rules/operations/operation.h"

/* The rows, NULL-terminated. */
extern const struct wfs_operation *const wfs_parts_operations[];

#endif
