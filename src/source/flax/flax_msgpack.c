/*
 * flax_msgpack.c - Flax checkpoints (flax.serialization.to_bytes, msgpack_serialize): nested maps
 * whose arrays are tensors and whose path of keys is the tensor's. Names are joined by '/', as Flax
 * and its sharded index do; list entries are numbered. Plain values go to info/objects.json.
 *
 * An array over 2^30 bytes is a map {"__msgpack_chunked_array__": true, "shape": {"0": ...},
 * "chunks": {"0": array, ...}}: the chunks, flattened and put together, in that shape. As in the
 * reference reader the key's presence counts, the chunks' sizes are free, a gap in their numbers is
 * an error, and inside a list such a map stays a map.
 */
#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "source/flax/flax_roots.h"
#include "source/flax/msgpack.h"
#include "source/objects_merge.h"

#define CHUNKS_MAX      4096                  /* 4 TiB: each but the last is a GiB */
#define PATH_MAX_BYTES  (1u << 16)            /* of one tensor */
#define PATHS_MAX_BYTES (UINT64_C(256) << 20) /* of all: one long key has many tensors below it */

struct walk {
    struct wfs_catalog *catalog;
    uint32_t file;
    struct wfs_buf path; /* of the node being looked at, WFS_SEP-joined */
    unsigned depth;
    uint64_t paths_bytes; /* of the tensors so far */
    struct wfs_error *err;
};

static const struct wfs_msgpack_node *child_of(const struct wfs_msgpack_node *map, const char *key)
{
    for (const struct wfs_msgpack_node *c = map->u.children.first; c; c = c->next)
        if (strcmp(c->key, key) == 0)
            return c;
    return NULL;
}

/* ---- tensors ------------------------------------------------------------------------------- */

static int add_tensor(struct walk *w, const struct wfs_expr *expr, uint64_t off)
{
    struct wfs_arena *arena = w->catalog->arena;
    w->paths_bytes += w->path.len;
    if (w->path.len > PATH_MAX_BYTES || w->paths_bytes > PATHS_MAX_BYTES)
        return wfs_error_set(w->err, EINVAL,
                             "%s: tensor '%.80s...': names of more bytes than "
                             "weightfs takes",
                             w->catalog->files[w->file].name, w->path.data);
    const char *path = wfs_arena_strndup(arena, w->path.data ? w->path.data : "", w->path.len);
    const char *name = path ? wfs_path_join_dup(arena, path, '/') : NULL;
    if (!name)
        return wfs_error_nomem(w->err, "a tensor's name");
    struct wfs_tensor tensor = wfs_tensor_init(name, path);
    tensor.expr = expr;
    tensor.file = w->file;
    tensor.file_off = off;
    return wfs_catalog_add_tensor(w->catalog, &tensor, NULL, w->err);
}

static int array_expr(struct walk *w, const struct wfs_msgpack_array *array,
                      const struct wfs_expr **ret)
{
    return wfs_npy_expr(w->catalog->arena, w->catalog->files[w->file].bytes, array->off,
                        &array->header, ret, w->err);
}

static int bad_chunks(struct walk *w, const char *what)
{
    return wfs_error_set(w->err, EINVAL, "%s: tensor '%s': %s", w->catalog->files[w->file].name,
                         w->path.data ? w->path.data : "", what);
}

/* The i-th entry of a map keyed "0", "1", ... `likely` is looked at first: most files have them in
 * order. */
static const struct wfs_msgpack_node *numbered(const struct wfs_msgpack_node *map, uint32_t i,
                                               const struct wfs_msgpack_node *likely)
{
    char key[16];
    snprintf(key, sizeof(key), "%" PRIu32, i);
    return likely && strcmp(likely->key, key) == 0 ? likely : child_of(map, key);
}

static int chunked_shape(struct walk *w, const struct wfs_msgpack_node *shape, uint64_t *ret)
{
    for (uint32_t i = 0; i < shape->u.children.n; i++) {
        const struct wfs_msgpack_node *size = numbered(shape, i, NULL);
        if (!size || size->kind != MSGPACK_UINT)
            return bad_chunks(w, "the shape of a chunked array is no numbered sizes");
        ret[i] = size->u.u;
    }
    return 0;
}

/* Joins the chunks, each flattened to one axis, and gives the whole its shape. */
static int chunks_expr(struct walk *w, const struct wfs_msgpack_node *chunks,
                       const struct wfs_expr **ret)
{
    struct wfs_arena *arena = w->catalog->arena;
    uint32_t n = chunks->u.children.n;
    const struct wfs_expr **parts wfs_cleanup(wfs_freep) = calloc(n, sizeof(*parts));
    if (!parts)
        return wfs_error_nomem(w->err, "chunks");
    const struct wfs_msgpack_node *chunk = chunks->u.children.first;
    for (uint32_t i = 0; i < n; i++, chunk = chunk->next) {
        chunk = numbered(chunks, i, chunk);
        if (!chunk || chunk->kind != MSGPACK_ARRAY)
            return bad_chunks(w, "a chunk is missing or no array");
        int r = array_expr(w, chunk->u.array, &parts[i]);
        if (!r)
            r = wfs_expr_reshape(arena, parts[i], 1, &parts[i]->n_elems, &parts[i], w->err);
        if (r)
            return r;
    }
    return wfs_expr_concat(arena, n, parts, 0, ret, w->err);
}

static int add_chunked(struct walk *w, const struct wfs_msgpack_node *map)
{
    const struct wfs_msgpack_node *shape = child_of(map, "shape"),
                                  *chunks = child_of(map, "chunks");
    if (!shape || shape->kind != MSGPACK_MAP || shape->u.children.n > WFS_MAX_NDIM || !chunks ||
        chunks->kind != MSGPACK_MAP || chunks->u.children.n == 0 ||
        chunks->u.children.n > CHUNKS_MAX)
        return bad_chunks(w, "a chunked array without its shape or its chunks");
    uint64_t sizes[WFS_MAX_NDIM];
    const struct wfs_expr *expr;
    int r = chunked_shape(w, shape, sizes);
    if (!r)
        r = chunks_expr(w, chunks, &expr);
    if (!r)
        r = wfs_expr_reshape(w->catalog->arena, expr, shape->u.children.n, sizes, &expr, w->err);
    if (r) {
        wfs_error_prefix(w->err, "%s", w->catalog->files[w->file].name);
        return r;
    }
    return add_tensor(w, expr, UINT64_MAX);
}

static int walk_node(struct walk *w, const struct wfs_msgpack_node *node, bool in_list);

static int walk_children(struct walk *w, const struct wfs_msgpack_node *node, bool in_list)
{
    size_t len = w->path.len;
    uint32_t i = 0;
    int r = 0;
    for (const struct wfs_msgpack_node *c = node->u.children.first; c && !r; c = c->next, i++) {
        if (w->depth)
            wfs_buf_char(&w->path, WFS_SEP);
        if (c->key)
            wfs_buf_str(&w->path, c->key);
        else
            wfs_buf_printf(&w->path, "%" PRIu32, i);
        if (!wfs_buf_ok(&w->path))
            return wfs_error_nomem(w->err, "a tensor's name");
        w->depth++;
        r = walk_node(w, c, in_list || node->kind == MSGPACK_LIST);
        w->depth--;
        w->path.len = len;
        if (w->path.data)
            w->path.data[len] = '\0';
    }
    return r;
}

static int walk_node(struct walk *w, const struct wfs_msgpack_node *node, bool in_list)
{
    const struct wfs_expr *expr;
    int r;
    switch (node->kind) {
    case MSGPACK_ARRAY:
        r = array_expr(w, node->u.array, &expr);
        return r ? r : add_tensor(w, expr, node->u.array->off);
    case MSGPACK_MAP:
        if (!in_list && child_of(node, MSGPACK_CHUNKED_KEY))
            return add_chunked(w, node);
        return walk_children(w, node, in_list);
    case MSGPACK_LIST:
        return walk_children(w, node, true);
    default:
        return 0;
    }
}

/* ---- plain values -------------------------------------------------------------------------- */

static void add_float(struct wfs_buf *out, double f)
{
    if (isfinite(f))
        wfs_buf_printf(out, "%.17g", f);
    else
        wfs_buf_str(out, isnan(f) ? "\"NaN\"" : f > 0 ? "\"Infinity\"" : "\"-Infinity\"");
}

static void add_json(struct wfs_buf *out, const struct wfs_msgpack_node *node);

/* Children that hold plain values only: tensors are files. A list keeps its positions as keys. */
static void add_json_children(struct wfs_buf *out, const struct wfs_msgpack_node *node)
{
    const char *comma = "";
    uint32_t i = 0;
    wfs_buf_char(out, '{');
    for (const struct wfs_msgpack_node *c = node->u.children.first; c; c = c->next, i++) {
        if (!c->has_plain)
            continue;
        wfs_buf_str(out, comma);
        if (c->key)
            wfs_buf_json(out, c->key);
        else
            wfs_buf_printf(out, "\"%" PRIu32 "\"", i);
        wfs_buf_str(out, ": ");
        add_json(out, c);
        comma = ", ";
    }
    wfs_buf_char(out, '}');
}

static void add_json(struct wfs_buf *out, const struct wfs_msgpack_node *node)
{
    switch (node->kind) {
    case MSGPACK_BOOL:
        wfs_buf_str(out, node->u.boolean ? "true" : "false");
        break;
    case MSGPACK_INT:
        wfs_buf_printf(out, "%" PRId64, node->u.i);
        break;
    case MSGPACK_UINT:
        wfs_buf_printf(out, "%" PRIu64, node->u.u);
        break;
    case MSGPACK_FLOAT:
        add_float(out, node->u.f);
        break;
    case MSGPACK_TEXT:
        wfs_buf_json(out, node->u.text);
        break;
    case MSGPACK_COMPLEX:
        wfs_buf_str(out, "{\"real\": ");
        add_float(out, node->u.complex_parts[0]);
        wfs_buf_str(out, ", \"imag\": ");
        add_float(out, node->u.complex_parts[1]);
        wfs_buf_char(out, '}');
        break;
    case MSGPACK_BYTES:
    case MSGPACK_OPAQUE:
        wfs_buf_printf(out, "{\"bytes\": %" PRIu64 "}", node->u.u);
        break;
    case MSGPACK_MAP:
    case MSGPACK_LIST:
        add_json_children(out, node);
        break;
    default:
        wfs_buf_str(out, "null");
    }
}

static int keep_objects(struct walk *w, const struct wfs_msgpack_node *root)
{
    struct wfs_buf json wfs_cleanup(wfs_buf_free) = {0};
    if (!root->has_plain)
        return 0;
    add_json(&json, root);
    if (!wfs_buf_ok(&json))
        return wfs_error_nomem(w->err, "objects.json");
    return wfs_objects_merge(w->catalog, json.data, w->catalog->files[w->file].name, w->err);
}

/* ---- the format ---------------------------------------------------------------------------- */

static int flax_scan(struct wfs_catalog *catalog, uint32_t file,
                     const struct wfs_source_options *options, struct wfs_error *err)
{
    struct wfs_arena *arena wfs_cleanup(wfs_arena_freep) = wfs_arena_new();
    struct walk w = {.catalog = catalog, .file = file, .err = err};
    struct wfs_msgpack_node *root;
    if (!arena)
        return wfs_error_nomem(err, "msgpack");
    catalog->convention = "flax";
    int r = wfs_msgpack_parse(arena, catalog->files[file].bytes, &root, err);
    if (!r && root->kind != MSGPACK_MAP && root->kind != MSGPACK_ARRAY)
        r = wfs_error_set(err, EINVAL, "%s: a msgpack value that is no map of arrays",
                          catalog->files[file].name);
    if (!r)
        r = walk_node(&w, root, false);
    if (!r)
        r = keep_objects(&w, root);
    if (!r)
        r = wfs_flax_settle_roots(catalog, options, err);
    wfs_buf_free(&w.path);
    return r;
}

/* A map whose first key is a string, or an array: msgpack has no magic, so this row stands last. */
static bool flax_probe(const uint8_t *head, size_t len, uint64_t size_bytes)
{
    if (len < 2)
        return len == 1 && head[0] == 0x80 && size_bytes == 1;
    size_t key = (head[0] & 0xf0) == 0x80 ? 1 : head[0] == 0xde ? 3 : head[0] == 0xdf ? 5 : 0;
    if (key && key < len)
        return (head[key] >= 0xa0 && head[key] < 0xc0) ||
               (head[key] >= 0xd9 && head[key] <= 0xdb) || (head[key] >= 0xc4 && head[key] <= 0xc6);
    return (head[0] >= 0xc7 && head[0] <= 0xc9 && size_bytes > 8) ||
           (head[0] >= 0xd4 && head[0] <= 0xd8 && head[1] == 1);
}

const struct wfs_format wfs_format_flax_msgpack = {
    .name = "flax-msgpack",
    .sep = '/',
    .names = (const char *const[]){"*.msgpack", NULL},
    .probe = flax_probe,
    .scan = flax_scan,
};
