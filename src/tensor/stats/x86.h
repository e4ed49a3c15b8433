/*
 * x86.h - moments by the CPU's vector instructions. Private to tensor/.
 */
#ifndef WEIGHTFS_TENSOR_STATS_X86_H
#define WEIGHTFS_TENSOR_STATS_X86_H

#include "tensor/stats/moments.h"

/* The loop for elements of the type as they are stored; NULL where this CPU has none. */
wfs_moments_fn wfs_moments_native(enum wfs_dtype dtype);

#endif
