/*
 * run.h - expressions whose elements lie side by side in one source. Private to tensor/.
 */
#ifndef WEIGHTFS_TENSOR_EXPR_RUN_H
#define WEIGHTFS_TENSOR_EXPR_RUN_H

#include "tensor/expr/piece.h"

/* As wfs_expr_is_run, computed sources included. */
bool wfs_expr_is_any_run(const struct wfs_expr *expr, struct wfs_bytes **ret_bytes,
                         uint64_t *ret_off);

#endif
