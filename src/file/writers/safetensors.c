/*
 * safetensors.c - a manifest as one .safetensors file.
 *
 *   u64le N | N bytes of JSON, padded with spaces to a multiple of 8 | the tensors, back to back
 *   {"__metadata__":{"format":"pt"},"NAME":{"dtype":"F32","shape":[2,3],"data_offsets":[0,24]},...}
 *
 * Tensors stand as the reference writer puts them: element types in its enum's descending order,
 * then names by their bytes. `format` comes first in the metadata, since loaders demand it; what
 * else the source had follows. torch's float4_e2m1fn_x2 counts bytes and becomes an F4 of twice
 * the last axis, which is how the reference maps it. Refused: types that safetensors does not have,
 * a tensor called __metadata__, a header over the reference reader's limit.
 */
#include "file/writers/safetensors.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "file/writers/refusal.h"

#define HEADER_MAX_BYTES UINT64_C(100000000)
#define HEADER_ALIGN     8
/* An upper bound of what one entry adds beside its name: words and dtype; a number and its comma.
 */
#define ENTRY_MAX_BYTES  80
#define NUMBER_MAX_BYTES 21

struct item {
    const char *name;
    const struct wfs_expr *expr;
    enum wfs_dtype dtype; /* as written */
};

static enum wfs_dtype written_dtype(const struct wfs_expr *expr)
{
    return expr->dtype == WFS_F4_E2M1_X2 && expr->ndim > 0 ? WFS_F4_E2M1 : expr->dtype;
}

static int compare_items(const void *a_void, const void *b_void)
{
    const struct item *a = a_void, *b = b_void;
    if (a->dtype != b->dtype)
        return a->dtype > b->dtype ? -1 : 1;
    return strcmp(a->name, b->name);
}

/* The manifest in the file's order; names are in the arena. Caller frees. */
static struct item *sorted_items(const struct wfs_manifest *manifest, struct wfs_arena *arena)
{
    struct item *items = calloc(manifest->n ? manifest->n : 1, sizeof(*items));
    for (uint32_t i = 0; items && i < manifest->n; i++) {
        const struct wfs_manifest_entry *entry = &manifest->entries[i];
        items[i].name = wfs_path_join_dup(arena, entry->path, manifest->sep);
        items[i].expr = entry->expr;
        items[i].dtype = written_dtype(entry->expr);
        if (!items[i].name) {
            free(items);
            return NULL;
        }
    }
    if (items)
        qsort(items, manifest->n, sizeof(*items), compare_items);
    return items;
}

static void add_metadata(struct wfs_buf *out, const struct wfs_manifest *manifest)
{
    const char *before = "\"__metadata__\":{";
    if (manifest->format_tag) {
        wfs_buf_printf(out, "%s\"format\":", before);
        wfs_buf_json(out, manifest->format_tag);
        before = ",";
    }
    for (uint32_t i = 0; i < manifest->n_metadata; i++) {
        if (manifest->format_tag && strcmp(manifest->metadata[i][0], "format") == 0)
            continue;
        wfs_buf_str(out, before);
        wfs_buf_json(out, manifest->metadata[i][0]);
        wfs_buf_char(out, ':');
        wfs_buf_json(out, manifest->metadata[i][1]);
        before = ",";
    }
    if (*before == ',')
        wfs_buf_char(out, '}');
}

static void add_item(struct wfs_buf *out, const struct item *item, uint64_t off)
{
    const struct wfs_expr *expr = item->expr;
    wfs_buf_str(out, out->len > 1 ? "," : "");
    wfs_buf_json(out, item->name);
    wfs_buf_printf(out, ":{\"dtype\":\"%s\",\"shape\":[", wfs_dtype_info(item->dtype)->safetensors);
    for (uint32_t i = 0; i < expr->ndim; i++) {
        bool doubled = item->dtype != expr->dtype && i + 1 == expr->ndim;
        wfs_buf_printf(out, "%s%" PRIu64, i > 0 ? "," : "", expr->shape[i] * (doubled ? 2 : 1));
    }
    wfs_buf_printf(out, "],\"data_offsets\":[%" PRIu64 ",%" PRIu64 "]}", off,
                   off + expr->size_bytes);
}

/* Length and JSON. The total of the sizes has been checked. */
static void build_header(struct wfs_buf *out, const struct wfs_manifest *manifest,
                         const struct item *items)
{
    struct wfs_buf json wfs_cleanup(wfs_buf_free) = {0};
    uint64_t off = 0;
    wfs_buf_char(&json, '{');
    add_metadata(&json, manifest);
    for (uint32_t i = 0; i < manifest->n; i++) {
        add_item(&json, &items[i], off);
        off += items[i].expr->size_bytes;
    }
    wfs_buf_char(&json, '}');
    while (json.len % HEADER_ALIGN && wfs_buf_ok(&json))
        wfs_buf_char(&json, ' ');
    uint8_t length[8];
    wfs_store_u64le(length, json.len);
    wfs_buf_add(out, length, sizeof(length));
    wfs_buf_add(out, json.data, json.len);
    out->failed |= !wfs_buf_ok(&json);
}

int wfs_safetensors_plan(const struct wfs_manifest *manifest, struct wfs_arena *arena,
                         const struct wfs_vfile **ret, struct wfs_error *err)
{
    struct wfs_buf header wfs_cleanup(wfs_buf_free) = {0};
    struct item *items wfs_cleanup(wfs_freep) = sorted_items(manifest, arena);
    if (!items)
        return wfs_error_nomem(err, "the names of a safetensors file");
    build_header(&header, manifest, items);
    if (!wfs_buf_ok(&header))
        return wfs_error_nomem(err, "the header of a safetensors file");
    if (header.len - 8 > HEADER_MAX_BYTES)
        return wfs_error_set(err, EFBIG, "the safetensors header would be over %" PRIu64 " bytes",
                             HEADER_MAX_BYTES);
    struct wfs_vfile_builder b = {.arena = arena};
    wfs_vfile_add_literal(&b, header.data, header.len);
    for (uint32_t i = 0; i < manifest->n; i++)
        wfs_vfile_add_expr(&b, items[i].expr);
    return wfs_vfile_finish(&b, ret, err);
}

/* An upper bound of the header's length, which saves building the header of all but the largest
 * manifests: a text in JSON is at most six times as long as its bytes. */
static bool header_may_be_too_long(const struct wfs_manifest *manifest)
{
    uint64_t bound = 64;
    for (uint32_t i = 0; i < manifest->n; i++)
        bound += 6 * strlen(manifest->entries[i].path) + ENTRY_MAX_BYTES +
                 NUMBER_MAX_BYTES * (manifest->entries[i].expr->ndim + 2);
    for (uint32_t i = 0; i < manifest->n_metadata; i++)
        bound += 6 * (strlen(manifest->metadata[i][0]) + strlen(manifest->metadata[i][1])) + 8;
    return bound > HEADER_MAX_BYTES;
}

static int refuses_header(const struct wfs_manifest *manifest, const char **ret)
{
    struct wfs_arena *arena wfs_cleanup(wfs_arena_freep) = wfs_arena_new();
    struct item *items wfs_cleanup(wfs_freep) = arena ? sorted_items(manifest, arena) : NULL;
    struct wfs_buf header wfs_cleanup(wfs_buf_free) = {0};
    if (items)
        build_header(&header, manifest, items);
    if (!items || !wfs_buf_ok(&header))
        return -ENOMEM;
    *ret = header.len - 8 > HEADER_MAX_BYTES ? "the header would be over 100,000,000 bytes" : NULL;
    return 0;
}

int wfs_safetensors_refuses(const struct wfs_manifest *manifest, struct wfs_arena *arena,
                            const char **ret)
{
    for (uint32_t i = 0; i < manifest->n; i++) {
        const struct wfs_manifest_entry *entry = &manifest->entries[i];
        enum wfs_dtype dtype = written_dtype(entry->expr);
        if (!wfs_dtype_info(dtype)->safetensors)
            return wfs_refusal(arena, manifest, entry, ret, "safetensors has no %s",
                               wfs_dtype_info(dtype)->name);
        if (strcmp(entry->path, "__metadata__") == 0)
            return wfs_refusal(arena, manifest, entry, ret,
                               "safetensors keeps this name for its metadata");
    }
    *ret = wfs_refuses_size(manifest);
    return !*ret && header_may_be_too_long(manifest) ? refuses_header(manifest, ret) : 0;
}
