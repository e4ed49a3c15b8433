/*
 * assemble.c - items into a plan: fitted to the template, sorted, with unique paths.
 */
#include <stdlib.h>
#include <string.h>

#include "mapping/template.h"

/* ---- the template -------------------------------------------------------------------------- */

static void check_shape(struct wfs_mapper *mapper, const struct wfs_item *item,
                        const struct wfs_template_key *key)
{
    wfs_cleanup(wfs_buf_free) struct wfs_buf has = {0}, wants = {0};
    const struct wfs_expr *e = item->expr;
    if (key->has_dtype && key->dtype != e->dtype)
        wfs_report(mapper, WFS_DTYPE_CHANGED, key->path, "%s here, %s in the template: kept",
                   wfs_dtype_info(e->dtype)->name, wfs_dtype_info(key->dtype)->name);
    if (wfs_shape_equal(e->ndim, e->shape, key->ndim, key->shape))
        return;
    wfs_shape_format(&has, e->ndim, e->shape);
    wfs_shape_format(&wants, key->ndim, key->shape);
    wfs_report(mapper, WFS_SHAPE_MISMATCH, key->path, "%s here, %s in the template",
               has.data ? has.data : "", wants.data ? wants.data : "");
}

static void report_prefix(struct wfs_mapper *mapper, const struct wfs_template *t, size_t n)
{
    if (n && t->add)
        wfs_report(mapper, WFS_RENAMED, t->add, "prefix added to %zu names for the template", n);
    else if (n && t->remove)
        wfs_report(mapper, WFS_RENAMED, t->remove, "prefix removed from %zu names for the template",
                   n);
}

/* What the template has is no longer unexpected. */
static void forget_settled(struct wfs_mapper *mapper, const struct wfs_strmap *settled)
{
    size_t n = 0;
    for (size_t i = 0; i < mapper->n_entries; i++) {
        const struct wfs_report_entry *entry = &mapper->entries[i];
        if (entry->status != WFS_UNEXPECTED || !wfs_strmap_get(settled, entry->subject, NULL))
            mapper->entries[n++] = *entry;
    }
    mapper->n_entries = n;
}

static int settle(struct wfs_mapper *mapper, struct wfs_item *item, struct wfs_strmap *settled)
{
    if (item->status != WFS_UNEXPECTED)
        return 0;
    item->status = WFS_MAPPED;
    return wfs_strmap_set(settled, wfs_dotted(mapper->arena, item->path), 1);
}

static int fit_items(struct wfs_mapper *mapper, struct wfs_table *items, bool *seen,
                     struct wfs_strmap *settled)
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
            return wfs_error_nomem(mapper->err, "template");
        seen[k] = true;
        n_mended += strcmp(item->path, t->keys[k].bare) != 0;
        item->path = t->keys[k].path;
        check_shape(mapper, item, &t->keys[k]);
    }
    report_prefix(mapper, t, n_mended);
    return 0;
}

int wfs_template_fit(struct wfs_mapper *mapper, struct wfs_table *items)
{
    const struct wfs_template *t = mapper->template;
    struct wfs_strmap settled = {0};
    if (!t)
        return 0;
    bool *seen = wfs_arena_array(mapper->arena, t->n_keys + 1, sizeof(*seen));
    if (!seen)
        return wfs_error_nomem(mapper->err, "template");
    int r = fit_items(mapper, items, seen, &settled);
    forget_settled(mapper, &settled);
    wfs_strmap_free(&settled);
    if (r)
        return r;
    for (uint32_t k = 0; k < t->n_keys; k++)
        if (!seen[k])
            wfs_report(mapper, WFS_MISSING, t->keys[k].path, "nothing maps to it");
    return 0;
}

/* ---- the plan ------------------------------------------------------------------------------ */

static int compare_items(const void *pa, const void *pb)
{
    return wfs_natural_cmp(((const struct wfs_item *)pa)->path,
                           ((const struct wfs_item *)pb)->path);
}

/* "h.0.w (by flax.map:12:1)" */
static const char *describe_source(struct wfs_mapper *mapper, const struct wfs_item *item)
{
    const char *name = item->n_sources ? mapper->catalog->tensors[item->sources[0]].name : "a fill";
    const struct wfs_rule *rule = item->named_by;
    const char *text =
        rule ? wfs_arena_printf(mapper->arena, "%s (by %s:%u)", name, rule->where, rule->pos.col)
             : name;
    return text ? text : "?";
}

/* Two sources on one target: the first keeps the name, the other gets one that is free. */
static int separate(struct wfs_mapper *mapper, struct wfs_table *items)
{
    struct wfs_strmap taken = {0};
    int r = 0;
    for (size_t i = 0; !r && i < items->n; i++) {
        struct wfs_item *item = &items->items[i];
        r = wfs_strmap_add(&taken, item->path, i);
        if (r != -EEXIST)
            continue;
        const char *name = item->path;
        uint64_t first = i;
        wfs_strmap_get(&taken, name, &first);
        for (uint32_t n = 2; r == -EEXIST; n++) {
            item->path = wfs_arena_printf(mapper->arena, "%s~%u", name, n);
            r = item->path ? wfs_strmap_add(&taken, item->path, i) : -ENOMEM;
        }
        wfs_report(mapper, WFS_COLLISION, name,
                   "two sources map to it: %s and %s; the second is shown as %s",
                   describe_source(mapper, &items->items[first]), describe_source(mapper, item),
                   item->path ? wfs_dotted(mapper->arena, item->path) : "?");
    }
    wfs_strmap_free(&taken);
    return r ? wfs_error_nomem(mapper->err, "names") : 0;
}

static int sort_items(struct wfs_mapper *mapper, struct wfs_table *items)
{
    int r = separate(mapper, items);
    if (!r && items->n)
        qsort(items->items, items->n, sizeof(*items->items), compare_items);
    return r;
}

int wfs_assemble(struct wfs_mapper *mapper, struct wfs_table *items, struct wfs_plan *plan)
{
    int r = sort_items(mapper, items);
    struct wfs_target *targets =
        wfs_arena_array(mapper->arena, items->n ? items->n : 1, sizeof(*targets));
    if (r)
        return r;
    if (!targets)
        return wfs_error_nomem(mapper->err, "mapping");
    for (size_t i = 0; i < items->n; i++) {
        const struct wfs_item *item = &items->items[i];
        targets[i] =
            (struct wfs_target){item->path,    item->expr,       item->status, item->n_sources,
                                item->sources, item->operations, item->rule};
        plan->n_by_status[item->status]++;
    }
    plan->n_targets = (uint32_t)items->n;
    plan->targets = targets;
    return 0;
}
