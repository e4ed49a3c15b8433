/*
 * apply.c - one set applied to a table of items: every item goes to the rule that takes it.
 *
 * INVARIANT: no item is lost. Each is mapped, joined, dropped by a rule, aliased, or kept under its
 * own name and reported.
 */
#include "mapping/apply/apply.h"

#include <stdlib.h>
#include <string.h>

#include "mapping/apply/emit.h"
#include "mapping/apply/groups.h"
#include "mapping/apply/keep.h"
#include "mapping/apply/losses.h"
#include "mapping/eval/may.h"
#include "mapping/apply/namespace.h"
#include "mapping/apply/pick.h"

/* ---- what happens to an item --------------------------------------------------------------- */

static int take(struct wfs_apply *ap, uint32_t index, const struct wfs_pick *pick)
{
    const struct wfs_item *items = ap->world.items->items;
    switch (pick->rule->kind) {
    case WFS_RULE_DROP:
        wfs_report(ap->sink, WFS_DROPPED, items[index].path, "%s", pick->rule->where);
        return 0;
    case WFS_RULE_ALIAS:
        ap->copy_of[index] = pick->of + 1;
        wfs_report(ap->sink, WFS_ALIASED, items[index].path, "the same weights as %s",
                   wfs_dotted(ap->mapper->arena, items[pick->of].path));
        return 0;
    default:
        break;
    }
    if (pick->rule->fans_in)
        return wfs_groups_add(ap, index, pick);
    struct wfs_val val = wfs_val_of(&items[index], index, &pick->match);
    return wfs_rule_run_one(ap, pick->rule, &val);
}

static int place(struct wfs_apply *ap, uint32_t index)
{
    const char *path = ap->world.items->items[index].path;
    const char *why = wfs_apply_refusal(ap, path);
    struct wfs_pick pick;
    size_t n_out = ap->out.n;
    bool found;
    if (why)
        return wfs_apply_keep(ap, index, why);
    int r = wfs_pick_rule(ap, ap->sink, index, &pick, &found);
    if (!r && found)
        r = take(ap, index, &pick);
    if (r == -EINVAL && ap->options->keeps_failed && wfs_apply_refuse(ap, &path, 1))
        return -ENOMEM;
    return wfs_apply_forgives(ap, r, n_out) || (!r && !found) ? wfs_apply_keep(ap, index, NULL) : r;
}

static int place_all(struct wfs_apply *ap)
{
    int r = 0;
    for (size_t i = 0; !r && i < ap->world.items->n; i++)
        r = place(ap, (uint32_t)i);
    return r ? r : wfs_groups_run(ap);
}

/* A rule that fails on a tensor refuses its module, of which others may be placed already: then all
 * are placed again, but for that module. */
static int place_until_none_fails(struct wfs_apply *ap)
{
    size_t n_entries = ap->sink->n_entries, n_refused;
    int r;
    do {
        n_refused = ap->refused.n;
        ap->sink->n_entries = n_entries;
        ap->out.n = ap->n_hits = 0;
        memset(ap->copy_of, 0, ap->world.items->n * sizeof(*ap->copy_of));
        r = place_all(ap);
    } while (!r && ap->refused.n != n_refused);
    return r;
}

/* ---- fills --------------------------------------------------------------------------------- */

/* A target's path, in its collection where that is not the default one: the same path in another is
 * another target. NULL: out of memory. */
static const char *target_key(struct wfs_apply *ap, const char *collection, const char *path)
{
    const char *usual = ap->set->target.collection;
    if (!collection || (usual && strcmp(collection, usual) == 0))
        return path;
    return wfs_arena_printf(ap->world.names->arena, WFS_SEP_STR "%s" WFS_SEP_STR "%s", collection,
                            path);
}

static int add_seen(struct wfs_apply *ap, size_t index, struct wfs_strmap *seen)
{
    const struct wfs_item *item = &ap->out.items[index];
    const char *key = target_key(ap, item->collection, item->path);
    if (!key || wfs_strmap_set(seen, key, index))
        return wfs_error_nomem(ap->sink->err, "names");
    return 0;
}

/* A fill gives way to a mapping, an included one to this file's, one for a name to one for all that
 * are like it; two of a kind contradict each other. */
static void report_rival(struct wfs_apply *ap, const struct wfs_rule *rule, size_t index)
{
    const struct wfs_item *item = &ap->out.items[index];
    const struct wfs_rule *first = item->named_by;
    bool ours = first >= ap->set->rules && first < ap->set->rules + ap->set->n_rules;
    if (ours && first->kind == WFS_RULE_FILL && first != rule && first->level == rule->level &&
        first->sources.n == rule->sources.n && !rule->for_target)
        wfs_report(ap->sink, WFS_COLLISION, item->path,
                   "%s:%u fills it, and %s:%u: the first is shown", first->where, first->pos.col,
                   rule->where, rule->pos.col);
}

/* Makes one filled target, unless the target is there already. */
static int fill(struct wfs_apply *ap, const struct wfs_rule *rule, const struct wfs_match *m,
                uint32_t index, const struct wfs_item *item, struct wfs_strmap *seen)
{
    struct wfs_val val = {.m = *m, .expr = item ? item->expr : NULL, .item = index};
    const struct wfs_run run = wfs_apply_run(ap, rule);
    struct wfs_scope scope = wfs_item_scope(&run, m, item);
    bool holds;
    int r = wfs_eval_cond(&scope, rule->cond, &holds);
    if (r || !holds)
        return r;
    wfs_cleanup(wfs_buf_free) struct wfs_buf path = {0};
    const struct wfs_rule_part *target = &rule->clauses[0].part[0];
    r = wfs_render(&scope, target->name, &path);
    if (r)
        return r;
    const char *key =
        wfs_buf_ok(&path) && path.len ? target_key(ap, target->collection, path.data) : NULL;
    if (!key)
        return wfs_error_nomem(ap->sink->err, "names");
    uint64_t there;
    if (wfs_strmap_get(seen, key, &there)) {
        report_rival(ap, rule, there);
        return 0;
    }
    r = wfs_rule_run_one(ap, rule, &val);
    return r ? r : add_seen(ap, ap->out.n - 1, seen);
}

static int fill_for(struct wfs_apply *ap, const struct wfs_rule *rule, struct wfs_strmap *seen)
{
    const struct wfs_table *over = rule->for_target ? &ap->out : ap->world.items;
    size_t n = over->n;
    for (size_t i = 0; i < n; i++) {
        struct wfs_match m = {0};
        struct wfs_split split;
        int r = rule->for_target
                    ? wfs_split_path(ap->mapper->arena, over->items[i].path, &split, ap->sink->err)
                    : 0;
        if (r)
            return r;
        const struct wfs_name *pattern = rule->sources.part[0].name;
        if (!wfs_name_match(pattern, rule->caps,
                            rule->for_target ? &split : &ap->world.names->splits[i], &m))
            continue;
        struct wfs_item item = over->items[i];
        r = fill(ap, rule, &m, rule->for_target ? WFS_NO_INDEX : (uint32_t)i, &item, seen);
        if (r)
            return r;
    }
    return 0;
}

static int run_fills(struct wfs_apply *ap)
{
    struct wfs_strmap seen = {0};
    int r = 0;
    bool any = false;
    for (uint32_t i = 0; i < ap->set->n_rules; i++)
        any |= ap->set->rules[i].kind == WFS_RULE_FILL;
    for (size_t i = 0; any && !r && i < ap->out.n; i++)
        r = add_seen(ap, i, &seen);
    for (uint32_t i = 0; !r && i < ap->set->n_rules; i++) {
        const struct wfs_rule *rule = &ap->set->rules[i];
        const struct wfs_run run = wfs_apply_run(ap, rule);
        bool may_hold = false;
        if (rule->kind == WFS_RULE_FILL && wfs_apply_has(ap, rule))
            r = wfs_rule_may_hold(&run, &may_hold);
        if (r || !may_hold)
            continue;
        struct wfs_match none = {0};
        r = rule->sources.n ? fill_for(ap, rule, &seen)
                            : fill(ap, rule, &none, WFS_NO_INDEX, NULL, &seen);
    }
    wfs_strmap_free(&seen);
    return r;
}

/* ---- renames ------------------------------------------------------------------------------- */

/* Renames see the names as they were; the first that matches counts. */
static int rename_one(struct wfs_apply *ap, const struct wfs_rule *const *renames, uint32_t n,
                      uint32_t index, struct wfs_item *item)
{
    for (uint32_t i = 0; i < n; i++) {
        const struct wfs_rule *rule = renames[i];
        const struct wfs_run run = {&ap->unrenamed, ap->sink, rule};
        struct wfs_match m = {0};
        struct wfs_scope scope = wfs_item_scope(&run, &m, &ap->in.items[index]);
        wfs_cleanup(wfs_buf_free) struct wfs_buf path = {0};
        bool holds;
        if (!wfs_name_match(rule->sources.part[0].name, rule->caps, &ap->in_names.splits[index],
                            &m))
            continue;
        int r = wfs_eval_cond(&scope, rule->cond, &holds);
        if (!r && holds)
            r = wfs_render(&scope, rule->clauses[0].part[0].name, &path);
        if (r)
            return r;
        if (!holds)
            continue;
        item->path = wfs_buf_ok(&path) && path.len
                         ? wfs_arena_strndup(ap->mapper->arena, path.data, path.len)
                         : NULL;
        item->named_by = rule;
        return item->path ? 0 : wfs_error_nomem(ap->sink->err, "names");
    }
    return 0;
}

/* The items under their new names, where the set has renames. */
static int rename_items(struct wfs_apply *ap)
{
    const struct wfs_rule **renames =
        wfs_arena_array(ap->mapper->arena, ap->set->n_rules + 1, sizeof(*renames));
    uint32_t n = 0;
    if (!renames)
        return wfs_error_nomem(ap->sink->err, "names");
    for (uint32_t i = 0; i < ap->set->n_rules; i++)
        if (ap->set->rules[i].kind == WFS_RULE_RENAME && wfs_apply_has(ap, &ap->set->rules[i]))
            renames[n++] = &ap->set->rules[i];
    if (!n)
        return 0;
    int r = wfs_table_add_all(&ap->renamed, &ap->in, ap->sink->err);
    for (size_t i = 0; !r && i < ap->in.n; i++)
        r = rename_one(ap, renames, n, (uint32_t)i, &ap->renamed.items[i]);
    if (!r)
        r = wfs_name_index_fill(&ap->renamed_names, &ap->renamed, ap->sink->err);
    ap->world.items = &ap->renamed;
    ap->world.names = &ap->renamed_names;
    return r;
}

/* ---- the run ------------------------------------------------------------------------------- */

static int prepare(struct wfs_apply *ap)
{
    struct wfs_arena *arena = ap->mapper->arena;
    struct wfs_error *err = ap->sink->err;
    ap->memo.lets = wfs_arena_array(arena, ap->set->n_lets + 1, sizeof(*ap->memo.lets));
    ap->memo.let_state = wfs_arena_array(arena, ap->set->n_lets + 1, 1);
    if (!ap->memo.lets || !ap->memo.let_state)
        return wfs_error_nomem(err, "mapping");
    int r = wfs_namespace_read(ap);
    if (!r)
        r = wfs_name_index_fill(&ap->in_names, &ap->in, err);
    if (!r)
        r = rename_items(ap);
    if (!r && ap->world.template && !ap->options->is_aligned)
        r = wfs_template_align(ap->mapper->template, ap->world.items, arena, err);
    return r ? r : wfs_pick_prepare(ap);
}

/* Is this one a `default if`, and of a view that nobody named? An inverse has none. */
static bool asks_default(const struct wfs_apply *ap, uint32_t at)
{
    return ap->set->requires[at].is_default && ap->options->is_default && !ap->set->is_inverse;
}

static int refuse(const struct wfs_apply *ap, uint32_t at)
{
    const struct wfs_require *req = &ap->set->requires[at];
    bool is_unknown = false; /* required above `default if`: to show nothing is the answer */
    for (uint32_t i = at + 1; i < ap->set->n_requires; i++)
        is_unknown |= asks_default(ap, i);
    return wfs_error_set(ap->sink->err, is_unknown ? EOPNOTSUPP : EINVAL, "%s:%u:%u: %s",
                         req->pos.file, req->pos.line, req->pos.col, req->message);
}

static int check_require(struct wfs_apply *ap, uint32_t at)
{
    struct wfs_scope scope = {.run = wfs_apply_run(ap, NULL)};
    const struct wfs_require *req = &ap->set->requires[at];
    bool holds;
    int r = wfs_eval_cond(&scope, req->cond, &holds);
    if (r)
        return r;
    if (req->missing && holds && !ap->set->is_inverse)
        wfs_report(ap->sink, WFS_MISSING, req->missing, "%s", req->message);
    if (req->is_default && !holds)
        return wfs_error_set(ap->sink->err, EOPNOTSUPP, "%s:%u:%u: no default view of this source",
                             req->pos.file, req->pos.line, req->pos.col);
    return req->missing || holds ? 0 : refuse(ap, at);
}

static int check_requires(struct wfs_apply *ap)
{
    int r = 0;
    for (uint32_t i = 0; !r && i < ap->set->n_requires; i++)
        if (!ap->set->requires[i].is_default || asks_default(ap, i))
            r = check_require(ap, i);
    return r;
}

/* A set that gives modules other names: the template's prefix shows in what it makes. */
static int align_result(struct wfs_apply *ap)
{
    const struct wfs_template *t = ap->world.template;
    if (!t || ap->options->is_aligned || t->add || t->remove)
        return 0;
    return wfs_template_align(ap->mapper->template, &ap->out, ap->mapper->arena, ap->sink->err);
}

static int run(struct wfs_apply *ap)
{
    int r = prepare(ap);
    if (!r)
        r = check_requires(ap);
    if (!r && ap->set->is_inverse)
        r = wfs_inverse_report_losses(ap);
    if (!r)
        r = place_until_none_fails(ap);
    if (!r)
        r = run_fills(ap);
    if (!r)
        r = align_result(ap);
    if (!r)
        r = wfs_namespace_write(ap);
    if (!r && ap->options->watch)
        r = ap->options->watch->fn(ap->options->watch->user, ap->set, ap);
    return r;
}

int wfs_apply(const struct wfs_mapper *mapper, struct wfs_sink *sink, const struct wfs_set *set,
              const struct wfs_apply_options *options, const struct wfs_table *in,
              struct wfs_table *ret_out)
{
    struct wfs_apply ap = {.mapper = mapper, .options = options, .set = set, .sink = sink};
    ap.world = (struct wfs_world){.arena = mapper->arena,
                                  .catalog = mapper->catalog,
                                  .config = mapper->config,
                                  .template = options->is_last ? mapper->template : NULL,
                                  .set = set,
                                  .items = &ap.in,
                                  .names = &ap.in_names,
                                  .memo = &ap.memo,
                                  .zero_terms = options->zero_terms};
    ap.unrenamed = ap.world;
    int r = wfs_table_add_all(&ap.in, in, sink->err); /* names are edited while they are read */
    if (!r)
        r = run(&ap);
    free(ap.in.items);
    free(ap.renamed.items);
    wfs_name_index_free(&ap.in_names);
    wfs_name_index_free(&ap.renamed_names);
    wfs_groups_free(&ap);
    wfs_strmap_free(&ap.refused);
    if (r) {
        free(ap.out.items);
        return r;
    }
    *ret_out = ap.out;
    return 0;
}
