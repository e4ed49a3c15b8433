/*
 * msgpack.c - msgpack documents as flax.serialization writes them.
 *
 *     map {key: map | array | plain value}, nested
 *     ext 1 (ndarray), ext 3 (npscalar): a msgpack array [shape, dtype name, data]
 *     ext 2 (complex): a msgpack array [real, imag]
 *
 * Read front to back through the cursor; every length is compared with what is left before it is
 * used, and no array's data is read. Any width of a length is taken, str and bin are one another's
 * stand-ins, as in the reference reader. Stricter than it: a key twice is refused (it takes the
 * last).
 */
#include "source/flax/msgpack.h"

#include <stdlib.h>
#include <string.h>

#define EXT_NDARRAY  1
#define EXT_COMPLEX  2
#define EXT_NPSCALAR 3

struct parser {
    struct wfs_arena *arena;
    struct wfs_bytes *bytes;
    struct wfs_cursor *cur;
    uint32_t n_nodes;
    struct wfs_error *err;
};

/* What the first byte of a value says. */
enum token_kind { T_NIL, T_BOOL, T_INT, T_UINT, T_FLOAT, T_STR, T_BIN, T_LIST, T_MAP, T_EXT };
struct token {
    enum token_kind kind;
    int64_t i;  /* T_INT, T_BOOL */
    uint64_t u; /* T_UINT; bytes of T_STR, T_BIN, T_EXT; entries of T_LIST, T_MAP */
    double f;
    int8_t ext;
};

static int fail(const struct parser *p, const char *what)
{
    return wfs_error_set(p->err, EINVAL, "%s: byte %llu: %s", p->bytes->name,
                         (unsigned long long)p->cur->pos, what);
}

/* ---- tokens -------------------------------------------------------------------------------- */

static int take_be(struct parser *p, unsigned n_bytes, uint64_t *ret)
{
    uint8_t b[8];
    int r = wfs_cursor_take(p->cur, b, n_bytes, p->err);
    if (r)
        return r;
    *ret = 0;
    for (unsigned i = 0; i < n_bytes; i++)
        *ret = *ret << 8 | b[i];
    return 0;
}

static int take_sized(struct parser *p, struct token *t, enum token_kind kind, unsigned n_bytes)
{
    t->kind = kind;
    int r = take_be(p, n_bytes, &t->u);
    uint64_t ext = 0;
    if (!r && kind == T_EXT)
        r = take_be(p, 1, &ext);
    t->ext = (int8_t)ext;
    return r;
}

static int take_fixext(struct parser *p, struct token *t, uint64_t size)
{
    uint64_t ext;
    int r = take_be(p, 1, &ext);
    *t = (struct token){.kind = T_EXT, .u = size, .ext = (int8_t)ext};
    return r;
}

static int take_float(struct parser *p, struct token *t, unsigned n_bytes)
{
    uint64_t bits;
    int r = take_be(p, n_bytes, &bits);
    if (r)
        return r;
    uint32_t low = (uint32_t)bits;
    float single;
    memcpy(&single, &low, sizeof(single));
    t->kind = T_FLOAT;
    if (n_bytes == 4)
        t->f = single;
    else
        memcpy(&t->f, &bits, sizeof(t->f));
    return 0;
}

static int take_int(struct parser *p, struct token *t, unsigned n_bytes)
{
    uint64_t bits;
    int r = take_be(p, n_bytes, &bits);
    unsigned shift = 64 - 8 * n_bytes;
    *t = (struct token){.kind = T_INT, .i = (int64_t)(bits << shift) >> shift};
    return r;
}

/* Bytes 0xc0 to 0xdf. */
static int take_marked(struct parser *p, uint8_t c, struct token *t)
{
    if (c == 0xc0) {
        t->kind = T_NIL;
        return 0;
    }
    if (c == 0xc2 || c == 0xc3) {
        *t = (struct token){.kind = T_BOOL, .i = c & 1};
        return 0;
    }
    if (c >= 0xc4 && c <= 0xc6)
        return take_sized(p, t, T_BIN, 1u << (c - 0xc4));
    if (c >= 0xc7 && c <= 0xc9)
        return take_sized(p, t, T_EXT, 1u << (c - 0xc7));
    if (c == 0xca || c == 0xcb)
        return take_float(p, t, c == 0xca ? 4 : 8);
    if (c >= 0xcc && c <= 0xcf)
        return take_sized(p, t, T_UINT, 1u << (c - 0xcc));
    if (c >= 0xd0 && c <= 0xd3)
        return take_int(p, t, 1u << (c - 0xd0));
    if (c >= 0xd4 && c <= 0xd8)
        return take_fixext(p, t, UINT64_C(1) << (c - 0xd4));
    if (c >= 0xd9 && c <= 0xdb)
        return take_sized(p, t, T_STR, 1u << (c - 0xd9));
    if (c == 0xdc || c == 0xdd)
        return take_sized(p, t, T_LIST, c == 0xdc ? 2 : 4);
    if (c == 0xde || c == 0xdf)
        return take_sized(p, t, T_MAP, c == 0xde ? 2 : 4);
    return fail(p, "0xc1, which no msgpack value begins with");
}

static int take_token(struct parser *p, struct token *t)
{
    uint8_t c;
    *t = (struct token){0};
    int r = wfs_cursor_u8(p->cur, &c, p->err);
    if (r)
        return r;
    if (c < 0x80)
        *t = (struct token){.kind = T_UINT, .u = c};
    else if (c < 0x90)
        *t = (struct token){.kind = T_MAP, .u = c & 15};
    else if (c < 0xa0)
        *t = (struct token){.kind = T_LIST, .u = c & 15};
    else if (c < 0xc0)
        *t = (struct token){.kind = T_STR, .u = c & 31};
    else if (c >= 0xe0)
        *t = (struct token){.kind = T_INT, .i = (int8_t)c};
    else
        r = take_marked(p, c, t);
    if (r)
        return r;
    bool is_bytes = t->kind == T_STR || t->kind == T_BIN || t->kind == T_EXT;
    bool is_entries = t->kind == T_LIST || t->kind == T_MAP;
    if ((is_bytes || is_entries) && t->u > wfs_cursor_left(p->cur)) /* an entry is >= 1 byte */
        return fail(p, "a length beyond the end of the file");
    return 0;
}

/* ---- plain values -------------------------------------------------------------------------- */

/* The text of a str or bin; NULL in *ret where it is no UTF-8 or too long, and it is skipped. */
static int take_text(struct parser *p, const struct token *t, const char **ret)
{
    *ret = NULL;
    if (t->u > MSGPACK_MAX_TEXT)
        return wfs_cursor_skip(p->cur, t->u, p->err);
    char *raw wfs_cleanup(wfs_freep) = malloc(t->u + 1);
    if (!raw)
        return wfs_error_nomem(p->err, "a string");
    int r = wfs_cursor_take(p->cur, raw, (size_t)t->u, p->err);
    if (r || !wfs_utf8_valid(raw, (size_t)t->u))
        return r;
    *ret = wfs_name_from_bytes(p->arena, raw, (size_t)t->u);
    return *ret ? 0 : wfs_error_nomem(p->err, "a string");
}

static int parse_text(struct parser *p, const struct token *t, struct wfs_msgpack_node *node)
{
    const char *text;
    int r = take_text(p, t, &text);
    if (r)
        return r;
    node->kind = text ? MSGPACK_TEXT : MSGPACK_BYTES;
    if (text)
        node->u.text = text;
    else
        node->u.u = t->u;
    return 0;
}

/* ---- arrays: [shape, dtype, data] inside an ext -------------------------------------------- */

static int parse_shape(struct parser *p, struct wfs_npy_header *h)
{
    struct token t;
    int r = take_token(p, &t);
    if (r)
        return r;
    if (t.kind != T_LIST || t.u > WFS_MAX_NDIM)
        return fail(p, "an array's shape is no list of at most 64 sizes");
    h->ndim = (uint32_t)t.u;
    for (uint32_t i = 0; i < h->ndim; i++) {
        r = take_token(p, &t);
        if (r)
            return r;
        if (t.kind == T_INT && t.i >= 0)
            t = (struct token){.kind = T_UINT, .u = (uint64_t)t.i};
        if (t.kind != T_UINT)
            return fail(p, "an array's size is no natural number");
        h->shape[i] = t.u;
    }
    return 0;
}

static int parse_dtype(struct parser *p, struct wfs_npy_header *h)
{
    struct token t;
    const char *name;
    int r = take_token(p, &t);
    if (r)
        return r;
    if (t.kind != T_STR && t.kind != T_BIN)
        return fail(p, "an array's dtype is no string");
    r = take_text(p, &t, &name);
    if (r)
        return r;
    if (!name || !wfs_npy_parse_dtype(name, strlen(name), h) || h->is_guess)
        return wfs_error_set(p->err, EINVAL, "%s: byte %llu: unknown dtype '%.40s'", p->bytes->name,
                             (unsigned long long)p->cur->pos, name ? name : "");
    return 0;
}

static int parse_data(struct parser *p, struct wfs_msgpack_array *array)
{
    struct token t;
    uint64_t n_elems, size_bytes;
    int r = take_token(p, &t);
    if (r)
        return r;
    if (t.kind != T_STR && t.kind != T_BIN)
        return fail(p, "an array's data is no bytes");
    const struct wfs_npy_header *h = &array->header;
    r = wfs_shape_size(h->dtype, h->ndim, h->shape, &n_elems, &size_bytes, p->err);
    if (r) {
        wfs_error_prefix(p->err, "%s: byte %llu", p->bytes->name, (unsigned long long)p->cur->pos);
        return r;
    }
    if (size_bytes != t.u)
        return fail(p, "an array's data is not as long as its shape and dtype say");
    array->off = p->cur->pos;
    return wfs_cursor_skip(p->cur, t.u, p->err);
}

static int parse_array(struct parser *p, struct wfs_msgpack_node *node)
{
    struct token t;
    struct wfs_msgpack_array *array = wfs_arena_alloc(p->arena, sizeof(*array));
    if (!array)
        return wfs_error_nomem(p->err, "an array");
    int r = take_token(p, &t);
    if (!r && (t.kind != T_LIST || t.u != 3))
        r = fail(p, "an array is no [shape, dtype, data]");
    if (!r)
        r = parse_shape(p, &array->header);
    if (!r)
        r = parse_dtype(p, &array->header);
    if (!r)
        r = parse_data(p, array);
    node->kind = MSGPACK_ARRAY;
    node->u.array = array;
    return r;
}

static int parse_complex(struct parser *p, struct wfs_msgpack_node *node)
{
    struct token t;
    int r = take_token(p, &t);
    if (!r && (t.kind != T_LIST || t.u != 2))
        r = fail(p, "a complex number is no [real, imag]");
    for (int i = 0; i < 2 && !r; i++) {
        r = take_token(p, &t);
        node->u.complex_parts[i] = t.kind == T_FLOAT  ? t.f
                                   : t.kind == T_UINT ? (double)t.u
                                                      : (double)t.i;
        if (!r && t.kind != T_FLOAT && t.kind != T_UINT && t.kind != T_INT)
            r = fail(p, "a complex number's part is no number");
    }
    node->kind = MSGPACK_COMPLEX;
    return r;
}

/* What is inside an ext must fill it. */
static int parse_ext(struct parser *p, const struct token *t, struct wfs_msgpack_node *node)
{
    uint64_t end = p->cur->pos + t->u;
    int r = 0;
    if (t->ext == EXT_NDARRAY || t->ext == EXT_NPSCALAR) {
        r = parse_array(p, node);
    } else if (t->ext == EXT_COMPLEX) {
        r = parse_complex(p, node);
    } else {
        node->kind = MSGPACK_OPAQUE;
        node->u.u = t->u;
        r = wfs_cursor_skip(p->cur, t->u, p->err);
    }
    return r || p->cur->pos == end ? r : fail(p, "an ext is longer or shorter than what it holds");
}

/* ---- containers ---------------------------------------------------------------------------- */

static int parse_value(struct parser *p, struct wfs_msgpack_node *node, unsigned depth);

static int parse_key(struct parser *p, struct wfs_msgpack_node *child, struct wfs_strmap *keys)
{
    struct token t;
    int r = take_token(p, &t);
    if (r)
        return r;
    if (t.kind != T_STR && t.kind != T_BIN)
        return fail(p, "a map's key is no string");
    r = take_text(p, &t, &child->key);
    if (r)
        return r;
    if (!child->key)
        return fail(p, "a map's key is no UTF-8 or longer than a mebibyte");
    r = wfs_strmap_add(keys, child->key, 0);
    if (r == -EEXIST)
        return wfs_error_set(p->err, EINVAL, "%s: byte %llu: the key '%.200s' is there twice",
                             p->bytes->name, (unsigned long long)p->cur->pos, child->key);
    return r ? wfs_error_nomem(p->err, "a map") : 0;
}

/* keys is NULL inside a list. */
static int parse_children(struct parser *p, uint64_t n, struct wfs_msgpack_node *node,
                          unsigned depth, struct wfs_strmap *keys)
{
    struct wfs_msgpack_node **tail = &node->u.children.first;
    for (uint64_t i = 0; i < n; i++) {
        if (++p->n_nodes > MSGPACK_MAX_NODES)
            return fail(p, "more values than weightfs takes");
        struct wfs_msgpack_node *child = wfs_arena_alloc(p->arena, sizeof(*child));
        if (!child)
            return wfs_error_nomem(p->err, "a value");
        int r = keys ? parse_key(p, child, keys) : 0;
        if (!r)
            r = parse_value(p, child, depth + 1);
        if (r)
            return r;
        *tail = child;
        tail = &child->next;
        node->u.children.n++;
        node->has_plain = node->has_plain || child->has_plain;
    }
    return 0;
}

static int parse_container(struct parser *p, const struct token *t, struct wfs_msgpack_node *node,
                           unsigned depth)
{
    if (depth >= MSGPACK_MAX_DEPTH)
        return fail(p, "nested deeper than 1024");
    node->kind = t->kind == T_MAP ? MSGPACK_MAP : MSGPACK_LIST;
    struct wfs_strmap keys = {0};
    int r = parse_children(p, t->u, node, depth, t->kind == T_MAP ? &keys : NULL);
    uint64_t found;
    if (wfs_strmap_get(&keys, MSGPACK_CHUNKED_KEY, &found))
        node->has_plain = false;
    wfs_strmap_free(&keys);
    return r;
}

static int parse_value(struct parser *p, struct wfs_msgpack_node *node, unsigned depth)
{
    struct token t;
    int r = take_token(p, &t);
    if (r)
        return r;
    node->has_plain = t.kind != T_LIST && t.kind != T_MAP &&
                      !(t.kind == T_EXT && (t.ext == EXT_NDARRAY || t.ext == EXT_NPSCALAR));
    switch (t.kind) {
    case T_NIL:
        node->kind = MSGPACK_NIL;
        return 0;
    case T_BOOL:
        node->kind = MSGPACK_BOOL;
        node->u.boolean = t.i != 0;
        return 0;
    case T_INT:
        node->kind = MSGPACK_INT;
        node->u.i = t.i;
        return 0;
    case T_UINT:
        node->kind = MSGPACK_UINT;
        node->u.u = t.u;
        return 0;
    case T_FLOAT:
        node->kind = MSGPACK_FLOAT;
        node->u.f = t.f;
        return 0;
    case T_STR:
    case T_BIN:
        return parse_text(p, &t, node);
    case T_EXT:
        return parse_ext(p, &t, node);
    default:
        return parse_container(p, &t, node, depth);
    }
}

int wfs_msgpack_parse(struct wfs_arena *arena, struct wfs_bytes *bytes,
                      struct wfs_msgpack_node **ret, struct wfs_error *err)
{
    struct parser p = {.arena = arena, .bytes = bytes, .err = err};
    struct wfs_cursor *cur wfs_cleanup(wfs_freep) = malloc(sizeof(*cur));
    struct wfs_msgpack_node *root = wfs_arena_alloc(arena, sizeof(*root));
    if (!cur || !root)
        return wfs_error_nomem(err, bytes->name);
    p.cur = cur;
    int r = wfs_cursor_init(cur, bytes, 0, bytes->size_bytes, err);
    if (!r)
        r = parse_value(&p, root, 0);
    if (!r && wfs_cursor_left(cur))
        r = fail(&p, "bytes after the end of the document");
    if (!r)
        *ret = root;
    return r;
}
