/*
 * rows.c - what the looking verbs look at: the tensors of a plan below one root, filtered, in
 * natural order, with sharding and (when asked) a weight-decay mask.
 */
#include <fnmatch.h>
#include <stdlib.h>
#include <string.h>

#include "inspect/mask.h"
#include "weightfs/inspect.h"

/* The parameters of a train state lie below the first of these that is beside other trees. */
static const char *const parameter_roots[] = {"params", "state_dict", "model_state_dict",
                                              "model",  "module",     "net"};

void wfs_inspect_rows_free(struct wfs_inspect_rows *rows)
{
    if (rows)
        wfs_arena_free(rows->arena);
}

void wfs_inspect_rows_freep(struct wfs_inspect_rows **rows)
{
    wfs_inspect_rows_free(*rows);
}

/* ---- the root -----------------------------------------------------------------------------------
 */

/* What follows `root` and a separator in path; NULL where path is not below root. */
static const char *below(const char *path, const char *root)
{
    size_t len = strlen(root);
    if (len == 0)
        return path;
    return strncmp(path, root, len) == 0 && path[len] == WFS_SEP ? path + len + 1 : NULL;
}

static bool any_below(const struct wfs_plan *plan, const char *root)
{
    for (uint32_t i = 0; i < plan->n_targets; i++)
        if (below(plan->targets[i].path, root))
            return true;
    return false;
}

static bool any_optimizer_state(const struct wfs_plan *plan)
{
    return any_below(plan, "opt_state") || any_below(plan, "optimizer") ||
           any_below(plan, "optimizer_state_dict") || any_below(plan, "optimizer_states") ||
           any_below(plan, "ema") || any_below(plan, "batch_stats");
}

/* As a path. A train state is told by what lies beside its parameters. */
static int choose_root(const struct wfs_plan *plan, const char *asked, struct wfs_arena *arena,
                       const char **ret, struct wfs_error *err)
{
    *ret = "";
    if (asked) {
        *ret = wfs_path_from_name(arena, asked, '.');
        if (!*ret)
            return wfs_error_nomem(err, "a root");
        if (!any_below(plan, *ret))
            return wfs_error_set(err, EINVAL, "there is no tensor below the root '%s'", asked);
        return 0;
    }
    if (!any_optimizer_state(plan))
        return 0;
    for (size_t i = 0; i < WFS_ARRAY_SIZE(parameter_roots); i++) {
        if (any_below(plan, parameter_roots[i])) {
            *ret = parameter_roots[i];
            return 0;
        }
    }
    return 0;
}

/* ---- rows
 * ----------------------------------------------------------------------------------------- */

static bool is_wanted(const char *name, const char *const *globs)
{
    if (!globs || !globs[0])
        return true;
    for (; *globs; globs++)
        if (fnmatch(*globs, name, 0) == 0)
            return true;
    return false;
}

/* A target made of one sharded tensor shows that tensor's sharding; its axis only where no
 * operation has moved it. */
static void set_sharding(const struct wfs_catalog *catalog, const struct wfs_target *target,
                         struct wfs_inspect_row *row)
{
    row->shard_axis = -1;
    row->n_shards = 1;
    if (target->n_sources != 1 || *target->operations)
        return;
    const struct wfs_tensor *t = &catalog->tensors[target->sources[0]];
    row->shard_axis = t->shard_axis;
    row->n_shards = t->n_shards;
    row->axes = t->axes;
}

static int add_row(struct wfs_inspect_rows *rows, const struct wfs_catalog *catalog,
                   const struct wfs_plan *plan, const struct wfs_target *target,
                   const struct wfs_inspect_options *options, struct wfs_error *err)
{
    const char *path = below(target->path, rows->root);
    char *name = path ? wfs_path_join_dup(rows->arena, path, plan->sep) : NULL;
    if (path && !name)
        return wfs_error_nomem(err, "a table");
    if (!path || !is_wanted(name, options->globs))
        return 0;
    struct wfs_inspect_row *row = &rows->rows[rows->n++];
    *row = (struct wfs_inspect_row){
        .name = name, .path = path, .target = target, .expr = target->expr, .weight_decay = -1};
    set_sharding(catalog, target, row);
    return 0;
}

static int by_name(const void *a, const void *b)
{
    const struct wfs_inspect_row *x = a, *y = b;
    return wfs_natural_cmp(x->path, y->path);
}

int wfs_inspect_rows(const struct wfs_catalog *catalog, const struct wfs_plan *plan,
                     const struct wfs_inspect_options *options, struct wfs_inspect_rows **ret,
                     struct wfs_error *err)
{
    struct wfs_arena *arena wfs_cleanup(wfs_arena_freep) = wfs_arena_new();
    struct wfs_inspect_rows *rows = arena ? wfs_arena_alloc(arena, sizeof(*rows)) : NULL;
    if (!rows)
        return wfs_error_nomem(err, "a table");
    rows->arena = arena;
    rows->rows = wfs_arena_array(arena, plan->n_targets ? plan->n_targets : 1, sizeof(*rows->rows));
    if (!rows->rows)
        return wfs_error_nomem(err, "a table");
    int r = choose_root(plan, options->root, arena, &rows->root, err);
    for (uint32_t i = 0; i < plan->n_targets && !r; i++)
        r = add_row(rows, catalog, plan, &plan->targets[i], options, err);
    if (r)
        return r;
    qsort(rows->rows, rows->n, sizeof(*rows->rows), by_name);
    r = wfs_mask_apply(rows, options->exclude, options->include, err);
    if (r)
        return r;
    *ret = rows;
    wfs_steal(&arena);
    return 0;
}
