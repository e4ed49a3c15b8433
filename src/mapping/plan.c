/*
 * plan.c - plans: the identity plan of source/, and a view by its chain of rule sets.
 */
#include "mapping/plan.h"

#include <stdlib.h>
#include <string.h>

#include "mapping/apply/apply.h"
#include "mapping/assemble.h"
#include "mapping/items/cast.h"
#include "mapping/chain/chain.h"
#include "mapping/chain/convention.h"
#include "mapping/fit.h"
#include "mapping/items/intake.h"
#include "mapping/apply/namespace.h"
#include "mapping/items/packed.h"
#include "mapping/chain/pair.h"
#include "mapping/chain/program.h"
#include "mapping/chain/prove.h"
#include "mapping/roles/roles.h"
#include "mapping/schemes/schemes.h"

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
static int keep_entries(const struct wfs_sink *sink, struct wfs_plan *plan)
{
    size_t n = sink->n_entries;
    struct wfs_report_entry *entries =
        sink->failed || wfs_arena_has_failed(plan->arena)
            ? NULL
            : wfs_arena_memdup(plan->arena, n ? (const void *)sink->entries : "",
                               n ? n * sizeof(*entries) : 1);
    if (!entries)
        return wfs_error_nomem(sink->err, "report");
    plan->entries = entries;
    plan->n_entries = (uint32_t)n;
    for (size_t i = 0; i < n; i++)
        if (entries[i].status != WFS_UNEXPECTED)
            plan->n_by_status[entries[i].status]++;
    return 0;
}

/* The loader files of a convention (NULL: none is known): safetensors and its own; of source/ `npz` too,
 * and the convention's own where the names carry its tag, since GGUF's file is more than its tensors.
 * NULL: out of memory. */
static const char *const *loader_files(struct wfs_arena *arena, const struct wfs_convention *c,
                                       bool is_source)
{
    const char **files = wfs_arena_array(arena, 4, sizeof(*files));
    size_t n = 0;
    if (!files)
        return NULL;
    files[n++] = "safetensors";
    if (is_source)
        files[n++] = "npz";
    if (c && c->loader_file && (!is_source || c->format_tag))
        files[n++] = c->loader_file;
    return files;
}

/* What joins the names in loader files; names that have that character already stay as they are. */
static char file_sep(const struct wfs_plan *plan, const struct wfs_convention *c)
{
    if (!c || !c->file_sep)
        return plan->sep;
    for (uint32_t i = 0; i < plan->n_targets; i++)
        if (strchr(plan->targets[i].path, c->file_sep))
            return plan->sep;
    return c->file_sep;
}

static int describe_source(const struct wfs_catalog *catalog, struct wfs_plan *plan,
                           struct wfs_error *err)
{
    const char *name;
    int r = wfs_convention_of(catalog, &name, err);
    if (r)
        return r;
    const struct wfs_convention *c = wfs_convention_find(name);
    /* Only names that a loader reads as they are carry its tag. */
    bool is_loadable = c && c->loader_file && c->format_tag;
    plan->view = plan->chain = "source";
    plan->sep = catalog->sep;
    plan->file_sep = file_sep(plan, c);
    plan->is_source = true;
    plan->files = loader_files(plan->arena, c, true);
    plan->format_tag = is_loadable ? c->format_tag : "weightfs-source";
    return plan->files ? 0 : wfs_error_nomem(err, "plan");
}

int wfs_plan_source(const struct wfs_catalog *catalog, struct wfs_plan **ret, struct wfs_error *err)
{
    struct wfs_plan *plan = new_plan(err);
    if (!plan)
        return -ENOMEM;
    struct wfs_catalog whole = *catalog;
    struct wfs_mapper mapper = {.arena = plan->arena, .catalog = &whole};
    struct wfs_sink sink = {.arena = plan->arena, .err = err};
    struct wfs_table items = {0};
    whole.n_roots = 0;
    int r = wfs_intake(plan->arena, &whole, &items, err);
    for (size_t i = 0; i < items.n; i++)
        if (items.items[i].packed)
            items.items[i].status = WFS_PACKED;
    if (!r)
        r = wfs_assemble(&mapper, &sink, &items, plan);
    free(items.items);
    if (!r)
        r = keep_entries(&sink, plan);
    if (!r)
        r = describe_source(catalog, plan, err);
    free(sink.entries);
    if (r) {
        wfs_plan_free(plan);
        return r;
    }
    *ret = plan;
    return 0;
}

/* ---- views --------------------------------------------------------------------------------- */

/* One view on its way. */
struct planning {
    struct wfs_mapper mapper;
    struct wfs_sink sink;
    const struct wfs_watch *watch; /* or NULL */
    struct wfs_chain chain;
    bool is_dequantised;
};

static bool is_named(const char *name, const char *wanted)
{
    return name && strcmp(name, wanted) == 0;
}

/* The view's directory: what stands before '=', or the name; a rule file's own. */
static const char *view_name(const struct wfs_mapper *mapper, const struct wfs_set *last)
{
    const char *name = mapper->options->name;
    if (!name)
        return last ? last->name : "view";
    return wfs_arena_strndup(mapper->arena, name, strcspn(name, "="));
}

/* Whose loader the view is for: what a set does not say follows from its `to`. */
/* Whose names the view makes: the last set's, or where it names nothing anew, the source's. */
static int made_convention(const struct planning *p, const char **ret)
{
    const struct wfs_set *last = p->chain.last;
    *ret = last ? last->to : NULL;
    if (!last || !is_named(last->program, "dequantized"))
        return 0;
    return wfs_convention_of(p->mapper.catalog, ret, p->sink.err);
}

static int describe_set(const struct planning *p, struct wfs_plan *plan)
{
    const struct wfs_set *last = p->chain.last;
    const struct wfs_convention *c = wfs_convention_find(plan->convention);
    plan->files = last && last->files ? last->files : loader_files(plan->arena, c, false);
    if (last && last->format)
        plan->format_tag = last->format;
    else if (c && c->format_tag)
        plan->format_tag = c->format_tag;
    else
        plan->format_tag = wfs_arena_printf(plan->arena, "weightfs-%s", plan->view);
    return plan->files && plan->format_tag ? 0 : wfs_error_nomem(p->sink.err, "plan");
}

/* -o set= and outtype=, for the files of whole models. */
static int keep_settings(const struct planning *p, struct wfs_plan *plan)
{
    const struct wfs_view_options *options = p->mapper.options;
    size_t n = 0;
    while (options->set && options->set[n])
        n++;
    const char **set = wfs_arena_array(plan->arena, n + 1, sizeof(*set));
    if (!set)
        return wfs_error_nomem(p->sink.err, "plan");
    for (size_t i = 0; i < n; i++)
        if (!(set[i] = wfs_arena_strdup(plan->arena, options->set[i])))
            return wfs_error_nomem(p->sink.err, "plan");
    plan->set = set;
    plan->narrow = options->narrow;
    if (!options->outtype)
        return 0;
    if (!plan->convention || strcmp(plan->convention, "gguf") != 0)
        return wfs_error_set(p->sink.err, EINVAL, "view %s has no GGUF file: outtype=%s is of none",
                             plan->view, options->outtype);
    plan->outtype = wfs_arena_strdup(plan->arena, options->outtype);
    return plan->outtype ? 0 : wfs_error_nomem(p->sink.err, "plan");
}

static int describe(const struct planning *p, struct wfs_plan *plan)
{
    const struct wfs_set *last = p->chain.last;
    int r = made_convention(p, &plan->convention);
    if (r)
        return r;
    plan->is_dequantised = p->is_dequantised;
    plan->view = view_name(&p->mapper, last);
    plan->chain = p->chain.text[0] ? p->chain.text : "identity";
    plan->sep = plan->file_sep = last ? last->target.sep : '.';
    r = plan->view ? describe_set(p, plan) : wfs_error_nomem(p->sink.err, "plan");
    return r ? r : keep_settings(p, plan);
}

static int run_program(struct planning *p, const struct wfs_mapper *mapper,
                       const struct wfs_set *set, const struct wfs_table *items,
                       struct wfs_table *ret)
{
    const struct wfs_program *program;
    int r = wfs_program_find(set, &program, p->sink.err);
    if (!r)
        r = program->run(mapper, &p->sink, items, ret);
    return r || !p->watch ? r : p->watch->fn(p->watch->user, set, NULL);
}

/* Quantised weights by their values, but those whose codes the set reads. */
static int show_values(struct planning *p, const struct wfs_mapper *mapper,
                       const struct wfs_set *set, struct wfs_table *items)
{
    size_t n = 0;
    int r = wfs_mark_packed(mapper, &p->sink, items);
    if (!r && !mapper->options->packed)
        r = wfs_dequantise(mapper, &p->sink, set, items, &n);
    p->is_dequantised |= n > 0;
    if (!r && n == 0 && mapper->options->is_default && is_named(set->program, "dequantized"))
        r = wfs_error_set(p->sink.err, EOPNOTSUPP, "no weight is quantised");
    return r;
}

/* One set, with what comes before and after it. */
static int run_set(struct planning *p, const struct wfs_mapper *mapper, const struct wfs_set *set,
                   struct wfs_table *items, struct wfs_table *ret)
{
    bool is_last = set == p->chain.sets[p->chain.n - 1];
    bool is_own = p->chain.own && (set == p->chain.own || set->inverse_of == p->chain.own);
    struct wfs_apply_options options = {.is_last = is_last,
                                        .is_default = is_last && p->mapper.options->is_default,
                                        .keeps_failed = !is_own,
                                        .watch = p->watch};
    if (set->program)
        return run_program(p, mapper, set, items, ret);
    int r = wfs_mark_roles(mapper, &p->sink, set, items);
    if (!r && is_last)
        r = wfs_pair(mapper, &p->sink, set, items);
    if (!r)
        r = wfs_apply(mapper, &p->sink, set, &options, items, ret);
    if (!r && set->is_inverse)
        r = wfs_inverse_prove(mapper, &p->sink, set, items, ret);
    return r;
}

static int run_chain(struct planning *p, const struct wfs_mapper *mapper, struct wfs_table *items)
{
    const struct wfs_chain *chain = &p->chain;
    int r = chain->n ? wfs_split_slashes(mapper, chain->sets[0], items, p->sink.err) : 0;
    for (uint32_t i = 0; !r && i < chain->n; i++) {
        struct wfs_table out = {0};
        r = show_values(p, mapper, chain->sets[i], items);
        if (!r && i == 0)
            wfs_report_packed(&p->sink, items);
        if (!r)
            r = run_set(p, mapper, chain->sets[i], items, &out);
        free(items->items);
        *items = out;
    }
    for (size_t i = 0; !r && i < items->n; i++) /* whatever a later set made of it */
        if (items->items[i].unexpected && items->items[i].status == WFS_MAPPED)
            items->items[i].status = WFS_UNEXPECTED;
    return r;
}

static int load_template(struct planning *p)
{
    const char *path = p->mapper.options->template_path;
    char sep = p->chain.last ? p->chain.last->target.sep : '.';
    if (!path)
        return 0;
    int r = wfs_template_load(p->mapper.arena, path, sep, &p->mapper.template, p->sink.err);
    if (!r && p->mapper.template->is_sep_doubtful)
        wfs_report(
            &p->sink, WFS_NOTE, "",
            "the template's keys have both '.' and '/', and nothing tells which of them joins "
            "their components: '%c' is taken, as in this view",
            sep);
    return r;
}

/* Only a program takes options of the view's own. */
static int check_options(const struct planning *p)
{
    const struct wfs_view_options *options = p->mapper.options;
    for (uint32_t i = 0; i < p->chain.n; i++)
        if (p->chain.sets[i]->program)
            return 0;
    if (!options->options || !options->options[0])
        return 0;
    return wfs_error_set(p->sink.err, EINVAL, "view %s takes no option '%s'",
                         options->name ? options->name : "", options->options[0]);
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
static int map_tree(struct planning *p, const struct wfs_mapper *mapper, struct wfs_table *items)
{
    int r = wfs_intake(mapper->arena, mapper->catalog, items, p->sink.err);
    if (!r)
        r = wfs_unwrap(mapper, &p->sink, items);
    if (!r)
        r = wfs_convention_take_off(&p->sink, items);
    if (!r && p->chain.n == 0)
        r = wfs_mark_packed(mapper, &p->sink, items);
    if (!r)
        r = run_chain(p, mapper, items);
    if (!r)
        r = wfs_template_fit(mapper, &p->sink, items);
    restore_names(items);
    return r ? r : wfs_cast(mapper, &p->sink, items);
}

static uint32_t n_chosen(const struct wfs_catalog *catalog)
{
    uint32_t n = 0;
    for (uint32_t i = 0; i < catalog->n_roots; i++)
        n += catalog->roots[i].is_chosen && !catalog->roots[i].is_whole;
    return n;
}

/* One of several chosen trees: mapped as if it were the only one, then put below its own name. */
static int map_one_of(struct planning *p, uint32_t root, struct wfs_table *items)
{
    struct wfs_root only = p->mapper.catalog->roots[root];
    struct wfs_catalog one = *p->mapper.catalog;
    struct wfs_mapper mapper = p->mapper;
    struct wfs_table tree = {0};
    one.roots = &only;
    one.n_roots = 1;
    mapper.catalog = &one;
    int r = map_tree(p, &mapper, &tree);
    for (size_t i = 0; i < tree.n && !r; i++) {
        struct wfs_item item = tree.items[i];
        item.path = wfs_arena_printf(mapper.arena, "%s" WFS_SEP_STR "%s", only.path, item.path);
        r = item.path ? wfs_table_add(items, &item, p->sink.err)
                      : wfs_error_nomem(p->sink.err, "mapping");
    }
    free(tree.items);
    return r;
}

static int map_trees(struct planning *p, struct wfs_table *items)
{
    const struct wfs_catalog *catalog = p->mapper.catalog;
    if (n_chosen(catalog) < 2)
        return map_tree(p, &p->mapper, items);
    int r = 0;
    for (uint32_t i = 0; i < catalog->n_roots && !r; i++)
        if (catalog->roots[i].is_chosen && !catalog->roots[i].is_whole)
            r = map_one_of(p, i, items);
    return r;
}

static int plan_items(struct planning *p, struct wfs_table *items, struct wfs_plan *plan)
{
    struct wfs_mapper *mapper = &p->mapper;
    struct wfs_config *config;
    int r =
        wfs_config_load(mapper->arena, mapper->catalog, mapper->options->set, &config, p->sink.err);
    if (r)
        return r;
    mapper->config = config;
    r = wfs_chain_find(mapper, &p->sink, &p->chain);
    if (!r)
        r = check_options(p);
    if (!r)
        r = load_template(p);
    if (!r)
        r = map_trees(p, items);
    if (!r)
        r = describe(p, plan);
    return r ? r : wfs_assemble(mapper, &p->sink, items, plan);
}

/* Names of a GGUF file's keys, which are asked for when the file is made. */
static bool is_gguf_setting(const struct wfs_plan *plan, const char *name)
{
    static const char *const begins[] = {"gguf.", "general.", "tokenizer."};
    if (!plan->convention || strcmp(plan->convention, "gguf") != 0)
        return false;
    for (size_t i = 0; i < WFS_ARRAY_SIZE(begins); i++)
        if (strncmp(name, begins[i], strlen(begins[i])) == 0)
            return true;
    return false;
}

/* A misspelt name would settle nothing. */
static void report_unused(struct planning *p, const struct wfs_plan *plan)
{
    uint32_t at = 0;
    for (const char *name; (name = wfs_config_unused(p->mapper.config, &at));)
        if (!is_gguf_setting(plan, name))
            wfs_report(&p->sink, WFS_NOTE, "", "set=%s: nothing asked for it here", name);
}

/* strict: the first problem is the error. */
static int refuse_problems(const struct wfs_plan *plan, struct wfs_error *err)
{
    for (uint32_t i = 0; i < plan->n_entries; i++)
        if (wfs_status_is_problem(plan->entries[i].status))
            return wfs_error_set(err, EINVAL, "view %s: %s: %s: %s", plan->view,
                                 wfs_status_name(plan->entries[i].status), plan->entries[i].subject,
                                 plan->entries[i].text);
    for (uint32_t i = 0; i < plan->n_targets; i++)
        if (wfs_status_is_problem(plan->targets[i].status))
            return wfs_error_set(err, EINVAL, "view %s: %s: %s", plan->view,
                                 wfs_status_name(plan->targets[i].status),
                                 wfs_dotted(plan->arena, plan->targets[i].path));
    return 0;
}

int wfs_plan_make(const struct wfs_catalog *catalog, const struct wfs_view_options *options,
                  const struct wfs_watch *watch, struct wfs_plan **ret, struct wfs_error *err)
{
    struct wfs_error own = {0};
    struct wfs_plan *plan = new_plan(err);
    if (!plan)
        return -ENOMEM;
    struct planning p = {
        .mapper = {.arena = plan->arena, .catalog = catalog, .options = options},
        .sink = {.arena = plan->arena, .err = err ? err : &own},
        .watch = watch,
    };
    struct wfs_table items = {0};
    int r = plan_items(&p, &items, plan);
    if (!r)
        report_unused(&p, plan);
    if (!r)
        r = keep_entries(&p.sink, plan);
    if (!r && options->strict)
        r = refuse_problems(plan, p.sink.err);
    free(items.items);
    free(p.sink.entries);
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
    return wfs_plan_make(catalog, options, NULL, ret, err);
}
