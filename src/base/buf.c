/*
 * buf.c - growable arrays and text. A failed allocation is remembered, so that a chain of additions
 * is checked once, where the result is used.
 */
#include <stdlib.h>
#include <string.h>

#include "base/base.h"

int wfs_grow(void *array_pp, size_t *cap, size_t need, size_t elem_bytes)
{
    if (need <= *cap)
        return 0;
    size_t n = *cap ? *cap : 16, total;
    while (n < need)
        n = n > SIZE_MAX / 2 ? need : n * 2;
    if (!wfs_mul_size(n, elem_bytes, &total))
        return -ENOMEM;
    void *p = realloc(*(void **)array_pp, total);
    if (!p)
        return -ENOMEM;
    *(void **)array_pp = p;
    *cap = n;
    return 0;
}

void wfs_buf_free(struct wfs_buf *buf)
{
    free(buf->data);
    *buf = (struct wfs_buf){0};
}

static bool buf_room(struct wfs_buf *buf, size_t len)
{
    if (buf->failed || len >= SIZE_MAX - buf->len ||
        wfs_grow(&buf->data, &buf->cap, buf->len + len + 1, 1))
        buf->failed = true;
    return !buf->failed;
}

void wfs_buf_add(struct wfs_buf *buf, const void *data, size_t len)
{
    if (!buf_room(buf, len))
        return;
    if (len)
        memcpy(buf->data + buf->len, data, len);
    buf->len += len;
    buf->data[buf->len] = '\0';
}

void wfs_buf_str(struct wfs_buf *buf, const char *s)
{
    wfs_buf_add(buf, s, strlen(s));
}

void wfs_buf_char(struct wfs_buf *buf, char c)
{
    wfs_buf_add(buf, &c, 1);
}

void wfs_buf_vprintf(struct wfs_buf *buf, const char *fmt, va_list ap)
{
    va_list again;
    va_copy(again, ap);
    int n = vsnprintf(NULL, 0, fmt, again);
    va_end(again);
    if (n < 0) {
        buf->failed = true;
        return;
    }
    if (!buf_room(buf, (size_t)n))
        return;
    vsnprintf(buf->data + buf->len, (size_t)n + 1, fmt, ap);
    buf->len += (size_t)n;
}

void wfs_buf_printf(struct wfs_buf *buf, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    wfs_buf_vprintf(buf, fmt, ap);
    va_end(ap);
}

static bool is_coded_nul(const unsigned char *p)
{
    return p[0] == 0xc0 && p[1] == 0x80;
}

void wfs_buf_json(struct wfs_buf *buf, const char *s)
{
    wfs_buf_char(buf, '"');
    for (const unsigned char *p = (const unsigned char *)s; *p; p++) {
        if (is_coded_nul(p)) {
            wfs_buf_str(buf, "\\u0000");
            p++;
        } else if (*p == '"' || *p == '\\') {
            wfs_buf_char(buf, '\\');
            wfs_buf_char(buf, (char)*p);
        } else if (*p < 0x20 || *p == 0x7f) {
            wfs_buf_printf(buf, "\\u%04x", *p);
        } else if (p[0] == 0xc2 && p[1] >= 0x80 && p[1] < 0xa0) { /* C1 controls drive terminals */
            wfs_buf_printf(buf, "\\u%04x", *++p);
        } else if ((char)*p == WFS_SEP) {
            wfs_buf_char(buf, '.');
        } else {
            wfs_buf_char(buf, (char)*p);
        }
    }
    wfs_buf_char(buf, '"');
}

static void visible_byte(struct wfs_buf *buf, unsigned char c)
{
    if (c == '\n')
        wfs_buf_str(buf, "\\n");
    else if (c == '\t')
        wfs_buf_str(buf, "\\t");
    else
        wfs_buf_printf(buf, "\\x%02x", c);
}

/* U+200E, 200F, 2028-202E, 2066-2069: marks that turn the direction of a line, or end it. */
static bool is_line_control(const unsigned char *p)
{
    if (p[0] != 0xe2)
        return false;
    return (p[1] == 0x80 && (p[2] == 0x8e || p[2] == 0x8f || (p[2] >= 0xa8 && p[2] <= 0xae))) ||
           (p[1] == 0x81 && p[2] >= 0xa6 && p[2] <= 0xa9);
}

/* Length of the valid UTF-8 sequence at p, 0 when there is none. C1 controls and what turns or
 * ends a line count as none. */
static size_t printable_sequence(const unsigned char *p, size_t left)
{
    size_t n = *p < 0x80 ? 1 : *p >= 0xf0 ? 4 : *p >= 0xe0 ? 3 : *p >= 0xc2 ? 2 : 0;
    if (n == 0 || n > left || !wfs_utf8_valid((const char *)p, n))
        return 0;
    if (n == 1 && (*p < 0x20 || *p == 0x7f))
        return 0;
    if (n == 3 && is_line_control(p))
        return 0;
    return n == 2 && p[0] == 0xc2 && p[1] < 0xa0 ? 0 : n;
}

void wfs_buf_visible(struct wfs_buf *buf, const char *s)
{
    const unsigned char *p = (const unsigned char *)s;
    for (size_t left = strlen(s); left;) {
        size_t n = printable_sequence(p, left);
        if (*p == '\\') {
            wfs_buf_str(buf, "\\\\");
        } else if (n) {
            wfs_buf_add(buf, p, n);
        } else if (left >= 2 && is_coded_nul(p)) {
            wfs_buf_str(buf, "\\x00");
            n = 2;
        } else {
            visible_byte(buf, *p);
        }
        n = n ? n : 1;
        p += n;
        left -= n;
    }
}
