/*
 * nested.h - an expression's row-major bytes as a source of their own. Private to tensor/.
 */
#ifndef WEIGHTFS_TENSOR_EXPR_NESTED_H
#define WEIGHTFS_TENSOR_EXPR_NESTED_H

#include "tensor/expr/piece.h"

/* The same elements as one contiguous run of a computed source. */
int wfs_expr_nest(struct wfs_arena *arena, const struct wfs_expr *in, uint32_t ndim,
                  const uint64_t *shape, enum wfs_dtype dtype, const struct wfs_expr **ret,
                  struct wfs_error *err);
/* NULL unless bytes are those of wfs_expr_as_bytes. */
const struct wfs_expr *wfs_nested_expr(const struct wfs_bytes *bytes);

#endif
