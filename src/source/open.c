/*
 * open.c - from a path to a catalog: a weight file, an index or a directory.
 */
#include <fnmatch.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "source/access/links.h"
#include "source/catalog.h"
#include "source/directory.h"
#include "source/folder/index.h"
#include "source/folder/side_files.h"
#include "source/folder/weight_names.h"
#include "source/formats.h"
#include "source/paths.h"

/* Where others are served: what their links are judged by. */
static int set_home(struct wfs_catalog *catalog, const char *dir,
                    const struct wfs_source_options *options, struct wfs_error *err)
{
    if (!options || !options->is_shared)
        return 0;
    struct wfs_home *home = wfs_arena_alloc(catalog->arena, sizeof(*home));
    int r = home ? wfs_home_open(catalog->arena, dir, home, err) : wfs_error_nomem(err, dir);
    if (!r)
        catalog->home = home;
    return r;
}

/* The first file of a split GGUF model stands for all of them, as in llama.cpp. */
#define FIRST_SPLIT      "*-00001-of-[0-9][0-9][0-9][0-9][0-9].gguf"
#define SPLIT_NAME_BYTES (sizeof("-00001-of-00000.gguf") - 1)

static unsigned long n_split_files(const char *path)
{
    if (fnmatch(FIRST_SPLIT, path, 0) != 0)
        return 1;
    return strtoul(path + strlen(path) - strlen("00000.gguf"), NULL, 10);
}

static int scan_file_or_split(struct wfs_catalog *catalog, const char *path,
                              const struct wfs_source_options *options, struct wfs_error *err)
{
    unsigned long n = n_split_files(path);
    catalog->is_set = n > 1;
    int r = wfs_source_scan_file(catalog, path, wfs_source_base_name(path), options, NULL, err);
    for (unsigned long i = 2; !r && i <= n; i++) {
        const char *next = wfs_arena_printf(catalog->arena, "%.*s-%05lu-of-%05lu.gguf",
                                            (int)(strlen(path) - SPLIT_NAME_BYTES), path, i, n);
        if (!next)
            return wfs_error_nomem(err, path);
        r = wfs_source_scan_file(catalog, next, wfs_source_base_name(next), options, NULL, err);
    }
    return r;
}

/* A file alone shows its config beside it, but not the rest of its folder: that may be anything. */
static int open_file(struct wfs_catalog *catalog, const char *path,
                     const struct wfs_source_options *options, struct wfs_error *err)
{
    int r = scan_file_or_split(catalog, path, options, err);
    return r || !catalog->config_path ? r : wfs_source_add_config_file(catalog, err);
}

static int open_path(struct wfs_catalog *catalog, const char *path,
                     const struct wfs_source_options *options, struct wfs_error *err)
{
    struct stat st;
    const char *dir;
    if (stat(path, &st))
        return wfs_error_set(err, errno, "%s: %s", path, strerror(errno));
    if (S_ISDIR(st.st_mode)) {
        int r = set_home(catalog, path, options, err);
        return r ? r : wfs_source_open_directory(catalog, path, options, err);
    }
    if (options && options->weights)
        return wfs_error_set(err, EINVAL, "%s is a file: weights=%s chooses in a directory", path,
                             options->weights);
    int r = wfs_source_dir_name(catalog, path, &dir, err);
    if (!r)
        r = set_home(catalog, dir, options, err);
    if (!r)
        r = wfs_source_find_config(catalog, dir, err);
    if (r)
        return r;
    if (!wfs_source_is_index(path))
        return open_file(catalog, path, options, err);
    r = wfs_source_open_index(catalog, path, options, err);
    return r ? r : wfs_source_add_side_files(catalog, dir, err);
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
