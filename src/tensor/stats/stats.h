/*
 * stats.h - which loop takes the moments of a type. Private to tensor/; the statistics themselves
 * are declared in tensor/tensor.h.
 */
#ifndef WEIGHTFS_TENSOR_STATS_STATS_H
#define WEIGHTFS_TENSOR_STATS_STATS_H

#include "tensor/stats/moments.h"

/* The loop for a type on this CPU; NULL: only through float64 (dtype WFS_F64 always has one). */
wfs_moments_fn wfs_moments_for(enum wfs_dtype dtype);

#endif
