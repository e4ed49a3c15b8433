/*
 * fills.h - targets that need no source: repeated, counted and sinusoidal values.
 */
#ifndef WEIGHTFS_RULES_OPERATIONS_FILLS_H
#define WEIGHTFS_RULES_OPERATIONS_FILLS_H

#include "rules/operations/operation.h"

/* The rows, NULL-terminated. */
extern const struct wfs_operation *const wfs_fills_operations[];

#endif
