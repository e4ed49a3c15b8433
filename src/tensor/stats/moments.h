/*
 * moments.h - the moments of one short stretch of numbers, in portable C: the inner loop of
 * stats.c. Private to tensor/.
 */
#ifndef WEIGHTFS_TENSOR_STATS_MOMENTS_H
#define WEIGHTFS_TENSOR_STATS_MOMENTS_H

#include "tensor/tensor.h"

/* Of x - shift; n_zero, min and max of x, and only where shift is 0. With NaN or infinity among the
 * numbers the sum of squares is not finite, and then min, max and n_zero say nothing. */
struct wfs_moments {
    double sum, sum_squares;
    double min, max;
    uint64_t n_zero;
};

typedef void (*wfs_moments_fn)(const void *x, uint64_t n, double shift, struct wfs_moments *ret);

/* In portable C, for float64. */
void wfs_moments_portable(const void *x, uint64_t n, double shift, struct wfs_moments *ret);

#endif
