/*
 * npz.c - a manifest as an .npz: a ZIP of stored NAME.npy members.
 *
 *   PATH.npy = the header of a .npy (npy.c) | the elements | 4 bytes of CRC correction
 *
 * numpy reads as many elements as the header says and leaves the correction alone; its CRC check,
 * zipfile's and unzip's hold because of it. Keys are the names joined as everywhere in the view.
 * Refused: types that numpy has not, names that ZIP or zipfile cannot hold (too long, with a NUL),
 * and a pair X, X.npy, of which numpy would answer one for both.
 */
#include "file/writers/npz.h"

#include <stdlib.h>
#include <string.h>

#include "file/archive/zip.h"
#include "file/writers/npy.h"
#include "file/writers/refusal.h"

#define SUFFIX     ".npy"
#define SUFFIX_LEN 4

static bool ends_in_suffix(const char *name)
{
    size_t len = strlen(name);
    return len >= SUFFIX_LEN && strcmp(name + len - SUFFIX_LEN, SUFFIX) == 0;
}

int wfs_npz_plan(const struct wfs_manifest *manifest, struct wfs_arena *arena,
                 const struct wfs_vfile **ret, struct wfs_error *err)
{
    struct wfs_zip zip = {.b.arena = arena, .is_dense = manifest->is_export};
    struct wfs_buf name wfs_cleanup(wfs_buf_free) = {0};
    for (uint32_t i = 0; i < manifest->n; i++) {
        char head[WFS_NPY_HEADER_MAX];
        size_t head_len = wfs_npy_header(manifest->entries[i].expr, head);
        name.len = 0;
        wfs_path_join(&name, manifest->entries[i].path, manifest->sep);
        wfs_buf_str(&name, SUFFIX);
        if (!wfs_buf_ok(&name))
            break;
        wfs_zip_add_tensor(&zip, name.data, name.len, head, head_len, manifest->entries[i].expr, 0);
    }
    zip.b.failed |= !wfs_buf_ok(&name);
    return wfs_zip_finish(&zip, ret, err);
}

static int refuses_entry(const struct wfs_manifest *manifest,
                         const struct wfs_manifest_entry *entry, struct wfs_arena *arena,
                         const char **ret)
{
    const struct wfs_dtype_info *info = wfs_dtype_info(entry->expr->dtype);
    if (!info->npy_descr)
        return wfs_refusal(arena, manifest, entry, ret, "numpy has no %s", info->name);
    if (strstr(entry->path, "\xc0\x80"))
        return wfs_refusal(arena, manifest, entry, ret, "ZIP readers cut a name at its NUL");
    /* Joining can triple a byte. */
    if (strlen(entry->path) > (WFS_ZIP_NAME_MAX - SUFFIX_LEN) / 3)
        return wfs_refusal(arena, manifest, entry, ret, "the name is too long for a ZIP member");
    *ret = NULL;
    return 0;
}

/* A name that ends in .npy whose stem is a name too. */
static int refuses_pairs(const struct wfs_manifest *manifest, struct wfs_arena *arena,
                         const char **ret)
{
    struct wfs_strmap names wfs_cleanup(wfs_strmap_free) = {0};
    struct wfs_buf stem wfs_cleanup(wfs_buf_free) = {0};
    for (uint32_t i = 0; i < manifest->n; i++)
        if (wfs_strmap_add(&names, manifest->entries[i].path, i) == -ENOMEM)
            return -ENOMEM;
    for (uint32_t i = 0; i < manifest->n; i++) {
        const char *path = manifest->entries[i].path;
        uint64_t other;
        if (!ends_in_suffix(path))
            continue;
        stem.len = 0;
        wfs_buf_add(&stem, path, strlen(path) - SUFFIX_LEN);
        if (!wfs_buf_ok(&stem))
            return -ENOMEM;
        if (stem.len > 0 && wfs_strmap_get(&names, stem.data, &other))
            return wfs_refusal(arena, manifest, &manifest->entries[i], ret,
                               "numpy cannot tell it from the tensor without .npy");
    }
    *ret = NULL;
    return 0;
}

int wfs_npz_refuses(const struct wfs_manifest *manifest, struct wfs_arena *arena, const char **ret)
{
    bool any_suffix = false;
    *ret = NULL;
    for (uint32_t i = 0; i < manifest->n; i++) {
        int r = refuses_entry(manifest, &manifest->entries[i], arena, ret);
        if (r || *ret)
            return r;
        any_suffix |= ends_in_suffix(manifest->entries[i].path);
    }
    int r = any_suffix ? refuses_pairs(manifest, arena, ret) : 0;
    if (r == 0 && !*ret)
        *ret = wfs_refuses_size(manifest);
    return r;
}
