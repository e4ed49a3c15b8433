/*
 * paths.c - the paths that a source is opened by.
 */
#include "source/paths.h"

#include <string.h>
#include <sys/stat.h>

#include "source/access/links.h"

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

/* Whether the file may be used. One that is reached by a link that is not followed for others may
 * not: its text would be quoted where it is no JSON. */
static bool may_use(struct wfs_catalog *catalog, const char *path, const struct stat *st)
{
    struct wfs_link link;
    struct wfs_error why = {0};
    if (!catalog->home)
        return true;
    if (wfs_link_look(catalog->arena, catalog->home, path, st->st_dev, st->st_ino, &link, &why) ==
        0) {
        if (!link.is_refused)
            return true;
        wfs_catalog_note(catalog, WFS_NOTE_WARNING, wfs_source_base_name(path), "not used: %s",
                         link.why);
    }
    return false;
}

int wfs_source_find_config(struct wfs_catalog *catalog, const char *dir, struct wfs_error *err)
{
    static const char *const names[] = {"config.json", "params.json"};
    for (size_t i = 0; i < WFS_ARRAY_SIZE(names); i++) {
        struct stat st;
        const char *path = wfs_arena_printf(catalog->arena, "%s/%s", dir, names[i]);
        if (!path)
            return wfs_error_nomem(err, dir);
        if (stat(path, &st) == 0 && S_ISREG(st.st_mode) && may_use(catalog, path, &st)) {
            catalog->config_path = path;
            return 0;
        }
    }
    return 0;
}
