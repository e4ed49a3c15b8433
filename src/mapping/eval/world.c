/*
 * world.c - items by name: an index of their paths, and searches by pattern.
 */
#include "mapping/eval/world.h"

int wfs_name_index_fill(struct wfs_name_index *names, const struct wfs_table *items,
                        struct wfs_error *err)
{
    names->arena = wfs_arena_new();
    names->splits = names->arena ? wfs_arena_array(names->arena, items->n ? items->n : 1,
                                                   sizeof(*names->splits))
                                 : NULL;
    if (!names->splits)
        return wfs_error_nomem(err, "names");
    for (size_t i = 0; i < items->n; i++) {
        int r = wfs_split_path(names->arena, items->items[i].path, &names->splits[i], err);
        if (!r && wfs_strmap_set(&names->index, items->items[i].path, i))
            r = wfs_error_nomem(err, "names");
        if (r)
            return r;
    }
    return 0;
}

void wfs_name_index_free(struct wfs_name_index *names)
{
    wfs_strmap_free(&names->index);
    wfs_arena_free(names->arena);
    *names = (struct wfs_name_index){0};
}

/* ---- any(PATTERN) -------------------------------------------------------------------------- */

struct wfs_any {
    const struct wfs_vexpr *e;
    uint32_t item;
    struct wfs_any *next;
};

uint32_t wfs_world_find(const struct wfs_world *world, const struct wfs_name *name,
                        const struct wfs_cap *caps, struct wfs_match *match)
{
    for (size_t i = 0; i < world->items->n; i++) {
        struct wfs_match m = *match;
        if (!wfs_name_match(name, caps, &world->names->splits[i], &m))
            continue;
        *match = m;
        return (uint32_t)i;
    }
    return WFS_NO_INDEX;
}

static bool uses_bound(const struct wfs_name *name, const struct wfs_match *match)
{
    for (uint32_t s = 0; s < name->n_segments; s++)
        for (uint32_t a = 0; a < name->segments[s].n_atoms; a++) {
            const struct wfs_atom *atom = &name->segments[s].atoms[a];
            if (!atom->lit && match->b[atom->cap].set)
                return true;
        }
    return false;
}

int wfs_world_any(const struct wfs_world *world, const struct wfs_vexpr *e,
                  const struct wfs_cap *caps, const struct wfs_match *match, uint32_t *ret_item,
                  struct wfs_error *err)
{
    struct wfs_match m = *match;
    bool bound = uses_bound(e->name, match);
    for (struct wfs_any *any = bound ? NULL : world->memo->anys; any; any = any->next)
        if (any->e == e) {
            *ret_item = any->item;
            return 0;
        }
    if (!caps)
        caps = e->name->own_caps;
    uint32_t item = wfs_world_find(world, e->name, caps, &m);
    if (item == WFS_NO_INDEX && e->name->dotted)
        item = wfs_world_find(world, e->name->dotted, caps, &m);
    *ret_item = item;
    if (bound)
        return 0;
    struct wfs_any *any = wfs_arena_alloc(world->arena, sizeof(*any));
    if (!any)
        return wfs_error_nomem(err, "names");
    *any = (struct wfs_any){e, item, world->memo->anys};
    world->memo->anys = any;
    return 0;
}
