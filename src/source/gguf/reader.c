/*
 * reader.c - see reader.h. The cursor checks every length against what is left of the file.
 */
#include "source/gguf/reader.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

int wfs_gguf_open(struct wfs_gguf_reader *g, struct wfs_bytes *bytes, struct wfs_error *err)
{
    g->bytes = bytes;
    g->cur = malloc(sizeof(*g->cur));
    g->hash = XXH3_createState();
    if (!g->cur || !g->hash)
        return wfs_error_nomem(err, "the header's buffers");
    XXH3_128bits_reset(g->hash);
    return wfs_cursor_init(g->cur, bytes, 0, bytes->size_bytes, err);
}

void wfs_gguf_close(struct wfs_gguf_reader *g)
{
    free(g->cur);
    XXH3_freeState(g->hash);
    *g = (struct wfs_gguf_reader){0};
}

struct wfs_hash wfs_gguf_hash(const struct wfs_gguf_reader *g)
{
    XXH128_canonical_t canonical;
    XXH128_canonicalFromHash(&canonical, XXH3_128bits_digest(g->hash));
    struct wfs_hash hash;
    memcpy(hash.bytes, canonical.digest, sizeof(hash.bytes));
    return hash;
}

int wfs_gguf_fail(const struct wfs_gguf_reader *g, uint64_t at, struct wfs_error *err,
                  const char *fmt, ...)
{
    char text[WFS_ERROR_MESSAGE_MAX];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(text, sizeof(text), fmt, ap);
    va_end(ap);
    return wfs_error_set(err, EINVAL, "%s: byte %" PRIu64 ": %s", g->bytes->name, at, text);
}

static int take(struct wfs_gguf_reader *g, void *buf, size_t n, struct wfs_error *err)
{
    int r = wfs_cursor_take(g->cur, buf, n, err);
    if (!r)
        XXH3_128bits_update(g->hash, buf, n);
    return r;
}

int wfs_gguf_number(struct wfs_gguf_reader *g, uint32_t n_bytes, uint64_t *ret,
                    struct wfs_error *err)
{
    uint8_t raw[8];
    uint64_t value = 0;
    int r = take(g, raw, n_bytes, err);
    if (r)
        return r;
    for (uint32_t i = 0; i < n_bytes; i++)
        value = value << 8 | raw[g->is_big_endian ? i : n_bytes - 1 - i];
    *ret = value;
    return 0;
}

int wfs_gguf_u32(struct wfs_gguf_reader *g, uint32_t *ret, struct wfs_error *err)
{
    uint64_t value;
    int r = wfs_gguf_number(g, 4, &value, err);
    if (!r)
        *ret = (uint32_t)value;
    return r;
}

int wfs_gguf_skip(struct wfs_gguf_reader *g, uint64_t n, struct wfs_error *err)
{
    return wfs_cursor_skip(g->cur, n, err);
}

int wfs_gguf_string(struct wfs_gguf_reader *g, size_t max, struct wfs_buf *out, uint64_t *ret_len,
                    struct wfs_error *err)
{
    uint64_t len, at = wfs_gguf_at(g);
    int r = wfs_gguf_number(g, 8, &len, err);
    if (r)
        return r;
    if (len > WFS_GGUF_MAX_STRING || len > wfs_cursor_left(g->cur))
        return wfs_gguf_fail(g, at, err,
                             "a string of %" PRIu64 " bytes, but only %" PRIu64
                             " are left (and 2^30 allowed)",
                             len, wfs_cursor_left(g->cur));
    *ret_len = len;
    out->len = 0;
    if (len > max)
        return wfs_gguf_skip(g, len, err);
    char chunk[512];
    for (size_t n; !r && len; len -= n) {
        n = (size_t)wfs_min_u64(sizeof(chunk), len);
        r = take(g, chunk, n, err);
        if (!r)
            wfs_buf_add(out, chunk, n);
    }
    if (!r && !wfs_buf_ok(out))
        r = wfs_error_nomem(err, "a string of the header");
    return r;
}
