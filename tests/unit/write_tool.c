/*
 * write_tool.c - writes a checkpoint out as every loader file, for tests with the real libraries
 * that want no mount: write_tool SOURCE FOLDER [WRITER | SHARD_BYTES]. Prints one line a file: its
 * name, or its name and why it is refused.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "file/file.h"
#include "source/source.h"

static int compare_entries(const void *a, const void *b)
{
    return wfs_natural_cmp(((const struct wfs_manifest_entry *)a)->path,
                           ((const struct wfs_manifest_entry *)b)->path);
}

static struct wfs_manifest manifest_of(const struct wfs_catalog *catalog, struct wfs_arena *arena)
{
    struct wfs_manifest_entry *entries =
        wfs_arena_array(arena, catalog->n_tensors + 1u, sizeof(*entries));
    for (uint32_t i = 0; i < catalog->n_tensors; i++) {
        entries[i].path = catalog->tensors[i].path;
        entries[i].expr = catalog->tensors[i].expr;
    }
    qsort(entries, catalog->n_tensors, sizeof(*entries), compare_entries);
    return (struct wfs_manifest){
        .n = catalog->n_tensors, .entries = entries, .sep = '.', .format_tag = "pt"};
}

static int put(const struct wfs_vfile *file, const char *folder, const char *name,
               struct wfs_error *err)
{
    char path[4096];
    snprintf(path, sizeof(path), "%s/%s", folder, name);
    struct wfs_export_options options = {.path = path};
    int r = wfs_export(file, NULL, &options, err);
    if (r == 0)
        printf("%s\n", name);
    return r;
}

static int put_all(const struct wfs_manifest *m, const char *folder, const char *only,
                   struct wfs_arena *arena, struct wfs_error *err)
{
    const struct wfs_writer *w;
    for (uint32_t i = 0; (w = wfs_writer(i)); i++) {
        if (only && strcmp(w->name, only) != 0)
            continue;
        if (strcmp(w->name, "gguf") == 0) /* made of a view, not of tensors alone */
            continue;
        const struct wfs_vfile *file;
        const char *reason;
        int r = w->refuses(m, arena, &reason);
        if (r)
            return wfs_error_nomem(err, "a manifest");
        if (reason) {
            printf("%s: %s\n", w->file_name, reason);
            continue;
        }
        r = w->plan(m, arena, &file, err);
        if (r == 0)
            r = put(file, folder, w->file_name, err);
        if (r)
            return r;
    }
    return 0;
}

static int put_shards(const struct wfs_manifest *m, const char *folder, uint64_t shard_bytes,
                      struct wfs_arena *arena, struct wfs_error *err)
{
    const struct wfs_writer *w = wfs_writer_by_name("safetensors");
    const struct wfs_shard *shards;
    const struct wfs_vfile *file;
    uint32_t n;
    int r = wfs_shards_split(m, shard_bytes, arena, &shards, &n, err);
    for (uint32_t i = 0; r == 0 && i < n; i++) {
        r = w->plan(&shards[i].manifest, arena, &file, err);
        if (r == 0)
            r = put(file, folder, shards[i].file_name, err);
    }
    if (r == 0)
        r = wfs_shards_index(shards, n, arena, &file, err);
    return r ? r : put(file, folder, WFS_SHARDS_INDEX_NAME, err);
}

int main(int argc, char **argv)
{
    struct wfs_error err = {0};
    struct wfs_source_options options = {0};
    struct wfs_catalog *catalog wfs_cleanup(wfs_catalog_freep) = NULL;
    struct wfs_arena *arena wfs_cleanup(wfs_arena_freep) = wfs_arena_new();
    if (argc < 3 || !arena)
        return 2;
    int r = wfs_catalog_open(argv[1], &options, &catalog, &err);
    if (r == 0) {
        struct wfs_manifest m = manifest_of(catalog, arena);
        uint64_t shard_bytes = argc > 3 ? strtoull(argv[3], NULL, 10) : 0;
        r = shard_bytes ? put_shards(&m, argv[2], shard_bytes, arena, &err)
                        : put_all(&m, argv[2], argc > 3 ? argv[3] : NULL, arena, &err);
    }
    if (r)
        fprintf(stderr, "%s\n", err.message);
    return r ? 1 : 0;
}
