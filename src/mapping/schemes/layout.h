/*
 * layout.h - where the codes and scales of a weight lie.
 */
#ifndef WEIGHTFS_MAPPING_SCHEMES_LAYOUT_H
#define WEIGHTFS_MAPPING_SCHEMES_LAYOUT_H

#include "mapping/schemes/scheme.h"

/* Unsigned integers of so many bits (1 to 8). */
enum wfs_dtype wfs_layout_field(uint32_t bits);

/* One number for each block of elements becomes one for each element: `in` has ceil(shape[i] / block[i])
 * numbers on axis i. -EINVAL says what does not fit. */
int wfs_layout_expand(const struct wfs_dequant *d, const struct wfs_expr *in, uint32_t ndim,
                      const uint64_t *shape, const uint64_t *block, const struct wfs_expr **ret);
/* The same where the blocks follow from the shapes: an axis of `in` is 1, or the shape's, or divides the
 * last axis of the shape. A tensor of one number is for all. */
int wfs_layout_spread(const struct wfs_dequant *d, const struct wfs_expr *in, uint32_t ndim,
                      const uint64_t *shape, const struct wfs_expr **ret);
/* Rows of `n_last` fields side by side from the lowest bit of each row's first byte; rows are the last
 * axis of `words`. -EINVAL where a row has fewer bits. */
int wfs_layout_dense(const struct wfs_dequant *d, const struct wfs_expr *words,
                     enum wfs_dtype field, enum wfs_dtype as, uint64_t n_last,
                     const struct wfs_expr **ret);

#endif
