/*
 * loans.h - blocks that are lent to a reader instead of copied for it.
 */
#ifndef WEIGHTFS_CACHE_POOL_LOANS_H
#define WEIGHTFS_CACHE_POOL_LOANS_H

#include "cache/pool/pool.h"
#include "cache/cache.h"

/* Lends len bytes of the block from `at` on in the place of buf[0..len). False where a copy is as
 * good, or no more can be lent (loans may be NULL): then nothing was done. */
bool wfs_loans_lend(struct wfs_loans *loans, struct wfs_pool *pool, struct wfs_block *block,
                    uint64_t at, uint8_t *buf, uint64_t len);

#endif
