/*
 * keep.c - what happens to an item that no rule takes.
 */
#include "mapping/apply/keep.h"

#include <string.h>

/* A name that a rename gave is not in the file: two tensors may have it. */
static void report_kept(struct wfs_apply *ap, uint32_t index, const char *path)
{
    const struct wfs_item *item = &ap->world.items->items[index];
    const char *was = ap->unrenamed.items->items[index].path;
    if (strcmp(was, item->path) == 0)
        wfs_report(ap->sink, WFS_UNEXPECTED, path,
                   "no rule of %s takes it: it keeps its name and bytes", ap->set->name);
    else
        wfs_report(ap->sink, WFS_UNEXPECTED, path,
                   "no rule of %s takes it: %s keeps the name that %s:%u gave it, and its bytes",
                   ap->set->name, wfs_dotted(ap->mapper->arena, was), item->named_by->where,
                   item->named_by->pos.col);
}

static int keep(struct wfs_apply *ap, uint32_t index)
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
        report_kept(ap, index, item.path);
    }
    return wfs_table_add(&ap->out, &item, ap->sink->err);
}

int wfs_apply_keep(struct wfs_apply *ap, uint32_t index)
{
    const struct wfs_item *item = &ap->world.items->items[index];
    if (item->packed || item->status == WFS_PACKED || ap->set->unmatched == WFS_UNMATCHED_KEEP)
        return keep(ap, index);
    if (ap->set->unmatched == WFS_UNMATCHED_ERROR)
        return wfs_error_set(ap->sink->err, EINVAL, "%s: no rule takes %s", ap->set->name,
                             wfs_dotted(ap->mapper->arena, item->path));
    wfs_report(ap->sink, WFS_DROPPED, item->path, "no rule of %s takes it", ap->set->name);
    return 0;
}

bool wfs_apply_forgives(struct wfs_apply *ap, int r)
{
    if (r != -EINVAL || !ap->options->is_lenient)
        return false;
    *ap->sink->err = (struct wfs_error){0};
    return true;
}
