/*
 * codes.h - the table of block codes. Private to tensor/; expressions of coded tensors are made by
 * wfs_expr_decode and wfs_expr_encode (tensor/tensor.h).
 */
#ifndef WEIGHTFS_TENSOR_CODES_CODES_H
#define WEIGHTFS_TENSOR_CODES_CODES_H

#include "tensor/codes/block.h"

/* The code of a block type; NULL where the type has no reference decoder (Q8_1, Q8_K, Q1_0). */
const struct wfs_code *wfs_code_of(enum wfs_dtype dtype);

static inline size_t wfs_code_elems(const struct wfs_code *code)
{
    return wfs_dtype_info(code->dtype)->block_elems;
}
static inline size_t wfs_code_bytes(const struct wfs_code *code)
{
    return wfs_dtype_bits(code->dtype) / 8;
}
/* What is computed, for the id of its source: the direction, the code's name and version, the type
 * of the result, and all of the input's identity. */
struct wfs_hash wfs_code_key(const char *verb, const struct wfs_code *code, enum wfs_dtype to,
                             const struct wfs_expr *in);

#endif
