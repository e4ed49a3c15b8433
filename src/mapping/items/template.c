/*
 * template.c - reading a template, and the names it and the mapping have in common.
 */
#include "mapping/items/template.h"

#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "mapping/items/notes.h"

#define TEMPLATE_MAX_BYTES (UINT64_C(256) << 20)

static const char *const collections[] = {"params", "batch_stats", "cache", "intermediates"};

/* Skips a collection; NULL where the path does not begin with one. */
static const char *after_collection(const char *path)
{
    for (size_t i = 0; i < WFS_ARRAY_SIZE(collections); i++) {
        size_t len = strlen(collections[i]);
        if (strncmp(path, collections[i], len) == 0 && path[len] == WFS_SEP)
            return path + len + 1;
    }
    return NULL;
}

static void free_index(void *map)
{
    wfs_strmap_free(map);
}

static int index_keys(struct wfs_arena *arena, struct wfs_template *t, struct wfs_error *err)
{
    t->has_collections = t->n_keys > 0;
    for (uint32_t i = 0; i < t->n_keys; i++)
        t->has_collections &= after_collection(t->keys[i].path) != NULL;
    for (uint32_t i = 0; i < t->n_keys; i++) {
        struct wfs_template_key *key = &t->keys[i];
        key->bare = t->has_collections ? after_collection(key->path) : key->path;
        int r = wfs_strmap_add(&t->index, key->bare, i);
        if (r == -EEXIST)
            return wfs_error_set(err, EINVAL, "%s: two keys are called %s", t->file,
                                 wfs_dotted(arena, key->bare));
        if (r)
            return wfs_error_nomem(err, "template");
    }
    return 0;
}

static struct wfs_template *new_template(struct wfs_arena *arena, const char *file, size_t n)
{
    struct wfs_template *t = wfs_arena_alloc(arena, sizeof(*t));
    if (!t || wfs_arena_on_free(arena, free_index, &t->index) ||
        wfs_arena_on_free(arena, free_index, &t->below))
        return NULL;
    t->file = wfs_arena_strdup(arena, file);
    t->keys = wfs_arena_array(arena, n ? n : 1, sizeof(*t->keys));
    return t->file && t->keys ? t : NULL;
}

/* ---- JSON ---------------------------------------------------------------------------------- */

/* As the table calls it, as torch prints it, or as safetensors has it. */
static bool parse_dtype(const char *name, enum wfs_dtype *ret)
{
    static const char torch[] = "torch.";
    if (strncmp(name, torch, sizeof(torch) - 1) == 0)
        name += sizeof(torch) - 1;
    return wfs_dtype_by_name(name, ret) || wfs_dtype_by_safetensors(name, ret);
}

/* What is not understood is refused: a target that is misread passes every check. */
static int parse_spec(const struct wfs_template *t, struct wfs_template_key *key, const char *name,
                      json_t *spec, struct wfs_error *err)
{
    const char *field;
    json_t *v;
    json_object_foreach(spec, field, v)
    {
        if (strcmp(field, "shape") != 0 && strcmp(field, "dtype") != 0)
            return wfs_error_set(err, EINVAL, "%s: %s: \"%s\" is neither \"shape\" nor \"dtype\"",
                                 t->file, name, field);
    }
    v = json_object_get(spec, "dtype");
    if (!v || json_is_null(v))
        return 0;
    const char *dtype = json_string_value(v);
    key->has_dtype = dtype && parse_dtype(dtype, &key->dtype);
    return key->has_dtype ? 0
                          : wfs_error_set(err, EINVAL, "%s: %s: \"dtype\": %s%s", t->file, name,
                                          dtype ? "there is no type " : "a name is expected",
                                          dtype ? dtype : "");
}

/* [2, 3], or {"shape": [2, 3], "dtype": "float32"} */
static int parse_shape(struct wfs_arena *arena, struct wfs_template *t,
                       struct wfs_template_key *key, const char *name, json_t *v,
                       struct wfs_error *err)
{
    if (json_is_object(v)) {
        int r = parse_spec(t, key, name, v, err);
        if (r)
            return r;
        v = json_object_get(v, "shape");
    }
    size_t n = json_array_size(v);
    if (!json_is_array(v) || n > WFS_MAX_NDIM)
        return wfs_error_set(err, EINVAL, "%s: %s: expected a shape, as in [2, 3]", t->file, name);
    uint64_t *shape = wfs_arena_array(arena, n ? n : 1, sizeof(*shape));
    if (!shape)
        return wfs_error_nomem(err, "template");
    for (size_t i = 0; i < n; i++) {
        const json_t *size = json_array_get(v, i);
        if (!json_is_integer(size) || json_integer_value(size) < 0)
            return wfs_error_set(err, EINVAL, "%s: %s: expected sizes from 0 up", t->file, name);
        shape[i] = (uint64_t)json_integer_value(size);
    }
    key->ndim = (uint32_t)n;
    key->shape = shape;
    return 0;
}

static char settle_sep(json_t *root, char usual, bool *ret_is_doubtful)
{
    struct wfs_sep_votes votes = {0};
    const char *name;
    json_t *v;
    json_object_foreach(root, name, v) wfs_sep_vote(&votes, name);
    return wfs_sep_choose(&votes, usual, ret_is_doubtful);
}

static int parse_object(struct wfs_arena *arena, const char *file, json_t *root, char sep,
                        struct wfs_template **ret, struct wfs_error *err)
{
    const char *name;
    json_t *v;
    if (!json_is_object(root))
        return wfs_error_set(err, EINVAL, "%s: expected a JSON object {key: shape}", file);
    struct wfs_template *t = new_template(arena, file, json_object_size(root));
    if (!t)
        return wfs_error_nomem(err, "template");
    sep = settle_sep(root, sep, &t->is_sep_doubtful);
    json_object_foreach(root, name, v)
    {
        struct wfs_template_key *key = &t->keys[t->n_keys];
        key->path = wfs_path_from_name(arena, name, sep);
        if (!key->path)
            return wfs_error_nomem(err, "template");
        int r = parse_shape(arena, t, key, name, v, err);
        if (r)
            return r;
        t->n_keys++;
    }
    int r = index_keys(arena, t, err);
    if (!r)
        *ret = t;
    return r;
}

int wfs_template_parse_json(struct wfs_arena *arena, const char *file, const char *text, size_t len,
                            char sep, struct wfs_template **ret, struct wfs_error *err)
{
    json_error_t at;
    json_t *root = json_loadb(text, len, JSON_REJECT_DUPLICATES, &at);
    if (!root)
        return wfs_error_set(err, EINVAL, "%s:%d:%d: no JSON: %s", file, at.line, at.column,
                             at.text);
    int r = parse_object(arena, file, root, sep, ret, err);
    json_decref(root);
    return r;
}

/* ---- checkpoints --------------------------------------------------------------------------- */

static int from_catalog(struct wfs_arena *arena, const char *file,
                        const struct wfs_catalog *catalog, struct wfs_template **ret,
                        struct wfs_error *err)
{
    struct wfs_template *t = new_template(arena, file, catalog->n_tensors);
    if (!t)
        return wfs_error_nomem(err, "template");
    for (uint32_t i = 0; i < catalog->n_tensors; i++) {
        const struct wfs_expr *e = catalog->tensors[i].expr;
        struct wfs_template_key *key = &t->keys[t->n_keys++];
        key->path = wfs_arena_strdup(arena, catalog->tensors[i].path);
        key->ndim = e->ndim;
        key->shape = wfs_arena_memdup(arena, e->shape, e->ndim * sizeof(e->shape[0]));
        key->has_dtype = true;
        key->dtype = e->dtype;
        key->expr = e;
        if (!key->path || (e->ndim && !key->shape))
            return wfs_error_nomem(err, "template");
    }
    int r = index_keys(arena, t, err);
    if (!r)
        *ret = t;
    return r;
}

/* Text that begins with '{': a JSON template. (A safetensors file begins with its header's length.)
 */
static int looks_like_json(struct wfs_bytes *bytes, bool *ret, struct wfs_error *err)
{
    char head[64];
    size_t n = (size_t)wfs_min_u64(bytes->size_bytes, sizeof(head));
    int r = wfs_bytes_read(bytes, head, n, 0, err);
    if (r)
        return r;
    size_t i = 0;
    while (i < n && strchr(" \t\r\n", head[i]))
        i++;
    *ret = i < n && head[i] == '{';
    return 0;
}

static int load_json(struct wfs_arena *arena, const char *path, struct wfs_bytes *bytes, char sep,
                     struct wfs_template **ret, struct wfs_error *err)
{
    if (bytes->size_bytes > TEMPLATE_MAX_BYTES)
        return wfs_error_set(err, EFBIG, "%s: a template beyond 256 MiB", path);
    size_t len = (size_t)bytes->size_bytes;
    wfs_cleanup(wfs_freep) char *text = malloc(len + 1);
    if (!text)
        return wfs_error_nomem(err, "template");
    int r = wfs_bytes_read(bytes, text, len, 0, err);
    return r ? r : wfs_template_parse_json(arena, path, text, len, sep, ret, err);
}

/* An index of shards is JSON too, and a checkpoint. */
static bool is_index(const char *path)
{
    static const char end[] = ".index.json";
    size_t len = strlen(path);
    return len > sizeof(end) - 1 && strcmp(path + len - (sizeof(end) - 1), end) == 0;
}

static void free_catalog(void *catalog)
{
    wfs_catalog_free(catalog);
}

/* A file of JSON: *ret is its template. NULL: it is none, or a folder, and may be a checkpoint. */
static int try_json(struct wfs_arena *arena, const char *path, char sep, struct wfs_template **ret,
                    struct wfs_error *err)
{
    struct wfs_error unopened = {0};
    struct wfs_bytes *bytes;
    bool is_json = false;
    *ret = NULL;
    int r = wfs_bytes_open(path, &bytes, &unopened);
    if (r) /* whoever opens it as a checkpoint says what is wrong with it, if anything */
        return r == -ENOMEM ? wfs_error_nomem(err, path) : 0;
    r = looks_like_json(bytes, &is_json, err);
    if (!r && is_json)
        r = load_json(arena, path, bytes, sep, ret, err);
    wfs_bytes_unref(bytes);
    return r;
}

int wfs_template_load(struct wfs_arena *arena, const char *path, char sep,
                      struct wfs_template **ret, struct wfs_error *err)
{
    struct wfs_source_options options = {0};
    struct wfs_catalog *catalog;
    struct wfs_template *json = NULL;
    int r = is_index(path) ? 0 : try_json(arena, path, sep, &json, err);
    if (r)
        return r;
    if (json) {
        *ret = json;
        return 0;
    }
    r = wfs_catalog_open(path, &options, &catalog, err);
    if (r)
        return wfs_error_prefix(err, "template");
    if (wfs_arena_on_free(arena, free_catalog, catalog))
        return wfs_error_nomem(err, "template");
    return from_catalog(arena, path, catalog, ret, err);
}

/* ---- looking up ---------------------------------------------------------------------------- */

static bool find(const struct wfs_template *t, const char *path, uint32_t *ret)
{
    uint64_t value;
    if (!wfs_strmap_get(&t->index, path, &value))
        return false;
    *ret = (uint32_t)value;
    return true;
}

uint32_t wfs_template_find(const struct wfs_template *t, const char *path)
{
    uint32_t key = WFS_NO_INDEX;
    if (!t || find(t, path, &key))
        return key;
    uint64_t below;
    if (wfs_strmap_get(&t->below, path, &below))
        return (uint32_t)below;
    size_t len = t->remove ? strlen(t->remove) : 0;
    if (len && strncmp(path, t->remove, len) == 0 && path[len] == WFS_SEP)
        find(t, path + len + 1, &key);
    return key;
}

/* ---- prefixes ------------------------------------------------------------------------------ */

/* Counts, by first component, how many module paths (without the last component) of `a` are found
 * in the set of `b` once that component is taken off. */
static int add_modules(struct wfs_arena *arena, struct wfs_strmap *map, const char *path)
{
    const char *sep = strrchr(path, WFS_SEP);
    if (!sep)
        return 0;
    const char *module = wfs_arena_strndup(arena, path, (size_t)(sep - path));
    return !module || wfs_strmap_set(map, module, 1) ? -ENOMEM : 0;
}

struct count {
    const char *name;
    size_t len, n;
};
#define MAX_FIRSTS 64

/* The path without its first component, if its module is in `map`. */
static void count_first(const struct wfs_strmap *map, const char *path, struct count *counts,
                        size_t *n)
{
    const char *first = strchr(path, WFS_SEP), *last = strrchr(path, WFS_SEP);
    char module[1024];
    if (!first || first == last || (size_t)(last - first) > sizeof(module))
        return;
    memcpy(module, first + 1, (size_t)(last - first - 1));
    module[last - first - 1] = 0;
    if (!wfs_strmap_get(map, module, NULL))
        return;
    size_t len = (size_t)(first - path), i = 0;
    while (i < *n && (counts[i].len != len || memcmp(counts[i].name, path, len) != 0))
        i++;
    if (i == *n && *n == MAX_FIRSTS)
        return;
    if (i == *n)
        counts[(*n)++] = (struct count){path, len, 0};
    counts[i].n++;
}

static const struct count *best(const struct count *counts, size_t n)
{
    const struct count *found = NULL;
    for (size_t i = 0; i < n; i++)
        if (!found || counts[i].n > found->n)
            found = &counts[i];
    return found;
}

/* *ret: the prefix, or NULL. Only a prefix that makes more names agree than agree without it. */
static int choose(struct wfs_arena *arena, const struct count *counts, size_t n, size_t n_plain,
                  const char **ret)
{
    const struct count *found = best(counts, n);
    if (!found || found->n <= n_plain)
        return 0;
    *ret = wfs_arena_strndup(arena, found->name, found->len);
    return *ret ? 0 : -ENOMEM;
}

/* The keys below `add` by what follows it, so that looking one up needs no memory. */
static int index_below(struct wfs_template *t)
{
    size_t len = t->add ? strlen(t->add) : 0;
    int r = 0;
    for (uint32_t i = 0; len && !r && i < t->n_keys; i++) {
        const char *bare = t->keys[i].bare;
        if (strncmp(bare, t->add, len) == 0 && bare[len] == WFS_SEP)
            r = wfs_strmap_set(&t->below, bare + len + 1, i);
    }
    return r;
}

static int align(struct wfs_template *t, const struct wfs_table *items, struct wfs_arena *arena,
                 struct wfs_strmap *source, struct wfs_strmap *target)
{
    struct count adds[MAX_FIRSTS], removes[MAX_FIRSTS];
    size_t n_adds = 0, n_removes = 0, n_plain = 0;
    int r = 0;
    for (size_t i = 0; !r && i < items->n; i++)
        r = add_modules(arena, source, items->items[i].path);
    for (uint32_t i = 0; !r && i < t->n_keys; i++)
        r = add_modules(arena, target, t->keys[i].bare);
    for (uint32_t i = 0; !r && i < t->n_keys; i++)
        count_first(source, t->keys[i].bare, adds, &n_adds);
    for (size_t i = 0; !r && i < items->n; i++) {
        const char *path = items->items[i].path, *last = strrchr(path, WFS_SEP);
        count_first(target, path, removes, &n_removes);
        const char *module = last ? wfs_arena_strndup(arena, path, (size_t)(last - path)) : NULL;
        n_plain += module && wfs_strmap_get(target, module, NULL);
    }
    if (!r)
        r = choose(arena, adds, n_adds, n_plain, &t->add);
    if (!r && !t->add)
        r = choose(arena, removes, n_removes, n_plain, &t->remove);
    return r ? r : index_below(t);
}

int wfs_template_align(struct wfs_template *template, const struct wfs_table *items,
                       struct wfs_arena *arena, struct wfs_error *err)
{
    struct wfs_strmap source = {0}, target = {0};
    int r = align(template, items, arena, &source, &target);
    wfs_strmap_free(&source);
    wfs_strmap_free(&target);
    return r ? wfs_error_nomem(err, "template") : 0;
}
