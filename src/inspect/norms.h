/*
 * norms.h (private) - one tensor's statistics as JSON.
 */
#ifndef INSPECT_NORMS_H
#define INSPECT_NORMS_H

#include "inspect/inspect.h"

/* {"l2", "mean", "std", "min", "max", "zeros", "nan", "inf"}; no number: null, "Infinity". */
void stats_add_json(struct wfs_buf *out, const struct wfs_stats *stats);

#endif
