/*
 * writers.c - the table of virtual file formats: one row a format.
 */
#include "file/writer.h"

#include <string.h>

#include "file/vfile.h"

static const struct wfs_writer *const writers[] = {
    &wfs_safetensors_writer, &wfs_msgpack_writer, &wfs_torch_writer, &wfs_npz_writer, NULL,
};

const struct wfs_writer *const *wfs_writers(void)
{
    return writers;
}

const struct wfs_writer *wfs_writer_by_name(const char *name)
{
    for (const struct wfs_writer *const *w = writers; *w; w++)
        if (strcmp((*w)->name, name) == 0 || strcmp((*w)->file_name, name) == 0)
            return *w;
    return NULL;
}

const char *wfs_writer_refuses_size(const struct wfs_manifest *manifest)
{
    uint64_t total = 0;
    for (uint32_t i = 0; i < manifest->n; i++)
        if (!wfs_add_u64(total, manifest->entries[i].expr->size_bytes, &total) ||
            total > WFS_VFILE_MAX_BYTES)
            return "the tensors together are larger than a file can be";
    return NULL;
}

const char *wfs_writer_refusal(struct wfs_arena *arena, const struct wfs_manifest *manifest,
                               const struct wfs_manifest_entry *entry, const char *fmt, ...)
{
    struct wfs_buf text wfs_cleanup(wfs_buf_free) = {0};
    wfs_path_join(&text, entry->path, manifest->sep);
    wfs_buf_str(&text, ": ");
    va_list ap;
    va_start(ap, fmt);
    wfs_buf_vprintf(&text, fmt, ap);
    va_end(ap);
    const char *kept = wfs_buf_ok(&text) ? wfs_arena_strndup(arena, text.data, text.len) : NULL;
    return kept ? kept : "out of memory";
}
