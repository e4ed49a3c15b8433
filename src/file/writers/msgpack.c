/*
 * msgpack.c - a manifest as flax.serialization's msgpack: nested maps, arrays as extensions.
 *
 *   map { "encoder": map { "kernel": ext(1, [shape, dtype name, bin of the elements]) , ... } ... }
 *   over 2^30 bytes: map { "__msgpack_chunked_array__": true, "shape": {"0": n, ...},
 *                          "chunks": {"0": ext(1, flat piece of 2^30 bytes), ...} }
 *
 * Encodings are the shortest, as flax's own; keys stand in the manifest's order (flax sorts them as
 * strings). A module's keys stand where its first tensor does, wherever the others come in the
 * manifest. Refused: types that have no name in flax, a path that is both a tensor and a module,
 * more nested modules than the reader nests maps, and a key that flax takes for a chunked array.
 */
#include "file/writers/msgpack.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "file/writers/msgpack_tree.h"
#include "file/writers/refusal.h"

#define CHUNK_BYTES (UINT64_C(1) << 30)
#define CHUNK_KEY   "__msgpack_chunked_array__"
#define EXT_NDARRAY 1

/* ---- encodings ----------------------------------------------------------------------------- */

static void put_be(struct wfs_buf *out, uint8_t tag, uint64_t v, unsigned n_bytes)
{
    wfs_buf_char(out, (char)tag);
    while (n_bytes-- > 0)
        wfs_buf_char(out, (char)(v >> 8 * n_bytes));
}

static void put_uint(struct wfs_buf *out, uint64_t v)
{
    if (v < 0x80)
        wfs_buf_char(out, (char)v);
    else if (v <= UINT8_MAX)
        put_be(out, 0xcc, v, 1);
    else if (v <= UINT16_MAX)
        put_be(out, 0xcd, v, 2);
    else if (v <= UINT32_MAX)
        put_be(out, 0xce, v, 4);
    else
        put_be(out, 0xcf, v, 8);
}

static void put_map(struct wfs_buf *out, uint32_t n)
{
    if (n < 16)
        wfs_buf_char(out, (char)(0x80 | n));
    else
        put_be(out, n <= UINT16_MAX ? 0xde : 0xdf, n, n <= UINT16_MAX ? 2 : 4);
}

static void put_array(struct wfs_buf *out, uint32_t n)
{
    if (n < 16)
        wfs_buf_char(out, (char)(0x90 | n));
    else
        put_be(out, 0xdc, n, 2); /* at most WFS_MAX_NDIM */
}

static void put_str(struct wfs_buf *out, const char *s, size_t len)
{
    if (len < 32)
        wfs_buf_char(out, (char)(0xa0 | len));
    else if (len <= UINT8_MAX)
        put_be(out, 0xd9, len, 1);
    else
        put_be(out, len <= UINT16_MAX ? 0xda : 0xdb, len, len <= UINT16_MAX ? 2 : 4);
    wfs_buf_add(out, s, len);
}

static void put_bin_header(struct wfs_buf *out, uint64_t len)
{
    if (len <= UINT8_MAX)
        put_be(out, 0xc4, len, 1);
    else
        put_be(out, len <= UINT16_MAX ? 0xc5 : 0xc6, len, len <= UINT16_MAX ? 2 : 4);
}

static void put_ext_header(struct wfs_buf *out, uint64_t len)
{
    switch (len) {
    case 1:
    case 2:
    case 4:
    case 8:
    case 16: /* fixext: d4 to d8 */
        wfs_buf_char(out, (char)(0xd4 + __builtin_ctzll(len)));
        break;
    default:
        if (len <= UINT8_MAX)
            put_be(out, 0xc7, len, 1);
        else
            put_be(out, len <= UINT16_MAX ? 0xc8 : 0xc9, len, len <= UINT16_MAX ? 2 : 4);
    }
    wfs_buf_char(out, EXT_NDARRAY);
}

/* "0", "1", ...: how flax keys what was a tuple. */
static void put_index(struct wfs_buf *out, uint64_t i)
{
    char digits[24];
    int n = snprintf(digits, sizeof(digits), "%" PRIu64, i);
    put_str(out, digits, (size_t)n);
}

/* ---- arrays -------------------------------------------------------------------------------- */

/* The file being built: literal bytes gather in `text` until a tensor's own come. */
struct output {
    struct wfs_vfile_builder b;
    struct wfs_buf text;
};

static void flush(struct output *out)
{
    out->b.failed |= !wfs_buf_ok(&out->text);
    if (!out->b.failed && out->text.len > 0)
        wfs_vfile_add_literal(&out->b, out->text.data, out->text.len);
    out->text.len = 0;
}

/* One extension of `len` <= CHUNK_BYTES bytes of the expression. */
static void put_ndarray(struct output *out, const struct wfs_expr *expr, uint32_t ndim,
                        const uint64_t *shape, uint64_t off, uint64_t len)
{
    struct wfs_buf head wfs_cleanup(wfs_buf_free) = {0};
    const char *dtype = wfs_dtype_info(expr->dtype)->flax;
    put_array(&head, 3);
    put_array(&head, ndim);
    for (uint32_t i = 0; i < ndim; i++)
        put_uint(&head, shape[i]);
    put_str(&head, dtype, strlen(dtype));
    put_bin_header(&head, len);
    out->b.failed |= !wfs_buf_ok(&head);
    put_ext_header(&out->text, head.len + len);
    wfs_buf_add(&out->text, head.data, head.len);
    flush(out);
    wfs_vfile_add_expr_range(&out->b, expr, off, len);
}

/* flax's types are 1, 2, 4, 8 or 16 bytes wide: a chunk is whole elements. */
static uint64_t n_chunks_of(const struct wfs_expr *expr)
{
    return (expr->size_bytes + CHUNK_BYTES - 1) / CHUNK_BYTES;
}

static void put_chunked(struct output *out, const struct wfs_expr *expr)
{
    struct wfs_buf *text = &out->text;
    uint64_t itemsize = wfs_dtype_bits(expr->dtype) / 8, n_chunks = n_chunks_of(expr);
    put_map(text, 3);
    put_str(text, CHUNK_KEY, strlen(CHUNK_KEY));
    wfs_buf_char(text, (char)0xc3); /* true */
    put_str(text, "shape", 5);
    put_map(text, expr->ndim);
    for (uint32_t i = 0; i < expr->ndim; i++) {
        put_index(text, i);
        put_uint(text, expr->shape[i]);
    }
    put_str(text, "chunks", 6);
    put_map(text, (uint32_t)n_chunks); /* more were refused */
    for (uint64_t i = 0; i < n_chunks; i++) {
        uint64_t len = wfs_min_u64(CHUNK_BYTES, expr->size_bytes - i * CHUNK_BYTES);
        uint64_t n_elems = len / itemsize;
        put_index(text, i);
        put_ndarray(out, expr, 1, &n_elems, i * CHUNK_BYTES, len);
    }
}

/* ---- the tree ------------------------------------------------------------------------------ */

static void put_key(struct output *out, const struct wfs_msgpack_node *node)
{
    char stack[256];
    struct wfs_buf raw wfs_cleanup(wfs_buf_free) = {0};
    if (node->key_len < sizeof(stack)) {
        memcpy(stack, node->key, node->key_len);
        stack[node->key_len] = '\0';
        wfs_name_to_bytes(&raw, stack);
    } else {
        char *key wfs_cleanup(wfs_freep) = strndup(node->key, node->key_len);
        out->b.failed |= !key;
        if (key)
            wfs_name_to_bytes(&raw, key);
    }
    out->b.failed |= !wfs_buf_ok(&raw);
    put_str(&out->text, raw.data, raw.len);
}

/* Depth is at most WFS_MSGPACK_MAX_DEPTH. */
static void put_node(struct output *out, const struct wfs_msgpack_node *node,
                     const struct wfs_manifest *manifest)
{
    if (node->entry != WFS_MSGPACK_MODULE) {
        const struct wfs_expr *expr = manifest->entries[node->entry].expr;
        if (expr->size_bytes > CHUNK_BYTES)
            put_chunked(out, expr);
        else
            put_ndarray(out, expr, expr->ndim, expr->shape, 0, expr->size_bytes);
        return;
    }
    put_map(&out->text, node->n_children);
    for (const struct wfs_msgpack_node *c = node->first_child; c; c = c->next) {
        put_key(out, c);
        put_node(out, c, manifest);
    }
}

int wfs_msgpack_plan(const struct wfs_manifest *manifest, struct wfs_arena *arena,
                     const struct wfs_vfile **ret, struct wfs_error *err)
{
    struct wfs_arena *scratch wfs_cleanup(wfs_arena_freep) = wfs_arena_new();
    struct wfs_msgpack_node root;
    uint32_t conflict;
    int r = scratch ? wfs_msgpack_tree(manifest, scratch, &root, &conflict) : -ENOMEM;
    if (r == -ENOMEM)
        return wfs_error_nomem(err, "the modules of a msgpack file");
    if (r)
        return wfs_error_set(err, -r, "a tensor's path is a module's too, or too deep");
    struct output out = {.b.arena = arena};
    put_node(&out, &root, manifest);
    flush(&out);
    wfs_buf_free(&out.text);
    return wfs_vfile_finish(&out.b, ret, err);
}

static int refuses_paths(const struct wfs_manifest *manifest, struct wfs_arena *arena,
                         const char **ret)
{
    struct wfs_arena *scratch wfs_cleanup(wfs_arena_freep) = wfs_arena_new();
    struct wfs_msgpack_node root;
    uint32_t conflict = 0;
    int r = scratch ? wfs_msgpack_tree(manifest, scratch, &root, &conflict) : -ENOMEM;
    if (r == -ENOMEM)
        return r;
    if (r == -EEXIST)
        return wfs_refusal(arena, manifest, &manifest->entries[conflict], ret,
                           "it is a tensor and a module, and a map has one of them");
    if (r)
        return wfs_refusal(arena, manifest, &manifest->entries[conflict], ret,
                           "more than %d nested modules", WFS_MSGPACK_MAX_DEPTH);
    *ret = NULL;
    return 0;
}

int wfs_msgpack_refuses(const struct wfs_manifest *manifest, struct wfs_arena *arena,
                        const char **ret)
{
    for (uint32_t i = 0; i < manifest->n; i++) {
        const struct wfs_manifest_entry *entry = &manifest->entries[i];
        const struct wfs_dtype_info *info = wfs_dtype_info(entry->expr->dtype);
        if (!info->flax)
            return wfs_refusal(arena, manifest, entry, ret, "flax has no %s", info->name);
        if (strstr(entry->path, CHUNK_KEY))
            return wfs_refusal(arena, manifest, entry, ret,
                               "flax takes this key for a chunked array");
        if (strlen(entry->path) > UINT32_MAX || n_chunks_of(entry->expr) > UINT32_MAX)
            return wfs_refusal(arena, manifest, entry, ret, "more than msgpack can count");
    }
    *ret = wfs_refuses_size(manifest);
    return *ret ? 0 : refuses_paths(manifest, arena, ret);
}
