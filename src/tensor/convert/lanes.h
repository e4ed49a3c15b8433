/*
 * lanes.h - conversions of short stretches of elements to and from two kinds of lanes. Private to
 * tensor/.
 *
 * Lanes are float64, exact for every component but 64-bit integers, or two's complement 64-bit
 * integers. Stretches are indexed in components from the start of the packed array; their first
 * index is a multiple of 8, so that sub-byte formats start at a byte.
 */
#ifndef WEIGHTFS_TENSOR_CONVERT_LANES_H
#define WEIGHTFS_TENSOR_CONVERT_LANES_H

#include "tensor/tensor.h"

/* 64-bit integers that float64 cannot hold: to nearest, or to odd, which a second rounding to a
 * narrower format undoes. */
enum wfs_decode_rounding { WFS_DECODE_NEAREST, WFS_DECODE_ODD };
void wfs_lanes_from(enum wfs_dtype dtype, const void *in, uint64_t first, uint64_t n,
                    enum wfs_decode_rounding rounding, double *ret);
/* To an integer: towards zero (a cast) or to nearest even (arithmetic), saturating, NaN is 0. */
enum wfs_encode_rounding { WFS_ENCODE_TRUNCATE, WFS_ENCODE_NEAREST };
void wfs_lanes_to(enum wfs_dtype dtype, const double *in, uint64_t n,
                  enum wfs_encode_rounding rounding, void *out, uint64_t first);
/* Integers and bool only; storing wraps (bool: is not 0). */
void wfs_int_lanes_from(enum wfs_dtype dtype, const void *in, uint64_t first, uint64_t n,
                        uint64_t *ret);
void wfs_int_lanes_to(enum wfs_dtype dtype, const uint64_t *in, uint64_t n, void *out,
                      uint64_t first);

#endif
