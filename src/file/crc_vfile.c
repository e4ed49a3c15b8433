/*
 * crc_vfile.c - CRCs of expressions and of virtual files.
 *
 * A range's CRC is put together from its parts' (literals from memory, zeros by algebra), so only
 * expressions are ever read, each once: what was computed is a fact in the index, a long one's
 * block by block, so an interrupted computation goes on where it stopped.
 */
#include "file/crc.h"

#include <stdatomic.h>
#include <stdlib.h>

#include "file/vfile.h"

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
        int r = wfs_cache_read(cache, expr, hash, buf, n, off, err);
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

/* ---- ranges of a file ---------------------------------------------------------------------- */

struct range_ctx {
    struct wfs_cache *cache;
    uint32_t crc;
};

static int crc_of_bytes(const struct wfs_part *part, uint64_t at, uint64_t len, uint32_t *ret,
                        struct wfs_error *err)
{
    size_t buf_len = (size_t)wfs_min_u64(len, READ_BYTES);
    uint8_t *buf wfs_cleanup(wfs_freep) = malloc(buf_len);
    if (!buf)
        return wfs_error_nomem(err, "a CRC's buffer");
    uint32_t crc = 0;
    for (uint64_t done = 0; done < len;) {
        size_t n = (size_t)wfs_min_u64(len - done, buf_len);
        int r = wfs_bytes_read(part->u.bytes.bytes, buf, n, part->u.bytes.off + at + done, err);
        if (r)
            return r;
        crc = wfs_crc32(crc, buf, n);
        done += n;
    }
    *ret = crc;
    return 0;
}

static int crc_of_span(const struct wfs_vfile_span *span, struct wfs_cache *cache, uint32_t *ret,
                       struct wfs_error *err)
{
    const struct wfs_part *part = span->part;
    uint64_t at = span->off - part->off;
    switch (part->kind) {
    case WFS_PART_LITERAL:
        *ret = wfs_crc32(0, part->u.literal + at, (size_t)span->len);
        return 0;
    case WFS_PART_ZEROS:
        *ret = wfs_crc32_zeros(span->len);
        return 0;
    case WFS_PART_EXPR:
        if (part->u.expr.seen && span->len == part->u.expr.expr->size_bytes)
            return wfs_crc_seen_whole(part->u.expr.seen, cache, part->u.expr.expr,
                                      &part->u.expr.hash, ret, err);
        return wfs_crc32_expr(cache, part->u.expr.expr, &part->u.expr.hash, part->u.expr.off + at,
                              span->len, NULL, ret, err);
    case WFS_PART_BYTES:
        return crc_of_bytes(part, at, span->len, ret, err);
    case WFS_PART_COMPUTED:
        break;
    }
    return wfs_error_set(err, EINVAL, "a CRC over a computed part");
}

static int add_span(const struct wfs_vfile_span *span, void *ctx_void, struct wfs_error *err)
{
    struct range_ctx *ctx = ctx_void;
    uint32_t crc;
    int r = crc_of_span(span, ctx->cache, &crc, err);
    if (r == 0)
        ctx->crc = wfs_crc32_combine(ctx->crc, crc, span->len);
    return r;
}

int wfs_crc32_vfile(const struct wfs_vfile *file, struct wfs_cache *cache, uint64_t off,
                    uint64_t len, uint32_t *ret, struct wfs_error *err)
{
    struct range_ctx ctx = {.cache = cache};
    int r = wfs_vfile_walk(file, off, len, add_span, &ctx, err);
    if (r == 0)
        *ret = ctx.crc;
    return r;
}
