/*
 * keep.c - what happens to an item that no rule takes.
 */
#include <string.h>
#include "mapping/run.h"

/* A name that a rename gave is not in the file: two tensors may have it. */
static void report_kept(struct wfs_stage *st, uint32_t index, const char *path)
{
    const struct wfs_item *item = &st->in->items[index];
    const char *was = st->was_called ? st->was_called[index] : item->path;
    if (strcmp(was, item->path) == 0)
        wfs_report(st->mapper, WFS_UNEXPECTED, path,
                   "no rule of %s takes it: it keeps its name and bytes", st->set->name);
    else
        wfs_report(st->mapper, WFS_UNEXPECTED, path,
                   "no rule of %s takes it: %s keeps the name that %s:%u gave it, and its bytes",
                   st->set->name, wfs_dotted(st->mapper->arena, was), item->named_by->where,
                   item->named_by->pos.col);
}

static int keep(struct wfs_stage *st, uint32_t index)
{
    struct wfs_item item = st->in->items[index];
    if (item.read_from)
        item.path =
            wfs_arena_printf(st->mapper->arena, "%s" WFS_SEP_STR "%s", item.read_from, item.path);
    if (!item.path)
        return wfs_error_nomem(st->mapper->err, "names");
    if (item.packed) {
        item.status = WFS_PACKED;
    } else {
        item.status = WFS_UNEXPECTED;
        item.unexpected = true;
        report_kept(st, index, item.path);
    }
    return wfs_table_add(&st->out, &item, st->mapper->err);
}

int wfs_stage_keep(struct wfs_stage *st, uint32_t index)
{
    const struct wfs_item *item = &st->in->items[index];
    if (item->packed || item->status == WFS_PACKED || st->set->unmatched == WFS_UNMATCHED_KEEP)
        return keep(st, index);
    if (st->set->unmatched == WFS_UNMATCHED_ERROR)
        return wfs_error_set(st->mapper->err, EINVAL, "%s: no rule takes %s", st->set->name,
                             wfs_dotted(st->mapper->arena, item->path));
    wfs_report(st->mapper, WFS_DROPPED, item->path, "no rule of %s takes it", st->set->name);
    return 0;
}

bool wfs_stage_forgives(struct wfs_stage *stage, int r)
{
    if (r != -EINVAL || !stage->mapper->lenient)
        return false;
    *stage->mapper->err = (struct wfs_error){0};
    return true;
}
