/*
 * table.h - every operation of the language, by name.
 */
#ifndef WEIGHTFS_RULES_OPERATIONS_TABLE_H
#define WEIGHTFS_RULES_OPERATIONS_TABLE_H

#include "rules/operations/operation.h"

/* The operation of that name, or NULL. */
const struct wfs_operation *wfs_operation_find(const char *name);

#endif
