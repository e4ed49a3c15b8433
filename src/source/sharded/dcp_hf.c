/*
 * dcp_hf.c - torch.distributed.checkpoint's safetensors flavour (HuggingFaceStorageWriter with
 * save_distributed): every rank wrote its chunks as tensors of safetensors files.
 *
 *     shard-RRRRR-model-NNNNN-of-MMMMM.safetensors
 *         __metadata__: {"DCP_SHARDING_INFO": "{\"name\": {\"saved_offsets\": [4, 0]}, ...}"}
 *
 * No file says how large the whole is: a tensor reaches as far as its chunks do, which must tile
 * it. Ranks count from 1 without a gap. A tensor without saved offsets is whole.
 */
#include <fnmatch.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "source/folder/listing.h"
#include "source/sharded/ranks.h"
#include "source/sharded/shards.h"

#define HF_PATTERN "shard-[0-9][0-9][0-9][0-9][0-9]-model-*.safetensors"
#define HF_INFO    "DCP_SHARDING_INFO"

struct hf_chunk {
    uint32_t rank, order; /* order: of the first chunk of the name */
    const struct wfs_tensor *tensor;
    uint64_t offset[WFS_MAX_NDIM];
};

struct hf {
    struct wfs_catalog *catalog;
    const struct wfs_listing *listing;
    struct wfs_rank *ranks; /* files, in natural order */
    size_t n_ranks, cap_ranks;
    struct hf_chunk *chunks;
    size_t n_chunks, cap_chunks;
    struct wfs_strmap first; /* name -> index of its first chunk */
};

static bool dcp_hf_probe(const struct wfs_listing *listing)
{
    for (uint32_t i = 0; i < listing->n_entries; i++)
        if (listing->entries[i].kind == WFS_ENTRY_FILE &&
            fnmatch(HF_PATTERN, listing->entries[i].name, 0) == 0)
            return true;
    return false;
}

/* Reads where a chunk begins in its tensor; at zero where the file does not say. */
static int read_offsets(const struct wfs_tensor *tensor, json_t *info, struct hf_chunk *chunk,
                        const char *file, struct wfs_error *err)
{
    json_t *offsets = json_object_get(json_object_get(info, tensor->name), "saved_offsets");
    if (!offsets)
        return 0;
    if (!json_is_array(offsets) || json_array_size(offsets) != tensor->expr->ndim)
        return wfs_error_set(err, EINVAL, "%s: tensor \"%s\" has not as many offsets as axes", file,
                             tensor->name);
    for (uint32_t i = 0; i < tensor->expr->ndim; i++) {
        json_t *value = json_array_get(offsets, i);
        if (!json_is_integer(value) || json_integer_value(value) < 0)
            return wfs_error_set(err, EINVAL, "%s: tensor \"%s\" has an offset that is no number",
                                 file, tensor->name);
        chunk->offset[i] = (uint64_t)json_integer_value(value);
    }
    return 0;
}

static int add_chunk(struct hf *h, uint32_t rank, const struct wfs_tensor *tensor, json_t *info,
                     const char *file, struct wfs_error *err)
{
    uint64_t first = h->n_chunks;
    if (wfs_grow(&h->chunks, &h->cap_chunks, h->n_chunks + 1, sizeof(*h->chunks)))
        return wfs_error_nomem(err, file);
    if (!wfs_strmap_get(&h->first, tensor->name, &first) &&
        wfs_strmap_add(&h->first, tensor->name, first))
        return wfs_error_nomem(err, file);
    struct hf_chunk *chunk = &h->chunks[h->n_chunks++];
    *chunk = (struct hf_chunk){.rank = rank, .order = (uint32_t)first, .tensor = tensor};
    return read_offsets(tensor, info, chunk, file, err);
}

static const char *find_info(const struct wfs_catalog *catalog)
{
    for (uint32_t i = 0; i < catalog->n_metadata; i++)
        if (strcmp(catalog->metadata[i][0], HF_INFO) == 0)
            return catalog->metadata[i][1];
    return "{}";
}

static int read_chunks(struct hf *h, uint32_t rank, const char *file, struct wfs_error *err)
{
    const struct wfs_catalog *from = h->ranks[rank].catalog;
    json_error_t e;
    json_t *info = json_loads(find_info(from), JSON_REJECT_DUPLICATES, &e);
    int r = json_is_object(info)
                ? 0
                : wfs_error_set(err, EINVAL, "%s: its " HF_INFO " is no JSON object: %s", file,
                                info ? "another value" : e.text);
    for (uint32_t i = 0; !r && i < from->n_tensors; i++)
        r = add_chunk(h, rank, &from->tensors[i], info, file, err);
    json_decref(info);
    return r;
}

/* Ranks count up from 1; a rank may have several files. */
static int check_rank(struct hf *h, const char *name, uint32_t *inout_rank, struct wfs_error *err)
{
    uint32_t rank = (uint32_t)strtoul(name + strlen("shard-"), NULL, 10);
    if (rank != *inout_rank && rank != *inout_rank + 1)
        return wfs_error_set(err, ENOENT, "%s: %s follows rank %u: the checkpoint is not whole",
                             h->listing->path, name, *inout_rank);
    *inout_rank = rank;
    return 0;
}

static int open_files(struct hf *h, const struct wfs_source_options *options, struct wfs_error *err)
{
    uint32_t last_rank = 0;
    int r = 0;
    for (uint32_t i = 0; !r && i < h->listing->n_entries; i++) {
        const char *name = h->listing->entries[i].name;
        if (h->listing->entries[i].kind != WFS_ENTRY_FILE || fnmatch(HF_PATTERN, name, 0) != 0)
            continue;
        const char *path = wfs_arena_printf(h->catalog->arena, "%s/%s", h->listing->path, name);
        if (!path || wfs_grow(&h->ranks, &h->cap_ranks, h->n_ranks + 1, sizeof(*h->ranks)))
            return wfs_error_nomem(err, name);
        r = check_rank(h, name, &last_rank, err);
        if (!r)
            r = wfs_rank_open(h->catalog, path, name, options, &h->ranks[h->n_ranks], err);
        if (!r)
            r = read_chunks(h, (uint32_t)h->n_ranks++, name, err);
    }
    if (!r)
        wfs_catalog_note(h->catalog, WFS_NOTE_INFO, "",
                         "no file says how many ranks there were: the %u here are taken for all",
                         last_rank);
    return r;
}

static int cmp_chunks(const void *a, const void *b)
{
    const struct hf_chunk *x = a, *y = b;
    if (x->order != y->order)
        return x->order < y->order ? -1 : 1;
    return (x->rank > y->rank) - (x->rank < y->rank);
}

/* The shape that the chunks reach to; -1 where they differ in type or number of axes. */
static int reach(const struct hf_chunk *chunks, uint32_t n, uint64_t shape[WFS_MAX_NDIM])
{
    const struct wfs_expr *first = chunks[0].tensor->expr;
    memset(shape, 0, WFS_MAX_NDIM * sizeof(*shape));
    for (uint32_t i = 0; i < n; i++) {
        const struct wfs_expr *e = chunks[i].tensor->expr;
        if (e->ndim != first->ndim || e->dtype != first->dtype)
            return -1;
        for (uint32_t k = 0; k < e->ndim; k++) {
            uint64_t end;
            if (!wfs_add_u64(chunks[i].offset[k], e->shape[k], &end))
                return -1;
            shape[k] = wfs_max_u64(shape[k], end);
        }
    }
    return 0;
}

static int assemble(struct hf *h, const struct hf_chunk *chunks, uint32_t n,
                    struct wfs_tensor *tensor, struct wfs_error *err)
{
    const struct wfs_expr *first = chunks[0].tensor->expr;
    wfs_cleanup(wfs_freep) struct wfs_shard *shards = calloc(n, sizeof(*shards));
    uint64_t shape[WFS_MAX_NDIM];
    if (!shards)
        return wfs_error_nomem(err, "a sharded tensor");
    if (reach(chunks, n, shape))
        return wfs_error_set(err, EINVAL, "its chunks have different types or numbers of axes");
    for (uint32_t i = 0; i < n; i++) {
        shards[i].expr = chunks[i].tensor->expr;
        memcpy(shards[i].offset, chunks[i].offset, sizeof(shards[i].offset));
    }
    return wfs_shards_assemble(h->catalog->arena, first->dtype, first->ndim, shape, shards, n,
                               &tensor->expr, &tensor->shard_axis, err);
}

static int add_tensor(struct hf *h, const struct hf_chunk *chunks, uint32_t n,
                      struct wfs_error *err)
{
    struct wfs_tensor tensor = *chunks[0].tensor;
    struct wfs_error why = {0};
    tensor.path = wfs_path_from_name(h->catalog->arena, tensor.name, h->catalog->sep);
    if (!tensor.path)
        return wfs_error_nomem(err, "a sharded tensor");
    int r = assemble(h, chunks, n, &tensor, &why);
    if (r == -ENOMEM)
        return wfs_error_set(err, ENOMEM, "%s", why.message);
    if (r) {
        wfs_catalog_note(h->catalog, WFS_NOTE_REFUSED, tensor.name, "%s", why.message);
        return 0;
    }
    tensor.file = h->ranks[chunks[0].rank].file;
    tensor.n_shards = n;
    tensor.root = 0;
    if (n > 1)
        tensor.file_off = UINT64_MAX;
    return wfs_catalog_add_tensor(h->catalog, &tensor, NULL, err);
}

static int add_tensors(struct hf *h, struct wfs_error *err)
{
    int r = 0;
    if (h->n_chunks)
        qsort(h->chunks, h->n_chunks, sizeof(*h->chunks), cmp_chunks);
    for (size_t i = 0, next; !r && i < h->n_chunks; i = next) {
        for (next = i + 1; next < h->n_chunks && h->chunks[next].order == h->chunks[i].order;)
            next++;
        r = add_tensor(h, &h->chunks[i], (uint32_t)(next - i), err);
    }
    return r;
}

static int dcp_hf_open(struct wfs_catalog *catalog, const struct wfs_listing *listing,
                       const struct wfs_source_options *options, struct wfs_error *err)
{
    struct hf h = {.catalog = catalog, .listing = listing};
    catalog->is_flat = true; /* the names of all files together tell what joins them */
    int r = open_files(&h, options, err);
    if (!r)
        r = add_tensors(&h, err);
    free(h.ranks);
    free(h.chunks);
    wfs_strmap_free(&h.first);
    return r;
}

const struct wfs_folder_format wfs_folder_dcp_hf = {
    .name = "torch-dcp-safetensors", .probe = dcp_hf_probe, .open = dcp_hf_open};
