/*
 * geometry.h - how big an expression's blocks are under a budget, and what a block's key is.
 */
#ifndef WEIGHTFS_CACHE_GEOMETRY_H
#define WEIGHTFS_CACHE_GEOMETRY_H

#include "cache/pool/pool.h"
#include "tensor/tensor.h"

/* What the expression asks for, halved until WFS_BLOCKS_AT_ONCE of them (one for each worker) fit
 * the pool; where that would make them smaller than WFS_BLOCK_SMALL_BYTES, until
 * WFS_BLOCKS_AT_LEAST do. 0: gather directly, as it asks for no blocks or as no useful block fits.
 * Measured (11008x4096 bf16, 16 readers, 64 MiB): 16 at once 11 GB/s, 8 8.2, 4 4.7; one reader
 * notices nothing. */
#define WFS_BLOCKS_AT_ONCE    16u
#define WFS_BLOCKS_AT_LEAST   4u
#define WFS_BLOCK_SMALL_BYTES (UINT64_C(1) << 20)
#define WFS_BLOCK_MIN_BYTES   (UINT64_C(256) << 10)
uint64_t wfs_block_bytes(const struct wfs_expr *expr, uint64_t pool_bytes);
/* The same through a small memory of recent answers: asking an expression of many pieces costs as
 * much as serving a small read of it. Thread-safe. */
struct wfs_geometry;
struct wfs_geometry *wfs_geometry_new(uint64_t pool_bytes); /* NULL when out of memory */
void wfs_geometry_free(struct wfs_geometry *geometry);
uint64_t wfs_geometry_block_bytes(struct wfs_geometry *geometry, const struct wfs_expr *expr,
                                  const struct wfs_hash *expr_hash);
/* Covers the expression's hash, the geometry and the engine's version; number is left 0. */
struct wfs_block_key wfs_block_key(const struct wfs_hash *expr_hash, uint64_t block_bytes);
/* Bytes of one component of an element, as the codec splits them: 1, 2, 4 or 8. */
uint32_t wfs_block_elem_bytes(enum wfs_dtype dtype);

#endif
