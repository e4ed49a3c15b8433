/*
 * roots.c - the trees of a source that was read: the whole, or what the user named.
 */
#include "source/roots.h"

#include <string.h>

static bool has_prefix_path(const char *path, const char *prefix)
{
    size_t len = strlen(prefix);
    return strncmp(path, prefix, len) == 0 && (path[len] == WFS_SEP || path[len] == 0);
}

bool wfs_path_is_statistics_of(const char *path, const char *root)
{
    static const char parameters[] = "params", statistics[] = "batch_stats";
    const char *sep = strrchr(root, WFS_SEP);
    size_t n_above = sep ? (size_t)(sep - root) + 1 : 0;
    return strcmp(root + n_above, parameters) == 0 && strncmp(path, root, n_above) == 0 &&
           has_prefix_path(path + n_above, statistics);
}

/* Does a key with a dot in it make `path` read as if it were below `root`, too? */
static bool reads_as_below(const char *path, const char *root)
{
    bool has_dot = false;
    for (; *root; root++, path++) {
        bool is_dot = *path == '.' && *root == WFS_SEP;
        if (*path != *root && !is_dot)
            return false;
        has_dot |= is_dot;
    }
    return has_dot && (*path == '.' || *path == WFS_SEP);
}

static int check_root(const struct wfs_catalog *catalog, const struct wfs_root *root,
                      const char *name, uint32_t n_below, struct wfs_error *err)
{
    for (uint32_t i = 0; i < catalog->n_tensors; i++) {
        const char *path = catalog->tensors[i].path;
        if (n_below && reads_as_below(path, root->path))
            return wfs_error_set(err, EINVAL,
                                 "%s: root=%s may be one key or several: %s is below it only if a "
                                 "dot is part of a key; root=. maps the whole",
                                 catalog->source, name, catalog->tensors[i].name);
        if (!n_below && strcmp(path, root->path) == 0)
            return wfs_error_set(err, EINVAL, "%s: root=%s is a tensor, not a tree of them",
                                 catalog->source, name);
    }
    if (n_below == 0)
        return wfs_error_set(err, ENOENT, "%s: no tensor lies below root=%s", catalog->source,
                             name);
    return 0;
}

/* Makes roots[index] the tree that -o root=NAME names, and gives it the tensors below it; "." is
 * the whole. A root without tensors is the user's mistake, and refused. */
static int add_root(struct wfs_catalog *catalog, uint32_t index, const char *name,
                    struct wfs_error *err)
{
    const char *path = wfs_path_from_name(catalog->arena, name, '.');
    if (!path)
        return wfs_error_nomem(err, "the roots");
    if (strcmp(name, ".") == 0) {
        catalog->roots[index] = (struct wfs_root){.path = "", .is_whole = true, .is_chosen = true};
        return 0;
    }
    catalog->roots[index] = (struct wfs_root){.path = path, .is_chosen = true};
    uint32_t n_below = 0;
    for (uint32_t i = 0; i < catalog->n_tensors; i++) {
        const char *at = catalog->tensors[i].path;
        if (!has_prefix_path(at, path) || strcmp(at, path) == 0)
            continue;
        catalog->tensors[i].root = index;
        n_below++;
    }
    return check_root(catalog, &catalog->roots[index], name, n_below, err);
}

int wfs_catalog_settle_roots(struct wfs_catalog *catalog, const struct wfs_source_options *options,
                             struct wfs_error *err)
{
    if (catalog->n_roots)
        return 0;
    uint32_t n = 0;
    while (options && options->roots && options->roots[n])
        n++;
    catalog->roots = wfs_arena_array(catalog->arena, (size_t)n + 1, sizeof(*catalog->roots));
    if (!catalog->roots)
        return wfs_error_nomem(err, "the roots");
    catalog->roots[0] = (struct wfs_root){.path = "", .is_whole = true, .is_chosen = n == 0};
    catalog->n_roots = n + 1;
    for (uint32_t i = 0; i < n; i++) {
        int r = add_root(catalog, i + 1, options->roots[i], err);
        if (r)
            return r;
    }
    return 0;
}
