/*
 * refusal.c - the reasons that writers share for not showing a file.
 */
#include "file/writers/refusal.h"

#include "file/vfile.h"

const char *wfs_refuses_size(const struct wfs_manifest *manifest)
{
    uint64_t total = 0;
    for (uint32_t i = 0; i < manifest->n; i++)
        if (!wfs_add_u64(total, manifest->entries[i].expr->size_bytes, &total) ||
            total > WFS_VFILE_MAX_BYTES)
            return "the tensors together are larger than a file can be";
    return NULL;
}

int wfs_refusal(struct wfs_arena *arena, const struct wfs_manifest *manifest,
                const struct wfs_manifest_entry *entry, const char **ret, const char *fmt, ...)
{
    struct wfs_buf text wfs_cleanup(wfs_buf_free) = {0};
    wfs_path_join(&text, entry->path, manifest->sep);
    wfs_buf_str(&text, ": ");
    va_list ap;
    va_start(ap, fmt);
    wfs_buf_vprintf(&text, fmt, ap);
    va_end(ap);
    const char *kept = wfs_buf_ok(&text) ? wfs_arena_strndup(arena, text.data, text.len) : NULL;
    if (!kept)
        return -ENOMEM;
    *ret = kept;
    return 0;
}
