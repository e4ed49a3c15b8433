/*
 * dcp.c - torch.distributed.checkpoint directories (FSDP, DTensor, torchtitan, accelerate).
 *
 *     .metadata         a pickle, class Metadata:
 *       state_dict_metadata  name -> TensorStorageMetadata(properties, size, chunks[(offsets,
 * sizes)]) or BytesStorageMetadata planner_data         name -> the path of keys it had in the
 * state dict storage_data         MetadataIndex(fqn, offset) -> _StorageInfo(relative_path, offset,
 * length)
 *     __R_N.distcp      one torch.save ZIP an item, or one safetensors file (every offset 0: the
 *                       item is looked up in it by its name)
 *
 * The nested state dict is built again from planner_data as plain nodes, whose tensors are
 * persistent ids that this file resolves: so roots, names and plain values are those of any PyTorch
 * checkpoint. A tensor is put together from its chunks; each chunk's item must have the type and
 * sizes that the metadata says.
 *
 * Refused: relative paths that are absolute or lead upwards, transformed (compressed) items, chunks
 * that do not tile their tensor.
 */
#include <fnmatch.h>
#include <stdlib.h>
#include <string.h>

#include "source/sharded/dcp.h"

static struct dcp *dcp_of(struct wfs_torch *t)
{
    return (struct dcp *)t;
}

int dcp_refuse(const struct dcp *d, struct wfs_error *err, const char *what)
{
    return wfs_error_set(err, EINVAL, "%s/" DCP_METADATA ": %s", d->listing->path, what);
}

/* Objects may share a dict: a large one is none of attributes, and costs a search for each. */
static const struct wfs_node *lookup(const struct wfs_node *dict, const char *name)
{
    return dict && dict->n <= DCP_MAX_ATTRIBUTES ? wfs_node_get(dict, name) : NULL;
}

/* An attribute of an object that was not made; its state is a dict, or a dict and one of slots. */
static const struct wfs_node *attribute(const struct wfs_node *object, const char *name)
{
    if (!object || object->kind != WFS_NODE_CALL)
        return NULL;
    const struct wfs_node *state = object->call->state;
    const struct wfs_node *value = lookup(state, name);
    for (uint32_t i = 0; !value && i < 2; i++)
        value = lookup(wfs_node_item(state, i), name);
    return value;
}

bool dcp_is_class(const struct wfs_node *object, const char *name)
{
    const struct wfs_node *cls =
        object && object->kind == WFS_NODE_CALL ? object->call->callee : NULL;
    return cls && cls->kind == WFS_NODE_GLOBAL && strcmp(cls->global->name, name) == 0;
}

/* ---- where items lie ----------------------------------------------------------------------- */

/* A path that stays below the folder, as written. */
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

static const char *item_key(struct dcp *d, const char *name, const struct wfs_node *offsets)
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

static int read_item(struct dcp *d, const struct wfs_node *index, const struct wfs_node *info,
                     struct wfs_error *err)
{
    const char *name = wfs_node_text(attribute(index, "fqn"));
    const struct wfs_node *path = attribute(info, "relative_path");
    const struct wfs_node *transforms = attribute(info, "transform_descriptors");
    struct dcp_item *item = wfs_arena_alloc(d->t.scratch, sizeof(*item));
    if (!item)
        return wfs_error_nomem(err, "DCP metadata");
    if (!name || !wfs_node_u64(attribute(info, "offset"), &item->off) ||
        !wfs_node_u64(attribute(info, "length"), &item->len))
        return dcp_refuse(d, err, "its storage_data is not what DCP writes");
    if (!is_safe_path(wfs_node_text(path)) || strlen(path->str->data) != path->str->len)
        return wfs_error_set(err, EINVAL,
                             "%s/" DCP_METADATA ": '%s' lies at '%s', not in the folder",
                             d->listing->path, name, wfs_node_text(path) ? path->str->data : "?");
    if (transforms && transforms->kind != WFS_NODE_NONE && transforms->n)
        return wfs_error_set(err, ENOTSUP, "%s/" DCP_METADATA ": '%s' is compressed",
                             d->listing->path, name);
    item->path = path->str->data;
    const char *key = item_key(d, name, attribute(index, "offset"));
    int rc = key ? wfs_strmap_add(&d->items, key, (uint64_t)(uintptr_t)item) : -ENOMEM;
    if (rc == -EEXIST)
        return wfs_error_set(err, EINVAL, "%s/" DCP_METADATA ": '%s' is stored twice",
                             d->listing->path, name);
    return rc ? wfs_error_nomem(err, "DCP metadata") : 0;
}

static int read_items(struct dcp *d, struct wfs_error *err)
{
    int rc = 0;
    for (uint32_t i = 0; !rc && i < d->storage->n; i++)
        rc = read_item(d, d->storage->items[2 * (size_t)i], d->storage->items[2 * (size_t)i + 1],
                       err);
    return rc;
}

int dcp_find_item(struct dcp *d, const char *name, const struct wfs_node *offsets,
                  const struct dcp_item **ret, struct wfs_error *err)
{
    uint64_t item = 0;
    const char *key = item_key(d, name, offsets);
    if (!key)
        return wfs_error_nomem(err, "DCP metadata");
    wfs_strmap_get(&d->items, key, &item);
    *ret = (const struct dcp_item *)(uintptr_t)item;
    return 0;
}

/* ---- files --------------------------------------------------------------------------------- */

static void free_catalog(void *catalog)
{
    wfs_catalog_free(catalog);
}

/* A file whose first bytes are no ZIP's is one safetensors file. */
static int open_kind(struct dcp *d, const char *path, struct wfs_bytes *bytes,
                     struct dcp_file *file, struct wfs_error *err)
{
    uint8_t magic[4] = {0};
    if (bytes->size_bytes < sizeof(magic))
        return 0;
    int rc = wfs_bytes_read(bytes, magic, sizeof(magic), 0, err);
    if (rc || memcmp(magic, "PK\3\4", 4) == 0)
        return rc;
    rc = wfs_catalog_open(path, NULL, &file->safetensors, err);
    if (rc)
        return rc;
    if (wfs_arena_on_free(d->t.catalog->arena, free_catalog, file->safetensors))
        return wfs_error_nomem(err, path);
    return strcmp(file->safetensors->format, "safetensors") == 0
               ? 0
               : wfs_error_set(err, EINVAL, "%s: neither DCP's ZIPs nor safetensors", path);
}

int dcp_open_file(struct dcp *d, const char *name, struct dcp_file *ret, struct wfs_error *err)
{
    uint64_t known;
    if (wfs_strmap_get(&d->files, name, &known)) {
        *ret = d->file[known];
        return 0;
    }
    struct wfs_catalog *catalog = d->t.catalog;
    wfs_cleanup(wfs_bytes_unrefp) struct wfs_bytes *bytes = NULL;
    struct dcp_file file = {0};
    const char *path = wfs_arena_printf(catalog->arena, "%s/%s", d->listing->path, name);
    if (!path || wfs_grow(&d->file, &d->cap_files, d->n_files + 1, sizeof(*d->file)))
        return wfs_error_nomem(err, "a DCP file");
    int rc = wfs_bytes_open(path, &bytes, err);
    if (!rc)
        rc = open_kind(d, path, bytes, &file, err);
    if (!rc)
        rc = wfs_catalog_add_file(catalog, path, name,
                                  file.safetensors ? file.safetensors->files[0].bytes : bytes,
                                  &file.file, err);
    if (!rc && wfs_strmap_add(&d->files, name, d->n_files))
        rc = wfs_error_nomem(err, "a DCP file");
    if (rc)
        return rc;
    wfs_bytes_mix_id(catalog->files[file.file].bytes, &d->metadata_hash);
    d->file[d->n_files++] = file;
    *ret = file;
    return 0;
}

/* ---- chunks -------------------------------------------------------------------------------- */

/* The tensor of one item. */
static int open_item(struct dcp *d, const char *name, const struct dcp_item *item,
                     struct wfs_torch_tensor *ret, struct wfs_error *err)
{
    struct dcp_file file;
    int rc = dcp_open_file(d, item->path, &file, err);
    if (rc)
        return rc;
    if (!file.safetensors) {
        rc = wfs_torch_zip_item(d->t.catalog, file.file, item->off, item->len, ret, err);
    } else {
        const struct wfs_tensor *t = wfs_catalog_find(file.safetensors, name);
        if (!t)
            return wfs_error_set(err, EINVAL, "%s: no tensor '%s' in it", item->path, name);
        *ret = (struct wfs_torch_tensor){.expr = t->expr, .file_off = t->file_off};
    }
    ret->file = file.file + 1;
    return rc;
}

static int read_chunk(struct dcp *d, const char *name, const struct wfs_node *chunk,
                      struct wfs_shard *shard, struct wfs_torch_tensor *ret, struct wfs_error *err)
{
    const struct wfs_node *offsets = attribute(chunk, "offsets");
    uint32_t ndim = 0, n_sizes = 0;
    uint64_t sizes[WFS_MAX_NDIM];
    if (!wfs_torch_shape_of(offsets, &ndim, shard->offset) ||
        !wfs_torch_shape_of(attribute(chunk, "sizes"), &n_sizes, sizes) || ndim != n_sizes)
        return dcp_refuse(d, err, "a chunk without offsets and sizes");
    const struct dcp_item *item;
    int rc = dcp_find_item(d, name, offsets, &item, err);
    if (rc)
        return rc;
    if (!item)
        return dcp_refuse(d, err, "a chunk that is stored nowhere");
    rc = open_item(d, name, item, ret, err);
    if (rc)
        return rc;
    if (!wfs_shape_equal(ret->expr->ndim, ret->expr->shape, ndim, sizes))
        return wfs_error_set(err, EINVAL, "%s: the item at byte %llu has not its chunk's sizes",
                             item->path, (unsigned long long)item->off);
    shard->expr = ret->expr;
    return 0;
}

/* (dtype, layout, ...) or attributes. */
static bool read_dtype(const struct wfs_node *properties, enum wfs_dtype *ret)
{
    const struct wfs_node *dtype = attribute(properties, "dtype");
    if (!dtype && properties && properties->kind == WFS_NODE_CALL)
        dtype = wfs_node_item(properties->call->state, 0);
    return dtype && dtype->kind == WFS_NODE_GLOBAL && strcmp(dtype->global->module, "torch") == 0 &&
           wfs_dtype_by_torch(dtype->global->name, ret);
}

/* A chunk of no elements need not be stored whole; it is left out. */
static bool is_empty_chunk(const struct wfs_node *chunk)
{
    uint32_t ndim;
    uint64_t sizes[WFS_MAX_NDIM];
    bool is_empty = false;
    if (!wfs_torch_shape_of(attribute(chunk, "sizes"), &ndim, sizes))
        return false;
    for (uint32_t i = 0; i < ndim; i++)
        is_empty |= sizes[i] == 0;
    return is_empty;
}

static int read_tensor(struct dcp *d, const char *name, const struct wfs_node *metadata,
                       struct wfs_torch_tensor *ret, struct wfs_error *err)
{
    const struct wfs_node *chunks = attribute(metadata, "chunks");
    enum wfs_dtype dtype;
    uint32_t ndim, n = 0;
    uint64_t shape[WFS_MAX_NDIM];
    struct wfs_torch_tensor part = {0}, tensor = {.file_off = UINT64_MAX};
    if (!read_dtype(attribute(metadata, "properties"), &dtype))
        return dcp_refuse(d, err, "an element type that is not supported");
    if (!wfs_torch_shape_of(attribute(metadata, "size"), &ndim, shape))
        return dcp_refuse(d, err, "a size that is none");
    if (!chunks || chunks->kind != WFS_NODE_LIST || chunks->n > DCP_MAX_CHUNKS)
        return dcp_refuse(d, err, "no list of chunks");
    wfs_cleanup(wfs_freep) struct wfs_shard *shards = calloc(chunks->n + 1u, sizeof(*shards));
    if (!shards)
        return wfs_error_nomem(err, "a sharded tensor");
    for (uint32_t i = 0; i < chunks->n; i++) {
        if (is_empty_chunk(chunks->items[i]))
            continue;
        int rc = read_chunk(d, name, chunks->items[i], &shards[n], &part, err);
        if (rc)
            return rc;
        if (n++ == 0)
            tensor.file = part.file;
    }
    if (n == 1)
        tensor.file_off = part.file_off;
    tensor.n_shards = n;
    int rc = wfs_shards_assemble(d->t.catalog->arena, dtype, ndim, shape, shards, n, &tensor.expr,
                                 &tensor.shard_axis, err);
    if (!rc)
        *ret = tensor;
    return rc;
}

/* The persistent id of a tensor is the index of its row in state_dict_metadata. */
static int assemble(struct wfs_torch *t, const struct wfs_node *persid,
                    struct wfs_torch_tensor *ret, struct wfs_error *err)
{
    struct dcp *d = dcp_of(t);
    if (!persid->is_mapped) /* a pickle's own, not one that was made here */
        return dcp_refuse(d, err, "a storage inside an object is not shown");
    size_t row = (size_t)persid->items[0]->i;
    const char *name = wfs_node_text(d->tensors->items[2 * row]);
    return read_tensor(d, name, d->tensors->items[2 * row + 1], ret, err);
}

/* ---- the directory ------------------------------------------------------------------------- */

static int parse_metadata(struct dcp *d, struct wfs_error *err)
{
    struct wfs_catalog *catalog = d->t.catalog;
    wfs_cleanup(wfs_bytes_unrefp) struct wfs_bytes *bytes = NULL;
    wfs_cleanup(wfs_freep) struct wfs_cursor *cur = malloc(sizeof(*cur));
    wfs_cleanup(wfs_freep) void *whole = NULL;
    const char *path = wfs_arena_printf(catalog->arena, "%s/" DCP_METADATA, d->listing->path);
    if (!path || !cur)
        return wfs_error_nomem(err, "DCP metadata");
    int rc = wfs_bytes_open(path, &bytes, err);
    if (!rc && bytes->size_bytes > (UINT64_C(1) << 31))
        rc = dcp_refuse(d, err, "larger than 2 GiB");
    if (!rc)
        rc = wfs_catalog_merge_file(catalog, bytes, err);
    if (!rc)
        rc = wfs_cursor_init(cur, bytes, 0, bytes->size_bytes, err);
    if (!rc)
        rc = wfs_pickle_parse(d->t.scratch, cur, &d->t.pickle, err);
    if (!rc)
        rc = wfs_torch_note_dangers(&d->t, &d->t.pickle, err);
    if (rc)
        return rc;
    d->t.pickle.n_dangers = 0; /* noted */
    whole = malloc((size_t)bytes->size_bytes + 1);
    if (!whole)
        return wfs_error_nomem(err, "DCP metadata");
    rc = wfs_bytes_read(bytes, whole, (size_t)bytes->size_bytes, 0, err);
    d->metadata_hash = wfs_hash_bytes(whole, rc ? 0 : (size_t)bytes->size_bytes);
    return rc;
}

/* planner_data may be missing: names are split at their dots then. */
static int read_paths(struct dcp *d, const struct wfs_node *planner, struct wfs_error *err)
{
    for (uint32_t i = 0; planner && planner->kind == WFS_NODE_DICT && i < planner->n; i++) {
        const char *name = wfs_node_text(planner->items[2 * (size_t)i]);
        const struct wfs_node *path = planner->items[2 * (size_t)i + 1];
        if (name && wfs_strmap_set(&d->paths, name, (uint64_t)(uintptr_t)path))
            return wfs_error_nomem(err, "DCP metadata");
    }
    return 0;
}

static int read_metadata(struct dcp *d, struct wfs_error *err)
{
    int rc = parse_metadata(d, err);
    if (rc)
        return rc;
    const struct wfs_node *root = d->t.pickle.root;
    d->tensors = attribute(root, "state_dict_metadata");
    const struct wfs_node *planner = attribute(root, "planner_data");
    d->storage = attribute(root, "storage_data");
    bool is_metadata = dcp_is_class(root, "Metadata") || dcp_is_class(root, "MCoreMetadata");
    if (!is_metadata || !d->tensors || d->tensors->kind != WFS_NODE_DICT || !d->storage ||
        d->storage->kind != WFS_NODE_DICT)
        return dcp_refuse(d, err, "no metadata of torch.distributed.checkpoint");
    rc = read_paths(d, planner, err);
    return rc ? rc : read_items(d, err);
}

static int scan(struct dcp *d, struct wfs_error *err)
{
    int rc = read_metadata(d, err);
    if (!rc)
        rc = dcp_build_state_dict(d, err);
    return rc ? rc : wfs_torch_catalog(&d->t, err);
}

/* Of tensors inside objects. */
static int locate(struct wfs_torch *t, struct wfs_torch_storage *storage, struct wfs_error *err)
{
    (void)t;
    (void)err;
    storage->why = "a tensor inside an object is not shown";
    return 0;
}

/* Weights of an ordinary name beside them are what the folder is about. */
bool wfs_dcp_is(const struct wfs_listing *listing)
{
    const struct wfs_entry *entry = wfs_listing_find(listing, DCP_METADATA);
    bool has_files = false;
    if (!entry || entry->kind != WFS_ENTRY_FILE)
        return false;
    for (uint32_t i = 0; i < listing->n_entries; i++) {
        bool is_common = strcmp(listing->entries[i].name, DCP_COMMON) == 0;
        if ((listing->entries[i].flags & WFS_NAME_READ) && !is_common)
            return false;
        has_files |= fnmatch("*.distcp", listing->entries[i].name, 0) == 0;
    }
    return has_files;
}

int wfs_dcp_open(struct wfs_catalog *catalog, const struct wfs_listing *listing,
                 const struct wfs_source_options *options, struct wfs_error *err)
{
    struct dcp d = {.listing = listing,
                    .t = {.catalog = catalog,
                          .file = WFS_NO_INDEX,
                          .options = options,
                          .name = DCP_METADATA,
                          .assemble = assemble,
                          .locate = locate,
                          .scratch = wfs_arena_new()}};
    catalog->format = "torch-dcp";
    if (wfs_listing_find(listing, DCP_COMMON))
        wfs_catalog_note(catalog, WFS_NOTE_INFO, DCP_COMMON,
                         "Megatron's values that are no shards: passed over");
    int rc = d.t.scratch ? scan(&d, err) : wfs_error_nomem(err, "DCP metadata");
    free(d.file);
    wfs_strmap_free(&d.paths);
    wfs_strmap_free(&d.items);
    wfs_strmap_free(&d.files);
    wfs_strmap_free(&d.dicts);
    wfs_torch_close(&d.t);
    return rc;
}
