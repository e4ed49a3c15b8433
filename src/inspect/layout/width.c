/*
 * width.c - columns of UTF-8 text. The C library's wcwidth() knows a locale's characters and the
 * program sets no locale, so the wide blocks of Unicode are named here; marks that combine count as
 * one, which cuts a line early and never late.
 */
#include "inspect/layout/width.h"

#include <string.h>

#include "inspect/inspect.h"

static const struct {
    uint32_t first, last;
} wide_blocks[] = {
    {0x1100, 0x115f},                                           /* Hangul Jamo */
    {0x2e80, 0xa4cf},                                           /* CJK, kana, Yi */
    {0xa960, 0xa97f},                                           /* Hangul Jamo extended */
    {0xac00, 0xd7a3},                                           /* Hangul */
    {0xf900, 0xfaff},                                           /* CJK compatibility */
    {0xfe30, 0xfe6f},                                           /* CJK forms */
    {0xff00, 0xff60},                                           /* full width */
    {0xffe0, 0xffe6},   {0x1f300, 0x1f64f},                     /* pictographs */
    {0x1f680, 0x1f6ff}, {0x1f900, 0x1f9ff}, {0x20000, 0x3fffd}, /* CJK extensions */
};

/* The character at p and the number of its bytes. A byte that is no UTF-8 counts as one. */
static uint32_t character(const char *p, size_t *ret_len)
{
    unsigned char lead = (unsigned char)*p;
    size_t n = lead < 0xc0 ? 1 : lead < 0xe0 ? 2 : lead < 0xf0 ? 3 : 4;
    uint32_t c = n == 1 ? lead : lead & (0x7fu >> n);
    for (size_t i = 1; i < n; i++) {
        if (((unsigned char)p[i] & 0xc0) != 0x80) {
            *ret_len = 1;
            return lead;
        }
        c = c << 6 | ((unsigned char)p[i] & 0x3f);
    }
    *ret_len = n;
    return c;
}

static size_t width_of(uint32_t c)
{
    for (size_t i = 0; i < WFS_ARRAY_SIZE(wide_blocks); i++)
        if (c >= wide_blocks[i].first && c <= wide_blocks[i].last)
            return 2;
    return 1;
}

size_t wfs_text_width(const char *text)
{
    size_t total = 0, len;
    for (; *text; text += len)
        total += width_of(character(text, &len));
    return total;
}

/* Bytes of the longest prefix that takes at most `width` columns. */
static size_t prefix_bytes(const char *text, size_t width)
{
    size_t at = 0, used = 0, len;
    while (text[at]) {
        used += width_of(character(text + at, &len));
        if (used > width)
            break;
        at += len;
    }
    return at;
}

void wfs_text_add_middle_cut(struct wfs_buf *out, const char *text, size_t width)
{
    size_t total = wfs_text_width(text), len;
    size_t head = (width - 1) / 2, tail = width - 1 - head;
    wfs_buf_add(out, text, prefix_bytes(text, head));
    wfs_buf_str(out, "…");
    while (total > tail) {
        total -= width_of(character(text, &len));
        text += len;
    }
    wfs_buf_str(out, text);
}

/* Length of the SGR sequence ("\x1b[1m") at p; 0 where there is none. */
static size_t sgr_len(const char *p)
{
    if (p[0] != '\x1b' || p[1] != '[')
        return 0;
    size_t n = 2 + strspn(p + 2, "0123456789;");
    return p[n] == 'm' ? n + 1 : 0;
}

/* The width of a line in columns, without its colour sequences. */
static size_t line_width(const char *line, const char *end)
{
    size_t total = 0, len;
    for (; line < end; line += len) {
        len = sgr_len(line);
        if (!len)
            total += width_of(character(line, &len));
    }
    return total;
}

/* Copies one line without its newline, cut at the width. Behind the cut, colour sequences are still
 * copied, so that the one that ends a colour is not lost. */
static void cut_line(struct wfs_buf *out, const char *line, const char *end, size_t width)
{
    bool is_cut = false;
    size_t used = 0, len, room = line_width(line, end) > width ? width - 1 : width;
    for (; line < end; line += len) {
        len = sgr_len(line);
        size_t columns = len ? 0 : width_of(character(line, &len));
        if (columns && (is_cut || used + columns > room)) {
            wfs_buf_str(out, is_cut ? "" : "…");
            is_cut = true;
            continue;
        }
        wfs_buf_add(out, line, len);
        used += columns;
    }
}

void wfs_inspect_fit(struct wfs_buf *text, unsigned width)
{
    struct wfs_buf out = {.failed = text->failed};
    const char *line = text->data, *end = line + text->len, *newline;
    if (!text->len || !width)
        return;
    while (line < end && (newline = memchr(line, '\n', (size_t)(end - line)))) {
        cut_line(&out, line, newline, width);
        wfs_buf_char(&out, '\n');
        line = newline + 1;
    }
    cut_line(&out, line, end, width);
    wfs_buf_free(text);
    *text = out;
}
