/*
 * values.h - operations that touch values: a cast, a factor, a summand.
 */
#ifndef WEIGHTFS_RULES_OPERATIONS_VALUES_H
#define WEIGHTFS_RULES_OPERATIONS_VALUES_H

#include "rules/operations/operation.h"

/* The rows, NULL-terminated. */
extern const struct wfs_operation *const wfs_values_operations[];

#endif
