/*
 * fill.h - elements that lie nowhere: one value repeated, or values that are counted. Private to tensor/.
 */
#ifndef WEIGHTFS_TENSOR_EXPR_FILL_H
#define WEIGHTFS_TENSOR_EXPR_FILL_H

#include "tensor/expr/piece.h"

/* One element of the value as a source (base 0, all strides 0). */
int wfs_fill_bytes(struct wfs_arena *arena, enum wfs_dtype dtype, double value,
                   struct wfs_bytes **ret, struct wfs_error *err);
/* A source of dtype's elements start + step * i. */
int wfs_arange_bytes(struct wfs_arena *arena, enum wfs_dtype dtype, double start, double step,
                     uint64_t n_elems, struct wfs_bytes **ret, struct wfs_error *err);

#endif
