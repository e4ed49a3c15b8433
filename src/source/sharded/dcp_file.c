/*
 * dcp_file.c - the items of a DCP folder: where the metadata says that each of them lies, and the
 * files they lie in.
 */
#include "source/sharded/dcp_file.h"

#include <string.h>

#include "source/formats.h"
#include "source/torch/torch_tensor.h"

int wfs_dcp_refuse(const struct wfs_dcp *d, struct wfs_error *err, const char *what)
{
    return wfs_error_set(err, EINVAL, "%s/" DCP_METADATA ": %s", d->listing->path, what);
}

/* Looks only into dicts of a few entries. Many objects may share one large dict, which then is none
 * of attributes, and searching it for each of them would take forever. */
static const struct wfs_node *lookup(const struct wfs_node *dict, const char *name)
{
    return dict && dict->n <= DCP_MAX_ATTRIBUTES ? wfs_node_get(dict, name) : NULL;
}

/* The state of an object is a dict of its attributes, or a pair of that and a dict of its slots. */
const struct wfs_node *wfs_dcp_attribute(const struct wfs_node *object, const char *name)
{
    if (!object || object->kind != WFS_NODE_CALL)
        return NULL;
    const struct wfs_node *state = object->call->state;
    const struct wfs_node *value = lookup(state, name);
    for (uint32_t i = 0; !value && i < 2; i++)
        value = lookup(wfs_node_item(state, i), name);
    return value;
}

bool wfs_dcp_is_class(const struct wfs_node *object, const char *name)
{
    const struct wfs_node *cls =
        object && object->kind == WFS_NODE_CALL ? object->call->callee : NULL;
    return cls && cls->kind == WFS_NODE_GLOBAL && strcmp(cls->global->name, name) == 0;
}

/* ---- where items lie ----------------------------------------------------------------------- */

/* True where a relative path stays below the folder, judged by the path as written. */
static bool is_safe_path(const char *path)
{
    if (!path || !*path || *path == '/')
        return false;
    for (const char *p = path; *p;) {
        size_t n = strcspn(p, "/");
        if (n == 0 || (n == 1 && p[0] == '.') || (n == 2 && p[0] == '.' && p[1] == '.'))
            return false;
        p += n + (p[n] == '/');
    }
    return true;
}

static const char *item_key(struct wfs_dcp *d, const char *name, const struct wfs_node *offsets)
{
    wfs_cleanup(wfs_buf_free) struct wfs_buf key = {0};
    uint32_t ndim = 0;
    uint64_t offset[WFS_MAX_NDIM];
    if (!wfs_torch_shape_of(offsets, &ndim, offset))
        wfs_buf_str(&key, "-"); /* bytes have none */
    for (uint32_t i = 0; i < ndim; i++)
        wfs_buf_printf(&key, "%llu ", (unsigned long long)offset[i]);
    wfs_buf_char(&key, WFS_SEP);
    wfs_buf_str(&key, name);
    return wfs_buf_ok(&key) ? wfs_arena_strndup(d->t.scratch, key.data, key.len) : NULL;
}

static int read_item(struct wfs_dcp *d, const struct wfs_node *index, const struct wfs_node *info,
                     struct wfs_error *err)
{
    const char *name = wfs_node_text(wfs_dcp_attribute(index, "fqn"));
    const struct wfs_node *path = wfs_dcp_attribute(info, "relative_path");
    const struct wfs_node *transforms = wfs_dcp_attribute(info, "transform_descriptors");
    struct wfs_dcp_item *item = wfs_arena_alloc(d->t.scratch, sizeof(*item));
    if (!item)
        return wfs_error_nomem(err, "DCP metadata");
    if (!name || !wfs_node_u64(wfs_dcp_attribute(info, "offset"), &item->off) ||
        !wfs_node_u64(wfs_dcp_attribute(info, "length"), &item->len))
        return wfs_dcp_refuse(d, err, "its storage_data is not what DCP writes");
    if (!is_safe_path(wfs_node_text(path)) || strlen(path->str->data) != path->str->len)
        return wfs_error_set(err, EINVAL,
                             "%s/" DCP_METADATA ": '%s' lies at '%s', not in the folder",
                             d->listing->path, name, wfs_node_text(path) ? path->str->data : "?");
    if (transforms && transforms->kind != WFS_NODE_NONE && transforms->n)
        return wfs_error_set(err, ENOTSUP, "%s/" DCP_METADATA ": '%s' is compressed",
                             d->listing->path, name);
    item->path = path->str->data;
    const char *key = item_key(d, name, wfs_dcp_attribute(index, "offset"));
    int r = key ? wfs_strmap_add(&d->items, key, (uint64_t)(uintptr_t)item) : -ENOMEM;
    if (r == -EEXIST)
        return wfs_error_set(err, EINVAL, "%s/" DCP_METADATA ": '%s' is stored twice",
                             d->listing->path, name);
    return r ? wfs_error_nomem(err, "DCP metadata") : 0;
}

int wfs_dcp_read_items(struct wfs_dcp *d, struct wfs_error *err)
{
    int r = 0;
    for (uint32_t i = 0; !r && i < d->storage->n; i++)
        r = read_item(d, d->storage->items[2 * (size_t)i], d->storage->items[2 * (size_t)i + 1],
                      err);
    return r;
}

int wfs_dcp_find_item(struct wfs_dcp *d, const char *name, const struct wfs_node *offsets,
                      const struct wfs_dcp_item **ret, struct wfs_error *err)
{
    uint64_t item = 0;
    const char *key = item_key(d, name, offsets);
    if (!key)
        return wfs_error_nomem(err, "DCP metadata");
    wfs_strmap_get(&d->items, key, &item);
    *ret = (const struct wfs_dcp_item *)(uintptr_t)item;
    return 0;
}

/* ---- files --------------------------------------------------------------------------------- */

static void free_catalog(void *catalog)
{
    wfs_catalog_free(catalog);
}

/* Tells DCP's two kinds of files apart: one that does not begin as a ZIP is one safetensors
 * file. */
static int open_kind(struct wfs_dcp *d, const char *path, struct wfs_bytes *bytes,
                     struct wfs_dcp_file *file, struct wfs_error *err)
{
    uint8_t magic[4] = {0};
    if (bytes->size_bytes < sizeof(magic))
        return 0;
    int r = wfs_bytes_read(bytes, magic, sizeof(magic), 0, err);
    if (r || memcmp(magic, "PK\3\4", 4) == 0)
        return r;
    r = wfs_source_open_part(d->t.catalog, path, NULL, &file->safetensors, err);
    if (r)
        return r;
    if (wfs_arena_on_free(d->t.catalog->arena, free_catalog, file->safetensors))
        return wfs_error_nomem(err, path);
    return strcmp(file->safetensors->format, "safetensors") == 0
               ? 0
               : wfs_error_set(err, EINVAL, "%s: neither DCP's ZIPs nor safetensors", path);
}

int wfs_dcp_open_file(struct wfs_dcp *d, const char *name, struct wfs_dcp_file *ret,
                      struct wfs_error *err)
{
    uint64_t known;
    if (wfs_strmap_get(&d->files, name, &known)) {
        *ret = d->file[known];
        return 0;
    }
    struct wfs_catalog *catalog = d->t.catalog;
    wfs_cleanup(wfs_bytes_unrefp) struct wfs_bytes *bytes = NULL;
    struct wfs_dcp_file file = {0};
    const char *path = wfs_arena_printf(catalog->arena, "%s/%s", d->listing->path, name);
    if (!path || wfs_grow(&d->file, &d->cap_files, d->n_files + 1, sizeof(*d->file)))
        return wfs_error_nomem(err, "a DCP file");
    int r = wfs_bytes_open(path, &bytes, err);
    if (!r)
        r = wfs_catalog_check_link(catalog, path, bytes, err);
    if (!r)
        r = open_kind(d, path, bytes, &file, err);
    if (!r)
        r = wfs_catalog_add_file(catalog, path, name,
                                 file.safetensors ? file.safetensors->files[0].bytes : bytes,
                                 &file.file, err);
    if (!r && wfs_strmap_add(&d->files, name, d->n_files))
        r = wfs_error_nomem(err, "a DCP file");
    if (r)
        return r;
    wfs_bytes_mix_id(catalog->files[file.file].bytes, &d->metadata_hash);
    d->file[d->n_files++] = file;
    *ret = file;
    return 0;
}
