/*
 * crc_expr.h - the CRC-32 of an expression's bytes.
 */
#ifndef WEIGHTFS_FILE_CRC_EXPR_H
#define WEIGHTFS_FILE_CRC_EXPR_H

#include "cache/cache.h"

/* CRCs of ranges that are known already. The ranges ascend and none overlaps another. */
#define WFS_CRC_RUNS_MAX 16
struct wfs_crc_run {
    uint64_t off, len;
    uint32_t crc;
};
struct wfs_crc_runs {
    uint32_t n;
    struct wfs_crc_run runs[WFS_CRC_RUNS_MAX];
};

/* CRC of an expression's bytes [off, off + len). That of a whole expression is kept as a fact in
 * the index, and so is that of each whole WFS_CRC_BLOCK_BYTES of a long one: computed once. What
 * `known` covers of a whole expression is not read where less than a block is missing; `known` may
 * be NULL, and then nothing is known. */
#define WFS_CRC_BLOCK_BYTES (UINT64_C(64) << 20)
int wfs_crc32_expr(struct wfs_cache *cache, const struct wfs_expr *expr,
                   const struct wfs_hash *hash, uint64_t off, uint64_t len,
                   const struct wfs_crc_runs *known, uint32_t *ret, struct wfs_error *err);

#endif
