/*
 * moments.c - moments of float64 numbers in portable C.
 */
#include "tensor/stats/moments.h"

#include <math.h>

/* ---- one stretch --------------------------------------------------------------------------- */

void wfs_moments_portable(const void *x, uint64_t n, double shift, struct wfs_moments *ret)
{
    enum { LANES = 8 };
    const double *in = x;
    double sum[LANES] = {0}, squares[LANES] = {0};
    *ret = (struct wfs_moments){.min = INFINITY, .max = -INFINITY};
    for (uint64_t i = 0; i < n; i++) {
        double v = in[i] - shift;
        sum[i % LANES] += v;
        squares[i % LANES] += v * v;
        ret->min = v < ret->min ? v : ret->min;
        ret->max = v > ret->max ? v : ret->max;
        ret->n_zero += v == 0.0;
    }
    for (int k = 0; k < LANES; k++) {
        ret->sum += sum[k];
        ret->sum_squares += squares[k];
    }
}
