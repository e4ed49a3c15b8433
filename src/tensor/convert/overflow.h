/*
 * overflow.h - what a cast to a type of smaller range loses.
 */
#ifndef WEIGHTFS_TENSOR_CONVERT_OVERFLOW_H
#define WEIGHTFS_TENSOR_CONVERT_OVERFLOW_H

#include "tensor/tensor.h"

/* Counts the finite elements of in[0..n) that are none in out[0..n), the same after a cast. */
void wfs_overflow_count(enum wfs_dtype from, const void *in, enum wfs_dtype to, const void *out,
                        uint64_t n);

#endif
