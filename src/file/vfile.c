/*
 * vfile.c - virtual files: the list of parts, how it is built and how a range of it is read.
 *
 * Invariant: parts are contiguous from 0, none is empty, and the last ends at size_bytes; so the
 * part that holds an offset is found by one binary search, and no other module adds up offsets
 * across parts. A file longer than an off_t, or with more than 2^32 - 1 parts, is refused.
 */
#include "file/vfile.h"

#include <stdlib.h>
#include <string.h>

#include "file/crc_seen.h"

/* ---- building ------------------------------------------------------------------------------ */

/* The new part, its kind, offset and size filled in; NULL once anything failed. */
static struct wfs_part *add_part(struct wfs_vfile_builder *b, enum wfs_part_kind kind, uint64_t len)
{
    if (b->failed || b->overflow)
        return NULL;
    uint64_t end;
    if (!wfs_add_u64(b->size_bytes, len, &end) || end > WFS_VFILE_MAX_BYTES || b->n == UINT32_MAX) {
        b->overflow = true;
        return NULL;
    }
    if (wfs_grow(&b->parts, &b->cap, b->n + 1, sizeof(*b->parts))) {
        b->failed = true;
        return NULL;
    }
    struct wfs_part *part = &b->parts[b->n++];
    *part = (struct wfs_part){.kind = kind, .off = b->size_bytes, .size_bytes = len};
    b->size_bytes = end;
    return part;
}

void wfs_vfile_add_literal(struct wfs_vfile_builder *b, const void *data, size_t len)
{
    if (len == 0 || b->failed)
        return;
    const uint8_t *copy = wfs_arena_memdup(b->arena, data, len);
    if (!copy) {
        b->failed = true;
        return;
    }
    struct wfs_part *part = add_part(b, WFS_PART_LITERAL, len);
    if (part)
        part->u.literal = copy;
}

void wfs_vfile_add_expr(struct wfs_vfile_builder *b, const struct wfs_expr *expr)
{
    wfs_vfile_add_expr_range(b, expr, 0, expr->size_bytes);
}

static void add_expr(struct wfs_vfile_builder *b, const struct wfs_expr *expr, uint64_t off,
                     uint64_t len, struct wfs_crc_seen *seen)
{
    struct wfs_part *part = len > 0 ? add_part(b, WFS_PART_EXPR, len) : NULL;
    if (!part)
        return;
    part->u.expr.expr = expr;
    part->u.expr.off = off;
    part->u.expr.hash = wfs_expr_hash(expr);
    part->u.expr.seen = seen;
}

void wfs_vfile_add_expr_range(struct wfs_vfile_builder *b, const struct wfs_expr *expr,
                              uint64_t off, uint64_t len)
{
    add_expr(b, expr, off, len, NULL);
}

void wfs_vfile_add_expr_seen(struct wfs_vfile_builder *b, const struct wfs_expr *expr,
                             struct wfs_crc_seen *seen)
{
    add_expr(b, expr, 0, expr->size_bytes, seen);
}

void wfs_vfile_add_bytes(struct wfs_vfile_builder *b, struct wfs_bytes *bytes, uint64_t off,
                         uint64_t len)
{
    struct wfs_part *part = len > 0 ? add_part(b, WFS_PART_BYTES, len) : NULL;
    if (!part)
        return;
    part->u.bytes.bytes = bytes;
    part->u.bytes.off = off;
}

void wfs_vfile_add_zeros(struct wfs_vfile_builder *b, uint64_t len)
{
    if (len > 0)
        add_part(b, WFS_PART_ZEROS, len);
}

void wfs_vfile_add_computed(struct wfs_vfile_builder *b, size_t len, wfs_compute_fn fn,
                            const void *ctx)
{
    if (len > WFS_COMPUTED_MAX) {
        b->overflow = true;
        return;
    }
    struct wfs_part *part = len > 0 ? add_part(b, WFS_PART_COMPUTED, len) : NULL;
    if (!part)
        return;
    part->u.computed.fn = fn;
    part->u.computed.ctx = ctx;
}

static const struct wfs_vfile *build(struct wfs_vfile_builder *b)
{
    struct wfs_vfile *file = wfs_arena_alloc(b->arena, sizeof(*file));
    if (!file)
        return NULL;
    file->size_bytes = b->size_bytes;
    file->n_parts = (uint32_t)b->n;
    if (b->n == 0)
        return file;
    file->parts = wfs_arena_memdup(b->arena, b->parts, b->n * sizeof(*b->parts));
    return file->parts ? file : NULL;
}

int wfs_vfile_finish(struct wfs_vfile_builder *b, const struct wfs_vfile **ret,
                     struct wfs_error *err)
{
    const struct wfs_vfile *file = b->failed || b->overflow ? NULL : build(b);
    bool overflow = b->overflow;
    free(b->parts);
    *b = (struct wfs_vfile_builder){.arena = b->arena};
    if (overflow)
        return wfs_error_set(err, EOVERFLOW, "the virtual file would be longer than a file can be");
    if (!file)
        return wfs_error_nomem(err, "the plan of a virtual file");
    *ret = file;
    return 0;
}

/* ---- reading ------------------------------------------------------------------------------- */

uint32_t wfs_vfile_find(const struct wfs_vfile *file, uint64_t off)
{
    uint32_t lo = 0, hi = file->n_parts; /* parts[lo].off <= off < parts[hi].off */
    while (hi - lo > 1) {
        uint32_t mid = lo + (hi - lo) / 2;
        if (file->parts[mid].off <= off)
            lo = mid;
        else
            hi = mid;
    }
    return lo;
}

int wfs_vfile_walk(const struct wfs_vfile *file, uint64_t off, uint64_t len, wfs_vfile_span_fn fn,
                   void *ctx, struct wfs_error *err)
{
    if (len == 0)
        return 0;
    for (uint32_t i = wfs_vfile_find(file, off); len > 0; i++) {
        const struct wfs_part *part = &file->parts[i];
        uint64_t n = wfs_min_u64(len, part->off + part->size_bytes - off);
        struct wfs_vfile_span span = {.part = part, .off = off, .len = n};
        int r = fn(&span, ctx, err);
        if (r)
            return r;
        off += n;
        len -= n;
    }
    return 0;
}

static int read_computed(const struct wfs_vfile *file, struct wfs_cache *cache,
                         const struct wfs_vfile_span *span, void *buf, struct wfs_error *err)
{
    uint8_t whole[WFS_COMPUTED_MAX];
    const struct wfs_part *part = span->part;
    int r = part->u.computed.fn(file, cache, part->u.computed.ctx, whole, err);
    if (r)
        return r;
    memcpy(buf, whole + (span->off - part->off), (size_t)span->len);
    return 0;
}

static int read_bytes(struct wfs_cache *cache, const struct wfs_vfile_span *span, void *buf,
                      struct wfs_error *err)
{
    const struct wfs_part *part = span->part;
    int r = wfs_bytes_read(part->u.bytes.bytes, buf, (size_t)span->len,
                           part->u.bytes.off + (span->off - part->off), err);
    if (r == 0 && cache)
        wfs_cache_count_served(cache, span->len);
    return r;
}

int wfs_vfile_read_span(const struct wfs_vfile *file, struct wfs_cache *cache,
                        const struct wfs_vfile_span *span, void *buf, struct wfs_loans *loans,
                        struct wfs_error *err)
{
    const struct wfs_part *part = span->part;
    uint64_t at = span->off - part->off;
    size_t n = (size_t)span->len;
    switch (part->kind) {
    case WFS_PART_LITERAL:
        memcpy(buf, part->u.literal + at, n);
        return 0;
    case WFS_PART_EXPR:
        return wfs_cache_read(cache, part->u.expr.expr, &part->u.expr.hash, buf, n,
                              part->u.expr.off + at, loans, err);
    case WFS_PART_BYTES:
        return read_bytes(cache, span, buf, err);
    case WFS_PART_ZEROS:
        memset(buf, 0, n);
        return 0;
    case WFS_PART_COMPUTED:
        return read_computed(file, cache, span, buf, err);
    }
    return wfs_error_set(err, EINVAL, "a virtual file has a part of unknown kind %d",
                         (int)part->kind);
}

struct read_ctx {
    const struct wfs_vfile *file;
    struct wfs_cache *cache;
    struct wfs_loans *loans; /* NULL: everything is copied */
    uint8_t *buf;
};

static int read_step(const struct wfs_vfile_span *span, void *ctx_void, struct wfs_error *err)
{
    struct read_ctx *ctx = ctx_void;
    const struct wfs_part *part = span->part;
    /* What a CRC is taken of has to be in the buffer: it cannot be lent. */
    bool is_seen = part->kind == WFS_PART_EXPR && part->u.expr.seen;
    int r = wfs_vfile_read_span(ctx->file, ctx->cache, span, ctx->buf, is_seen ? NULL : ctx->loans,
                                err);
    if (r == 0 && is_seen)
        wfs_crc_seen_add(part->u.expr.seen, part->u.expr.off + (span->off - part->off), ctx->buf,
                         (size_t)span->len);
    ctx->buf += span->len;
    return r;
}

int wfs_vfile_read(const struct wfs_vfile *file, struct wfs_cache *cache, void *buf, size_t len,
                   uint64_t off, struct wfs_loans *loans, size_t *ret_n, struct wfs_error *err)
{
    uint64_t n = off < file->size_bytes ? wfs_min_u64(len, file->size_bytes - off) : 0;
    struct read_ctx ctx = {.file = file, .cache = cache, .loans = loans, .buf = buf};
    int r = wfs_vfile_walk(file, off, n, read_step, &ctx, err);
    if (r)
        return r;
    *ret_n = (size_t)n;
    return 0;
}
