/*
 * values.h - how far two tensors of one shape are apart.
 */
#ifndef WEIGHTFS_INSPECT_DIFF_VALUES_H
#define WEIGHTFS_INSPECT_DIFF_VALUES_H

#include "inspect/inspect.h"

/* Fills the entry's values. Opaque types have none: has_values stays false. */
int wfs_diff_values(struct wfs_diff_entry *entry, const struct wfs_inspect_run *run_a,
                    const struct wfs_inspect_run *run_b, struct wfs_error *err);

#endif
