/*
 * pickle_scalar.c - opcodes that push a constant, a number or a string.
 *
 * Text (protocol 0) and binary forms make the same nodes. Strings beyond PICKLE_MAX_KEPT_STRING
 * stay in the file: no checkpoint has names of that length, and arrays pickled as text do not
 * belong in memory to be passed over.
 */
#include "source/torch/pickle/pickle_scalar.h"

#include <stdlib.h>
#include <string.h>

/* ---- constants ----------------------------------------------------------------------------- */

static int push_shared(struct wfs_pickle_machine *m, struct wfs_node **slot,
                       enum wfs_node_kind kind, int64_t value)
{
    if (!*slot) {
        *slot = wfs_pickle_node(m, kind);
        if (*slot && kind == WFS_NODE_BOOL)
            (*slot)->i = value;
    }
    return wfs_pickle_push(m, *slot);
}

int wfs_pickle_op_constant(struct wfs_pickle_machine *m, uint8_t op)
{
    if (op == 'N')
        return push_shared(m, &m->none, WFS_NODE_NONE, 0);
    return push_shared(m, &m->truth[op == 0x88], WFS_NODE_BOOL, op == 0x88);
}

/* ---- numbers ------------------------------------------------------------------------------- */

static int push_int(struct wfs_pickle_machine *m, int64_t value)
{
    bool small = value >= 0 && value < (int64_t)WFS_ARRAY_SIZE(m->small_ints);
    if (small && m->small_ints[value])
        return wfs_pickle_push(m, m->small_ints[value]);
    struct wfs_node *node = wfs_pickle_node(m, WFS_NODE_INT);
    if (!node)
        return wfs_pickle_push(m, NULL);
    node->i = value;
    if (small)
        m->small_ints[value] = node;
    return wfs_pickle_push(m, node);
}

static int push_float(struct wfs_pickle_machine *m, double value)
{
    struct wfs_node *node = wfs_pickle_node(m, WFS_NODE_FLOAT);
    if (node)
        node->f = value;
    return wfs_pickle_push(m, node);
}

static struct wfs_node *str_node(struct wfs_pickle_machine *m, enum wfs_node_kind kind,
                                 const char *data, uint64_t len, uint64_t file_off)
{
    struct wfs_node *node = wfs_pickle_node(m, kind);
    struct wfs_node_str *str = wfs_arena_alloc(m->arena, sizeof(*str));
    if (!node || !str) {
        wfs_pickle_nomem(m);
        return NULL;
    }
    *str = (struct wfs_node_str){.data = data, .len = len};
    node->str = str;
    node->file_off = file_off;
    return node;
}

/* Two's complement little-endian of any length, as LONG1 and LONG4 have it. */
static int push_long(struct wfs_pickle_machine *m, const uint8_t *p, size_t n)
{
    uint8_t wide[8];
    if (n > sizeof(wide)) {
        char *data = wfs_arena_memdup(m->arena, p, n);
        if (!data)
            return wfs_pickle_nomem(m);
        return wfs_pickle_push(m, str_node(m, WFS_NODE_LONG, data, n, m->op_off));
    }
    memset(wide, n && p[n - 1] & 0x80 ? 0xff : 0, sizeof(wide));
    memcpy(wide, p, n);
    return push_int(m, (int64_t)wfs_load_u64le(wide));
}

static int op_long(struct wfs_pickle_machine *m, uint8_t op)
{
    uint8_t n8 = 0, bytes[PICKLE_MAX_LONG_BYTES];
    uint32_t n = 0;
    int r = op == 0x8a ? wfs_cursor_u8(m->cur, &n8, m->err) : wfs_cursor_u32le(m->cur, &n, m->err);
    if (r)
        return r;
    if (op == 0x8a)
        n = n8;
    if (n > PICKLE_MAX_LONG_BYTES)
        return wfs_pickle_fail(m, "an integer of more than 1024 bytes");
    r = wfs_cursor_take(m->cur, bytes, n, m->err);
    return r ? r : push_long(m, bytes, n);
}

int wfs_pickle_op_number(struct wfs_pickle_machine *m, uint8_t op)
{
    uint8_t v8;
    uint16_t v16;
    uint32_t v32;
    uint64_t v64;
    double f;
    int r;
    switch (op) {
    case 'K':
        r = wfs_cursor_u8(m->cur, &v8, m->err);
        return r ? r : push_int(m, v8);
    case 'M':
        r = wfs_cursor_u16le(m->cur, &v16, m->err);
        return r ? r : push_int(m, v16);
    case 'J':
        r = wfs_cursor_u32le(m->cur, &v32, m->err);
        return r ? r : push_int(m, (int32_t)v32);
    case 'G':
        r = wfs_cursor_u64be(m->cur, &v64, m->err);
        if (r)
            return r;
        memcpy(&f, &v64, sizeof(f));
        return push_float(m, f);
    default:
        return op_long(m, op);
    }
}

int wfs_pickle_line(struct wfs_pickle_machine *m, char **ret, size_t *ret_len)
{
    wfs_cleanup(wfs_buf_free) struct wfs_buf line = {0};
    for (;;) {
        uint8_t c;
        int r = wfs_cursor_u8(m->cur, &c, m->err);
        if (r)
            return r;
        if (c == '\n')
            break;
        if (line.len >= PICKLE_MAX_TEXT_LINE)
            return wfs_pickle_fail(m, "a line of text too long");
        wfs_buf_char(&line, (char)c);
    }
    int r = wfs_pickle_charge_bytes(m, line.len);
    if (r)
        return r;
    char *copy = wfs_arena_alloc(m->arena, line.len + 1);
    if (!wfs_buf_ok(&line) || !copy)
        return wfs_pickle_nomem(m);
    if (line.len)
        memcpy(copy, line.data, line.len);
    *ret = copy;
    *ret_len = line.len;
    return 0;
}

/* Decimal digits as a 128-bit two's complement; longer ones no checkpoint writes as text. */
static int push_decimal(struct wfs_pickle_machine *m, const char *digits, size_t len)
{
    bool negative = len && digits[0] == '-';
    unsigned __int128 value = 0;
    size_t i = negative || (len && digits[0] == '+');
    if (i == len || len - i > 38)
        return wfs_pickle_fail(m, "an integer that is not 1 to 38 digits");
    for (; i < len; i++) {
        if (digits[i] < '0' || digits[i] > '9')
            return wfs_pickle_fail(m, "an integer with something else than digits");
        value = value * 10 + (unsigned)(digits[i] - '0');
    }
    if (negative)
        value = -value;
    uint8_t wide[16];
    wfs_store_u64le(wide, (uint64_t)value);
    wfs_store_u64le(wide + 8, (uint64_t)(value >> 64));
    int64_t low = (int64_t)(uint64_t)value;
    if ((__int128)value == low)
        return push_int(m, low);
    return push_long(m, wide, sizeof(wide));
}

int wfs_pickle_op_text_number(struct wfs_pickle_machine *m, uint8_t op)
{
    char *line, *end;
    size_t len;
    int r = wfs_pickle_line(m, &line, &len);
    if (r)
        return r;
    if (op == 'F') {
        double f = strtod(line, &end);
        return len == 0 || *end ? wfs_pickle_fail(m, "a number that is none") : push_float(m, f);
    }
    if (op == 'I' && (strcmp(line, "01") == 0 || strcmp(line, "00") == 0))
        return wfs_pickle_op_constant(m, line[1] == '1' ? 0x88 : 0x89);
    if (op == 'L' && len && line[len - 1] == 'L')
        len--;
    return push_decimal(m, line, len);
}

/* ---- strings ------------------------------------------------------------------------------- */

struct wfs_node *wfs_pickle_text_node(struct wfs_pickle_machine *m, const char *data, size_t len)
{
    enum wfs_node_kind kind = wfs_utf8_valid(data, len) ? WFS_NODE_STR : WFS_NODE_BYTES;
    return str_node(m, kind, data, len, m->op_off);
}

static struct wfs_node *string_node(struct wfs_pickle_machine *m, enum wfs_node_kind kind,
                                    uint64_t len)
{
    uint64_t file_off = m->cur->pos;
    if (len > wfs_cursor_left(m->cur)) {
        wfs_pickle_fail(m, "a string that is cut off");
        return NULL;
    }
    if (len > PICKLE_MAX_KEPT_STRING)
        return wfs_cursor_skip(m->cur, len, m->err) ? NULL : str_node(m, kind, NULL, len, file_off);
    char *data = wfs_arena_alloc(m->arena, (size_t)len + 1);
    if (!data) {
        wfs_pickle_nomem(m);
        return NULL;
    }
    if (wfs_cursor_take(m->cur, data, (size_t)len, m->err) || wfs_pickle_charge_bytes(m, len))
        return NULL;
    if (kind == WFS_NODE_STR && !wfs_utf8_valid(data, (size_t)len))
        kind = WFS_NODE_BYTES;
    return str_node(m, kind, data, len, file_off);
}

int wfs_pickle_op_string(struct wfs_pickle_machine *m, uint8_t op)
{
    uint8_t n8 = 0;
    uint32_t n32 = 0;
    uint64_t n = 0;
    int r;
    if (op == 'U' || op == 'C' || op == 0x8c) {
        r = wfs_cursor_u8(m->cur, &n8, m->err);
        n = n8;
    } else if (op == 'T' || op == 'X' || op == 'B') {
        r = wfs_cursor_u32le(m->cur, &n32, m->err);
        n = n32;
    } else {
        r = wfs_cursor_u64le(m->cur, &n, m->err);
    }
    if (r)
        return r;
    bool is_bytes = op == 'B' || op == 'C' || op == 0x8e || op == 0x96;
    return wfs_pickle_push(m, string_node(m, is_bytes ? WFS_NODE_BYTES : WFS_NODE_STR, n));
}

static int hex_value(const char *s, size_t n, uint32_t *ret)
{
    uint32_t v = 0;
    for (size_t i = 0; i < n; i++) {
        char c = s[i];
        int d = c >= '0' && c <= '9'   ? c - '0'
                : c >= 'a' && c <= 'f' ? c - 'a' + 10
                : c >= 'A' && c <= 'F' ? c - 'A' + 10
                                       : -1;
        if (d < 0)
            return -EINVAL;
        v = v << 4 | (uint32_t)d;
    }
    *ret = v;
    return 0;
}

/* Code points up to 0x1fffff; surrogates stay what they are and fail the UTF-8 check later. */
static size_t put_utf8(char *out, uint32_t c)
{
    uint8_t *p = (uint8_t *)out;
    if (c < 0x80) {
        p[0] = (uint8_t)c;
        return 1;
    }
    if (c < 0x800) {
        p[0] = (uint8_t)(0xc0 | c >> 6);
        p[1] = (uint8_t)(0x80 | (c & 0x3f));
        return 2;
    }
    if (c < 0x10000) {
        p[0] = (uint8_t)(0xe0 | c >> 12);
        p[1] = (uint8_t)(0x80 | (c >> 6 & 0x3f));
        p[2] = (uint8_t)(0x80 | (c & 0x3f));
        return 3;
    }
    p[0] = (uint8_t)(0xf0 | (c >> 18 & 7));
    p[1] = (uint8_t)(0x80 | (c >> 12 & 0x3f));
    p[2] = (uint8_t)(0x80 | (c >> 6 & 0x3f));
    p[3] = (uint8_t)(0x80 | (c & 0x3f));
    return 4;
}

/* UNICODE: raw-unicode-escape, Latin-1 but for \uXXXX and \UXXXXXXXX. `out` holds 2 len bytes. */
static int decode_raw_unicode(const char *in, size_t len, char *out, size_t *ret_len)
{
    size_t n = 0;
    for (size_t i = 0; i < len;) {
        uint32_t c = (uint8_t)in[i];
        size_t digits = c == '\\' && i + 1 < len && in[i + 1] == 'u'   ? 4
                        : c == '\\' && i + 1 < len && in[i + 1] == 'U' ? 8
                                                                       : 0;
        if (digits && (len - i - 2 < digits || hex_value(in + i + 2, digits, &c)))
            return -EINVAL;
        i += digits ? digits + 2 : 1;
        n += put_utf8(out + n, c);
    }
    *ret_len = n;
    return 0;
}

/* One escape of a Python 2 string repr at in[i] ('\\'); returns the bytes taken, 0 on failure. */
static size_t decode_escape(const char *in, size_t left, char *out)
{
    static const char from[] = "\\'\"abfnrtv", to[] = "\\'\"\a\b\f\n\r\t\v";
    uint32_t v;
    if (left < 2)
        return 0;
    const char *simple = strchr(from, in[1]);
    if (simple && in[1]) {
        *out = to[simple - from];
        return 2;
    }
    if (in[1] == 'x' && left >= 4 && !hex_value(in + 2, 2, &v)) {
        *out = (char)v;
        return 4;
    }
    size_t n = 1;
    for (v = 0; n < 4 && n < left && in[n] >= '0' && in[n] <= '7'; n++)
        v = v << 3 | (uint32_t)(in[n] - '0');
    *out = (char)v;
    return n > 1 ? n : 0;
}

/* STRING: a quoted repr. */
static int decode_repr(const char *in, size_t len, char *out, size_t *ret_len)
{
    size_t n = 0;
    if (len < 2 || (in[0] != '\'' && in[0] != '"') || in[len - 1] != in[0])
        return -EINVAL;
    for (size_t i = 1; i < len - 1;) {
        if (in[i] != '\\') {
            out[n++] = in[i++];
            continue;
        }
        size_t taken = decode_escape(in + i, len - 1 - i, out + n);
        if (taken == 0)
            return -EINVAL;
        i += taken;
        n++;
    }
    *ret_len = n;
    return 0;
}

int wfs_pickle_op_text_string(struct wfs_pickle_machine *m, uint8_t op)
{
    char *line;
    size_t len, n = 0;
    int r = wfs_pickle_line(m, &line, &len);
    if (r)
        return r;
    char *out = wfs_arena_alloc(m->arena, 2 * len + 1);
    if (!out)
        return wfs_pickle_nomem(m);
    r = op == 'V' ? decode_raw_unicode(line, len, out, &n) : decode_repr(line, len, out, &n);
    if (r)
        return wfs_pickle_fail(m, "a string with a bad escape");
    out[n] = 0;
    return wfs_pickle_push(m, wfs_pickle_text_node(m, out, n));
}
