/*
 * layout.h - operations that give the axes another order or other bounds.
 */
#ifndef WEIGHTFS_RULES_OPERATIONS_LAYOUT_H
#define WEIGHTFS_RULES_OPERATIONS_LAYOUT_H

#include "rules/operations/operation.h"

/* The quoted layout, "OI*>*IO", which has no name of its own. */
extern const struct wfs_operation wfs_op_layout;
/* The rows, named ones, NULL-terminated. */
extern const struct wfs_operation *const wfs_layout_operations[];

#endif
