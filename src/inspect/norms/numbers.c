/*
 * numbers.c - the columns of statistics, computed in one place for the table, the TSV and the JSON.
 */
#include "inspect/norms/numbers.h"

#include <inttypes.h>
#include <math.h>

const char *const wfs_stats_names[WFS_STATS_N_NUMBERS] = {"l2",  "mean",  "std", "min",
                                                          "max", "zeros", "nan", "inf"};

/* NaN has a sign, which printf shows. */
static double without_sign_of_nan(double x)
{
    return isnan(x) ? NAN : x;
}

struct wfs_stats_numbers wfs_stats_numbers(const struct wfs_stats *stats)
{
    bool has_numbers = stats->n > stats->n_nan;
    return (struct wfs_stats_numbers){
        .reals = {without_sign_of_nan(wfs_stats_l2(stats)),
                  without_sign_of_nan(wfs_stats_mean(stats)),
                  without_sign_of_nan(wfs_stats_std(stats)), has_numbers ? stats->min : NAN,
                  has_numbers ? stats->max : NAN},
        .counts = {stats->n_zero, stats->n_nan, stats->n_inf},
    };
}

void wfs_stats_add_json_real(struct wfs_buf *out, const char *key, double value)
{
    wfs_buf_printf(out, "\"%s\": ", key);
    if (isfinite(value))
        wfs_buf_printf(out, "%.17g", value);
    else
        wfs_buf_str(out, isnan(value) ? "null" : value > 0 ? "\"Infinity\"" : "\"-Infinity\"");
}

void wfs_stats_add_json(struct wfs_buf *out, const struct wfs_stats *stats)
{
    struct wfs_stats_numbers numbers = wfs_stats_numbers(stats);
    wfs_buf_char(out, '{');
    for (size_t i = 0; i < WFS_STATS_N_REALS; i++) {
        wfs_stats_add_json_real(out, wfs_stats_names[i], numbers.reals[i]);
        wfs_buf_str(out, ", ");
    }
    for (size_t i = 0; i < WFS_STATS_N_COUNTS; i++)
        wfs_buf_printf(out, "%s\"%s\": %" PRIu64, i ? ", " : "",
                       wfs_stats_names[WFS_STATS_N_REALS + i], numbers.counts[i]);
    wfs_buf_char(out, '}');
}
