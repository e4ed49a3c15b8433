/*
 * gather_ops.h - jobs whose elements are changed on the way by element operations. Private to
 * tensor/.
 */
#ifndef WEIGHTFS_TENSOR_EXPR_GATHER_OPS_H
#define WEIGHTFS_TENSOR_EXPR_GATHER_OPS_H

#include "tensor/expr/gather.h"

/* The cells of a job after operations; the strides of job->dst are those of the results. */
int wfs_gather_ops(struct wfs_reader *reader, const struct wfs_job *job, enum wfs_dtype dtype,
                   uint32_t n_ops, const struct wfs_elem_op *ops, struct wfs_error *err);

/* n elements of less than 8 bits: one a byte <-> packed, first element in the low bits. In place
 * is allowed. */
void wfs_pack_cells(uint32_t bits, uint8_t *packed, const uint8_t *cells, size_t n);
void wfs_unpack_cells(uint32_t bits, uint8_t *cells, const uint8_t *packed, size_t n);

#endif
