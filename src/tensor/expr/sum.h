/*
 * sum.h - sums of expressions. Private to tensor/; wfs_expr_sum is declared in tensor/tensor.h.
 */
#ifndef WEIGHTFS_TENSOR_EXPR_SUM_H
#define WEIGHTFS_TENSOR_EXPR_SUM_H

#include "tensor/expr/piece.h"

/* The operands of a sum; NULL for other sources. */
const struct wfs_expr *const *wfs_sum_operands(const struct wfs_bytes *bytes, uint32_t *ret_n);

#endif
