/*
 * names.c - pairing names. A Flax file may have its collections on top ("params.Dense_0.kernel") or
 * be the collection itself; both are the same parameters.
 */
#include "inspect/rows/names.h"

#include <string.h>

static const char *const collections[] = {"params.", "batch_stats.", "cache.", "intermediates."};

/* The name without its collection, where it begins with one. */
static const char *after_collection(const char *name)
{
    for (size_t i = 0; i < WFS_ARRAY_SIZE(collections); i++) {
        size_t len = strlen(collections[i]);
        if (strncmp(name, collections[i], len) == 0)
            return name + len;
    }
    return name;
}

static bool all_in_collections(const struct wfs_names_side *side)
{
    for (size_t i = 0; i < side->n; i++)
        if (after_collection(side->names[i]) == side->names[i])
            return false;
    return side->n > 0;
}

void wfs_names_free(struct wfs_names_side *side)
{
    wfs_strmap_free(&side->index);
}

/* -EEXIST where two names would become one. */
static int index_names(struct wfs_names_side *side, bool strip)
{
    for (size_t i = 0; i < side->n; i++) {
        side->keys[i] = strip ? after_collection(side->names[i]) : side->names[i];
        int r = wfs_strmap_add(&side->index, side->keys[i], i);
        if (r == -ENOMEM || (r && strip))
            return r;
    }
    return 0;
}

static int prepare(struct wfs_arena *arena, struct wfs_names_side *side, bool strip,
                   struct wfs_error *err)
{
    side->keys = wfs_arena_array(arena, side->n + 1, sizeof(*side->keys));
    if (!side->keys)
        return wfs_error_nomem(err, "names");
    int r = index_names(side, strip);
    if (r == -EEXIST) {
        wfs_strmap_free(&side->index);
        side->index = (struct wfs_strmap){0};
        r = index_names(side, false);
    }
    return r ? wfs_error_nomem(err, "names") : 0;
}

int wfs_names_pair(struct wfs_arena *arena, struct wfs_names_side *a, struct wfs_names_side *b,
                   struct wfs_error *err)
{
    bool in_a = all_in_collections(a), in_b = all_in_collections(b);
    int r = prepare(arena, a, in_a && !in_b, err);
    return r ? r : prepare(arena, b, in_b && !in_a, err);
}
