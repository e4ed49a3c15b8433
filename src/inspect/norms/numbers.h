/*
 * numbers.h - the numbers that are shown of one tensor's statistics, and the same as JSON.
 */
#ifndef WEIGHTFS_INSPECT_NORMS_NUMBERS_H
#define WEIGHTFS_INSPECT_NORMS_NUMBERS_H

#include "tensor/tensor.h"

#define WFS_STATS_N_REALS   5
#define WFS_STATS_N_COUNTS  3
#define WFS_STATS_N_NUMBERS (WFS_STATS_N_REALS + WFS_STATS_N_COUNTS)

/* Of all numbers in order, the real ones first: "l2", "mean", "std", "min", "max", "zeros", "nan",
 * "inf". */
extern const char *const wfs_stats_names[WFS_STATS_N_NUMBERS];

struct wfs_stats_numbers {
    double reals[WFS_STATS_N_REALS]; /* min and max are NaN where there is nothing but NaN */
    uint64_t counts[WFS_STATS_N_COUNTS];
};
struct wfs_stats_numbers wfs_stats_numbers(const struct wfs_stats *stats);

/* "key": value. JSON has neither NaN nor infinities: they are null, "Infinity" and "-Infinity". */
void wfs_stats_add_json_real(struct wfs_buf *out, const char *key, double value);
/* {"l2": ..., "mean": ..., "std", "min", "max", "zeros", "nan", "inf"}. */
void wfs_stats_add_json(struct wfs_buf *out, const struct wfs_stats *stats);

#endif
