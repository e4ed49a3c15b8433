/*
 * npy_header.c - headers of .npy files (numpy.lib.format, versions 1.0 to 3.0).
 *
 *     0   "\x93NUMPY" major minor
 *     8   u16le (1.0) or u32le (2.0, 3.0) length of the header
 *         {'descr': '<f4', 'fortran_order': False, 'shape': (3, 4), }   a Python dict literal
 *         data in C or Fortran order; bytes behind it are tolerated, as numpy does
 *
 * Only the literal grammar of such a dict is taken, nothing is evaluated. Refused: headers over
 * 10,000 bytes (numpy's own limit), object arrays (a pickle), records, strings, dates, missing or
 * repeated keys, data that is not there whole.
 */
#include "source/numpy/npy_header.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#define NPY_MAGIC      "\x93NUMPY"
#define NPY_MAGIC_LEN  6
#define NPY_HEADER_MAX 10000

/* ---- types --------------------------------------------------------------------------------- */

/* The type that a descr names after its byte-order mark. */
static const struct {
    const char *code;
    enum wfs_dtype dtype;
} codes[] = {
    {"b1", WFS_BOOL}, {"?", WFS_BOOL},   {"i1", WFS_I8},   {"b", WFS_I8},     {"u1", WFS_U8},
    {"B", WFS_U8},    {"i2", WFS_I16},   {"u2", WFS_U16},  {"i4", WFS_I32},   {"u4", WFS_U32},
    {"i8", WFS_I64},  {"u8", WFS_U64},   {"f2", WFS_F16},  {"f4", WFS_F32},   {"f8", WFS_F64},
    {"c8", WFS_C64},  {"c16", WFS_C128}, {"V2", WFS_BF16}, {"V1", WFS_BITS8},
};

static bool is_marked(char c)
{
    return c == '<' || c == '>' || c == '|' || c == '=';
}

bool wfs_npy_parse_dtype(const char *name, size_t len, struct wfs_npy_header *ret)
{
    char text[32];
    if (len == 0 || len >= sizeof(text) || memchr(name, '\0', len))
        return false;
    memcpy(text, name, len);
    text[len] = '\0';
    ret->is_swapped = ret->is_guess = false;
    if (wfs_dtype_by_flax(text, &ret->dtype))
        return true;
    const char *code = is_marked(text[0]) ? text + 1 : text;
    for (size_t i = 0; i < WFS_ARRAY_SIZE(codes); i++) {
        if (strcmp(codes[i].code, code) != 0)
            continue;
        ret->dtype = codes[i].dtype;
        ret->is_guess = strcmp(code, "V2") == 0;
        ret->is_swapped = text[0] == '>' && wfs_dtype_bits(ret->dtype) > 8 && !ret->is_guess;
        return true;
    }
    return false;
}

/* ---- the dict literal ---------------------------------------------------------------------- */

struct literal {
    const char *text;
    size_t pos, len;
    const char *subject;
    struct wfs_error *err;
};

static int bad(const struct literal *l, const char *expected)
{
    return wfs_error_set(l->err, EINVAL, "%s: the .npy header's character %zu: expected %s",
                         l->subject, l->pos, expected);
}

static void skip_space(struct literal *l)
{
    while (l->pos < l->len && isspace((unsigned char)l->text[l->pos]))
        l->pos++;
}

static bool take(struct literal *l, char c)
{
    skip_space(l);
    if (l->pos >= l->len || l->text[l->pos] != c)
        return false;
    l->pos++;
    return true;
}

static bool take_word(struct literal *l, const char *word)
{
    size_t n = strlen(word);
    skip_space(l);
    if (l->len - l->pos < n || memcmp(l->text + l->pos, word, n) != 0)
        return false;
    l->pos += n;
    return true;
}

/* 'text' or "text", without escapes: numpy writes none. */
static int take_string(struct literal *l, const char **ret, size_t *ret_len)
{
    skip_space(l);
    char quote = l->pos < l->len ? l->text[l->pos] : '\0';
    if (quote != '\'' && quote != '"')
        return bad(l, "a string");
    const char *start = l->text + l->pos + 1;
    const char *end = memchr(start, quote, l->len - l->pos - 1);
    if (!end || memchr(start, '\\', (size_t)(end - start)))
        return bad(l, "a string without escapes");
    *ret = start;
    *ret_len = (size_t)(end - start);
    l->pos = (size_t)(end + 1 - l->text);
    return 0;
}

static int take_uint(struct literal *l, uint64_t *ret)
{
    skip_space(l);
    uint64_t v = 0;
    size_t start = l->pos;
    for (; l->pos < l->len && isdigit((unsigned char)l->text[l->pos]); l->pos++)
        if (!wfs_mul_u64(v, 10, &v) || !wfs_add_u64(v, (uint64_t)(l->text[l->pos] - '0'), &v))
            return bad(l, "a size of 64 bits");
    if (l->pos == start || (l->text[start] == '0' && l->pos > start + 1))
        return bad(l, "a size");
    if (l->pos < l->len && l->text[l->pos] == 'L')
        l->pos++; /* written by Python 2 */
    *ret = v;
    return 0;
}

static int take_shape(struct literal *l, struct wfs_npy_header *h)
{
    if (!take(l, '('))
        return bad(l, "a tuple");
    for (h->ndim = 0; !take(l, ')');) {
        if (h->ndim == WFS_MAX_NDIM)
            return bad(l, "at most 64 axes");
        int r = take_uint(l, &h->shape[h->ndim++]);
        if (r)
            return r;
        /* As in Python, (3) is a number and no tuple, and (03,) is an error. */
        bool comma = take(l, ',');
        if (!comma && (h->ndim == 1 || !(l->pos < l->len && l->text[l->pos] == ')')))
            return bad(l, "',' or ')'");
    }
    return 0;
}

static int take_descr(struct literal *l, struct wfs_npy_header *h)
{
    const char *name;
    size_t len;
    skip_space(l);
    if (l->pos < l->len && l->text[l->pos] == '[')
        return wfs_error_set(l->err, ENOTSUP, "%s: an array of records, not of numbers",
                             l->subject);
    int r = take_string(l, &name, &len);
    if (r)
        return r;
    if (wfs_npy_parse_dtype(name, len, h))
        return 0;
    if (memchr(name, 'O', len))
        return wfs_error_set(l->err, ENOTSUP,
                             "%s: an array of Python objects (a pickle): never opened", l->subject);
    return wfs_error_set(l->err, ENOTSUP, "%s: numpy type '%.*s' holds no numbers", l->subject,
                         (int)(len < 40 ? len : 40), name);
}

static int take_bool(struct literal *l, bool *ret)
{
    *ret = take_word(l, "True");
    return *ret || take_word(l, "False") ? 0 : bad(l, "True or False");
}

enum key { KEY_DESCR, KEY_ORDER, KEY_SHAPE, N_KEYS };

static int take_key(struct literal *l, enum key *ret)
{
    static const char *const names[N_KEYS] = {"descr", "fortran_order", "shape"};
    const char *name;
    size_t len;
    int r = take_string(l, &name, &len);
    for (int i = 0; i < N_KEYS && !r; i++) {
        if (strlen(names[i]) == len && memcmp(names[i], name, len) == 0) {
            *ret = (enum key)i;
            return take(l, ':') ? 0 : bad(l, "':'");
        }
    }
    return r ? r : bad(l, "'descr', 'fortran_order' or 'shape' before here");
}

static int take_dict(struct literal *l, struct wfs_npy_header *h)
{
    unsigned seen = 0;
    if (!take(l, '{'))
        return bad(l, "'{'");
    while (!take(l, '}')) {
        enum key key;
        int r = take_key(l, &key);
        if (r)
            return r;
        if (seen & 1u << key)
            return bad(l, "each key once");
        seen |= 1u << key;
        r = key == KEY_DESCR   ? take_descr(l, h)
            : key == KEY_ORDER ? take_bool(l, &h->is_fortran)
                               : take_shape(l, h);
        if (r)
            return r;
        if (!take(l, ',') && !(l->pos < l->len && l->text[l->pos] == '}'))
            return bad(l, "',' or '}'");
    }
    skip_space(l);
    if (l->pos != l->len)
        return bad(l, "nothing after the dict");
    return seen == (1u << N_KEYS) - 1 ? 0 : bad(l, "all of descr, fortran_order and shape");
}

/* ---- the file ------------------------------------------------------------------------------ */

bool wfs_npy_is_magic(const uint8_t *head, size_t len)
{
    return len >= NPY_MAGIC_LEN + 2 && memcmp(head, NPY_MAGIC, NPY_MAGIC_LEN) == 0 &&
           head[NPY_MAGIC_LEN] >= 1 && head[NPY_MAGIC_LEN] <= 3;
}

/* Where the dict starts and how long it is. */
static int read_prefix(struct wfs_bytes *bytes, uint64_t off, uint64_t len, const char *subject,
                       uint64_t *ret_at, size_t *ret_len, struct wfs_error *err)
{
    uint8_t head[12] = {0};
    size_t n = (size_t)wfs_min_u64(sizeof(head), len);
    int r = wfs_bytes_read(bytes, head, n, off, err);
    if (r)
        return r;
    if (!wfs_npy_is_magic(head, n))
        return wfs_error_set(err, EINVAL, "%s: no .npy of version 1 to 3", subject);
    bool is_v1 = head[NPY_MAGIC_LEN] == 1;
    *ret_at = is_v1 ? 10 : 12;
    *ret_len = is_v1 ? wfs_load_u16le(head + 8) : wfs_load_u32le(head + 8);
    if (*ret_len > NPY_HEADER_MAX)
        return wfs_error_set(err, EINVAL, "%s: a .npy header of %zu bytes; numpy's limit is %d",
                             subject, *ret_len, NPY_HEADER_MAX);
    if (n < *ret_at || *ret_len > len - *ret_at)
        return wfs_error_set(err, EINVAL, "%s: the .npy header is cut off", subject);
    return 0;
}

static int check_data(const struct wfs_npy_header *h, uint64_t len, const char *subject,
                      struct wfs_error *err)
{
    uint64_t n_elems, size_bytes;
    int r = wfs_shape_size(h->dtype, h->ndim, h->shape, &n_elems, &size_bytes, err);
    if (r) {
        wfs_error_prefix(err, "%s", subject);
        return r;
    }
    if (size_bytes > len - h->data_off)
        return wfs_error_set(err, EINVAL, "%s: %llu bytes of data, of which %llu are there",
                             subject, (unsigned long long)size_bytes,
                             (unsigned long long)(len - h->data_off));
    return 0;
}

int wfs_npy_parse_header(struct wfs_bytes *bytes, uint64_t off, uint64_t len, const char *subject,
                         struct wfs_npy_header *ret, struct wfs_error *err)
{
    uint64_t at;
    size_t text_len;
    int r = read_prefix(bytes, off, len, subject, &at, &text_len, err);
    if (r)
        return r;
    char *text wfs_cleanup(wfs_freep) = malloc(text_len + 1);
    if (!text)
        return wfs_error_nomem(err, "a .npy header");
    r = wfs_bytes_read(bytes, text, text_len, off + at, err);
    struct literal l = {.text = text, .len = text_len, .subject = subject, .err = err};
    struct wfs_npy_header header = {.data_off = at + text_len};
    if (!r)
        r = take_dict(&l, &header);
    if (!r)
        r = check_data(&header, len, subject, err);
    if (!r)
        *ret = header;
    return r;
}

int wfs_npy_expr(struct wfs_arena *arena, struct wfs_bytes *bytes, uint64_t off,
                 const struct wfs_npy_header *header, const struct wfs_expr **ret,
                 struct wfs_error *err)
{
    uint64_t shape[WFS_MAX_NDIM];
    bool fortran = header->is_fortran && header->ndim > 1;
    for (uint32_t i = 0; i < header->ndim; i++)
        shape[i] = header->shape[fortran ? header->ndim - 1 - i : i];
    const struct wfs_expr *expr;
    int r = wfs_expr_contiguous(arena, bytes, off, header->dtype, header->ndim, shape, &expr, err);
    if (!r && fortran)
        r = wfs_expr_reverse_axes(arena, expr, &expr, err);
    struct wfs_elem_op swap = {.kind = WFS_ELEM_BYTESWAP, .dtype = header->dtype};
    if (!r && header->is_swapped)
        r = wfs_expr_elementwise(arena, expr, &swap, &expr, err);
    if (!r)
        *ret = expr;
    return r;
}
