/*
 * blocks.h - tensors of block codes: put together of the parts that torch keeps, and taken apart.
 */
#ifndef WEIGHTFS_RULES_OPERATIONS_BLOCKS_H
#define WEIGHTFS_RULES_OPERATIONS_BLOCKS_H

#include "rules/operations/operation.h"

/* The rows, NULL-terminated. */
extern const struct wfs_operation *const wfs_blocks_operations[];

#endif
