/*
 * structure.h - what the structural operations share. Private to tensor/; the operations themselves are
 * declared in tensor/tensor.h.
 */
#ifndef WEIGHTFS_TENSOR_STRUCTURE_STRUCTURE_H
#define WEIGHTFS_TENSOR_STRUCTURE_STRUCTURE_H

#include "tensor/expr/piece.h"

/* -ENOTSUP where the tensor is made of blocks, which have no layout but their own. */
int wfs_check_layout(const char *op, const struct wfs_expr *in, struct wfs_error *err);
/* The axis is there, and the tensor may be laid out anew. */
int wfs_check_axis(const char *op, const struct wfs_expr *in, uint32_t axis, struct wfs_error *err);

#endif
