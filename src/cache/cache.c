/*
 * cache.c - reading an expression through blocks, or not.
 *
 * For each request: a run of source bytes is read from the source. Otherwise the request is cut at
 * block boundaries and each part is, in this order, copied from a block in memory; gathered
 * directly, when the history says that it is an isolated small read; or copied from the block,
 * which the first to ask fills from the index or by computing it. No lock is held across any of
 * this: a pin keeps a block in place. Where the pool has no room the part is gathered directly.
 *
 * A block that was not computed just now may be older than the last change of its source, so the
 * sources are checked before it is handed on: a changed source gives EIO, never a stale block.
 */
#include "cache/cache.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "cache/access.h"
#include "cache/geometry.h"
#include "cache/index/index.h"
#include "cache/pool/loans.h"
#include "cache/pool/memory.h"
#include "cache/policy.h"
#include "cache/pool/pool.h"
#include "cache/pool/region.h"
#include "cache/index/writer.h"

/* The workers' scratch is part of the budget: what this many gathers at once can hold is set aside,
 * but never more than half. */
#define CONCURRENT_GATHERS 16u
/* A part this large a share of its block is a whole read of it in pieces. */
#define WHOLE_SHARE 4u
/* Mapped source is clean page cache and no memory of ours, but it counts as resident, so it is kept
 * in proportion. Too little, and every panel of a large tensor faults its pages in anew. */
#define WINDOWS_SHARE 16u

struct wfs_cache {
    enum wfs_cache_mode mode;
    struct wfs_pool *pool; /* NULL: no memory for blocks */
    struct wfs_access *access;
    struct wfs_geometry *geometry;
    struct wfs_index *index;   /* NULL: none */
    struct wfs_writer *writer; /* NULL where there is no index, or one that may not be written */
    struct wfs_policy policy;
    atomic_uint_fast64_t blocks_computed, blocks_memory, blocks_index, blocks_dropped;
    atomic_uint_fast64_t source_bytes, served_bytes, elems_overflowed;
};

/* One read of one expression. */
struct request {
    struct wfs_cache *cache;
    const struct wfs_expr *expr;
    const struct wfs_hash *hash;
    struct wfs_block_key key; /* the key of the expression's blocks, whose number is still 0 */
    uint64_t block_bytes;
    bool near; /* continues a recent read */
    bool check_sources;
    struct wfs_loans *loans; /* NULL: everything is copied */
    struct wfs_error *err;
};

static uint64_t now_ns(void)
{
    struct timespec ts;
    clock_gettime(CLOCK_MONOTONIC, &ts);
    return (uint64_t)ts.tv_sec * UINT64_C(1000000000) + (uint64_t)ts.tv_nsec;
}

static void count(atomic_uint_fast64_t *counter, uint64_t n)
{
    atomic_fetch_add_explicit(counter, n, memory_order_relaxed);
}

/* ---- life ---------------------------------------------------------------------------------- */

static uint64_t pool_budget(const struct wfs_cache_options *options)
{
    uint64_t memory = options->memory_bytes > 0 ? options->memory_bytes : wfs_memory_default();
    uint64_t windows;
    wfs_windows_keep(wfs_mul_u64(memory, WINDOWS_SHARE, &windows) ? windows : UINT64_MAX);
    uint64_t scratch = (uint64_t)CONCURRENT_GATHERS * WFS_READ_SCRATCH_MAX;
    return memory - wfs_min_u64(scratch, memory / 2);
}

/* Without its address space a pool costs speed only: try less, then none. */
static struct wfs_pool *pool_new(uint64_t budget)
{
    struct wfs_pool *pool = NULL;
    for (; budget >= WFS_BLOCKS_AT_LEAST * WFS_BLOCK_MIN_BYTES; budget /= 2)
        if (wfs_pool_new(budget, &pool, NULL) == 0)
            return pool;
    return NULL;
}

static void open_index(struct wfs_cache *cache, const struct wfs_cache_options *options)
{
    struct wfs_error err = {0};
    cache->index = wfs_index_open(options);
    if (!cache->index || wfs_index_is_read_only(cache->index))
        return;
    if (wfs_writer_new(cache->index, cache->pool, options, &cache->writer, &err) < 0)
        wfs_log(WFS_LOG_WARNING, "%s: nothing is stored: %s", wfs_index_path(cache->index),
                err.message);
}

int wfs_cache_new(const struct wfs_cache_options *options, struct wfs_cache **ret,
                  struct wfs_error *err)
{
    struct wfs_cache *cache wfs_cleanup(wfs_cache_freep) = calloc(1, sizeof *cache);
    if (!cache)
        return wfs_error_nomem(err, "the cache");
    wfs_policy_init(&cache->policy, options->mode, options->is_network);
    cache->mode = options->mode;
    cache->pool = pool_new(pool_budget(options));
    cache->access = wfs_access_new();
    cache->geometry = wfs_geometry_new(cache->pool ? wfs_pool_budget_bytes(cache->pool) : 0);
    if (!cache->access || !cache->geometry)
        return wfs_error_nomem(err, "the cache");
    if (options->mode != WFS_CACHE_OFF)
        open_index(cache, options);
    *ret = wfs_steal(&cache);
    return 0;
}

void wfs_cache_free(struct wfs_cache *cache)
{
    if (!cache)
        return;
    wfs_writer_free(cache->writer);
    wfs_index_close(cache->index);
    wfs_pool_free(cache->pool);
    wfs_policy_destroy(&cache->policy);
    wfs_geometry_free(cache->geometry);
    wfs_access_free(cache->access);
    free(cache);
}

void wfs_cache_freep(struct wfs_cache **cache)
{
    wfs_cache_free(*cache);
    *cache = NULL;
}

/* ---- gathering ---------------------------------------------------------------------------- */

/* What len bytes of the result are in source bytes, where every piece stores one type. */
static uint64_t source_bytes_of(const struct wfs_expr *expr, uint64_t len)
{
    if (expr->n_pieces == 0 || expr->pieces[0].dtype == expr->dtype)
        return len;
    return (uint64_t)((double)len * wfs_dtype_bits(expr->pieces[0].dtype) /
                      wfs_dtype_bits(expr->dtype));
}

static int gather(struct wfs_cache *cache, const struct wfs_expr *expr, void *buf, uint64_t len,
                  uint64_t off, struct wfs_error *err)
{
    int r = wfs_expr_read(expr, buf, (size_t)len, off, err);
    if (r == 0)
        count(&cache->source_bytes, source_bytes_of(expr, len));
    return r;
}

/* ---- blocks -------------------------------------------------------------------------------- */

static bool fill_from_index(struct wfs_cache *cache, struct wfs_block *block, bool *ret_bad)
{
    int64_t id = 0;
    if (!cache->index || !wfs_policy_wants_index(&cache->policy))
        return false;
    uint64_t start = now_ns();
    enum wfs_index_result result =
        wfs_index_get_block(cache->index, &block->key, block->data, block->size_bytes, &id);
    *ret_bad = result == WFS_INDEX_BAD;
    if (result != WFS_INDEX_HIT)
        return false;
    wfs_policy_note_index(&cache->policy, block->size_bytes, now_ns() - start);
    count(&cache->blocks_index, 1);
    if (id != 0 && cache->writer)
        wfs_writer_touch(cache->writer, id);
    return true;
}

static int fill_by_computing(struct request *req, struct wfs_block *block)
{
    uint64_t start = now_ns();
    int r = gather(req->cache, req->expr, block->data, block->size_bytes,
                   block->key.number * req->block_bytes, req->err);
    if (r < 0)
        return r;
    wfs_policy_note_compute(&req->cache->policy, block->size_bytes, now_ns() - start);
    count(&req->cache->blocks_computed, 1);
    return 0;
}

static void keep(struct wfs_cache *cache, struct wfs_block *block, bool replace)
{
    if (!cache->writer || !wfs_policy_wants_keep(&cache->policy))
        return;
    if (!wfs_writer_put_block(cache->writer, block, replace))
        count(&cache->blocks_dropped, 1);
}

static void hand_out(struct request *req, struct wfs_block *block, uint64_t at, uint8_t *buf,
                     uint64_t len)
{
    struct wfs_pool *pool = req->cache->pool;
    if (!wfs_loans_lend(req->loans, pool, block, at, buf, len))
        memcpy(buf, block->data + at, (size_t)len);
    wfs_pool_served(pool, block, len);
}

/* The owner's part: the block is published before it is copied, so the others do not wait for that,
 * and queued for the index last, since cache=always may wait there. */
static int serve_as_owner(struct request *req, struct wfs_block *block, uint64_t at, uint8_t *buf,
                          uint64_t len)
{
    struct wfs_cache *cache = req->cache;
    bool bad = false;
    block->elem_bytes = wfs_block_elem_bytes(req->expr->dtype);
    bool from_index = fill_from_index(cache, block, &bad);
    if (!from_index) {
        int r = fill_by_computing(req, block);
        if (r < 0) {
            wfs_pool_abandon(cache->pool, block);
            return r;
        }
    }
    wfs_pool_publish(cache->pool, block);
    hand_out(req, block, at, buf, len);
    if (from_index)
        req->check_sources = true;
    else
        keep(cache, block, bad);
    wfs_pool_release(cache->pool, block);
    return 0;
}

static void serve_from_memory(struct request *req, struct wfs_block *block, uint64_t at,
                              uint8_t *buf, uint64_t len)
{
    hand_out(req, block, at, buf, len);
    wfs_pool_release(req->cache->pool, block);
    count(&req->cache->blocks_memory, 1);
    req->check_sources = true;
}

static bool wants_block(const struct request *req, const struct wfs_block_key *key, uint64_t len)
{
    struct wfs_cache *cache = req->cache;
    return req->near || cache->mode == WFS_CACHE_ALWAYS || len >= req->block_bytes / WHOLE_SHARE ||
           wfs_access_is_hot(cache->access, key, req->block_bytes, len);
}

/* Serves a range that lies within one block. */
static int read_part(struct request *req, uint8_t *buf, uint64_t len, uint64_t off)
{
    struct wfs_cache *cache = req->cache;
    struct wfs_block_key key = req->key;
    struct wfs_block *block = NULL;
    key.number = off / req->block_bytes;
    uint64_t block_off = key.number * req->block_bytes;
    uint64_t size = wfs_min_u64(req->block_bytes, req->expr->size_bytes - block_off);
    enum wfs_pool_result result = wfs_pool_find(cache->pool, &key, &block);
    if (result == WFS_POOL_ABSENT && wants_block(req, &key, len))
        result = wfs_pool_acquire(cache->pool, &key, size, &block);
    if (result == WFS_POOL_OWNER)
        return serve_as_owner(req, block, off - block_off, buf, len);
    if (result != WFS_POOL_HIT)
        return gather(cache, req->expr, buf, len, off, req->err);
    serve_from_memory(req, block, off - block_off, buf, len);
    return 0;
}

static int read_blocks(struct request *req, uint8_t *buf, uint64_t len, uint64_t off)
{
    req->key = wfs_block_key(req->hash, req->block_bytes);
    req->near = wfs_access_note(req->cache->access, &req->key.hash, off, len);
    while (len > 0) {
        uint64_t n = wfs_min_u64(len, req->block_bytes - off % req->block_bytes);
        int r = read_part(req, buf, n, off);
        if (r < 0)
            return r;
        buf += n;
        off += n;
        len -= n;
    }
    return req->check_sources ? wfs_expr_check(req->expr, req->err) : 0;
}

static int read_run(struct wfs_cache *cache, struct wfs_bytes *bytes, void *buf, size_t len,
                    uint64_t off, struct wfs_error *err)
{
    int r = wfs_bytes_read(bytes, buf, len, off, err);
    if (r == 0)
        count(&cache->source_bytes, len);
    return r;
}

static int read_somehow(struct request *req, void *buf, size_t len, uint64_t off)
{
    struct wfs_cache *cache = req->cache;
    struct wfs_bytes *run = NULL;
    uint64_t run_off = 0;
    if (wfs_expr_is_run(req->expr, &run, &run_off))
        return read_run(cache, run, buf, len, run_off + off, req->err);
    if (cache->pool)
        req->block_bytes = wfs_geometry_block_bytes(cache->geometry, req->expr, req->hash);
    if (req->block_bytes == 0)
        return gather(cache, req->expr, buf, len, off, req->err);
    return read_blocks(req, buf, len, off);
}

int wfs_cache_read(struct wfs_cache *cache, const struct wfs_expr *expr,
                   const struct wfs_hash *hash, void *buf, size_t len, uint64_t off,
                   struct wfs_loans *loans, struct wfs_error *err)
{
    if (off > expr->size_bytes || len > expr->size_bytes - off)
        return wfs_error_set(err, EINVAL,
                             "read of %zu bytes at %" PRIu64 " of a tensor of %" PRIu64 " bytes",
                             len, off, expr->size_bytes);
    if (len == 0)
        return 0;
    if (!cache)
        return wfs_expr_read(expr, buf, len, off, err);
    struct request req = {.cache = cache, .expr = expr, .hash = hash, .loans = loans, .err = err};
    uint64_t n_overflowed = wfs_convert_n_overflowed();
    int r = read_somehow(&req, buf, len, off);
    if (r == 0)
        count(&cache->served_bytes, len);
    n_overflowed = wfs_convert_n_overflowed() - n_overflowed;
    if (n_overflowed)
        count(&cache->elems_overflowed, n_overflowed);
    return r;
}

/* ---- statistics, facts, tables ------------------------------------------------------------- */

void wfs_cache_stats(const struct wfs_cache *cache, struct wfs_cache_stats *ret)
{
    *ret = (struct wfs_cache_stats){
        .blocks_computed = atomic_load(&cache->blocks_computed),
        .blocks_memory = atomic_load(&cache->blocks_memory),
        .blocks_index = atomic_load(&cache->blocks_index),
        .blocks_dropped = atomic_load(&cache->blocks_dropped),
        .source_bytes = atomic_load(&cache->source_bytes),
        .served_bytes = atomic_load(&cache->served_bytes),
        .elems_overflowed = atomic_load(&cache->elems_overflowed),
    };
    if (cache->writer)
        ret->blocks_dropped += wfs_writer_n_lost(cache->writer);
}

void wfs_cache_count_served(struct wfs_cache *cache, uint64_t n_bytes)
{
    if (cache)
        count(&cache->served_bytes, n_bytes);
}

bool wfs_cache_get_fact(struct wfs_cache *cache, const char *kind, const struct wfs_hash *hash,
                        void *buf, size_t size_bytes)
{
    return cache && cache->index && wfs_index_get_fact(cache->index, kind, hash, buf, size_bytes);
}

void wfs_cache_put_fact(struct wfs_cache *cache, const char *kind, const struct wfs_hash *hash,
                        const void *buf, size_t size_bytes)
{
    if (cache && cache->writer)
        wfs_writer_put_fact(cache->writer, kind, hash, buf, size_bytes);
}

void wfs_cache_flush(struct wfs_cache *cache)
{
    if (cache && cache->writer)
        wfs_writer_flush(cache->writer);
}

void wfs_cache_put_table(struct wfs_cache *cache, const struct wfs_index_table *table)
{
    if (cache && cache->writer)
        wfs_writer_put_table(cache->writer, table);
}
