/*
 * elem.h - element operations: the only place where a read changes values.
 *
 * Arrays are packed as files are (sub-byte types: first element in the low bits). Every operation
 * is computed in float64 and rounded once to the type after it (an integer type: to the nearest,
 * ties to even, saturating); adding a whole number to integers is exact and wraps.
 */
#ifndef WEIGHTFS_TENSOR_CONVERT_ELEM_H
#define WEIGHTFS_TENSOR_CONVERT_ELEM_H

#include "tensor/tensor.h"

/* Applies one operation to n elements of type `from`; `out` gets n elements of op->dtype. in == out
 * is allowed where both types have the same size. CAST takes any pair of numeric types; SCALE and
 * ADD round to op->dtype (complex: the scale is of both parts, the sum of the real part); EXP
 * and LOG take float32 to float32; NEG, CONJ and BYTESWAP need op->dtype == from. -EINVAL naming the types where the operation has no meaning
 * (opaque types, CONJ of a real type, a sub-byte BYTESWAP, NEG of bool). */
int wfs_elem_apply(enum wfs_dtype from, const struct wfs_elem_op *op, const void *in, void *out,
                   uint64_t n, struct wfs_error *err);
/* True where both lists of operations do the same, with the same numbers. */
bool wfs_ops_equal(uint32_t a_n, const struct wfs_elem_op *a, uint32_t b_n,
                   const struct wfs_elem_op *b);

#endif
