/*
 * crc_vfile.c - CRCs of expressions and of virtual files.
 *
 * A range's CRC is put together from its parts' (literals from memory, zeros by algebra), so only
 * expressions are ever read, each once: what was computed is a fact in the index, block by block,
 * so an interrupted computation goes on where it stopped.
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

/* A CRC under its name in the index; computed and put there where it is absent. */
static int compute_kept(struct wfs_cache *cache, const char *kind, const struct wfs_expr *expr,
                        const struct wfs_hash *hash, uint64_t off, uint64_t len, uint32_t *ret,
                        struct wfs_error *err)
{
    uint8_t stored[4];
    if (cache && wfs_cache_get_fact(cache, kind, hash, stored, sizeof(stored))) {
        *ret = wfs_load_u32le(stored);
        return 0;
    }
    int r = compute(cache, expr, hash, off, len, ret, err);
    if (r)
        return r;
    wfs_store_u32le(stored, *ret);
    if (cache)
        wfs_cache_put_fact(cache, kind, hash, stored, sizeof(stored));
    return 0;
}

static int compute_blocks(struct wfs_cache *cache, const struct wfs_expr *expr,
                          const struct wfs_hash *hash, uint32_t *ret, struct wfs_error *err)
{
    uint32_t whole = 0;
    for (uint64_t off = 0; off < expr->size_bytes; off += WFS_CRC_BLOCK_BYTES) {
        uint64_t len = wfs_min_u64(WFS_CRC_BLOCK_BYTES, expr->size_bytes - off);
        char kind[48];
        snprintf(kind, sizeof(kind), "crc32.64m.%llu",
                 (unsigned long long)(off / WFS_CRC_BLOCK_BYTES));
        uint32_t crc;
        int r = compute_kept(cache, kind, expr, hash, off, len, &crc, err);
        if (r)
            return r;
        whole = wfs_crc32_combine(whole, crc, len);
    }
    *ret = whole;
    return 0;
}

int wfs_crc32_expr(struct wfs_cache *cache, const struct wfs_expr *expr,
                   const struct wfs_hash *hash, uint64_t off, uint64_t len, uint32_t *ret,
                   struct wfs_error *err)
{
    if (off != 0 || len != expr->size_bytes)
        return compute(cache, expr, hash, off, len, ret, err);
    if (len <= WFS_CRC_BLOCK_BYTES)
        return compute_kept(cache, "crc32", expr, hash, 0, len, ret, err);
    return compute_blocks(cache, expr, hash, ret, err);
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
        return wfs_crc32_expr(cache, part->u.expr.expr, &part->u.expr.hash, part->u.expr.off + at,
                              span->len, ret, err);
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
