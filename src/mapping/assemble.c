/*
 * assemble.c - items into a plan: sorted, with unique paths.
 */
#include "mapping/assemble.h"

#include <stdlib.h>
#include <string.h>

#include "mapping/roles/names.h"

/* An item, and the how-manieth it was made. */
struct made {
    struct wfs_item item;
    uint32_t at;
};

static int compare_made(const void *pa, const void *pb)
{
    return wfs_natural_cmp(((const struct made *)pa)->item.path,
                           ((const struct made *)pb)->item.path);
}

/* "h.0.w (by flax.map:12:1)" */
static const char *describe_source(const struct wfs_mapper *mapper, const struct wfs_item *item)
{
    const char *name = item->n_sources ? mapper->catalog->tensors[item->sources[0]].name : "a fill";
    const struct wfs_rule *rule = item->named_by;
    const char *text =
        rule ? wfs_arena_printf(mapper->arena, "%s (by %s:%u)", name, rule->where, rule->pos.col)
             : name;
    return text ? text : "?";
}

/* Two sources on one target: the first keeps the name, the other gets one that is free. */
static int separate(const struct wfs_mapper *mapper, struct wfs_sink *sink, struct wfs_table *items)
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
        wfs_report(sink, WFS_COLLISION, name,
                   "two sources map to it: %s and %s; the second is shown as %s",
                   describe_source(mapper, &items->items[first]), describe_source(mapper, item),
                   item->path ? wfs_dotted(mapper->arena, item->path) : "?");
    }
    wfs_strmap_free(&taken);
    return r ? wfs_error_nomem(sink->err, "names") : 0;
}

/* Sorts the items by path; *ret_made is the place that each had before. */
static int sort_items(const struct wfs_mapper *mapper, struct wfs_sink *sink,
                      struct wfs_table *items, uint32_t **ret_made)
{
    int r = separate(mapper, sink, items);
    wfs_cleanup(wfs_freep) void *list = calloc(items->n + 1, sizeof(struct made));
    uint32_t *place = wfs_arena_array(mapper->arena, items->n + 1, sizeof(*place));
    struct made *made = list;
    if (r || !made || !place)
        return r ? r : wfs_error_nomem(sink->err, "mapping");
    for (size_t i = 0; i < items->n; i++)
        made[i] = (struct made){items->items[i], (uint32_t)i};
    if (items->n)
        qsort(made, items->n, sizeof(*made), compare_made);
    for (size_t i = 0; i < items->n; i++) {
        items->items[i] = made[i].item;
        place[i] = made[i].at;
    }
    *ret_made = place;
    return 0;
}

int wfs_assemble(const struct wfs_mapper *mapper, struct wfs_sink *sink, struct wfs_table *items,
                 struct wfs_plan *plan)
{
    uint32_t *made;
    int r = sort_items(mapper, sink, items, &made);
    struct wfs_target *targets =
        wfs_arena_array(mapper->arena, items->n ? items->n : 1, sizeof(*targets));
    if (r)
        return r;
    if (!targets)
        return wfs_error_nomem(sink->err, "mapping");
    for (size_t i = 0; i < items->n; i++) {
        const struct wfs_item *item = &items->items[i];
        const char *role = wfs_role_name(wfs_shown_role(item));
        targets[i] = (struct wfs_target){
            item->path,      item->expr,       item->status,
            item->n_sources, item->sources,    item->operations,
            item->rule,      role ? role : "", role && item->role_reason ? item->role_reason : "",
            made[i]};
        plan->n_by_status[item->status]++;
    }
    plan->n_targets = (uint32_t)items->n;
    plan->targets = targets;
    return 0;
}
