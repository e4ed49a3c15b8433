/*
 * geometry.h - how big an expression's blocks are under a budget, and what a block's key is.
 */
#ifndef WEIGHTFS_CACHE_GEOMETRY_H
#define WEIGHTFS_CACHE_GEOMETRY_H

#include "pool.h"
#include "weightfs/tensor.h"

/* What the expression asks for, halved until WFS_BLOCKS_AT_ONCE of them fit the pool. 0: gather
 * directly, as it asks for no blocks or as no useful block fits. */
#define WFS_BLOCKS_AT_ONCE  4u
#define WFS_BLOCK_MIN_BYTES (UINT64_C(256) << 10)
uint64_t wfs_block_bytes(const struct wfs_expr *expr, uint64_t pool_bytes);
/* Covers the expression's hash, the geometry and the engine's version; number is left 0. */
struct wfs_block_key wfs_block_key(const struct wfs_hash *expr_hash, uint64_t block_bytes);
/* Bytes of one component of an element, as the codec splits them: 1, 2, 4 or 8. */
uint32_t wfs_block_elem_bytes(enum wfs_dtype dtype);

#endif
