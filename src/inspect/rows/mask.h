/*
 * mask.h - weight-decay masks, as xlstm-jax's get_param_mask_fn: a regular expression is
 * searched in the "."-joined name; `exclude` leaves out what matches one, `include` keeps only what
 * matches one, both together are an error.
 */
#ifndef WEIGHTFS_INSPECT_ROWS_MASK_H
#define WEIGHTFS_INSPECT_ROWS_MASK_H

#include "inspect/inspect.h"

/* Sets weight_decay of every row; leaves -1 where neither list is given. Lists are NULL-terminated
 * or NULL. */
int wfs_mask_apply(struct wfs_inspect_rows *rows, const char *const *exclude,
                   const char *const *include, struct wfs_error *err);

#endif
