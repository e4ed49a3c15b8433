/*
 * flax_roots.c - which tree of a Flax checkpoint views map. A dict of variables is one whole:
 * {"params": ..., "batch_stats": ...} are collections of one model. A train state,
 *
 *     {"params": {...}, "opt_state": {...}, "ema_params": {...}, "step": 3}
 *
 * is not: what training keeps is beside the parameters, and is noted. Its batch_stats are of the
 * model, and are mapped with the parameters.
 */
#include "source/flax/flax_roots.h"

#include <string.h>

#define FLAX_TREES_MAX 64 /* of the outermost map, looked at */

struct trees {
    uint32_t n;
    struct {
        const char *name; /* the first component of its tensors' paths */
        uint32_t first, n_tensors;
    } all[FLAX_TREES_MAX];
};

static char *first_component(struct wfs_arena *arena, const char *path)
{
    return wfs_arena_strndup(arena, path, strcspn(path, WFS_SEP_STR));
}

/* Groups neighbouring tensors by the first component of their paths; false where there are more
 * groups than a train state has. */
static bool find_trees(const struct wfs_catalog *catalog, struct trees *ret)
{
    for (uint32_t i = 0; i < catalog->n_tensors; i++) {
        const char *path = catalog->tensors[i].path;
        size_t len = strcspn(path, WFS_SEP_STR);
        if (ret->n && strncmp(ret->all[ret->n - 1].name, path, len) == 0 &&
            ret->all[ret->n - 1].name[len] == '\0') {
            ret->all[ret->n - 1].n_tensors++;
            continue;
        }
        if (ret->n == FLAX_TREES_MAX)
            return false;
        ret->all[ret->n].name = first_component(catalog->arena, path);
        if (!ret->all[ret->n].name)
            return false;
        ret->all[ret->n].first = i;
        ret->all[ret->n++].n_tensors = 1;
    }
    return true;
}

static uint32_t find(const struct trees *trees, const char *name)
{
    for (uint32_t i = 0; i < trees->n; i++)
        if (strcmp(trees->all[i].name, name) == 0)
            return i;
    return WFS_NO_INDEX;
}

/* The group that holds the parameters of a train state, or WFS_NO_INDEX where the tensors are no
 * train state. */
static uint32_t choose(const struct trees *trees)
{
    static const char *const parameters[] = {"params", "target"};
    static const char *const training[] = {"opt_state",  "optimizer", "state",
                                           "ema_params", "ema",       "step"};
    bool trains = false;
    for (size_t i = 0; i < WFS_ARRAY_SIZE(training); i++)
        trains = trains || find(trees, training[i]) != WFS_NO_INDEX;
    if (!trains)
        return WFS_NO_INDEX;
    for (size_t i = 0; i < WFS_ARRAY_SIZE(parameters); i++) {
        uint32_t at = find(trees, parameters[i]);
        if (at != WFS_NO_INDEX)
            return at;
    }
    return WFS_NO_INDEX;
}

int wfs_flax_settle_roots(struct wfs_catalog *catalog, const struct wfs_source_options *options,
                          struct wfs_error *err)
{
    struct trees trees = {0};
    if (catalog->is_set || (options && options->roots && options->roots[0]) ||
        !find_trees(catalog, &trees))
        return 0;
    uint32_t chosen = choose(&trees);
    if (chosen == WFS_NO_INDEX)
        return 0;
    struct wfs_root *roots = wfs_arena_array(catalog->arena, trees.n + 1, sizeof(*roots));
    if (!roots)
        return wfs_error_nomem(err, "the roots");
    roots[0] = (struct wfs_root){.path = "", .is_whole = true};
    for (uint32_t i = 0; i < trees.n; i++) {
        roots[i + 1] = (struct wfs_root){.path = trees.all[i].name, .is_chosen = i == chosen};
        for (uint32_t k = 0; k < trees.all[i].n_tensors; k++)
            catalog->tensors[trees.all[i].first + k].root = i + 1;
        if (i != chosen && !wfs_path_is_statistics_of(trees.all[i].name, trees.all[chosen].name))
            wfs_catalog_note(catalog, WFS_NOTE_INFO, trees.all[i].name,
                             "%u tensors beside %s, which views map; root=%s maps these",
                             trees.all[i].n_tensors, trees.all[chosen].name, trees.all[i].name);
    }
    catalog->roots = roots;
    catalog->n_roots = trees.n + 1;
    return 0;
}
