/*
 * heads.h - row orders within attention heads and within the gates of recurrent cells.
 */
#ifndef WEIGHTFS_RULES_OPERATIONS_HEADS_H
#define WEIGHTFS_RULES_OPERATIONS_HEADS_H

#include "rules/operations/operation.h"

/* The rows, NULL-terminated. */
extern const struct wfs_operation *const wfs_heads_operations[];

#endif
