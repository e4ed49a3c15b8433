/*
 * index.c - Hugging Face's index of a sharded checkpoint, whatever the shards' format.
 *
 *     {"metadata": {"total_size": n},
 *      "weight_map": {"a.weight": "model-00001-of-00002.safetensors", ...}}
 *
 * The file's names are hostile: a shard named by an absolute path or with ".." is refused, judged
 * by the name as written (where a symlink leads is the folder's owner's affair). Every tensor of
 * the map must be in the shard that the map says; a shard's tensor that the map does not list is
 * shown and reported, since loaders differ about it.
 */
#include "source/folder/index.h"

#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "source/catalog.h"
#include "source/folder/listing.h"
#include "source/formats.h"
#include "source/paths.h"

#define MAX_INDEX_BYTES 100000000
#define SHOWN_UNLISTED  3
#define SHOWN           "%.200s"

struct shard {
    const char *name;
    uint32_t file;
};

struct index {
    struct wfs_catalog *catalog;
    struct wfs_bytes *bytes;
    const char *dir;
    json_t *root, *map; /* map is borrowed from root */
    struct shard *shards;
    uint32_t n_shards;
    size_t cap_shards;
    struct wfs_strmap by_name; /* -> shards[] */
};

static void index_release(struct index *index)
{
    json_decref(index->root);
    wfs_bytes_unref(index->bytes);
    free(index->shards);
    wfs_strmap_free(&index->by_name);
}

/* ---- reading ------------------------------------------------------------------------------- */

static int parse_json(struct index *index, const char *text, size_t len, struct wfs_error *err)
{
    json_error_t e;
    index->root = json_loadb(text, len, JSON_REJECT_DUPLICATES, &e);
    if (!index->root)
        return wfs_error_set(err, EINVAL, "%s: line %d, byte %d: %s", index->bytes->name, e.line,
                             e.position, e.text);
    index->map = json_object_get(index->root, "weight_map");
    if (!json_is_object(index->map))
        return wfs_error_set(err, EINVAL, "%s: no index of weights: it has no \"weight_map\"",
                             index->bytes->name);
    if (json_object_size(index->map) == 0)
        return wfs_error_set(err, EINVAL, "%s: its \"weight_map\" is empty", index->bytes->name);
    return 0;
}

static int read_index(struct index *index, const char *path, struct wfs_error *err)
{
    int r = wfs_bytes_open(path, &index->bytes, err);
    if (!r)
        r = wfs_catalog_check_link(index->catalog, path, index->bytes, err);
    if (r)
        return r;
    uint64_t size = index->bytes->size_bytes;
    if (size > MAX_INDEX_BYTES)
        return wfs_error_set(err, EINVAL, "%s: an index of %llu bytes is beyond the limit of %d",
                             path, (unsigned long long)size, MAX_INDEX_BYTES);
    wfs_cleanup(wfs_freep) char *text = malloc(size ? size : 1);
    if (!text)
        return wfs_error_nomem(err, path);
    r = wfs_bytes_read(index->bytes, text, size, 0, err);
    if (!r)
        r = parse_json(index, text, size, err);
    if (r)
        return r;
    struct wfs_hash hash = wfs_hash_bytes(text, size);
    wfs_bytes_mix_id(index->bytes, &hash);
    return wfs_catalog_merge_file(index->catalog, index->bytes, err);
}

/* ---- shards -------------------------------------------------------------------------------- */

static bool has_dot_dot(const char *name)
{
    for (const char *p = name; *p; p += *p != '\0') {
        size_t len = strcspn(p, "/\\");
        if (len == 2 && p[0] == '.' && p[1] == '.')
            return true;
        p += len;
    }
    return false;
}

static int check_shard_name(const struct index *index, const char *name, struct wfs_error *err)
{
    const char *what = NULL;
    if (!*name)
        what = "empty";
    else if (*name == '/' || *name == '\\')
        what = "an absolute path";
    else if (has_dot_dot(name))
        what = "a path that leads out of the folder";
    if (what)
        return wfs_error_set(err, EINVAL, "%s: the name of shard \"" SHOWN "\" is %s: refused",
                             index->bytes->name, name, what);
    return 0;
}

static int add_shard(struct index *index, const char *name, struct wfs_error *err)
{
    uint64_t known;
    if (wfs_strmap_get(&index->by_name, name, &known))
        return 0;
    int r = check_shard_name(index, name, err);
    if (r)
        return r;
    if (wfs_grow(&index->shards, &index->cap_shards, (size_t)index->n_shards + 1,
                 sizeof(*index->shards)) ||
        wfs_strmap_add(&index->by_name, name, 0))
        return wfs_error_nomem(err, index->bytes->name);
    index->shards[index->n_shards++] = (struct shard){.name = name};
    return 0;
}

static int shard_cmp(const void *a, const void *b)
{
    return wfs_natural_cmp(((const struct shard *)a)->name, ((const struct shard *)b)->name);
}

/* Collects the distinct shards in natural order, so that the order of the catalog does not depend
 * on that of the JSON. */
static int collect_shards(struct index *index, struct wfs_error *err)
{
    const char *key;
    json_t *value;
    json_object_foreach(index->map, key, value)
    {
        if (!json_is_string(value))
            return wfs_error_set(err, EINVAL,
                                 "%s: tensor \"" SHOWN "\": the shard's name is no text",
                                 index->bytes->name, key);
        int r = add_shard(index, json_string_value(value), err);
        if (r)
            return r;
    }
    qsort(index->shards, index->n_shards, sizeof(*index->shards), shard_cmp);
    for (uint32_t i = 0; i < index->n_shards; i++)
        if (wfs_strmap_set(&index->by_name, index->shards[i].name, i))
            return wfs_error_nomem(err, index->bytes->name);
    return 0;
}

static int scan_shards(struct index *index, const struct wfs_source_options *options,
                       struct wfs_error *err)
{
    index->catalog->is_set = index->n_shards > 1;
    for (uint32_t i = 0; i < index->n_shards; i++) {
        struct shard *shard = &index->shards[i];
        const char *path =
            wfs_arena_printf(index->catalog->arena, "%s/%s", index->dir, shard->name);
        if (!path)
            return wfs_error_nomem(err, shard->name);
        int r = wfs_source_scan_file(index->catalog, path, shard->name, options, &shard->file, err);
        if (r) {
            wfs_error_prefix(err, "%s: shard \"" SHOWN "\"",
                             wfs_source_base_name(index->bytes->name), shard->name);
            return r;
        }
    }
    return 0;
}

/* ---- the map against the shards ------------------------------------------------------------ */

static int check_key(const struct index *index, const char *key, const char *shard, bool *listed,
                     struct wfs_error *err)
{
    const struct wfs_catalog *catalog = index->catalog;
    const struct wfs_tensor *tensor = wfs_catalog_find(catalog, key);
    uint64_t at = 0;
    if (!tensor)
        return wfs_error_set(err, EINVAL, "%s: tensor \"" SHOWN "\" is not in its shard %s",
                             index->bytes->name, key, shard);
    wfs_strmap_get(&index->by_name, shard, &at);
    if (tensor->file != WFS_NO_INDEX && tensor->file != index->shards[at].file)
        return wfs_error_set(err, EINVAL, "%s: tensor \"" SHOWN "\" should be in %s but is in %s",
                             index->bytes->name, key, shard, catalog->files[tensor->file].name);
    listed[tensor - catalog->tensors] = true;
    return 0;
}

static int note_unlisted(const struct index *index, const bool *listed, struct wfs_error *err)
{
    struct wfs_catalog *catalog = index->catalog;
    const char *names[SHOWN_UNLISTED];
    uint32_t n = 0;
    for (uint32_t i = 0; i < catalog->n_tensors; i++) {
        if (listed[i])
            continue;
        if (n < SHOWN_UNLISTED)
            names[n] = catalog->tensors[i].name;
        n++;
    }
    if (n == 0)
        return 0;
    wfs_cleanup(wfs_buf_free) struct wfs_buf text = {0};
    wfs_listing_names(&text, names, n < SHOWN_UNLISTED ? n : SHOWN_UNLISTED);
    if (!wfs_buf_ok(&text))
        return wfs_error_nomem(err, index->bytes->name);
    wfs_catalog_note(catalog, WFS_NOTE_WARNING, wfs_source_base_name(index->bytes->name),
                     "the shards hold %u tensors that the index does not list (%s%s): they are "
                     "shown; some loaders leave them out",
                     n, text.data, n > SHOWN_UNLISTED ? ", ..." : "");
    return 0;
}

static void note_total_size(const struct index *index)
{
    const struct wfs_catalog *catalog = index->catalog;
    const json_t *total = json_object_get(json_object_get(index->root, "metadata"), "total_size");
    uint64_t sum = 0;
    for (uint32_t i = 0; i < catalog->n_tensors; i++)
        sum += catalog->tensors[i].expr->size_bytes;
    if (json_is_integer(total) && (uint64_t)json_integer_value(total) != sum)
        wfs_catalog_note(index->catalog, WFS_NOTE_INFO, wfs_source_base_name(index->bytes->name),
                         "total_size says %lld bytes, the tensors have %llu",
                         (long long)json_integer_value(total), (unsigned long long)sum);
}

static int check_map(const struct index *index, struct wfs_error *err)
{
    wfs_cleanup(wfs_freep) bool *listed = calloc((size_t)index->catalog->n_tensors + 1, 1);
    if (!listed)
        return wfs_error_nomem(err, index->bytes->name);
    const char *key;
    json_t *value;
    json_object_foreach(index->map, key, value)
    {
        int r = check_key(index, key, json_string_value(value), listed, err);
        if (r)
            return r;
    }
    note_total_size(index);
    return note_unlisted(index, listed, err);
}

int wfs_source_open_index(struct wfs_catalog *catalog, const char *path,
                          const struct wfs_source_options *options, struct wfs_error *err)
{
    wfs_cleanup(index_release) struct index index = {.catalog = catalog};
    int r = wfs_source_dir_name(catalog, path, &index.dir, err);
    if (!r)
        r = read_index(&index, path, err);
    if (!r)
        r = collect_shards(&index, err);
    if (!r)
        r = scan_shards(&index, options, err);
    return r ? r : check_map(&index, err);
}
