/*
 * keep.c - what happens to an item that no rule takes.
 */
#include "mapping/apply/keep.h"

#include <string.h>

/* A name that a rename gave is not in the file: two tensors may have it. */
static void report_kept(struct wfs_apply *ap, uint32_t index, const char *path, const char *why)
{
    const struct wfs_item *item = &ap->world.items->items[index];
    const char *was = ap->unrenamed.items->items[index].path;
    if (why)
        wfs_report(ap->sink, WFS_UNEXPECTED, path, "it keeps its name and bytes: %s", why);
    else if (strcmp(was, item->path) == 0)
        wfs_report(ap->sink, WFS_UNEXPECTED, path,
                   "no rule of %s takes it: it keeps its name and bytes", ap->set->name);
    else
        wfs_report(ap->sink, WFS_UNEXPECTED, path,
                   "no rule of %s takes it: %s keeps the name that %s:%u gave it, and its bytes",
                   ap->set->name, wfs_dotted(ap->mapper->arena, was), item->named_by->where,
                   item->named_by->pos.col);
}

static int keep(struct wfs_apply *ap, uint32_t index, const char *why)
{
    struct wfs_item item = ap->world.items->items[index];
    if (item.read_from)
        item.path =
            wfs_arena_printf(ap->mapper->arena, "%s" WFS_SEP_STR "%s", item.read_from, item.path);
    if (!item.path)
        return wfs_error_nomem(ap->sink->err, "names");
    if (item.packed) {
        item.status = WFS_PACKED;
    } else {
        item.status = WFS_UNEXPECTED;
        item.unexpected = true;
        report_kept(ap, index, item.path, why);
    }
    return wfs_table_add(&ap->out, &item, ap->sink->err);
}

int wfs_apply_keep(struct wfs_apply *ap, uint32_t index, const char *why)
{
    const struct wfs_item *item = &ap->world.items->items[index];
    bool is_dropped = ap->set->unmatched == WFS_UNMATCHED_DROP && !why;
    if (item->packed || item->status == WFS_PACKED ||
        (ap->set->unmatched != WFS_UNMATCHED_ERROR && !is_dropped))
        return keep(ap, index, why);
    if (ap->set->unmatched == WFS_UNMATCHED_ERROR)
        return wfs_error_set(ap->sink->err, EINVAL, "%s: no rule takes %s", ap->set->name,
                             wfs_dotted(ap->mapper->arena, item->path));
    wfs_report(ap->sink, WFS_DROPPED, item->path, "no rule of %s takes it", ap->set->name);
    return 0;
}

bool wfs_apply_forgives(struct wfs_apply *ap, int r, size_t n_out)
{
    if (r != -EINVAL || !(ap->options->is_lenient || ap->options->keeps_failed))
        return false;
    *ap->sink->err = (struct wfs_error){0};
    ap->out.n = n_out;
    return true;
}

/* ---- refused modules ----------------------------------------------------------------------- */

/* How much of both names is the same module's: up to a separator. */
static size_t common_len(const char *a, size_t len, const char *b)
{
    size_t common = 0;
    for (size_t i = 0; i < len && a[i] == b[i]; i++)
        if (a[i + 1] == WFS_SEP && b[i + 1] == WFS_SEP)
            common = i + 1;
    return common;
}

static int refuse(struct wfs_apply *ap, const char *module, size_t len, const char *why)
{
    const char *name = wfs_arena_strndup(ap->mapper->arena, module, len);
    if (!name || wfs_strmap_set(&ap->refused, name, (uintptr_t)why))
        return wfs_error_nomem(ap->sink->err, "names");
    return 0;
}

int wfs_apply_refuse(struct wfs_apply *ap, const char *const *paths, size_t n)
{
    const char *why = wfs_arena_strdup(ap->mapper->arena, ap->sink->err->message);
    const char *sep = strrchr(paths[0], WFS_SEP);
    size_t len = sep ? (size_t)(sep - paths[0]) : 0;
    int r = why ? 0 : wfs_error_nomem(ap->sink->err, "names");
    for (size_t i = 1; i < n; i++)
        len = common_len(paths[0], len, paths[i]);
    if (!r && len)
        return refuse(ap, paths[0], len, why);
    for (size_t i = 0; !r && i < n; i++)
        r = refuse(ap, paths[i], strlen(paths[i]), why);
    return r;
}

const char *wfs_apply_refusal(const struct wfs_apply *ap, const char *path)
{
    uint64_t why;
    char module[4096];
    size_t len = strlen(path);
    if (!ap->refused.n || len >= sizeof(module))
        return NULL;
    memcpy(module, path, len + 1);
    for (char *end = module + len; end; end = strrchr(module, WFS_SEP)) {
        *end = '\0';
        if (wfs_strmap_get(&ap->refused, module, &why))
            return (const char *)(uintptr_t)why;
    }
    return NULL;
}
