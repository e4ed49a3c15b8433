/*
 * cursor.c - the bounded parse cursor: the only way a parser takes bytes, so that a length from a
 * file is compared with what is left before anything is done with it.
 */
#include <string.h>

#include "bytes/bytes.h"

int wfs_cursor_init(struct wfs_cursor *cur, struct wfs_bytes *bytes, uint64_t off, uint64_t len,
                    struct wfs_error *err)
{
    if (off > bytes->size_bytes || len > bytes->size_bytes - off)
        return wfs_error_set(err, EIO, "%s: bytes %llu to %llu are not in the file", bytes->name,
                             (unsigned long long)off, (unsigned long long)(off + len));
    cur->bytes = bytes;
    cur->pos = cur->buf_off = off;
    cur->end = off + len;
    cur->buf_len = 0;
    return 0;
}

static int cut_off(const struct wfs_cursor *cur, uint64_t n, struct wfs_error *err)
{
    return wfs_error_set(err, EINVAL, "%s: cut off at byte %llu: %llu bytes wanted, %llu left",
                         cur->bytes->name, (unsigned long long)cur->pos, (unsigned long long)n,
                         (unsigned long long)wfs_cursor_left(cur));
}

/* How many bytes from pos on are in the buffer; 0 where it must be filled first. */
static size_t buffered(const struct wfs_cursor *cur)
{
    uint64_t at = cur->pos - cur->buf_off;
    return cur->pos >= cur->buf_off && at < cur->buf_len ? cur->buf_len - (size_t)at : 0;
}

static int fill(struct wfs_cursor *cur, struct wfs_error *err)
{
    size_t n = (size_t)wfs_min_u64(sizeof(cur->buf), wfs_cursor_left(cur));
    cur->buf_len = 0;
    int r = wfs_bytes_read(cur->bytes, cur->buf, n, cur->pos, err);
    if (r)
        return r;
    cur->buf_off = cur->pos;
    cur->buf_len = n;
    return 0;
}

int wfs_cursor_take(struct wfs_cursor *cur, void *buf, size_t n, struct wfs_error *err)
{
    if (n > wfs_cursor_left(cur))
        return cut_off(cur, n, err);
    for (uint8_t *out = buf; n;) {
        size_t have = buffered(cur);
        if (!have) {
            int r = fill(cur, err);
            if (r)
                return r;
            continue;
        }
        size_t step = have < n ? have : n;
        memcpy(out, cur->buf + (cur->pos - cur->buf_off), step);
        out += step;
        n -= step;
        cur->pos += step;
    }
    return 0;
}

int wfs_cursor_skip(struct wfs_cursor *cur, uint64_t n, struct wfs_error *err)
{
    if (n > wfs_cursor_left(cur))
        return cut_off(cur, n, err);
    cur->pos += n;
    return 0;
}

int wfs_cursor_u8(struct wfs_cursor *cur, uint8_t *ret, struct wfs_error *err)
{
    return wfs_cursor_take(cur, ret, 1, err);
}

/* Takes an unsigned integer of n bytes. */
static int take_uint(struct wfs_cursor *cur, size_t n, bool big, uint64_t *ret,
                     struct wfs_error *err)
{
    uint8_t b[8];
    int r = wfs_cursor_take(cur, b, n, err);
    if (r)
        return r;
    uint64_t v = 0;
    for (size_t i = 0; i < n; i++)
        v = v << 8 | b[big ? i : n - 1 - i];
    *ret = v;
    return 0;
}

#define DEFINE_TAKE(name, type, big)                                                               \
    int name(struct wfs_cursor *cur, type *ret, struct wfs_error *err)                             \
    {                                                                                              \
        uint64_t v;                                                                                \
        int r = take_uint(cur, sizeof(type), big, &v, err);                                        \
        if (!r)                                                                                    \
            *ret = (type)v;                                                                        \
        return r;                                                                                  \
    }
DEFINE_TAKE(wfs_cursor_u16le, uint16_t, false)
DEFINE_TAKE(wfs_cursor_u32le, uint32_t, false)
DEFINE_TAKE(wfs_cursor_u64le, uint64_t, false)
DEFINE_TAKE(wfs_cursor_u16be, uint16_t, true)
DEFINE_TAKE(wfs_cursor_u32be, uint32_t, true)
DEFINE_TAKE(wfs_cursor_u64be, uint64_t, true)
