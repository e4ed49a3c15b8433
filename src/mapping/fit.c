/*
 * fit.c - items fitted to the template: its keys' whole names, shapes, what is missing and what it
 * does not have.
 */
#include "mapping/fit.h"

#include <string.h>

static void check_shape(struct wfs_sink *sink, const struct wfs_item *item,
                        const struct wfs_template_key *key)
{
    wfs_cleanup(wfs_buf_free) struct wfs_buf has = {0}, wants = {0};
    const struct wfs_expr *e = item->expr;
    if (key->has_dtype && key->dtype != e->dtype)
        wfs_report(sink, WFS_DTYPE_CHANGED, key->path, "%s here, %s in the template: kept",
                   wfs_dtype_info(e->dtype)->name, wfs_dtype_info(key->dtype)->name);
    if (wfs_shape_equal(e->ndim, e->shape, key->ndim, key->shape))
        return;
    wfs_shape_format(&has, e->ndim, e->shape);
    wfs_shape_format(&wants, key->ndim, key->shape);
    wfs_report(sink, WFS_SHAPE_MISMATCH, key->path, "%s here, %s in the template",
               has.data ? has.data : "", wants.data ? wants.data : "");
}

static void report_prefix(struct wfs_sink *sink, const struct wfs_template *t, size_t n)
{
    if (n && t->add)
        wfs_report(sink, WFS_RENAMED, t->add, "prefix added to %zu names for the template", n);
    else if (n && t->remove)
        wfs_report(sink, WFS_RENAMED, t->remove, "prefix removed from %zu names for the template",
                   n);
}

/* What the template has is no longer unexpected. */
static void forget_settled(struct wfs_sink *sink, const struct wfs_strmap *settled)
{
    size_t n = 0;
    for (size_t i = 0; i < sink->n_entries; i++) {
        const struct wfs_report_entry *entry = &sink->entries[i];
        if (entry->status != WFS_UNEXPECTED || !wfs_strmap_get(settled, entry->subject, NULL))
            sink->entries[n++] = *entry;
    }
    sink->n_entries = n;
}

static int settle(const struct wfs_mapper *mapper, struct wfs_item *item,
                  struct wfs_strmap *settled)
{
    if (item->status != WFS_UNEXPECTED)
        return 0;
    item->status = WFS_MAPPED;
    return wfs_strmap_set(settled, wfs_dotted(mapper->arena, item->path), 1);
}

static int fit_items(const struct wfs_mapper *mapper, struct wfs_sink *sink,
                     struct wfs_table *items, bool *seen, struct wfs_strmap *settled)
{
    const struct wfs_template *t = mapper->template;
    size_t n_mended = 0;
    for (size_t i = 0; i < items->n; i++) {
        struct wfs_item *item = &items->items[i];
        uint32_t k = wfs_template_find(t, item->path);
        if (k == WFS_NO_INDEX || seen[k]) {
            if (item->status == WFS_MAPPED)
                item->status = WFS_UNEXPECTED;
            continue;
        }
        if (settle(mapper, item, settled))
            return wfs_error_nomem(sink->err, "template");
        seen[k] = true;
        n_mended += strcmp(item->path, t->keys[k].bare) != 0;
        item->path = t->keys[k].path;
        check_shape(sink, item, &t->keys[k]);
    }
    report_prefix(sink, t, n_mended);
    return 0;
}

int wfs_template_fit(const struct wfs_mapper *mapper, struct wfs_sink *sink,
                     struct wfs_table *items)
{
    const struct wfs_template *t = mapper->template;
    struct wfs_strmap settled = {0};
    if (!t)
        return 0;
    bool *seen = wfs_arena_array(mapper->arena, t->n_keys + 1, sizeof(*seen));
    if (!seen)
        return wfs_error_nomem(sink->err, "template");
    int r = fit_items(mapper, sink, items, seen, &settled);
    forget_settled(sink, &settled);
    wfs_strmap_free(&settled);
    if (r)
        return r;
    for (uint32_t k = 0; k < t->n_keys; k++)
        if (!seen[k])
            wfs_report(sink, WFS_MISSING, t->keys[k].path, "nothing maps to it");
    return 0;
}
