/*
 * shards.c - a manifest cut into files of a bounded size, and the index that ties them together.
 *
 * The rule is huggingface_hub's split_state_dict_into_shards_factory: greedy, in order; a tensor
 * over the bound goes to a file of its own without closing the one being filled, so files are
 * numbered in the order in which they are closed.
 */
#include "file/file.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

/* The names' five digits. */
#define SHARDS_MAX 99999

#define SHARD_OPEN UINT32_MAX

/* Gives the entries of the open shard their number. */
static void close_shard(uint32_t *shard_of, uint32_t from, uint32_t to, uint32_t number)
{
    for (uint32_t i = from; i < to; i++)
        if (shard_of[i] == SHARD_OPEN)
            shard_of[i] = number;
}

/* Which shard each entry goes to; returns how many there are. */
static uint32_t assign(const struct wfs_manifest *manifest, uint64_t shard_bytes,
                       uint32_t *shard_of)
{
    uint32_t n = 0, open_from = 0;
    uint64_t open_bytes = 0;
    bool any_open = false;
    for (uint32_t i = 0; i < manifest->n; i++) {
        uint64_t size = manifest->entries[i].expr->size_bytes;
        if (size > shard_bytes) {
            shard_of[i] = n++;
            continue;
        }
        if (any_open && size > shard_bytes - open_bytes) {
            close_shard(shard_of, open_from, i, n++);
            open_from = i;
            open_bytes = 0;
        }
        shard_of[i] = SHARD_OPEN;
        open_bytes += size;
        any_open = true;
    }
    if (any_open)
        close_shard(shard_of, open_from, manifest->n, n++);
    return n;
}

static const char *shard_name(struct wfs_arena *arena, uint32_t i, uint32_t n)
{
    if (n == 1)
        return "model.safetensors";
    return wfs_arena_printf(arena, "model-%05" PRIu32 "-of-%05" PRIu32 ".safetensors", i + 1, n);
}

/* Entries of all shards in one array, shard by shard, each in the manifest's order. */
static int fill(const struct wfs_manifest *manifest, const uint32_t *shard_of, uint32_t n,
                struct wfs_arena *arena, struct wfs_shard *shards)
{
    struct wfs_manifest_entry *entries =
        wfs_arena_array(arena, manifest->n ? manifest->n : 1, sizeof(*entries));
    if (!entries)
        return -ENOMEM;
    for (uint32_t i = 0; i < n; i++) {
        shards[i].manifest = *manifest;
        shards[i].manifest.n = 0;
        shards[i].file_name = shard_name(arena, i, n);
        if (!shards[i].file_name)
            return -ENOMEM;
    }
    for (uint32_t i = 0; i < manifest->n; i++)
        shards[shard_of[i]].manifest.n++;
    uint32_t *next = calloc(n, sizeof(*next));
    if (!next)
        return -ENOMEM;
    for (uint32_t i = 0, at = 0; i < n; at += shards[i++].manifest.n) {
        shards[i].manifest.entries = entries + at;
        next[i] = at;
    }
    for (uint32_t i = 0; i < manifest->n; i++)
        entries[next[shard_of[i]]++] = manifest->entries[i];
    free(next);
    return 0;
}

int wfs_shards_split(const struct wfs_manifest *manifest, uint64_t shard_bytes,
                     struct wfs_arena *arena, const struct wfs_shard **ret, uint32_t *ret_n,
                     struct wfs_error *err)
{
    if (shard_bytes == 0)
        return wfs_error_set(err, EINVAL, "shards=0: a shard has to hold something");
    uint32_t *shard_of wfs_cleanup(wfs_freep) = calloc(manifest->n + 1u, sizeof(*shard_of));
    if (!shard_of)
        return wfs_error_nomem(err, "the shards");
    uint32_t n = assign(manifest, shard_bytes, shard_of);
    n = n ? n : 1; /* of nothing, one empty file */
    if (n > SHARDS_MAX)
        return wfs_error_set(err, EINVAL,
                             "shards=%" PRIu64 " makes %" PRIu32 " files; at most %d have names",
                             shard_bytes, n, SHARDS_MAX);
    struct wfs_shard *shards = wfs_arena_array(arena, n, sizeof(*shards));
    if (!shards || fill(manifest, shard_of, n, arena, shards))
        return wfs_error_nomem(err, "the shards");
    *ret = shards;
    *ret_n = n;
    return 0;
}

/* ---- the index ----------------------------------------------------------------------------- */

struct mapped {
    const char *name, *file_name;
};

static int compare_mapped(const void *a, const void *b)
{
    return strcmp(((const struct mapped *)a)->name, ((const struct mapped *)b)->name);
}

static struct mapped *sorted_names(const struct wfs_shard *shards, uint32_t n,
                                   struct wfs_arena *scratch, size_t n_names)
{
    struct mapped *names = wfs_arena_array(scratch, n_names + 1, sizeof(*names));
    size_t at = 0;
    for (uint32_t i = 0; names && i < n; i++) {
        const struct wfs_manifest *m = &shards[i].manifest;
        for (uint32_t j = 0; j < m->n; j++, at++) {
            names[at].file_name = shards[i].file_name;
            names[at].name = wfs_path_join_dup(scratch, m->entries[j].path, m->sep);
            if (!names[at].name)
                return NULL;
        }
    }
    if (names)
        qsort(names, n_names, sizeof(*names), compare_mapped);
    return names;
}

int wfs_shards_index(const struct wfs_shard *shards, uint32_t n, struct wfs_arena *arena,
                     const struct wfs_vfile **ret, struct wfs_error *err)
{
    struct wfs_arena *scratch wfs_cleanup(wfs_arena_freep) = wfs_arena_new();
    struct wfs_buf json wfs_cleanup(wfs_buf_free) = {0};
    uint64_t total = 0;
    size_t n_names = 0;
    for (uint32_t i = 0; i < n; i++) {
        n_names += shards[i].manifest.n;
        for (uint32_t j = 0; j < shards[i].manifest.n; j++)
            if (!wfs_add_u64(total, shards[i].manifest.entries[j].expr->size_bytes, &total))
                return wfs_error_set(err, EOVERFLOW, "the shards' sizes add up to over 2^64");
    }
    struct mapped *names = scratch ? sorted_names(shards, n, scratch, n_names) : NULL;
    if (!names)
        return wfs_error_nomem(err, "the index of the shards");
    wfs_buf_printf(&json, "{\n  \"metadata\": {\n    \"total_size\": %" PRIu64 "\n  },\n", total);
    wfs_buf_str(&json, "  \"weight_map\": {");
    for (size_t i = 0; i < n_names; i++) {
        wfs_buf_str(&json, i > 0 ? ",\n    " : "\n    ");
        wfs_buf_json(&json, names[i].name);
        wfs_buf_printf(&json, ": \"%s\"", names[i].file_name);
    }
    wfs_buf_str(&json, n_names > 0 ? "\n  }\n}\n" : "}\n}\n");
    if (!wfs_buf_ok(&json))
        return wfs_error_nomem(err, "the index of the shards");
    struct wfs_vfile_builder b = {.arena = arena};
    wfs_vfile_add_literal(&b, json.data, json.len);
    return wfs_vfile_finish(&b, ret, err);
}
