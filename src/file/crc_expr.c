/*
 * crc_expr.c - CRCs of expressions' bytes, which are the only bytes that a CRC ever has to read.
 *
 * A whole expression's CRC is kept as a fact in the index, and a long expression's block by block,
 * so that an interrupted computation goes on where it stopped.
 */
#include "file/crc_expr.h"

#include <stdatomic.h>
#include <stdlib.h>

#include "file/crc.h"
#include "file/file.h"

#define READ_BYTES (1u << 20)

static atomic_uint_fast64_t computed_bytes;

uint64_t wfs_crc32_computed_bytes(void)
{
    return atomic_load_explicit(&computed_bytes, memory_order_relaxed);
}

static int compute(struct wfs_cache *cache, const struct wfs_expr *expr,
                   const struct wfs_hash *hash, uint64_t off, uint64_t len, uint32_t *ret,
                   struct wfs_error *err)
{
    size_t buf_len = (size_t)wfs_min_u64(len, READ_BYTES);
    uint8_t *buf wfs_cleanup(wfs_freep) = malloc(buf_len ? buf_len : 1);
    if (!buf)
        return wfs_error_nomem(err, "a CRC's buffer");
    uint32_t crc = 0;
    for (uint64_t end = off + len; off < end;) {
        size_t n = (size_t)wfs_min_u64(end - off, buf_len);
        int r = wfs_cache_read(cache, expr, hash, buf, n, off, NULL, err);
        if (r)
            return r;
        crc = wfs_crc32(crc, buf, n);
        off += n;
    }
    atomic_fetch_add_explicit(&computed_bytes, len, memory_order_relaxed);
    *ret = crc;
    return 0;
}

/* Of the whole expression: the known runs, and what lies between them computed. */
static int compute_between(struct wfs_cache *cache, const struct wfs_expr *expr,
                           const struct wfs_hash *hash, const struct wfs_crc_runs *known,
                           uint32_t *ret, struct wfs_error *err)
{
    uint32_t whole = 0, crc;
    uint64_t off = 0;
    for (uint32_t i = 0; i <= known->n; i++) {
        const struct wfs_crc_run *run = i < known->n ? &known->runs[i] : NULL;
        uint64_t len = (run ? run->off : expr->size_bytes) - off;
        int r = len > 0 ? compute(cache, expr, hash, off, len, &crc, err) : 0;
        if (r)
            return r;
        if (len > 0)
            whole = wfs_crc32_combine(whole, crc, len);
        if (run) {
            whole = wfs_crc32_combine(whole, run->crc, run->len);
            off = run->off + run->len;
        }
    }
    *ret = whole;
    return 0;
}

static bool get_fact(struct wfs_cache *cache, const char *kind, const struct wfs_hash *hash,
                     uint32_t *ret)
{
    uint8_t stored[4];
    if (!wfs_cache_get_fact(cache, kind, hash, stored, sizeof(stored)))
        return false;
    *ret = wfs_load_u32le(stored);
    return true;
}

static void put_fact(struct wfs_cache *cache, const char *kind, const struct wfs_hash *hash,
                     uint32_t crc)
{
    uint8_t stored[4];
    wfs_store_u32le(stored, crc);
    wfs_cache_put_fact(cache, kind, hash, stored, sizeof(stored));
}

/* Block by block, each a fact of its own. */
static int compute_blocks(struct wfs_cache *cache, const struct wfs_expr *expr,
                          const struct wfs_hash *hash, uint32_t *ret, struct wfs_error *err)
{
    uint32_t whole = 0, crc;
    for (uint64_t off = 0; off < expr->size_bytes; off += WFS_CRC_BLOCK_BYTES) {
        uint64_t len = wfs_min_u64(WFS_CRC_BLOCK_BYTES, expr->size_bytes - off);
        char kind[48];
        snprintf(kind, sizeof(kind), "crc32.64m.%llu",
                 (unsigned long long)(off / WFS_CRC_BLOCK_BYTES));
        if (!get_fact(cache, kind, hash, &crc)) {
            int r = compute(cache, expr, hash, off, len, &crc, err);
            if (r)
                return r;
            put_fact(cache, kind, hash, crc);
        }
        whole = wfs_crc32_combine(whole, crc, len);
    }
    *ret = whole;
    return 0;
}

static int compute_whole(struct wfs_cache *cache, const struct wfs_expr *expr,
                         const struct wfs_hash *hash, const struct wfs_crc_runs *known,
                         uint32_t *ret, struct wfs_error *err)
{
    static const struct wfs_crc_runs none;
    uint64_t missing = expr->size_bytes;
    for (uint32_t i = 0; known && i < known->n; i++)
        missing -= known->runs[i].len;
    return missing > WFS_CRC_BLOCK_BYTES
               ? compute_blocks(cache, expr, hash, ret, err)
               : compute_between(cache, expr, hash, known ? known : &none, ret, err);
}

int wfs_crc32_expr(struct wfs_cache *cache, const struct wfs_expr *expr,
                   const struct wfs_hash *hash, uint64_t off, uint64_t len,
                   const struct wfs_crc_runs *known, uint32_t *ret, struct wfs_error *err)
{
    if (off != 0 || len != expr->size_bytes)
        return compute(cache, expr, hash, off, len, ret, err);
    if (get_fact(cache, "crc32", hash, ret))
        return 0;
    int r = compute_whole(cache, expr, hash, known, ret, err);
    if (r == 0)
        put_fact(cache, "crc32", hash, *ret);
    return r;
}
