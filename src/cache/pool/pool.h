/*
 * pool.h - the bounded pool of computed blocks. A block is computed once however many readers ask:
 * the first owns it, the others wait for that computation and for nothing else. Nobody ever waits
 * for memory: when no room can be made the answer is WFS_POOL_FULL and the caller gathers directly.
 *
 * A block in hand is pinned: its bytes stay until wfs_pool_release. The lock covers the books only,
 * never computing, I/O or copying.
 */
#ifndef WEIGHTFS_CACHE_POOL_POOL_H
#define WEIGHTFS_CACHE_POOL_POOL_H

#include "base/base.h"

/* Names a block's bytes: the hash of (expression, geometry, engine) and its number. */
struct wfs_block_key {
    struct wfs_hash hash;
    uint64_t number;
};

struct wfs_pool;
struct wfs_block {
    struct wfs_block_key key;
    uint8_t *data;
    uint64_t size_bytes;
    uint32_t elem_bytes; /* set by the owner, for the codec */
    /* The rest is the pool's. */
    struct wfs_extent *extent;
    struct wfs_block *bucket_next, *lru_prev, *lru_next;
    struct wfs_block_waiters *waiters;
    uint64_t n_served_bytes;
    uint32_t n_pins;
    uint8_t state;
};

enum wfs_pool_result {
    WFS_POOL_HIT,    /* pinned and ready */
    WFS_POOL_OWNER,  /* pinned; fill it, then wfs_pool_publish or wfs_pool_abandon */
    WFS_POOL_FULL,   /* no room without waiting */
    WFS_POOL_FAILED, /* its owner could not compute it: compute directly, to see why */
    WFS_POOL_ABSENT, /* only from wfs_pool_find */
};

int wfs_pool_new(uint64_t budget_bytes, struct wfs_pool **ret, struct wfs_error *err);
/* No block may be pinned any more. */
void wfs_pool_free(struct wfs_pool *pool);
uint64_t wfs_pool_budget_bytes(const struct wfs_pool *pool);

enum wfs_pool_result wfs_pool_acquire(struct wfs_pool *pool, const struct wfs_block_key *key,
                                      uint64_t size_bytes, struct wfs_block **ret);
/* As above, but makes nothing: HIT, FAILED or ABSENT. */
enum wfs_pool_result wfs_pool_find(struct wfs_pool *pool, const struct wfs_block_key *key,
                                   struct wfs_block **ret);
/* The owner's block is whole; the owner keeps its pin. */
void wfs_pool_publish(struct wfs_pool *pool, struct wfs_block *block);
/* The owner gives up; its pin is gone, and so is the block. */
void wfs_pool_abandon(struct wfs_pool *pool, struct wfs_block *block);
void wfs_pool_pin(struct wfs_pool *pool, struct wfs_block *block);
void wfs_pool_release(struct wfs_pool *pool, struct wfs_block *block);
/* A reader was given this many of the block's bytes. A block of which all were given is spent: its
 * reader, or the kernel's page cache, has them now, and its memory is warm, where memory that was
 * never used must be cleared first. So past WFS_POOL_WARM_BYTES a spent block makes room for the
 * next one before fresh memory does. */
#define WFS_POOL_WARM_BYTES (UINT64_C(8) << 20)
void wfs_pool_served(struct wfs_pool *pool, struct wfs_block *block, uint64_t n_bytes);

#endif
