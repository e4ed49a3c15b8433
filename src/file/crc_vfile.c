/*
 * crc_vfile.c - CRCs of ranges of virtual files.
 *
 * A range's CRC is put together from those of the parts it lies in: literals are in memory, zeros
 * need no bytes at all, and expressions' CRCs are known from what was served or from the index.
 */
#include "file/crc_vfile.h"

#include <stdlib.h>

#include "file/crc.h"
#include "file/crc_expr.h"
#include "file/crc_seen.h"
#include "file/vfile.h"

#define READ_BYTES (1u << 20)

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
