/*
 * dcp.c - torch.distributed.checkpoint directories (FSDP, DTensor, torchtitan, accelerate).
 *
 *     .metadata      a pickle, class Metadata:
 *         state_dict_metadata  name -> TensorStorageMetadata(properties, size,
 *                              chunks[(offsets, sizes)]) or BytesStorageMetadata
 *         planner_data         name -> the path of keys it had in the state dict
 *         storage_data         MetadataIndex(fqn, offset) ->
 *                              _StorageInfo(relative_path, offset, length)
 *     __R_N.distcp   one torch.save ZIP an item, or one safetensors file (every offset 0: the item
 *                    is looked up in it by its name)
 *
 * The nested state dict is built again from planner_data as plain nodes, whose tensors are
 * persistent ids that this file resolves: so roots, names and plain values are those of any PyTorch
 * checkpoint. A tensor is put together from its chunks; each chunk's item must have the type and
 * sizes that the metadata says.
 *
 * Refused: relative paths that are absolute or lead upwards, transformed (compressed) items, chunks
 * that do not tile their tensor.
 */
#include "source/sharded/dcp.h"

#include <fnmatch.h>
#include <stdlib.h>
#include <string.h>

#include "source/catalog.h"
#include "source/folder/weight_names.h"
#include "source/sharded/dcp_state.h"
#include "source/sharded/shards.h"
#include "source/torch/objects.h"
#include "source/torch/torch_tensor.h"
#include "source/torch/torch_zip.h"

static struct wfs_dcp *dcp_of(struct wfs_torch *t)
{
    return (struct wfs_dcp *)t;
}

/* ---- chunks -------------------------------------------------------------------------------- */

/* The tensor of one item. */
static int open_item(struct wfs_dcp *d, const char *name, const struct wfs_dcp_item *item,
                     struct wfs_torch_tensor *ret, struct wfs_error *err)
{
    struct wfs_dcp_file file;
    int r = wfs_dcp_open_file(d, item->path, &file, err);
    if (r)
        return r;
    if (!file.safetensors) {
        r = wfs_torch_zip_item(d->t.catalog, file.file, item->off, item->len, ret, err);
    } else {
        const struct wfs_tensor *t = wfs_catalog_find(file.safetensors, name);
        if (!t)
            return wfs_error_set(err, EINVAL, "%s: no tensor '%s' in it", item->path, name);
        *ret = (struct wfs_torch_tensor){.expr = t->expr, .file_off = t->file_off};
    }
    ret->file = file.file + 1;
    return r;
}

static int read_chunk(struct wfs_dcp *d, const char *name, const struct wfs_node *chunk,
                      struct wfs_shard *shard, struct wfs_torch_tensor *ret, struct wfs_error *err)
{
    const struct wfs_node *offsets = wfs_dcp_attribute(chunk, "offsets");
    uint32_t ndim = 0, n_sizes = 0;
    uint64_t sizes[WFS_MAX_NDIM];
    if (!wfs_torch_shape_of(offsets, &ndim, shard->offset) ||
        !wfs_torch_shape_of(wfs_dcp_attribute(chunk, "sizes"), &n_sizes, sizes) || ndim != n_sizes)
        return wfs_dcp_refuse(d, err, "a chunk without offsets and sizes");
    const struct wfs_dcp_item *item;
    int r = wfs_dcp_find_item(d, name, offsets, &item, err);
    if (r)
        return r;
    if (!item)
        return wfs_dcp_refuse(d, err, "a chunk that is stored nowhere");
    r = open_item(d, name, item, ret, err);
    if (r)
        return r;
    if (!wfs_shape_equal(ret->expr->ndim, ret->expr->shape, ndim, sizes))
        return wfs_error_set(err, EINVAL, "%s: the item at byte %llu has not its chunk's sizes",
                             item->path, (unsigned long long)item->off);
    shard->expr = ret->expr;
    return 0;
}

/* TensorProperties: its state is a tuple (dtype, layout, ...) or a dict of attributes. */
static bool read_dtype(const struct wfs_node *properties, enum wfs_dtype *ret)
{
    const struct wfs_node *dtype = wfs_dcp_attribute(properties, "dtype");
    if (!dtype && properties && properties->kind == WFS_NODE_CALL)
        dtype = wfs_node_item(properties->call->state, 0);
    return dtype && dtype->kind == WFS_NODE_GLOBAL && strcmp(dtype->global->module, "torch") == 0 &&
           wfs_dtype_by_torch(dtype->global->name, ret);
}

/* A chunk without elements is left out: it need not be stored anywhere. */
static bool is_empty_chunk(const struct wfs_node *chunk)
{
    uint32_t ndim;
    uint64_t sizes[WFS_MAX_NDIM];
    bool is_empty = false;
    if (!wfs_torch_shape_of(wfs_dcp_attribute(chunk, "sizes"), &ndim, sizes))
        return false;
    for (uint32_t i = 0; i < ndim; i++)
        is_empty |= sizes[i] == 0;
    return is_empty;
}

static int read_tensor(struct wfs_dcp *d, const char *name, const struct wfs_node *metadata,
                       struct wfs_torch_tensor *ret, struct wfs_error *err)
{
    const struct wfs_node *chunks = wfs_dcp_attribute(metadata, "chunks");
    enum wfs_dtype dtype;
    uint32_t ndim, n = 0;
    uint64_t shape[WFS_MAX_NDIM];
    struct wfs_torch_tensor part = {0}, tensor = {.file_off = UINT64_MAX};
    if (!read_dtype(wfs_dcp_attribute(metadata, "properties"), &dtype))
        return wfs_dcp_refuse(d, err, "an element type that is not supported");
    if (!wfs_torch_shape_of(wfs_dcp_attribute(metadata, "size"), &ndim, shape))
        return wfs_dcp_refuse(d, err, "a size that is none");
    if (!chunks || chunks->kind != WFS_NODE_LIST || chunks->n > DCP_MAX_CHUNKS)
        return wfs_dcp_refuse(d, err, "no list of chunks");
    wfs_cleanup(wfs_freep) struct wfs_shard *shards = calloc(chunks->n + 1u, sizeof(*shards));
    if (!shards)
        return wfs_error_nomem(err, "a sharded tensor");
    for (uint32_t i = 0; i < chunks->n; i++) {
        if (is_empty_chunk(chunks->items[i]))
            continue;
        int r = read_chunk(d, name, chunks->items[i], &shards[n], &part, err);
        if (r)
            return r;
        if (n++ == 0)
            tensor.file = part.file;
    }
    if (n == 1)
        tensor.file_off = part.file_off;
    tensor.n_shards = n;
    int r = wfs_shards_assemble(d->t.catalog->arena, dtype, ndim, shape, shards, n, &tensor.expr,
                                &tensor.shard_axis, err);
    if (!r)
        *ret = tensor;
    return r;
}

/* The persistent id of a tensor is the index of its row in state_dict_metadata. */
static int assemble(struct wfs_torch *t, const struct wfs_node *persid,
                    struct wfs_torch_tensor *ret, struct wfs_error *err)
{
    struct wfs_dcp *d = dcp_of(t);
    if (!persid->is_mapped) /* a pickle's own, not one that was made here */
        return wfs_dcp_refuse(d, err, "a storage inside an object is not shown");
    size_t row = (size_t)persid->items[0]->i;
    const char *name = wfs_node_text(d->tensors->items[2 * row]);
    return read_tensor(d, name, d->tensors->items[2 * row + 1], ret, err);
}

/* ---- the directory ------------------------------------------------------------------------- */

static int parse_metadata(struct wfs_dcp *d, struct wfs_error *err)
{
    struct wfs_catalog *catalog = d->t.catalog;
    wfs_cleanup(wfs_bytes_unrefp) struct wfs_bytes *bytes = NULL;
    wfs_cleanup(wfs_freep) struct wfs_cursor *cur = malloc(sizeof(*cur));
    wfs_cleanup(wfs_freep) void *whole = NULL;
    const char *path = wfs_arena_printf(catalog->arena, "%s/" DCP_METADATA, d->listing->path);
    if (!path || !cur)
        return wfs_error_nomem(err, "DCP metadata");
    int r = wfs_bytes_open(path, &bytes, err);
    if (!r && bytes->size_bytes > (UINT64_C(1) << 31))
        r = wfs_dcp_refuse(d, err, "larger than 2 GiB");
    if (!r)
        r = wfs_catalog_check_link(catalog, path, bytes, err);
    if (!r)
        r = wfs_catalog_merge_file(catalog, bytes, err);
    if (!r)
        r = wfs_cursor_init(cur, bytes, 0, bytes->size_bytes, err);
    if (!r)
        r = wfs_pickle_parse(d->t.scratch, cur, &d->t.pickle, err);
    if (!r)
        r = wfs_torch_note_dangers(&d->t, &d->t.pickle, err);
    if (r)
        return r;
    d->t.pickle.n_dangers = 0; /* noted */
    whole = malloc((size_t)bytes->size_bytes + 1);
    if (!whole)
        return wfs_error_nomem(err, "DCP metadata");
    r = wfs_bytes_read(bytes, whole, (size_t)bytes->size_bytes, 0, err);
    d->metadata_hash = wfs_hash_bytes(whole, r ? 0 : (size_t)bytes->size_bytes);
    return r;
}

/* planner_data may be missing: names are split at their dots then. */
static int read_paths(struct wfs_dcp *d, const struct wfs_node *planner, struct wfs_error *err)
{
    for (uint32_t i = 0; planner && planner->kind == WFS_NODE_DICT && i < planner->n; i++) {
        const char *name = wfs_node_text(planner->items[2 * (size_t)i]);
        const struct wfs_node *path = planner->items[2 * (size_t)i + 1];
        if (name && wfs_strmap_set(&d->paths, name, (uint64_t)(uintptr_t)path))
            return wfs_error_nomem(err, "DCP metadata");
    }
    return 0;
}

static int read_metadata(struct wfs_dcp *d, struct wfs_error *err)
{
    int r = parse_metadata(d, err);
    if (r)
        return r;
    const struct wfs_node *root = d->t.pickle.root;
    d->tensors = wfs_dcp_attribute(root, "state_dict_metadata");
    const struct wfs_node *planner = wfs_dcp_attribute(root, "planner_data");
    d->storage = wfs_dcp_attribute(root, "storage_data");
    bool is_metadata =
        wfs_dcp_is_class(root, "Metadata") || wfs_dcp_is_class(root, "MCoreMetadata");
    if (!is_metadata || !d->tensors || d->tensors->kind != WFS_NODE_DICT || !d->storage ||
        d->storage->kind != WFS_NODE_DICT)
        return wfs_dcp_refuse(d, err, "no metadata of torch.distributed.checkpoint");
    r = read_paths(d, planner, err);
    return r ? r : wfs_dcp_read_items(d, err);
}

static int scan(struct wfs_dcp *d, struct wfs_error *err)
{
    int r = read_metadata(d, err);
    if (!r)
        r = wfs_dcp_build_state_dict(d, err);
    return r ? r : wfs_torch_catalog(&d->t, err);
}

/* Called for storages of tensors inside plain objects, which are not shown. */
static int locate(struct wfs_torch *t, struct wfs_torch_storage *storage, struct wfs_error *err)
{
    (void)t;
    (void)err;
    storage->why = "a tensor inside an object is not shown";
    return 0;
}

/* A folder with .metadata and .distcp files, unless it has weights of an ordinary name, too: those
 * are what it is about. */
static bool dcp_probe(const struct wfs_listing *listing)
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

static int dcp_open(struct wfs_catalog *catalog, const struct wfs_listing *listing,
                    const struct wfs_source_options *options, struct wfs_error *err)
{
    struct wfs_dcp d = {.listing = listing,
                        .t = {.catalog = catalog,
                              .file = WFS_NO_INDEX,
                              .options = options,
                              .name = DCP_METADATA,
                              .assemble = assemble,
                              .locate = locate,
                              .scratch = wfs_arena_new()}};
    if (wfs_listing_find(listing, DCP_COMMON))
        wfs_catalog_note(catalog, WFS_NOTE_INFO, DCP_COMMON,
                         "Megatron's values that are no shards: passed over");
    int r = d.t.scratch ? scan(&d, err) : wfs_error_nomem(err, "DCP metadata");
    free(d.file);
    wfs_strmap_free(&d.paths);
    wfs_strmap_free(&d.items);
    wfs_strmap_free(&d.files);
    wfs_strmap_free(&d.dicts);
    wfs_torch_close(&d.t);
    return r;
}

const struct wfs_folder_format wfs_folder_dcp = {
    .name = "torch-dcp", .probe = dcp_probe, .open = dcp_open};
