/*
 * pool.c - blocks by key, least recently used out first.
 *
 * Invariants: a block is in its bucket unless its computation failed; it is in the LRU list exactly
 * while it is ready and unpinned; its extent belongs to it until it is freed. All fields of the
 * pool and the pool's fields of a block are guarded by `lock`; `data` is written by the owner
 * before publishing and only read after.
 */
#include "cache/pool/pool.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "cache/pool/region.h"

#define MIN_BUCKETS 256u
#define MAX_BUCKETS 65536u

enum { STATE_COMPUTING, STATE_READY, STATE_FAILED };

/* Made by the first that waits: most blocks never have one. */
struct wfs_block_waiters {
    pthread_cond_t done;
};

struct wfs_pool {
    pthread_mutex_t lock;
    struct wfs_region *region;
    struct wfs_block **buckets;
    uint32_t n_buckets;                        /* a power of two */
    struct wfs_block *lru_oldest, *lru_newest; /* spent blocks are at the oldest end */
    uint64_t used_bytes;                       /* of all blocks */
};

int wfs_pool_new(uint64_t budget_bytes, struct wfs_pool **ret, struct wfs_error *err)
{
    struct wfs_pool *pool = calloc(1, sizeof *pool);
    if (!pool)
        return wfs_error_nomem(err, "the block pool");
    pool->n_buckets = MIN_BUCKETS;
    while (pool->n_buckets < MAX_BUCKETS && pool->n_buckets < budget_bytes / WFS_REGION_GRAIN)
        pool->n_buckets *= 2;
    pool->buckets = calloc(pool->n_buckets, sizeof *pool->buckets);
    if (!pool->buckets) {
        free(pool);
        return wfs_error_nomem(err, "the block pool");
    }
    int r = wfs_region_new(budget_bytes, &pool->region, err);
    if (r < 0) {
        free(pool->buckets);
        free(pool);
        return r;
    }
    pthread_mutex_init(&pool->lock, NULL);
    *ret = pool;
    return 0;
}

static void block_free(struct wfs_pool *pool, struct wfs_block *block)
{
    pool->used_bytes -= block->size_bytes;
    wfs_region_give(pool->region, block->extent);
    if (block->waiters) {
        pthread_cond_destroy(&block->waiters->done);
        free(block->waiters);
    }
    free(block);
}

void wfs_pool_free(struct wfs_pool *pool)
{
    if (!pool)
        return;
    for (uint32_t i = 0; i < pool->n_buckets; i++) {
        for (struct wfs_block *b = pool->buckets[i], *next; b; b = next) {
            next = b->bucket_next;
            block_free(pool, b);
        }
    }
    wfs_region_free(pool->region);
    pthread_mutex_destroy(&pool->lock);
    free(pool->buckets);
    free(pool);
}

uint64_t wfs_pool_budget_bytes(const struct wfs_pool *pool)
{
    return wfs_region_size_bytes(pool->region);
}

/* ---- books (the lock is held) -------------------------------------------------------------- */

static struct wfs_block **bucket_of(struct wfs_pool *pool, const struct wfs_block_key *key)
{
    uint64_t h;
    memcpy(&h, key->hash.bytes, sizeof h);
    h = (h ^ key->number) * UINT64_C(0x9e3779b97f4a7c15);
    return &pool->buckets[(h >> 32) & (pool->n_buckets - 1)];
}

static struct wfs_block *bucket_find(struct wfs_pool *pool, const struct wfs_block_key *key)
{
    struct wfs_block *b = *bucket_of(pool, key);
    while (b && (b->key.number != key->number ||
                 memcmp(b->key.hash.bytes, key->hash.bytes, sizeof key->hash.bytes) != 0))
        b = b->bucket_next;
    return b;
}

static void bucket_remove(struct wfs_pool *pool, struct wfs_block *block)
{
    struct wfs_block **at = bucket_of(pool, &block->key);
    while (*at != block)
        at = &(*at)->bucket_next;
    *at = block->bucket_next;
}

static void lru_insert(struct wfs_pool *pool, struct wfs_block *block, struct wfs_block *older,
                       struct wfs_block *newer)
{
    block->lru_prev = older;
    block->lru_next = newer;
    *(older ? &older->lru_next : &pool->lru_oldest) = block;
    *(newer ? &newer->lru_prev : &pool->lru_newest) = block;
}

static bool is_spent(const struct wfs_block *block)
{
    return block->n_served_bytes >= block->size_bytes;
}

static void lru_remove(struct wfs_pool *pool, struct wfs_block *block)
{
    if (block->lru_prev)
        block->lru_prev->lru_next = block->lru_next;
    else
        pool->lru_oldest = block->lru_next;
    if (block->lru_next)
        block->lru_next->lru_prev = block->lru_prev;
    else
        pool->lru_newest = block->lru_prev;
}

static void pin(struct wfs_pool *pool, struct wfs_block *block)
{
    if (block->n_pins++ == 0 && block->state == STATE_READY)
        lru_remove(pool, block);
}

static void unpin(struct wfs_pool *pool, struct wfs_block *block)
{
    if (--block->n_pins > 0)
        return;
    if (block->state == STATE_READY && is_spent(block))
        lru_insert(pool, block, NULL, pool->lru_oldest);
    else if (block->state == STATE_READY)
        lru_insert(pool, block, pool->lru_newest, NULL);
    else
        block_free(pool, block); /* A block whose computation failed has left its bucket already. */
}

static void evict_oldest(struct wfs_pool *pool)
{
    struct wfs_block *oldest = pool->lru_oldest;
    lru_remove(pool, oldest);
    bucket_remove(pool, oldest);
    block_free(pool, oldest);
}

/* Pinned blocks (in flight, being copied, queued for the index) are not touched. */
static struct wfs_extent *make_room(struct wfs_pool *pool, uint64_t size_bytes)
{
    if (pool->used_bytes >= WFS_POOL_WARM_BYTES && pool->lru_oldest && is_spent(pool->lru_oldest))
        evict_oldest(pool);
    struct wfs_extent *extent = wfs_region_take(pool->region, size_bytes);
    while (!extent && pool->lru_oldest) {
        evict_oldest(pool);
        extent = wfs_region_take(pool->region, size_bytes);
    }
    return extent;
}

static struct wfs_block *block_new(struct wfs_pool *pool, const struct wfs_block_key *key,
                                   uint64_t size_bytes)
{
    if (size_bytes > wfs_region_size_bytes(pool->region))
        return NULL; /* No eviction could make room for this, so none is begun. */
    struct wfs_block *block = calloc(1, sizeof *block);
    if (!block)
        return NULL;
    block->extent = make_room(pool, size_bytes);
    if (!block->extent) {
        free(block);
        return NULL;
    }
    block->key = *key;
    block->data = wfs_region_data(pool->region, block->extent);
    block->size_bytes = size_bytes;
    pool->used_bytes += size_bytes;
    block->state = STATE_COMPUTING;
    block->n_pins = 1;
    struct wfs_block **bucket = bucket_of(pool, key);
    block->bucket_next = *bucket;
    *bucket = block;
    return block;
}

/* Pins the block and waits until its owner is done with it. */
static enum wfs_pool_result wait_ready(struct wfs_pool *pool, struct wfs_block *block,
                                       struct wfs_block **ret)
{
    if (block->state == STATE_COMPUTING && !block->waiters) {
        block->waiters = malloc(sizeof *block->waiters);
        if (!block->waiters)
            return WFS_POOL_FULL;
        pthread_cond_init(&block->waiters->done, NULL);
    }
    pin(pool, block);
    while (block->state == STATE_COMPUTING)
        pthread_cond_wait(&block->waiters->done, &pool->lock);
    if (block->state == STATE_FAILED) {
        unpin(pool, block);
        return WFS_POOL_FAILED;
    }
    *ret = block;
    return WFS_POOL_HIT;
}

/* ---- operations ---------------------------------------------------------------------------- */

enum wfs_pool_result wfs_pool_acquire(struct wfs_pool *pool, const struct wfs_block_key *key,
                                      uint64_t size_bytes, struct wfs_block **ret)
{
    enum wfs_pool_result result = WFS_POOL_FULL;
    pthread_mutex_lock(&pool->lock);
    struct wfs_block *block = bucket_find(pool, key);
    if (block) {
        result = wait_ready(pool, block, ret);
    } else if ((block = block_new(pool, key, size_bytes))) {
        *ret = block;
        result = WFS_POOL_OWNER;
    }
    pthread_mutex_unlock(&pool->lock);
    return result;
}

enum wfs_pool_result wfs_pool_find(struct wfs_pool *pool, const struct wfs_block_key *key,
                                   struct wfs_block **ret)
{
    enum wfs_pool_result result = WFS_POOL_ABSENT;
    pthread_mutex_lock(&pool->lock);
    struct wfs_block *block = bucket_find(pool, key);
    if (block)
        result = wait_ready(pool, block, ret);
    pthread_mutex_unlock(&pool->lock);
    return result;
}

static void settle(struct wfs_block *block, uint8_t state)
{
    block->state = state;
    if (block->waiters)
        pthread_cond_broadcast(&block->waiters->done);
}

void wfs_pool_publish(struct wfs_pool *pool, struct wfs_block *block)
{
    pthread_mutex_lock(&pool->lock);
    settle(block, STATE_READY);
    pthread_mutex_unlock(&pool->lock);
}

void wfs_pool_abandon(struct wfs_pool *pool, struct wfs_block *block)
{
    pthread_mutex_lock(&pool->lock);
    bucket_remove(pool, block);
    settle(block, STATE_FAILED);
    unpin(pool, block);
    pthread_mutex_unlock(&pool->lock);
}

void wfs_pool_pin(struct wfs_pool *pool, struct wfs_block *block)
{
    pthread_mutex_lock(&pool->lock);
    pin(pool, block);
    pthread_mutex_unlock(&pool->lock);
}

void wfs_pool_release(struct wfs_pool *pool, struct wfs_block *block)
{
    pthread_mutex_lock(&pool->lock);
    unpin(pool, block);
    pthread_mutex_unlock(&pool->lock);
}

void wfs_pool_served(struct wfs_pool *pool, struct wfs_block *block, uint64_t n_bytes)
{
    pthread_mutex_lock(&pool->lock);
    block->n_served_bytes += n_bytes;
    pthread_mutex_unlock(&pool->lock);
}
