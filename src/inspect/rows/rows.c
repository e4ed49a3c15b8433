/*
 * rows.c - what table, norms, check and diff show: the tensors of a plan below one root, filtered,
 * in natural order, with sharding and (when asked) a weight-decay mask.
 */
#include "inspect/rows/rows.h"

#include <fnmatch.h>
#include <stdlib.h>
#include <string.h>

#include "inspect/rows/mask.h"

/* A checkpoint with one of the training_roots at its top is a train state; its model is below the
 * first of the model_roots that it has. */
static const char *const model_roots[] = {"params", "state_dict", "model_state_dict",
                                          "model",  "module",     "net"};
static const char *const training_roots[] = {
    "opt_state",       "optimizer",        "optim", "optimizer_state_dict",
    "optimizer_state", "optimizer_states", "ema"};

void wfs_inspect_rows_free(struct wfs_inspect_rows *rows)
{
    if (rows)
        wfs_arena_free(rows->arena);
}

void wfs_inspect_rows_freep(struct wfs_inspect_rows **rows)
{
    wfs_inspect_rows_free(*rows);
}

/* ---- the root ------------------------------------------------------------------------------ */

/* The path relative to `root`; NULL where it is not below root. */
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

static const char *first_of(const struct wfs_plan *plan, const char *const *roots, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (any_below(plan, roots[i]))
            return roots[i];
    return NULL;
}

/* The root that the reader or the user (-o root=) chose for views; NULL where none or several. */
static const char *chosen_root(const struct wfs_catalog *catalog)
{
    const char *found = NULL;
    for (uint32_t i = 0; i < catalog->n_roots; i++) {
        if (!catalog->roots[i].is_chosen)
            continue;
        if (found || catalog->roots[i].is_whole)
            return NULL;
        found = catalog->roots[i].path;
    }
    return found;
}

static const char *default_root(const struct wfs_catalog *catalog, const struct wfs_plan *plan,
                                enum wfs_root_rule rule)
{
    const char *root = plan->is_source ? chosen_root(catalog) : NULL;
    if (root && any_below(plan, root))
        return root;
    if (first_of(plan, training_roots, WFS_ARRAY_SIZE(training_roots)))
        root = first_of(plan, model_roots, WFS_ARRAY_SIZE(model_roots));
    if (root)
        return root;
    bool has_statistics = any_below(plan, "batch_stats") && any_below(plan, "params");
    return has_statistics && rule == WFS_ROOT_PARAMETERS ? "params" : "";
}

/* Finds the root that was given, joined by '.' or '/', or the default one. */
static int choose_root(const struct wfs_catalog *catalog, const struct wfs_plan *plan,
                       const struct wfs_inspect_options *options, struct wfs_arena *arena,
                       const char **ret, struct wfs_error *err)
{
    static const char separators[] = {'.', '/'};
    const char *asked = options->root;
    *ret = "";
    if (!asked)
        *ret = default_root(catalog, plan, options->rule);
    if (!asked || !*asked || strcmp(asked, ".") == 0)
        return 0;
    for (size_t i = 0; i < sizeof(separators); i++) {
        *ret = wfs_path_from_name(arena, asked, separators[i]);
        if (!*ret)
            return wfs_error_nomem(err, "a root");
        if (any_below(plan, *ret))
            return 0;
    }
    return wfs_error_set(err, EINVAL, "%s: there is no tensor below the root '%s'", catalog->source,
                         asked);
}

/* ---- rows ---------------------------------------------------------------------------------- */

void wfs_inspect_sharding(struct wfs_buf *out, const struct wfs_inspect_row *row)
{
    if (row->axes)
        wfs_buf_visible(out, row->axes);
    if (row->axes && row->n_shards > 1)
        wfs_buf_str(out, ": ");
    if (!row->axes || row->n_shards > 1)
        wfs_sharding_format(out, row->shard_axis, row->n_shards);
}

/* Tries all globs, also after one that matches, so that `matched` is right for each of them. */
bool wfs_rows_want(const struct wfs_inspect_options *options, const char *name, const char *dotted)
{
    const char *const *globs = options->globs;
    bool found = !globs || !globs[0];
    for (size_t i = 0; globs && globs[i]; i++) {
        if (fnmatch(globs[i], name, 0) != 0 && fnmatch(globs[i], dotted, 0) != 0)
            continue;
        found = true;
        if (options->matched)
            options->matched[i] = true;
    }
    return found;
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

/* The expression of the part `name` of a quantised tensor. */
static int find_part(struct wfs_arena *arena, const struct wfs_catalog *catalog,
                     const struct wfs_tensor *t, const char *name, const struct wfs_expr **ret,
                     struct wfs_error *err)
{
    char *path = wfs_arena_printf(arena, "%s" WFS_SEP_STR "%s", t->path, name);
    if (!path)
        return wfs_error_nomem(err, "a table");
    const struct wfs_tensor *part = wfs_catalog_find(catalog, path);
    *ret = part ? part->expr : NULL;
    return 0;
}

static int set_quantised(struct wfs_arena *arena, const struct wfs_catalog *catalog,
                         const struct wfs_target *target, struct wfs_inspect_row *row,
                         struct wfs_error *err)
{
    const struct wfs_tensor *t =
        target->n_sources == 1 ? &catalog->tensors[target->sources[0]] : NULL;
    if (!t || !t->quantised)
        return 0;
    row->quantised = t->quantised;
    int r = find_part(arena, catalog, t, "scales", &row->scales, err);
    return r ? r : find_part(arena, catalog, t, "zero_points", &row->zero_points, err);
}

static int add_row(struct wfs_inspect_rows *rows, const struct wfs_catalog *catalog,
                   const struct wfs_plan *plan, const struct wfs_target *target,
                   const struct wfs_inspect_options *options, struct wfs_error *err)
{
    const char *path = below(target->path, rows->root);
    rows->n_outside += path == NULL;
    if (!path)
        return 0;
    char *name = wfs_path_join_dup(rows->arena, path, plan->sep);
    char *dotted = plan->sep == '.' ? name : wfs_path_join_dup(rows->arena, path, '.');
    if (!name || !dotted)
        return wfs_error_nomem(err, "a table");
    if (!wfs_rows_want(options, name, dotted))
        return 0;
    struct wfs_inspect_row *row = &rows->rows[rows->n++];
    *row = (struct wfs_inspect_row){
        .name = name,
        .dotted = dotted,
        .path = path,
        .source = target->n_sources > 0 ? catalog->tensors[target->sources[0]].path : NULL,
        .target = target,
        .expr = target->expr,
        .weight_decay = -1};
    set_sharding(catalog, target, row);
    return set_quantised(rows->arena, catalog, target, row, err);
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
    int r = choose_root(catalog, plan, options, arena, &rows->root, err);
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
