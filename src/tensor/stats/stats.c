/*
 * stats.c - statistics in one pass, float64 throughout.
 *
 * Numbers are taken in stretches of 4096, each by a loop of independent lanes (so of at most 512
 * additions in a row); stretches are added with Neumaier's compensation. Squared deviations come
 * from the sum of squares where the mean is small beside them; else the stretch, still in the
 * first-level cache, is passed again with its mean taken off. Chan's formula combines stretches. So
 * a standard deviation far below the mean keeps its digits.
 *
 * A stretch whose sum of squares is not finite holds NaN or infinity (or squares beyond float64):
 * only then are its numbers looked at one by one.
 */
#include "tensor/stats/stats.h"

#include <math.h>
#include <string.h>

#include "tensor/convert/lanes.h"
#include "tensor/convert/small.h"
#include "tensor/stats/x86.h"

#define STRETCH 4096 /* elements; a multiple of 8 */

wfs_moments_fn wfs_moments_for(enum wfs_dtype dtype)
{
    wfs_moments_fn native = wfs_moments_native(dtype);
    return native != NULL || dtype != WFS_F64 ? native : wfs_moments_portable;
}

/* ---- totals -------------------------------------------------------------------------------- */

/* Adds so that what the rounding of the sum loses is kept in `low`. */
static void add_compensated(double *total, double *low, double value)
{
    double sum = *total + value;
    if (isfinite(sum))
        *low += fabs(*total) >= fabs(value) ? (*total - sum) + value : (value - sum) + *total;
    *total = sum;
}

static bool has_numbers(const struct wfs_stats *stats)
{
    return stats->n > stats->n_nan;
}

/* The means' own rounding may be more than what lies between them: what each loses is kept. */
static double means_apart(const struct wfs_stats *a, const struct wfs_stats *b)
{
    double n_a = (double)a->n, n_b = (double)b->n, mean_a = a->sum / n_a, mean_b = b->sum / n_b;
    double low_a = (fma(-mean_a, n_a, a->sum) + a->sum_low) / n_a;
    double low_b = (fma(-mean_b, n_b, b->sum) + b->sum_low) / n_b;
    return (mean_b - mean_a) + (low_b - low_a);
}

void wfs_stats_merge(struct wfs_stats *stats, const struct wfs_stats *more)
{
    if (more->n == 0)
        return;
    if (stats->n == 0) {
        *stats = *more;
        return;
    }
    double a = (double)stats->n, b = (double)more->n;
    double between = means_apart(stats, more);
    stats->m2 += more->m2 + between * between * (a / (a + b) * b);
    if (has_numbers(more)) {
        stats->min = has_numbers(stats) ? fmin(stats->min, more->min) : more->min;
        stats->max = has_numbers(stats) ? fmax(stats->max, more->max) : more->max;
    }
    add_compensated(&stats->sum, &stats->sum_low, more->sum);
    add_compensated(&stats->sum_squares, &stats->sum_squares_low, more->sum_squares);
    stats->sum_low += more->sum_low;
    stats->sum_squares_low += more->sum_squares_low;
    stats->n += more->n;
    stats->n_zero += more->n_zero;
    stats->n_nan += more->n_nan;
    stats->n_inf += more->n_inf;
}

double wfs_stats_mean(const struct wfs_stats *stats)
{
    return (stats->sum + stats->sum_low) / (double)stats->n;
}

double wfs_stats_l2(const struct wfs_stats *stats)
{
    return sqrt(stats->sum_squares + stats->sum_squares_low);
}

double wfs_stats_std(const struct wfs_stats *stats)
{
    if (stats->n > 0 && stats->n_nan == 0 && stats->min == stats->max && isfinite(stats->min))
        /* All numbers are equal, so none deviates, although the computed mean need not equal them
         * to the last digit. */
        return 0;
    return sqrt(stats->m2 / (double)stats->n);
}

/* ---- stretches into totals ----------------------------------------------------------------- */

static double deviations_one_by_one(const double *x, uint64_t n, double mean)
{
    double m2 = 0;
    for (uint64_t i = 0; i < n; i++)
        m2 += (x[i] - mean) * (x[i] - mean);
    return isnan(m2) ? INFINITY : m2; /* the mean is beyond float64 */
}

/* Numbers that are not all finite, or whose squares are not: IEEE decides the sums. */
static void add_one_by_one(const double *x, uint64_t n, struct wfs_stats *stats)
{
    struct wfs_stats more = {.n = n, .min = INFINITY, .max = -INFINITY};
    for (uint64_t i = 0; i < n; i++) {
        more.n_nan += isnan(x[i]) != 0;
        more.n_inf += isinf(x[i]) != 0;
        more.n_zero += x[i] == 0.0;
        more.sum += x[i];
        more.sum_squares += x[i] * x[i];
        more.min = x[i] < more.min ? x[i] : more.min;
        more.max = x[i] > more.max ? x[i] : more.max;
    }
    more.m2 = more.n_nan + more.n_inf > 0 ? NAN : deviations_one_by_one(x, n, more.sum / (double)n);
    wfs_stats_merge(stats, &more);
}

/* Where the mean's share of the sum of squares is above this, subtracting it would cost digits. */
#define MEAN_SHARE_MAX 0.9

/* Sets m2, and where a second pass is made, what the sum has lost. */
static void add_deviations(wfs_moments_fn moments_of, const void *x, struct wfs_stats *stretch)
{
    struct wfs_moments about;
    double count = (double)stretch->n, mean = stretch->sum / count, share = stretch->sum * mean;
    if (share <= MEAN_SHARE_MAX * stretch->sum_squares) {
        stretch->m2 = stretch->sum_squares - share;
        return;
    }
    moments_of(x, stretch->n, mean, &about);
    double m2 = about.sum_squares - about.sum * (about.sum / count);
    stretch->m2 = m2 > 0.0 ? m2 : 0.0;
    stretch->sum_low = fma(count, mean, -stretch->sum) + about.sum;
}

/* Returns false, having added nothing, where the numbers must be looked at one by one. */
static bool add_stretch(wfs_moments_fn moments_of, const void *x, uint64_t n,
                        struct wfs_stats *stats)
{
    struct wfs_moments moments;
    moments_of(x, n, 0.0, &moments);
    if (!isfinite(moments.sum_squares))
        return false;
    struct wfs_stats more = {
        .n = n,
        .n_zero = moments.n_zero,
        .sum = moments.sum,
        .sum_squares = moments.sum_squares,
        .min = moments.min,
        .max = moments.max,
    };
    add_deviations(moments_of, x, &more);
    wfs_stats_merge(stats, &more);
    return true;
}

/* Complex numbers count by their modulus. */
static void decode(enum wfs_dtype dtype, const void *in, uint64_t first, uint64_t n, double *ret)
{
    uint32_t n_components = wfs_num_format(dtype)->n_components;
    double parts[2 * 64];
    if (n_components == 1) {
        wfs_lanes_from(dtype, in, first, n, WFS_DECODE_NEAREST, ret);
        return;
    }
    for (uint64_t i = 0; i < n; i += 64) {
        uint64_t count = wfs_min_u64(64, n - i);
        wfs_lanes_from(dtype, in, 2 * (first + i), 2 * count, WFS_DECODE_NEAREST, parts);
        for (uint64_t k = 0; k < count; k++)
            ret[i + k] = isnan(parts[2 * k]) || isnan(parts[2 * k + 1])
                             ? NAN
                             : hypot(parts[2 * k], parts[2 * k + 1]);
    }
}

int wfs_stats_add(struct wfs_stats *stats, enum wfs_dtype dtype, const void *data, uint64_t n,
                  struct wfs_error *err)
{
    if (wfs_num_format(dtype)->class == WFS_NUM_NONE)
        return wfs_error_set(err, EINVAL, "%s has no numeric values", wfs_dtype_info(dtype)->name);
    double lanes[STRETCH];
    wfs_moments_fn direct = wfs_moments_for(dtype), by_lanes = wfs_moments_for(WFS_F64);
    for (uint64_t i = 0; i < n; i += STRETCH) {
        uint64_t count = wfs_min_u64(STRETCH, n - i);
        const uint8_t *x = (const uint8_t *)data + i * wfs_dtype_bits(dtype) / 8;
        if (direct != NULL && add_stretch(direct, x, count, stats))
            continue;
        decode(dtype, data, i, count, lanes);
        if (direct != NULL || !add_stretch(by_lanes, lanes, count, stats))
            add_one_by_one(lanes, count, stats);
    }
    return 0;
}
