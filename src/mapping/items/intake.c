/*
 * intake.c - the first steps: the catalog's chosen tree as items, wrapper components taken out.
 */
#include "mapping/items/intake.h"

#include <string.h>

/* ---- loading ------------------------------------------------------------------------------- */

/* The tree that views map: the chosen root, or all. */
static const char *chosen_root(const struct wfs_catalog *catalog)
{
    for (uint32_t i = 0; i < catalog->n_roots; i++)
        if (catalog->roots[i].is_chosen && !catalog->roots[i].is_whole)
            return catalog->roots[i].path;
    return "";
}

/* Roots of which none is chosen: two trees of the same names and shapes, and no -o root=. */
static int check_choice(const struct wfs_catalog *catalog, struct wfs_error *err)
{
    for (uint32_t i = 0; i < catalog->n_roots; i++)
        if (catalog->roots[i].is_chosen)
            return 0;
    if (catalog->n_roots == 0)
        return 0;
    wfs_cleanup(wfs_buf_free) struct wfs_buf names = {0};
    for (uint32_t i = 0; i < catalog->n_roots; i++) {
        if (catalog->roots[i].is_whole)
            continue;
        wfs_buf_str(&names, names.len ? " or root=" : "root=");
        wfs_path_join(&names, catalog->roots[i].path, '.');
    }
    return wfs_error_set(err, EINVAL,
                         "%s: several trees of the same names and shapes: choose the one to map "
                         "with -o %s, or root=. for the whole",
                         catalog->source, wfs_buf_ok(&names) && names.len ? names.data : "root=");
}

/* Skips the root's components; NULL where the path is not inside. */
static const char *inside(const char *path, const char *root)
{
    size_t len = strlen(root);
    if (len == 0)
        return path;
    return strncmp(path, root, len) == 0 && path[len] == WFS_SEP ? path + len + 1 : NULL;
}

static bool has_statistics(const struct wfs_catalog *catalog, const char *root)
{
    for (uint32_t i = 0; i < catalog->n_tensors; i++)
        if (wfs_path_is_statistics_of(catalog->tensors[i].path, root))
            return true;
    return false;
}

/* With statistics the names begin with the two collections' own, as they do where these are all
 * there is. */
static const char *item_path(const char *path, const char *root, bool with_statistics)
{
    const char *sep = strrchr(root, WFS_SEP);
    if (!with_statistics)
        return inside(path, root);
    if (!inside(path, root) && !wfs_path_is_statistics_of(path, root))
        return NULL;
    return path + (sep ? sep + 1 - root : 0);
}

int wfs_intake(struct wfs_arena *arena, const struct wfs_catalog *catalog, struct wfs_table *ret,
               struct wfs_error *err)
{
    const char *root = chosen_root(catalog);
    bool with_statistics = has_statistics(catalog, root);
    uint32_t *sources = wfs_arena_array(arena, catalog->n_tensors + 1, sizeof(*sources));
    bool *tied = wfs_arena_array(arena, catalog->n_tensors + 1, sizeof(*tied));
    if (!sources || !tied)
        return wfs_error_nomem(err, "mapping");
    if (check_choice(catalog, err))
        return -EINVAL;
    for (uint32_t i = 0; i < catalog->n_tensors; i++) {
        uint32_t of = catalog->tensors[i].alias_of;
        sources[i] = i;
        if (of < catalog->n_tensors)
            tied[i] = tied[of] = true;
    }
    for (uint32_t i = 0; i < catalog->n_tensors; i++) {
        const struct wfs_tensor *t = &catalog->tensors[i];
        const char *path = item_path(t->path, root, with_statistics);
        if (!path)
            continue;
        struct wfs_item item = {
            .path = path,
            .expr = t->expr,
            .status = WFS_MAPPED,
            .packed = t->quantised != NULL,
            .tied = tied[i],
            .tie = !tied[i]                           ? WFS_NO_INDEX
                   : t->alias_of < catalog->n_tensors ? t->alias_of
                                                      : i,
            .n_sources = 1,
            .sources = &sources[i],
            .operations = "",
            .rule = "",
        };
        int r = wfs_table_add(ret, &item, err);
        if (r)
            return r;
    }
    return 0;
}

/* ---- wrappers ------------------------------------------------------------------------------ */

static const char *const wrappers[] = {"_orig_mod", "_fsdp_wrapped_module",
                                       "_checkpoint_wrapped_module", "_forward_module"};

static bool is_wrapper(const char *s, size_t len)
{
    for (size_t i = 0; i < WFS_ARRAY_SIZE(wrappers); i++)
        if (strlen(wrappers[i]) == len && memcmp(wrappers[i], s, len) == 0)
            return true;
    return false;
}

static bool has_wrapper(const char *path)
{
    if (!strchr(path, '_'))
        return false;
    for (const char *s = path, *end; *s; s = *end ? end + 1 : end) {
        end = strchrnul(s, WFS_SEP);
        if (*end && is_wrapper(s, (size_t)(end - s)))
            return true;
    }
    return false;
}

static const char *without_wrappers(struct wfs_arena *arena, const char *path)
{
    char *out = wfs_arena_alloc(arena, strlen(path) + 1), *to = out;
    if (!out)
        return NULL;
    for (const char *s = path, *end; *s; s = *end ? end + 1 : end) {
        end = strchrnul(s, WFS_SEP);
        size_t len = (size_t)(end - s) + (*end != 0);
        if (*end && is_wrapper(s, (size_t)(end - s)))
            continue;
        memcpy(to, s, len);
        to += len;
    }
    *to = 0;
    return out;
}

#define DDP "module" WFS_SEP_STR

/* DistributedDataParallel and AveragedModel: every name but n_averaged begins with `module`. */
static int unwrap_module(struct wfs_sink *sink, struct wfs_table *items)
{
    size_t n = 0, n_averaged = 0, kept = 0;
    for (size_t i = 0; i < items->n; i++) {
        n += strncmp(items->items[i].path, DDP, strlen(DDP)) == 0;
        n_averaged += strcmp(items->items[i].path, "n_averaged") == 0;
    }
    if (n == 0 || n + n_averaged != items->n)
        return 0;
    for (size_t i = 0; i < items->n; i++) {
        struct wfs_item item = items->items[i];
        if (strcmp(item.path, "n_averaged") == 0) {
            wfs_report(sink, WFS_DROPPED, item.path, "a wrapper's counter");
            continue;
        }
        item.path += strlen(DDP);
        items->items[kept++] = item;
    }
    items->n = kept;
    wfs_report(sink, WFS_RENAMED, "module", "taken out of the front of %zu names", n);
    return 0;
}

static bool is_below(const char *path, const char *component)
{
    size_t len = strlen(component);
    return strncmp(path, component, len) == 0 && path[len] == WFS_SEP;
}

bool wfs_are_below(const struct wfs_table *items, const char *component)
{
    for (size_t i = 0; i < items->n; i++)
        if (!is_below(items->items[i].path, component))
            return false;
    return items->n > 0;
}

void wfs_take_off(struct wfs_sink *sink, struct wfs_table *items, const char *component)
{
    for (size_t i = 0; i < items->n; i++)
        items->items[i].path += strlen(component) + 1;
    wfs_report(sink, WFS_RENAMED, component, "taken out of the front of %zu names", items->n);
}

int wfs_unwrap(const struct wfs_mapper *mapper, struct wfs_sink *sink, struct wfs_table *items)
{
    size_t n = 0;
    for (size_t i = 0; i < items->n; i++) {
        if (!has_wrapper(items->items[i].path))
            continue;
        const char *path = without_wrappers(mapper->arena, items->items[i].path);
        if (!path)
            return wfs_error_nomem(sink->err, "names");
        if (n++ == 0)
            wfs_report(sink, WFS_RENAMED, items->items[i].path,
                       "wrapper components taken out: "
                       "%s, and so on",
                       wfs_dotted(mapper->arena, path));
        items->items[i].path = path;
    }
    if (n)
        wfs_report(sink, WFS_NOTE, "", "wrapper components taken out of %zu names", n);
    return unwrap_module(sink, items);
}
