/*
 * formats.c - the table of formats, and what happens to every weight file whatever its format.
 */
#include "source/formats.h"

#include <string.h>
#include <strings.h>

#include "source/catalog.h"
#include "source/paths.h"

#define WFS_FORMAT_ADDRESS(row) &wfs_format_##row,
static const struct wfs_format *const formats[] = {WFS_FORMATS(WFS_FORMAT_ADDRESS) NULL};

const struct wfs_format *const *wfs_formats(void)
{
    return formats;
}

const struct wfs_format *wfs_format_probe(struct wfs_bytes *bytes, struct wfs_error *err)
{
    uint8_t head[WFS_PROBE_BYTES];
    size_t len = (size_t)wfs_min_u64(sizeof(head), bytes->size_bytes);
    if (wfs_bytes_read(bytes, head, len, 0, err))
        return NULL;
    for (size_t i = 0; formats[i]; i++)
        if (formats[i]->probe(head, len, bytes->size_bytes))
            return formats[i];
    return NULL;
}

static bool has_suffix(const char *name, const char *suffix)
{
    size_t len = strlen(name), n = strlen(suffix);
    return len >= n && strcasecmp(name + len - n, suffix) == 0;
}

/* Files that are often found where weights should be: -EINVAL saying so, else 0. */
static int explain_unknown(struct wfs_bytes *bytes, struct wfs_error *err)
{
    static const char lfs[] = "version https://git-lfs.github.com/spec/";
    char head[sizeof(lfs) - 1];
    if (bytes->size_bytes == 0)
        return wfs_error_set(err, EINVAL, "%s: the file is empty", bytes->name);
    if (bytes->size_bytes < sizeof(head))
        return 0;
    int r = wfs_bytes_read(bytes, head, sizeof(head), 0, err);
    if (!r && memcmp(head, lfs, sizeof(head)) == 0)
        r = wfs_error_set(err, EINVAL,
                          "%s: a Git LFS pointer, not the weights themselves: fetch them with "
                          "\"git lfs pull\"",
                          bytes->name);
    return r;
}

int wfs_source_recognise(struct wfs_bytes *bytes, const char *name, const struct wfs_format **ret,
                         struct wfs_error *err)
{
    struct wfs_error probe_err = {0};
    const struct wfs_format *format = wfs_format_probe(bytes, &probe_err);
    if (probe_err.code)
        return wfs_error_set(err, probe_err.code, "%s", probe_err.message);
    int r = format ? 0 : explain_unknown(bytes, err);
    if (r)
        return r;
    /* A file of this name that no probe takes is damaged: the scan says at which byte. */
    if (!format && has_suffix(name, ".safetensors"))
        format = &wfs_format_safetensors;
    if (!format)
        return wfs_error_set(err, EINVAL, "%s: no checkpoint format that weightfs knows",
                             bytes->name);
    if (format->missing)
        return wfs_error_set(err, ENOTSUP, "%s: a %s file, but this weightfs was built without %s",
                             name, format->name, format->missing);
    *ret = format;
    return 0;
}

/* Links, or names like x and ./x, name one file many times; each of them would be scanned and kept
 * anew, so they are refused. */
static int check_new(const struct wfs_catalog *catalog, const char *name,
                     const struct wfs_bytes *bytes, struct wfs_error *err)
{
    const struct wfs_file_info *info = wfs_bytes_file_info(bytes);
    for (uint32_t i = 0; info && i < catalog->n_files; i++) {
        const struct wfs_file_info *other = wfs_bytes_file_info(catalog->files[i].bytes);
        if (other && other->identity.dev == info->identity.dev &&
            other->identity.ino == info->identity.ino)
            return wfs_error_set(err, EINVAL, "%s is the same file as %s", name,
                                 catalog->files[i].name);
    }
    return 0;
}

int wfs_source_scan_as(struct wfs_catalog *catalog, uint32_t file, const struct wfs_format *format,
                       const struct wfs_source_options *options, struct wfs_error *err)
{
    catalog->format = format->name;
    catalog->sep = format->sep;
    catalog->is_flat = format->is_flat;
    return format->scan(catalog, file, options, err);
}

int wfs_source_scan_file(struct wfs_catalog *catalog, const char *path, const char *name,
                         const struct wfs_source_options *options, uint32_t *ret_file,
                         struct wfs_error *err)
{
    wfs_cleanup(wfs_bytes_unrefp) struct wfs_bytes *bytes = NULL;
    const struct wfs_format *format = NULL;
    uint32_t file;
    int r = wfs_bytes_open(path, &bytes, err);
    if (!r)
        r = wfs_catalog_check_link(catalog, path, bytes, err);
    if (!r)
        r = check_new(catalog, name, bytes, err);
    if (!r)
        r = wfs_source_recognise(bytes, name, &format, err);
    if (!r && catalog->format && strcmp(catalog->format, format->name) != 0)
        r = wfs_error_set(err, EINVAL, "%s is %s, %s is %s: one checkpoint has one format",
                          catalog->files[0].name, catalog->format, name, format->name);
    if (!r)
        r = wfs_catalog_add_file(catalog, path, name, bytes, &file, err);
    if (r)
        return r;
    r = wfs_source_scan_as(catalog, file, format, options, err);
    if (!r && ret_file)
        *ret_file = file;
    return r;
}

int wfs_source_open_part(const struct wfs_catalog *whole, const char *path,
                         const struct wfs_source_options *options, struct wfs_catalog **ret,
                         struct wfs_error *err)
{
    wfs_cleanup(wfs_catalog_freep) struct wfs_catalog *catalog = wfs_catalog_new(path);
    if (!catalog)
        return wfs_error_nomem(err, path);
    catalog->home = whole->home;
    int r = wfs_source_scan_file(catalog, path, wfs_source_base_name(path), options, NULL, err);
    catalog->is_flat = false;
    if (!r)
        r = wfs_catalog_finish(catalog, options, err);
    if (r)
        return r;
    *ret = wfs_steal(&catalog);
    return 0;
}
