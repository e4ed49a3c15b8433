/*
 * expr_tool.c - runs the expression engine by a script on stdin: the C half of
 * tests/cli/test_expr_numpy.py, which runs the same script in numpy.
 *
 * Expressions stand on a stack. One command a line, numbers separated by spaces:
 *
 *      source KIND PATH          file | plain (cannot be mapped) | memory
 *      leaf DTYPE OFF NDIM SHAPE...            strided DTYPE OFF NDIM SHAPE... STRIDES...
 *      fill DTYPE VALUE NDIM SHAPE...          arange DTYPE START STEP NDIM SHAPE...
 *      permute AXES...  flip AXIS  slice AXIS START STOP STEP  squeeze AXIS  squeezeall
 *      unsqueeze AXIS  reshape NDIM SHAPE...  concat N AXIS  stack N AXIS  tile AXIS N
 *      repeat AXIS N  pad AXIS BEFORE AFTER VALUE  bitcast DTYPE  nest  sum N
 *      cast DTYPE  scale VALUE  add VALUE  neg  conj  byteswap
 *      read OFF LEN              that range's bytes to stdout
 *      reads OFF LEN             the same through reads of odd small sizes
 *      size | hash | pieces | block            one 8-byte little-endian number (hash: 16 bytes)
 *      clear
 */
#include <stdlib.h>
#include <string.h>

#include "tensor/tensor.h"

#define STACK_MAX 64
#define WORDS_MAX 256

struct tool {
    struct wfs_arena *arena;
    struct wfs_bytes *source;
    const struct wfs_expr *stack[STACK_MAX];
    uint32_t depth;
    char *words[WORDS_MAX];
    uint32_t n_words, at;
    struct wfs_error err;
};

static void fail(const struct tool *t, const char *what)
{
    fprintf(stderr, "%s: %s\n", t->words[0] ? t->words[0] : "?", what);
    exit(1);
}

static const char *word(struct tool *t)
{
    if (t->at == t->n_words)
        fail(t, "too few words");
    return t->words[t->at++];
}

static uint64_t number(struct tool *t)
{
    return strtoull(word(t), NULL, 0);
}

static enum wfs_dtype dtype_word(struct tool *t)
{
    enum wfs_dtype dtype;
    if (!wfs_dtype_by_name(word(t), &dtype))
        fail(t, "no such dtype");
    return dtype;
}

static uint32_t shape_words(struct tool *t, uint64_t *shape)
{
    uint32_t ndim = (uint32_t)number(t);
    for (uint32_t i = 0; i < ndim && ndim <= WFS_MAX_NDIM; i++)
        shape[i] = number(t);
    return ndim;
}

static const struct wfs_expr *top(struct tool *t)
{
    if (t->depth == 0)
        fail(t, "the stack is empty");
    return t->stack[t->depth - 1];
}

/* ---- sources ------------------------------------------------------------------------------- */

/* A source of the same bytes without a mapping. */
struct plain {
    struct wfs_bytes base;
    struct wfs_bytes *inner;
};

static int plain_read(struct wfs_bytes *bytes, void *buf, size_t len, uint64_t off,
                      struct wfs_error *err)
{
    return wfs_bytes_read(((struct plain *)bytes)->inner, buf, len, off, err);
}

static void plain_free(struct wfs_bytes *bytes)
{
    wfs_bytes_unref(((struct plain *)bytes)->inner);
    free(bytes);
}

static const struct wfs_bytes_ops plain_ops = {
    .kind = "plain", .read = plain_read, .free = plain_free};

static int to_plain(struct wfs_bytes **bytes)
{
    struct plain *plain = calloc(1, sizeof(*plain));
    if (!plain)
        return -ENOMEM;
    plain->base.ops = &plain_ops;
    plain->base.n_refs = 1;
    plain->base.size_bytes = (*bytes)->size_bytes;
    plain->base.name = (*bytes)->name;
    plain->base.id = (*bytes)->id;
    plain->inner = *bytes;
    *bytes = &plain->base;
    return 0;
}

static int to_memory(struct wfs_bytes **bytes, struct wfs_error *err)
{
    struct wfs_bytes *file wfs_cleanup(wfs_bytes_unrefp) = *bytes;
    void *data wfs_cleanup(wfs_freep) = malloc(file->size_bytes + 1);
    int r = wfs_bytes_read(file, data, file->size_bytes, 0, err);
    return r ? r : wfs_bytes_from_memory("memory", data, file->size_bytes, bytes, err);
}

static int do_source(struct tool *t)
{
    const char *kind = word(t);
    int r = wfs_bytes_open(word(t), &t->source, &t->err);
    if (!r && strcmp(kind, "plain") == 0)
        r = to_plain(&t->source);
    if (!r && strcmp(kind, "memory") == 0)
        r = to_memory(&t->source, &t->err);
    return r ? r : wfs_arena_on_free(t->arena, wfs_bytes_unref_void, t->source);
}

/* ---- commands ------------------------------------------------------------------------------ */

static int do_leaf(struct tool *t, const struct wfs_expr **ret)
{
    uint64_t shape[WFS_MAX_NDIM];
    enum wfs_dtype dtype = dtype_word(t);
    uint64_t off = number(t);
    uint32_t ndim = shape_words(t, shape);
    return wfs_expr_contiguous(t->arena, t->source, off, dtype, ndim, shape, ret, &t->err);
}

static int do_strided(struct tool *t, const struct wfs_expr **ret)
{
    uint64_t shape[WFS_MAX_NDIM];
    int64_t strides[WFS_MAX_NDIM];
    enum wfs_dtype dtype = dtype_word(t);
    uint64_t off = number(t);
    uint32_t ndim = shape_words(t, shape);
    for (uint32_t i = 0; i < ndim; i++)
        strides[i] = (int64_t)number(t);
    return wfs_expr_strided(t->arena, t->source, off, dtype, ndim, shape, strides, ret, &t->err);
}

static int do_fill(struct tool *t, const struct wfs_expr **ret)
{
    uint64_t shape[WFS_MAX_NDIM];
    enum wfs_dtype dtype = dtype_word(t);
    double value = atof(word(t));
    uint32_t ndim = shape_words(t, shape);
    return wfs_expr_fill(t->arena, dtype, ndim, shape, value, ret, &t->err);
}

static int do_arange(struct tool *t, const struct wfs_expr **ret)
{
    uint64_t shape[WFS_MAX_NDIM];
    enum wfs_dtype dtype = dtype_word(t);
    double start = atof(word(t)), step = atof(word(t));
    uint32_t ndim = shape_words(t, shape);
    return wfs_expr_arange(t->arena, dtype, ndim, shape, start, step, ret, &t->err);
}

static int do_permute(struct tool *t, const struct wfs_expr **ret)
{
    uint32_t perm[WFS_MAX_NDIM] = {0};
    for (uint32_t i = 0; i < top(t)->ndim; i++)
        perm[i] = (uint32_t)number(t);
    return wfs_expr_permute(t->arena, top(t), perm, ret, &t->err);
}

static int do_flip(struct tool *t, const struct wfs_expr **ret)
{
    return wfs_expr_flip(t->arena, top(t), (uint32_t)number(t), ret, &t->err);
}

static int do_slice(struct tool *t, const struct wfs_expr **ret)
{
    uint32_t axis = (uint32_t)number(t);
    uint64_t start = number(t), stop = number(t), step = number(t);
    return wfs_expr_slice(t->arena, top(t), axis, start, stop, step, ret, &t->err);
}

static int do_squeeze(struct tool *t, const struct wfs_expr **ret)
{
    return wfs_expr_squeeze(t->arena, top(t), (uint32_t)number(t), ret, &t->err);
}

static int do_squeezeall(struct tool *t, const struct wfs_expr **ret)
{
    return wfs_expr_squeeze_all(t->arena, top(t), ret, &t->err);
}

static int do_unsqueeze(struct tool *t, const struct wfs_expr **ret)
{
    return wfs_expr_unsqueeze(t->arena, top(t), (uint32_t)number(t), ret, &t->err);
}

static int do_reshape(struct tool *t, const struct wfs_expr **ret)
{
    uint64_t shape[WFS_MAX_NDIM];
    uint32_t ndim = shape_words(t, shape);
    return wfs_expr_reshape(t->arena, top(t), ndim, shape, ret, &t->err);
}

static int do_tile(struct tool *t, const struct wfs_expr **ret)
{
    uint32_t axis = (uint32_t)number(t);
    return wfs_expr_tile(t->arena, top(t), axis, number(t), ret, &t->err);
}

static int do_repeat(struct tool *t, const struct wfs_expr **ret)
{
    uint32_t axis = (uint32_t)number(t);
    return wfs_expr_repeat(t->arena, top(t), axis, number(t), ret, &t->err);
}

static int do_pad(struct tool *t, const struct wfs_expr **ret)
{
    uint32_t axis = (uint32_t)number(t);
    uint64_t before = number(t), after = number(t);
    return wfs_expr_pad(t->arena, top(t), axis, before, after, atof(word(t)), ret, &t->err);
}

static int do_bitcast(struct tool *t, const struct wfs_expr **ret)
{
    return wfs_expr_bitcast(t->arena, top(t), dtype_word(t), ret, &t->err);
}

static int do_nest(struct tool *t, const struct wfs_expr **ret)
{
    const struct wfs_expr *in = top(t);
    struct wfs_bytes *bytes;
    int r = wfs_expr_as_bytes(t->arena, in, &bytes, &t->err);
    return r ? r
             : wfs_expr_contiguous(t->arena, bytes, 0, in->dtype, in->ndim, in->shape, ret,
                                   &t->err);
}

static int elementwise(struct tool *t, enum wfs_elem_op_kind kind, enum wfs_dtype dtype,
                       double value, const struct wfs_expr **ret)
{
    const struct wfs_elem_op op = {.kind = kind, .dtype = dtype, .value = value};
    return wfs_expr_elementwise(t->arena, top(t), &op, ret, &t->err);
}

static int do_cast(struct tool *t, const struct wfs_expr **ret)
{
    return elementwise(t, WFS_ELEM_CAST, dtype_word(t), 0, ret);
}

static int do_scale(struct tool *t, const struct wfs_expr **ret)
{
    return elementwise(t, WFS_ELEM_SCALE, top(t)->dtype, atof(word(t)), ret);
}

static int do_add(struct tool *t, const struct wfs_expr **ret)
{
    return elementwise(t, WFS_ELEM_ADD, top(t)->dtype, atof(word(t)), ret);
}

static int do_neg(struct tool *t, const struct wfs_expr **ret)
{
    return elementwise(t, WFS_ELEM_NEG, top(t)->dtype, 0, ret);
}

static int do_conj(struct tool *t, const struct wfs_expr **ret)
{
    return elementwise(t, WFS_ELEM_CONJ, top(t)->dtype, 0, ret);
}

static int do_byteswap(struct tool *t, const struct wfs_expr **ret)
{
    return elementwise(t, WFS_ELEM_BYTESWAP, top(t)->dtype, 0, ret);
}

enum takes { TAKES_NONE, TAKES_TOP };
static const struct {
    const char *name;
    int (*fn)(struct tool *t, const struct wfs_expr **ret);
    enum takes takes;
} commands[] = {
    {"leaf", do_leaf, TAKES_NONE},
    {"strided", do_strided, TAKES_NONE},
    {"fill", do_fill, TAKES_NONE},
    {"arange", do_arange, TAKES_NONE},
    {"permute", do_permute, TAKES_TOP},
    {"flip", do_flip, TAKES_TOP},
    {"slice", do_slice, TAKES_TOP},
    {"squeeze", do_squeeze, TAKES_TOP},
    {"squeezeall", do_squeezeall, TAKES_TOP},
    {"unsqueeze", do_unsqueeze, TAKES_TOP},
    {"reshape", do_reshape, TAKES_TOP},
    {"tile", do_tile, TAKES_TOP},
    {"repeat", do_repeat, TAKES_TOP},
    {"pad", do_pad, TAKES_TOP},
    {"bitcast", do_bitcast, TAKES_TOP},
    {"nest", do_nest, TAKES_TOP},
    {"cast", do_cast, TAKES_TOP},
    {"scale", do_scale, TAKES_TOP},
    {"add", do_add, TAKES_TOP},
    {"neg", do_neg, TAKES_TOP},
    {"conj", do_conj, TAKES_TOP},
    {"byteswap", do_byteswap, TAKES_TOP},
};

/* concat, stack, sum: n off the stack, one back. */
static int do_join(struct tool *t)
{
    const struct wfs_expr *joined;
    const char *name = t->words[0];
    uint32_t n = (uint32_t)number(t);
    if (n == 0 || n > t->depth)
        fail(t, "too few on the stack");
    const struct wfs_expr *const *in = &t->stack[t->depth - n];
    int r = strcmp(name, "sum") == 0 ? wfs_expr_sum(t->arena, n, in, &joined, &t->err)
            : strcmp(name, "stack") == 0
                ? wfs_expr_stack(t->arena, n, in, (uint32_t)number(t), &joined, &t->err)
                : wfs_expr_concat(t->arena, n, in, (uint32_t)number(t), &joined, &t->err);
    t->depth -= n;
    t->stack[t->depth++] = joined;
    return r;
}

/* In reads of 1, 2, 3, ... bytes and wrapping, where `small`. */
static int do_read(struct tool *t, bool small)
{
    uint64_t off = number(t), len = number(t);
    char *buf wfs_cleanup(wfs_freep) = malloc(len + 1);
    uint64_t step = small ? 1 : len;
    if (!buf)
        return -ENOMEM;
    for (uint64_t at = 0; at < len; at += step, step = small ? step % 61 + 1 : step) {
        int r = wfs_expr_read(top(t), buf + at, wfs_min_u64(step, len - at), off + at, &t->err);
        if (r)
            return r;
    }
    fwrite(buf, 1, len, stdout);
    return 0;
}

static int put(uint64_t value)
{
    fwrite(&value, sizeof(value), 1, stdout);
    return 0;
}

static int run(struct tool *t)
{
    const char *name = word(t);
    if (strcmp(name, "source") == 0)
        return do_source(t);
    if (strcmp(name, "concat") == 0 || strcmp(name, "stack") == 0 || strcmp(name, "sum") == 0)
        return do_join(t);
    if (strcmp(name, "read") == 0 || strcmp(name, "reads") == 0)
        return do_read(t, name[4] == 's');
    if (strcmp(name, "size") == 0)
        return put(top(t)->size_bytes);
    if (strcmp(name, "pieces") == 0)
        return put(top(t)->n_pieces);
    if (strcmp(name, "block") == 0)
        return put(wfs_expr_block_bytes(top(t)));
    if (strcmp(name, "hash") == 0) {
        struct wfs_hash hash = wfs_expr_hash(top(t));
        return fwrite(hash.bytes, sizeof(hash.bytes), 1, stdout) == 1 ? 0 : -EIO;
    }
    if (strcmp(name, "clear") == 0) {
        t->depth = 0;
        return 0;
    }
    for (size_t i = 0; i < WFS_ARRAY_SIZE(commands); i++) {
        if (strcmp(name, commands[i].name) != 0)
            continue;
        const struct wfs_expr *made = NULL;
        int r = commands[i].fn(t, &made);
        t->depth -= commands[i].takes == TAKES_TOP;
        if (t->depth == STACK_MAX)
            fail(t, "the stack is full");
        t->stack[t->depth++] = made;
        return r;
    }
    fail(t, "no such command");
    return 0;
}

int main(void)
{
    static struct tool tool;
    char *line wfs_cleanup(wfs_freep) = NULL;
    size_t cap = 0;
    tool.arena = wfs_arena_new();
    if (!tool.arena)
        return 1;
    while (getline(&line, &cap, stdin) > 0) {
        tool.n_words = tool.at = 0;
        for (char *save, *w = strtok_r(line, " \n", &save); w && tool.n_words < WORDS_MAX;
             w = strtok_r(NULL, " \n", &save))
            tool.words[tool.n_words++] = w;
        if (tool.n_words == 0)
            continue;
        if (run(&tool)) {
            fprintf(stderr, "%s: %s\n", tool.words[0], tool.err.message);
            return 1;
        }
    }
    wfs_arena_free(tool.arena);
    return 0;
}
