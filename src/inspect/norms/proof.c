/*
 * proof.c - casts to a type of smaller range that the statistics in the index prove harmless. A
 * plan is made of metadata alone, and says that such a cast may overflow; what an earlier
 * `weightfs norms` learnt of the same bytes settles it.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "inspect/inspect.h"

void wfs_inspect_cache_options(const struct wfs_catalog *catalog, struct wfs_arena *arena,
                               struct wfs_cache_options *ret)
{
    struct wfs_cache_file *files = wfs_arena_array(arena, catalog->n_files + 1, sizeof(*files));
    ret->n_files = 0;
    for (uint32_t i = 0; files && i < catalog->n_files; i++) {
        const struct wfs_file_info *info = wfs_bytes_file_info(catalog->files[i].bytes);
        if (info)
            files[ret->n_files++] = (struct wfs_cache_file){catalog->files[i].path, info->identity};
    }
    ret->files = files;
    ret->source = catalog->source;
    ret->id = catalog->id;
    ret->is_network = catalog->is_network;
}

/* ---- the statistics ------------------------------------------------------------------------ */

/* Of every tensor of the catalog, where the index has them. */
struct known {
    struct wfs_stats *stats;
    bool *known;
};

static void known_free(struct known *k)
{
    free(k->stats);
    free(k->known);
}

static int look_up(const struct wfs_catalog *catalog, struct wfs_cache *cache, struct known *ret,
                   struct wfs_error *err)
{
    size_t n = (size_t)catalog->n_tensors + 1;
    struct wfs_inspect_row *list wfs_cleanup(wfs_freep) = calloc(n, sizeof(*list));
    struct wfs_inspect_rows rows = {.n = catalog->n_tensors, .rows = list};
    struct wfs_inspect_run run = {.cache = cache};
    ret->stats = calloc(n, sizeof(*ret->stats));
    ret->known = calloc(n, sizeof(*ret->known));
    if (!list || !ret->stats || !ret->known)
        return wfs_error_nomem(err, "statistics");
    for (uint32_t i = 0; i < catalog->n_tensors; i++)
        list[i].expr = catalog->tensors[i].expr;
    return wfs_inspect_stats(&rows, &run, true, ret->stats, ret->known, err);
}

/* The path of an index that is there; NULL: there is none. Caller frees. */
static char *existing_index(const struct wfs_catalog *catalog,
                            const struct wfs_cache_options *cache)
{
    if (cache->index_path && strcmp(cache->index_path, "none") == 0)
        return NULL;
    char *path wfs_cleanup(wfs_freep) =
        cache->index_path ? strdup(cache->index_path) : wfs_index_default_path(&catalog->id, NULL);
    return path && access(path, R_OK) == 0 ? wfs_steal(&path) : NULL;
}

/* ---- proofs -------------------------------------------------------------------------------- */

static bool is_within(const struct wfs_stats *s, double max)
{
    return s->n == s->n_nan || (s->n_inf == 0 && fabs(s->min) <= max && fabs(s->max) <= max);
}

static bool is_proven(const struct wfs_narrowing *cast, const struct known *k)
{
    double max = wfs_dtype_max(cast->to);
    bool proven = wfs_expr_only_moves(cast->expr);
    for (uint32_t i = 0; i < cast->n_sources; i++)
        proven =
            proven && k->known[cast->sources[i]] && is_within(&k->stats[cast->sources[i]], max);
    return proven;
}

static int settle(struct wfs_plan *plan, const struct known *k, struct wfs_error *err)
{
    for (uint32_t i = 0; i < plan->n_entries; i++) {
        struct wfs_report_entry *e = &plan->entries[i];
        if (e->status != WFS_NARROWED || !e->narrowing || !is_proven(e->narrowing, k))
            continue;
        e->status = WFS_INEXACT;
        e->text = wfs_arena_printf(
            plan->arena,
            "%s -> %s: values are rounded; none is beyond its range (the index's statistics)",
            wfs_dtype_info(e->narrowing->expr->dtype)->name,
            wfs_dtype_info(e->narrowing->to)->name);
        if (!e->text)
            return wfs_error_nomem(err, "a report");
        plan->n_by_status[WFS_NARROWED]--;
        plan->n_by_status[WFS_INEXACT]++;
    }
    return 0;
}

int wfs_prove_casts(const struct wfs_catalog *catalog, struct wfs_plan *const *plans,
                    uint32_t n_plans, const struct wfs_cache_options *cache, struct wfs_error *err)
{
    struct known k wfs_cleanup(known_free) = {0};
    struct wfs_cache *index wfs_cleanup(wfs_cache_freep) = NULL;
    struct wfs_arena *arena wfs_cleanup(wfs_arena_freep) = NULL;
    char *path wfs_cleanup(wfs_freep) = NULL;
    uint64_t n_narrowed = 0;
    for (uint32_t i = 0; i < n_plans; i++)
        n_narrowed += plans[i]->n_by_status[WFS_NARROWED];
    if (n_narrowed == 0 || !(path = existing_index(catalog, cache)))
        return 0;
    struct wfs_cache_options options = *cache;
    if (!(arena = wfs_arena_new()))
        return wfs_error_nomem(err, "statistics");
    wfs_inspect_cache_options(catalog, arena, &options);
    options.index_path = path;
    int r = wfs_cache_new(&options, &index, err);
    if (!r)
        r = look_up(catalog, index, &k, err);
    for (uint32_t i = 0; i < n_plans && !r; i++)
        r = settle(plans[i], &k, err);
    wfs_cache_freep(&index); /* its files are in the arena */
    index = NULL;
    return r;
}
