/*
 * open.c - from a path to a catalog: a weight file, an index or a directory.
 */
#include "source/source.h"

#include <string.h>
#include <sys/stat.h>

const char *wfs_source_base_name(const char *path)
{
    const char *slash = strrchr(path, '/');
    return slash ? slash + 1 : path;
}

int wfs_source_dir_name(struct wfs_catalog *catalog, const char *path, const char **ret,
                        struct wfs_error *err)
{
    size_t len = (size_t)(wfs_source_base_name(path) - path);
    while (len > 1 && path[len - 1] == '/')
        len--;
    const char *dir =
        len ? wfs_arena_strndup(catalog->arena, path, len) : wfs_arena_strdup(catalog->arena, ".");
    if (!dir)
        return wfs_error_nomem(err, path);
    *ret = dir;
    return 0;
}

int wfs_source_find_config(struct wfs_catalog *catalog, const char *dir, struct wfs_error *err)
{
    static const char *const names[] = {"config.json", "params.json"};
    for (size_t i = 0; i < WFS_ARRAY_SIZE(names); i++) {
        struct stat st;
        const char *path = wfs_arena_printf(catalog->arena, "%s/%s", dir, names[i]);
        if (!path)
            return wfs_error_nomem(err, dir);
        if (stat(path, &st) == 0 && S_ISREG(st.st_mode)) {
            catalog->config_path = path;
            return 0;
        }
    }
    return 0;
}

static int open_file(struct wfs_catalog *catalog, const char *path,
                     const struct wfs_source_options *options, struct wfs_error *err)
{
    const char *dir;
    if (options && options->weights)
        return wfs_error_set(err, EINVAL, "%s is a file: weights=%s chooses in a directory", path,
                             options->weights);
    int r = wfs_source_scan_file(catalog, path, wfs_source_base_name(path), options, NULL, err);
    if (!r)
        r = wfs_source_dir_name(catalog, path, &dir, err);
    return r ? r : wfs_source_find_config(catalog, dir, err);
}

static int open_path(struct wfs_catalog *catalog, const char *path,
                     const struct wfs_source_options *options, struct wfs_error *err)
{
    struct stat st;
    if (stat(path, &st))
        return wfs_error_set(err, errno, "%s: %s", path, strerror(errno));
    return open_file(catalog, path, options, err);
}

int wfs_catalog_open(const char *path, const struct wfs_source_options *options,
                     struct wfs_catalog **ret, struct wfs_error *err)
{
    wfs_cleanup(wfs_catalog_freep) struct wfs_catalog *catalog = wfs_catalog_new(path);
    if (!catalog)
        return wfs_error_nomem(err, path);
    int r = open_path(catalog, path, options, err);
    if (!r)
        r = wfs_catalog_finish(catalog, options, err);
    if (r)
        return r;
    *ret = wfs_steal(&catalog);
    return 0;
}
