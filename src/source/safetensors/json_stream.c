/*
 * json_stream.c - see json_stream.h. The bytes go from the cursor, which checks the range, through
 * one chunk that is hashed as it is taken. A string that lies whole and unescaped in the chunk is
 * returned in place: that is nearly every string of a safetensors header, and why a header of
 * 100 MB costs about one pass over its bytes.
 */
#include "source/safetensors/json_stream.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <xxhash.h>

#define JSON_CHUNK 65536
/* A number that nobody wants is only checked; longer ones are no numbers anybody wrote. */
#define JSON_NUMBER_MAX 1024

int wfs_json_open(struct wfs_json *js, struct wfs_bytes *bytes, uint64_t off, uint64_t len,
                  struct wfs_error *err)
{
    *js = (struct wfs_json){.chunk_off = off};
    js->cur = malloc(sizeof(*js->cur));
    js->chunk = malloc(JSON_CHUNK);
    js->hash = XXH3_createState();
    if (!js->cur || !js->chunk || !js->hash)
        return wfs_error_nomem(err, "the header's buffers");
    XXH3_128bits_reset(js->hash);
    return wfs_cursor_init(js->cur, bytes, off, len, err);
}

void wfs_json_close(struct wfs_json *js)
{
    free(js->cur);
    free(js->chunk);
    XXH3_freeState(js->hash);
    wfs_buf_free(&js->text);
    *js = (struct wfs_json){0};
}

struct wfs_hash wfs_json_hash(const struct wfs_json *js)
{
    XXH128_canonical_t canonical;
    XXH128_canonicalFromHash(&canonical, XXH3_128bits_digest(js->hash));
    struct wfs_hash hash;
    memcpy(hash.bytes, canonical.digest, sizeof(hash.bytes));
    return hash;
}

int wfs_json_fail(const struct wfs_json *js, struct wfs_error *err, const char *fmt, ...)
{
    char text[WFS_ERROR_MESSAGE_MAX];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(text, sizeof(text), fmt, ap);
    va_end(ap);
    return wfs_error_set(err, EINVAL, "%s: byte %llu: %s", js->cur->bytes->name,
                         (unsigned long long)(js->chunk_off + js->pos), text);
}

/* ---- bytes --------------------------------------------------------------------------------- */

/* Reads on where the chunk is used up: chunk[pos] is the next byte, or *ret_end says none is. */
static int fill(struct wfs_json *js, bool *ret_end, struct wfs_error *err)
{
    *ret_end = false;
    if (js->pos < js->len)
        return 0;
    size_t n = (size_t)wfs_min_u64(JSON_CHUNK, wfs_cursor_left(js->cur));
    if (n == 0) {
        *ret_end = true;
        return 0;
    }
    int r = wfs_cursor_take(js->cur, js->chunk, n, err);
    if (r)
        return r;
    XXH3_128bits_update(js->hash, js->chunk, n);
    js->chunk_off += js->len;
    js->pos = 0;
    js->len = n;
    return 0;
}

static int next_byte(struct wfs_json *js, uint8_t *ret, struct wfs_error *err)
{
    bool end;
    int r = fill(js, &end, err);
    if (!r && end)
        r = wfs_json_fail(js, err, "the JSON text is cut off");
    if (!r)
        *ret = js->chunk[js->pos];
    return r;
}

static bool is_space(uint8_t c)
{
    return c == ' ' || c == '\n' || c == '\r' || c == '\t';
}

/* Passes over white space; *ret_end where nothing follows it. */
static int skip_space(struct wfs_json *js, bool *ret_end, struct wfs_error *err)
{
    for (;;) {
        int r = fill(js, ret_end, err);
        if (r || *ret_end)
            return r;
        while (js->pos < js->len && is_space(js->chunk[js->pos]))
            js->pos++;
        if (js->pos < js->len)
            return 0;
    }
}

int wfs_json_peek(struct wfs_json *js, uint8_t *ret, struct wfs_error *err)
{
    bool end;
    int r = skip_space(js, &end, err);
    return r ? r : next_byte(js, ret, err);
}

int wfs_json_end(struct wfs_json *js, struct wfs_error *err)
{
    bool end;
    int r = skip_space(js, &end, err);
    if (r || end)
        return r;
    return wfs_json_fail(js, err, "byte 0x%02x after the end of the JSON text", js->chunk[js->pos]);
}

/* How a message names a byte; the text lies in buf. */
static const char *show(uint8_t c, char buf[8])
{
    snprintf(buf, 8, c > 0x20 && c < 0x7f ? "'%c'" : "0x%02x", c);
    return buf;
}

int wfs_json_expect(struct wfs_json *js, char want, struct wfs_error *err)
{
    uint8_t c;
    char shown[8];
    int r = wfs_json_peek(js, &c, err);
    if (r)
        return r;
    if (c != (uint8_t)want)
        return wfs_json_fail(js, err, "'%c' expected, %s found", want, show(c, shown));
    js->pos++;
    return 0;
}

int wfs_json_more(struct wfs_json *js, bool is_first, char close, bool *ret_more,
                  struct wfs_error *err)
{
    uint8_t c;
    char shown[8];
    int r = wfs_json_peek(js, &c, err);
    if (r)
        return r;
    if (c != (uint8_t)close && !is_first && c != ',')
        return wfs_json_fail(js, err, "',' or '%c' expected, %s found", close, show(c, shown));
    *ret_more = c != (uint8_t)close;
    if (c == (uint8_t)close || !is_first)
        js->pos++;
    return 0;
}

/* ---- strings ------------------------------------------------------------------------------- */

static int hex4(struct wfs_json *js, uint32_t *ret, struct wfs_error *err)
{
    uint32_t v = 0;
    for (int i = 0; i < 4; i++) {
        uint8_t c;
        int r = next_byte(js, &c, err);
        if (r)
            return r;
        if (c >= '0' && c <= '9')
            v = v << 4 | (uint32_t)(c - '0');
        else if ((c | 0x20) >= 'a' && (c | 0x20) <= 'f')
            v = v << 4 | (uint32_t)((c | 0x20) - 'a' + 10);
        else
            return wfs_json_fail(js, err, "\\u is not followed by four hexadecimal digits");
        js->pos++;
    }
    *ret = v;
    return 0;
}

static void add_utf8(struct wfs_buf *out, uint32_t c)
{
    if (c < 0x80) {
        wfs_buf_char(out, (char)c);
    } else if (c < 0x800) {
        wfs_buf_char(out, (char)(0xc0 | c >> 6));
        wfs_buf_char(out, (char)(0x80 | (c & 0x3f)));
    } else if (c < 0x10000) {
        wfs_buf_char(out, (char)(0xe0 | c >> 12));
        wfs_buf_char(out, (char)(0x80 | (c >> 6 & 0x3f)));
        wfs_buf_char(out, (char)(0x80 | (c & 0x3f)));
    } else {
        wfs_buf_char(out, (char)(0xf0 | c >> 18));
        wfs_buf_char(out, (char)(0x80 | (c >> 12 & 0x3f)));
        wfs_buf_char(out, (char)(0x80 | (c >> 6 & 0x3f)));
        wfs_buf_char(out, (char)(0x80 | (c & 0x3f)));
    }
}

/* Takes the second half of a surrogate pair and makes *inout, the first half, the code point. */
static int low_surrogate(struct wfs_json *js, uint32_t *inout, struct wfs_error *err)
{
    for (const char *p = "\\u"; *p; p++) {
        uint8_t c;
        int r = next_byte(js, &c, err);
        if (r)
            return r;
        if (c != (uint8_t)*p)
            return wfs_json_fail(js, err, "a lone surrogate in a string");
        js->pos++;
    }
    uint32_t low;
    int r = hex4(js, &low, err);
    if (r)
        return r;
    if (low < 0xdc00 || low > 0xdfff)
        return wfs_json_fail(js, err, "a lone surrogate in a string");
    *inout = 0x10000 + ((*inout - 0xd800) << 10) + (low - 0xdc00);
    return 0;
}

/* After the backslash. */
static int escape(struct wfs_json *js, struct wfs_error *err)
{
    static const char from[] = "\"\\/bfnrt", to[] = "\"\\/\b\f\n\r\t";
    uint8_t c;
    int r = next_byte(js, &c, err);
    if (r)
        return r;
    const char *at = c ? strchr(from, c) : NULL;
    if (!at && c != 'u')
        return wfs_json_fail(js, err, "an unknown escape in a string");
    js->pos++;
    if (at) {
        wfs_buf_char(&js->text, to[at - from]);
        return 0;
    }
    uint32_t code;
    r = hex4(js, &code, err);
    if (!r && code >= 0xdc00 && code <= 0xdfff)
        r = wfs_json_fail(js, err, "a lone surrogate in a string");
    if (!r && code >= 0xd800 && code <= 0xdbff)
        r = low_surrogate(js, &code, err);
    if (!r)
        add_utf8(&js->text, code);
    return r;
}

/* Length of the run at p that has no quote, backslash or control character: it is copied. */
static size_t plain_run(const uint8_t *p, size_t n, bool *inout_ascii)
{
    size_t i = 0;
    uint8_t all = 0;
    while (i < n && p[i] >= 0x20 && p[i] != '"' && p[i] != '\\')
        all |= p[i++];
    *inout_ascii &= all < 0x80;
    return i;
}

static int check_utf8(const struct wfs_json *js, const char *s, size_t len, bool is_ascii,
                      struct wfs_error *err)
{
    if (is_ascii || wfs_utf8_valid(s, len))
        return 0;
    return wfs_json_fail(js, err, "the string that ends here is not valid UTF-8");
}

/* Takes the rest of a string into js->text; what was taken of it stands there already. */
static int slow_string(struct wfs_json *js, bool is_ascii, const char **ret, size_t *ret_len,
                       struct wfs_error *err)
{
    for (;;) {
        uint8_t c;
        int r = next_byte(js, &c, err);
        if (r)
            return r;
        size_t n = plain_run(js->chunk + js->pos, js->len - js->pos, &is_ascii);
        wfs_buf_add(&js->text, js->chunk + js->pos, n);
        js->pos += n;
        if (js->pos == js->len)
            continue;
        c = js->chunk[js->pos];
        if (c < 0x20)
            return wfs_json_fail(js, err, "a raw control character in a string");
        js->pos++;
        if (c == '"')
            break;
        r = escape(js, err);
        if (r)
            return r;
    }
    if (!wfs_buf_ok(&js->text))
        return wfs_error_nomem(err, "a string of the header");
    int r = check_utf8(js, js->text.len ? js->text.data : "", js->text.len, is_ascii, err);
    if (r)
        return r;
    *ret = js->text.len ? js->text.data : "";
    *ret_len = js->text.len;
    return 0;
}

int wfs_json_string(struct wfs_json *js, const char **ret, size_t *ret_len, struct wfs_error *err)
{
    int r = wfs_json_expect(js, '"', err);
    if (r)
        return r;
    bool is_ascii = true;
    const uint8_t *start = js->chunk + js->pos;
    size_t n = plain_run(start, js->len - js->pos, &is_ascii);
    js->text.len = 0;
    if (js->pos + n == js->len || start[n] != '"')
        return slow_string(js, true, ret, ret_len, err);
    js->pos += n + 1;
    r = check_utf8(js, (const char *)start, n, is_ascii, err);
    if (r)
        return r;
    *ret = (const char *)start;
    *ret_len = n;
    return 0;
}

/* ---- numbers and words --------------------------------------------------------------------- */

int wfs_json_uint(struct wfs_json *js, uint64_t *ret, struct wfs_error *err)
{
    uint8_t c;
    int r = wfs_json_peek(js, &c, err);
    if (r)
        return r;
    uint64_t v = 0;
    size_t n_digits = 0;
    for (bool end; c >= '0' && c <= '9'; c = js->chunk[js->pos]) {
        if (n_digits && v == 0)
            return wfs_json_fail(js, err, "a number with a leading zero");
        if (!wfs_mul_u64(v, 10, &v) || !wfs_add_u64(v, (uint64_t)(c - '0'), &v))
            return wfs_json_fail(js, err, "a number beyond 2^64 - 1");
        n_digits++;
        js->pos++;
        r = fill(js, &end, err);
        if (r)
            return r;
        if (end) {
            c = ' ';
            break;
        }
    }
    if (!n_digits || c == '.' || (c | 0x20) == 'e')
        return wfs_json_fail(js, err, "a whole number of 0 or more expected");
    *ret = v;
    return 0;
}

static int word(struct wfs_json *js, const char *want, struct wfs_error *err)
{
    for (; *want; want++) {
        uint8_t c;
        int r = next_byte(js, &c, err);
        if (r)
            return r;
        if (c != (uint8_t)*want)
            return wfs_json_fail(js, err, "no JSON value here");
        js->pos++;
    }
    return 0;
}

int wfs_json_null(struct wfs_json *js, struct wfs_error *err)
{
    uint8_t c;
    int r = wfs_json_peek(js, &c, err);
    return r ? r : word(js, "null", err);
}

static bool is_number_byte(uint8_t c)
{
    return (c >= '0' && c <= '9') || c == '-' || c == '+' || c == '.' || (c | 0x20) == 'e';
}

static const char *digits(const char *p)
{
    while (*p >= '0' && *p <= '9')
        p++;
    return p;
}

/* -? (0 | [1-9][0-9]*) (\.[0-9]+)? ([eE][+-]?[0-9]+)? and not beyond a double. */
static bool is_number(const char *s)
{
    const char *p = s + (*s == '-');
    const char *q = *p == '0' ? p + 1 : digits(p);
    if (q == p)
        return false;
    if (*q == '.') {
        p = q + 1;
        q = digits(p);
        if (q == p)
            return false;
    }
    if ((*q | 0x20) == 'e') {
        p = q + 1;
        p += *p == '+' || *p == '-';
        q = digits(p);
        if (q == p)
            return false;
    }
    return !*q && isfinite(strtod(s, NULL));
}

static int skip_number(struct wfs_json *js, struct wfs_error *err)
{
    char text[JSON_NUMBER_MAX + 1];
    size_t n = 0;
    for (;;) {
        bool end;
        int r = fill(js, &end, err);
        if (r)
            return r;
        if (end || !is_number_byte(js->chunk[js->pos]))
            break;
        if (n == JSON_NUMBER_MAX)
            return wfs_json_fail(js, err, "a number of more than %d bytes", JSON_NUMBER_MAX);
        text[n++] = (char)js->chunk[js->pos++];
    }
    text[n] = '\0';
    return is_number(text) ? 0 : wfs_json_fail(js, err, "no JSON value here");
}

/* ---- any value ----------------------------------------------------------------------------- */

/* Passes over a value that is no object or array. */
static int skip_scalar(struct wfs_json *js, uint8_t c, struct wfs_error *err)
{
    const char *text;
    size_t len;
    switch (c) {
    case '"':
        return wfs_json_string(js, &text, &len, err);
    case 't':
        return word(js, "true", err);
    case 'f':
        return word(js, "false", err);
    case 'n':
        return word(js, "null", err);
    default:
        return skip_number(js, err);
    }
}

static int skip_key(struct wfs_json *js, struct wfs_error *err)
{
    const char *text;
    size_t len;
    int r = wfs_json_string(js, &text, &len, err);
    return r ? r : wfs_json_expect(js, ':', err);
}

/* Without recursion: closers[0..depth) are the brackets that are open. */
int wfs_json_skip(struct wfs_json *js, struct wfs_error *err)
{
    char closers[WFS_JSON_MAX_DEPTH];
    size_t depth = 0;
    bool is_first = false; /* a container was just opened */
    do {
        bool more = true;
        int r = 0;
        if (depth)
            r = wfs_json_more(js, is_first, closers[depth - 1], &more, err);
        if (!r && more && depth && closers[depth - 1] == '}')
            r = skip_key(js, err);
        if (r)
            return r;
        is_first = false;
        if (!more) {
            depth--;
            continue;
        }
        uint8_t c;
        r = wfs_json_peek(js, &c, err);
        if (!r && c != '{' && c != '[')
            r = skip_scalar(js, c, err);
        if (r)
            return r;
        if (c == '{' || c == '[') {
            if (depth == WFS_JSON_MAX_DEPTH)
                return wfs_json_fail(js, err, "JSON nested deeper than %d", WFS_JSON_MAX_DEPTH);
            js->pos++;
            closers[depth++] = c == '{' ? '}' : ']';
            is_first = true;
        }
    } while (depth);
    return 0;
}
