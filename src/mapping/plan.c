/*
 * plan.c - plans: the identity plan of source/, and a view by its chain of rule sets.
 */
#include <stdlib.h>
#include <string.h>

#include "mapping/convolution.h"
#include "mapping/inverse.h"
#include "mapping/pair.h"

/* ---- making a plan ------------------------------------------------------------------------- */

static struct wfs_plan *new_plan(struct wfs_error *err)
{
    struct wfs_arena *arena = wfs_arena_new();
    struct wfs_plan *plan = arena ? wfs_arena_alloc(arena, sizeof(*plan)) : NULL;
    if (!plan) {
        wfs_arena_free(arena);
        wfs_error_nomem(err, "plan");
        return NULL;
    }
    plan->arena = arena;
    return plan;
}

void wfs_plan_free(struct wfs_plan *plan)
{
    if (plan)
        wfs_arena_free(plan->arena);
}

void wfs_plan_freep(struct wfs_plan **plan)
{
    wfs_plan_free(*plan);
}

/* The report's entries into the plan. An unexpected tensor is counted once, as a target. */
static int keep_entries(struct wfs_mapper *mapper, struct wfs_plan *plan)
{
    if (mapper->failed)
        return wfs_error_nomem(mapper->err, "report");
    struct wfs_report_entry *entries =
        wfs_arena_memdup(mapper->arena, mapper->n_entries ? (const void *)mapper->entries : "",
                         mapper->n_entries ? mapper->n_entries * sizeof(*entries) : 1);
    if (!entries)
        return wfs_error_nomem(mapper->err, "report");
    plan->entries = entries;
    plan->n_entries = (uint32_t)mapper->n_entries;
    for (size_t i = 0; i < mapper->n_entries; i++)
        if (entries[i].status != WFS_UNEXPECTED)
            plan->n_by_status[entries[i].status]++;
    return 0;
}

/* msgpack has no joined names; Flax's loaders want dots in every file that joins them. */
static char file_sep(const struct wfs_plan *plan, bool is_flax)
{
    for (uint32_t i = 0; is_flax && i < plan->n_targets; i++)
        if (strchr(plan->targets[i].path, '.'))
            return plan->sep;
    return is_flax ? '.' : plan->sep;
}

int wfs_plan_source(const struct wfs_catalog *catalog, struct wfs_plan **ret, struct wfs_error *err)
{
    static const char *const plain[] = {"safetensors", "npz", NULL};
    static const char *const torch[] = {"safetensors", "npz", "torch", NULL};
    static const char *const flax[] = {"safetensors", "npz", "msgpack", NULL};
    struct wfs_plan *plan = new_plan(err);
    if (!plan)
        return -ENOMEM;
    struct wfs_mapper mapper = {.arena = plan->arena, .catalog = catalog, .err = err};
    struct wfs_table items = {0};
    struct wfs_catalog whole = *catalog;
    whole.n_roots = 0;
    mapper.catalog = &whole;
    int r = wfs_items_load(&mapper, &items);
    for (size_t i = 0; i < items.n; i++)
        if (items.items[i].packed)
            items.items[i].status = WFS_PACKED;
    if (!r)
        r = wfs_assemble(&mapper, &items, plan);
    free(items.items);
    if (!r)
        r = keep_entries(&mapper, plan);
    free(mapper.entries);
    if (r) {
        wfs_plan_free(plan);
        return r;
    }
    const char *convention = wfs_convention_of(catalog, plan->arena);
    bool is_torch = convention && strcmp(convention, "torch") == 0;
    bool is_flax = convention && strcmp(convention, "flax") == 0;
    plan->view = plan->chain = "source";
    plan->sep = catalog->sep;
    plan->file_sep = file_sep(plan, is_flax);
    plan->is_source = true;
    plan->files = is_torch ? torch : is_flax ? flax : plain;
    plan->format_tag = is_torch ? "pt" : is_flax ? "flax" : "weightfs-source";
    *ret = plan;
    return 0;
}

/* ---- views --------------------------------------------------------------------------------- */

/* The view's directory: what stands before '=', or the name; a rule file's own. */
static const char *view_name(struct wfs_mapper *mapper, const struct wfs_set *last)
{
    const char *name = mapper->options->name;
    if (!name)
        return last ? last->name : "view";
    return wfs_arena_strndup(mapper->arena, name, strcspn(name, "="));
}

/* Whose loader the view is for: what a set does not say follows from its `to`. */
static int describe_set(struct wfs_mapper *mapper, const struct wfs_set *last,
                        struct wfs_plan *plan)
{
    static const char *const plain[] = {"safetensors", NULL};
    static const char *const torch[] = {"safetensors", "torch", NULL};
    static const char *const flax[] = {"safetensors", "msgpack", NULL};
    const char *to = last && last->to ? last->to : "";
    bool is_torch = strcmp(to, "torch") == 0, is_flax = strcmp(to, "flax") == 0;
    plan->files = last && last->files ? last->files : is_torch ? torch : is_flax ? flax : plain;
    if (last && last->format)
        plan->format_tag = last->format;
    else if (is_torch || is_flax)
        plan->format_tag = is_torch ? "pt" : "flax";
    else
        plan->format_tag = wfs_arena_printf(mapper->arena, "weightfs-%s", plan->view);
    return plan->format_tag ? 0 : wfs_error_nomem(mapper->err, "plan");
}

static int describe(struct wfs_mapper *mapper, const struct wfs_chain *chain,
                    const struct wfs_set *last, struct wfs_plan *plan)
{
    plan->view = view_name(mapper, last);
    plan->chain = chain->text[0] ? chain->text : "identity";
    plan->sep = plan->file_sep = last ? last->target.sep : '.';
    return plan->view ? describe_set(mapper, last, plan) : wfs_error_nomem(mapper->err, "plan");
}

static int run_chain(struct wfs_mapper *mapper, const struct wfs_chain *chain,
                     struct wfs_table *items)
{
    int r = chain->n ? wfs_split_slashes(mapper, chain->sets[0], items) : 0;
    if (r)
        return r;
    for (uint32_t i = 0; i < chain->n; i++) {
        struct wfs_table out = {0};
        if (mapper->explain)
            wfs_buf_printf(mapper->explain, "%s:\n", chain->sets[i]->name);
        bool is_last = i + 1 == chain->n;
        r = wfs_mark_convolutions(mapper, chain->sets[i], items);
        if (!r && is_last)
            r = wfs_pair(mapper, chain->sets[i], items);
        if (!r)
            r = wfs_stage_run(mapper, chain->sets[i], is_last, items, &out);
        if (!r && chain->sets[i]->is_inverse)
            r = wfs_inverse_prove(mapper, chain->sets[i], items, &out);
        free(items->items);
        *items = out;
        if (r)
            return r;
    }
    for (size_t i = 0; i < items->n; i++) /* whatever a later set made of it */
        if (items->items[i].unexpected && items->items[i].status == WFS_MAPPED)
            items->items[i].status = WFS_UNEXPECTED;
    return 0;
}

static int load_template(struct wfs_mapper *mapper, const struct wfs_chain *chain)
{
    const char *path = mapper->options->template_path;
    char sep = chain->last ? chain->last->target.sep : '.';
    if (!path)
        return 0;
    return wfs_template_load(mapper->arena, path, sep, &mapper->template, mapper->err);
}

/* Only a program takes options of the view's own. */
static int check_options(struct wfs_mapper *mapper, const struct wfs_chain *chain)
{
    const char *const *own = mapper->options->options;
    for (uint32_t i = 0; i < chain->n; i++)
        if (chain->sets[i]->program)
            return 0;
    if (!own || !own[0])
        return 0;
    return wfs_error_set(mapper->err, EINVAL, "view %s takes no option '%s'",
                         mapper->options->name ? mapper->options->name : "", own[0]);
}

/* What nothing took and no template has is called as the file calls it. */
static void restore_names(struct wfs_table *items)
{
    for (size_t i = 0; i < items->n; i++) {
        struct wfs_item *item = &items->items[i];
        bool kept = item->status == WFS_UNEXPECTED || item->status == WFS_PACKED;
        if (item->as_written && kept)
            item->path = item->as_written;
    }
}

/* The chosen tree of the catalog, from its items to the view's. */
static int map_tree(struct wfs_mapper *mapper, const struct wfs_chain *chain,
                    struct wfs_table *items)
{
    int r = wfs_items_load(mapper, items);
    if (!r)
        r = wfs_unwrap(mapper, items);
    if (!r)
        r = wfs_mark_packed(mapper, items);
    if (!r)
        r = run_chain(mapper, chain, items);
    if (!r)
        r = wfs_template_fit(mapper, items);
    restore_names(items);
    return r ? r : wfs_cast(mapper, items);
}

static uint32_t n_chosen(const struct wfs_catalog *catalog)
{
    uint32_t n = 0;
    for (uint32_t i = 0; i < catalog->n_roots; i++)
        n += catalog->roots[i].is_chosen && !catalog->roots[i].is_whole;
    return n;
}

/* One of several chosen trees: mapped as if it were the only one, then put below its own name. */
static int map_one_of(struct wfs_mapper *mapper, const struct wfs_chain *chain, uint32_t root,
                      struct wfs_table *items)
{
    const struct wfs_catalog *catalog = mapper->catalog;
    struct wfs_root only = catalog->roots[root];
    struct wfs_catalog one = *catalog;
    struct wfs_table tree = {0};
    one.roots = &only;
    one.n_roots = 1;
    mapper->catalog = &one;
    int r = map_tree(mapper, chain, &tree);
    mapper->catalog = catalog;
    for (size_t i = 0; i < tree.n && !r; i++) {
        struct wfs_item item = tree.items[i];
        item.path = wfs_arena_printf(mapper->arena, "%s" WFS_SEP_STR "%s", only.path, item.path);
        r = item.path ? wfs_table_add(items, &item, mapper->err)
                      : wfs_error_nomem(mapper->err, "mapping");
    }
    free(tree.items);
    return r;
}

static int map_trees(struct wfs_mapper *mapper, const struct wfs_chain *chain,
                     struct wfs_table *items)
{
    if (n_chosen(mapper->catalog) < 2)
        return map_tree(mapper, chain, items);
    int r = 0;
    for (uint32_t i = 0; i < mapper->catalog->n_roots && !r; i++)
        if (mapper->catalog->roots[i].is_chosen && !mapper->catalog->roots[i].is_whole)
            r = map_one_of(mapper, chain, i, items);
    return r;
}

static int plan_items(struct wfs_mapper *mapper, struct wfs_table *items, struct wfs_plan *plan)
{
    struct wfs_chain chain;
    int r = wfs_config_load(mapper->arena, mapper->catalog, mapper->options->set, &mapper->config,
                            mapper->err);
    if (!r)
        r = wfs_chain_find(mapper, &chain);
    if (!r)
        r = check_options(mapper, &chain);
    if (!r)
        r = load_template(mapper, &chain);
    if (!r)
        r = map_trees(mapper, &chain, items);
    if (!r)
        r = describe(mapper, &chain, chain.last, plan);
    return r ? r : wfs_assemble(mapper, items, plan);
}

/* A misspelt name would settle nothing. */
static void report_unused(struct wfs_mapper *mapper)
{
    uint32_t at = 0;
    for (const char *name; (name = wfs_config_unused(mapper->config, &at));)
        wfs_report(mapper, WFS_NOTE, "", "set=%s: nothing asked for it here", name);
}

/* strict: the first problem is the error. */
static int refuse_problems(struct wfs_mapper *mapper, const struct wfs_plan *plan)
{
    for (uint32_t i = 0; i < plan->n_entries; i++)
        if (wfs_status_is_problem(plan->entries[i].status))
            return wfs_error_set(mapper->err, EINVAL, "view %s: %s: %s: %s", plan->view,
                                 wfs_status_name(plan->entries[i].status), plan->entries[i].subject,
                                 plan->entries[i].text);
    for (uint32_t i = 0; i < plan->n_targets; i++)
        if (wfs_status_is_problem(plan->targets[i].status))
            return wfs_error_set(mapper->err, EINVAL, "view %s: %s: %s", plan->view,
                                 wfs_status_name(plan->targets[i].status),
                                 wfs_dotted(plan->arena, plan->targets[i].path));
    return 0;
}

int wfs_plan_make(const struct wfs_catalog *catalog, const struct wfs_view_options *options,
                  struct wfs_buf *explain, const char *explain_path, struct wfs_plan **ret,
                  struct wfs_error *err)
{
    struct wfs_error own = {0};
    struct wfs_plan *plan = new_plan(err);
    if (!plan)
        return -ENOMEM;
    struct wfs_mapper mapper = {.arena = plan->arena,
                                .catalog = catalog,
                                .options = options,
                                .explain = explain,
                                .explain_name = explain_path,
                                .err = err ? err : &own};
    struct wfs_table items = {0};
    int r = plan_items(&mapper, &items, plan);
    if (!r)
        report_unused(&mapper);
    if (!r)
        r = keep_entries(&mapper, plan);
    if (!r && options->strict)
        r = refuse_problems(&mapper, plan);
    free(items.items);
    free(mapper.entries);
    if (r) {
        wfs_plan_free(plan);
        return r;
    }
    *ret = plan;
    return 0;
}

int wfs_plan_view(const struct wfs_catalog *catalog, const struct wfs_view_options *options,
                  struct wfs_plan **ret, struct wfs_error *err)
{
    return wfs_plan_make(catalog, options, NULL, NULL, ret, err);
}
