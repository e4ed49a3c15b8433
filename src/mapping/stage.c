/*
 * stage.c - one set applied to a table of items: every item goes to the rule that takes it.
 *
 * INVARIANT: no item is lost. Each is mapped, joined, dropped by a rule, aliased, or kept under its
 * own name and reported.
 */
#include <stdlib.h>
#include <string.h>

#include "mapping/explain.h"
#include "mapping/inverse.h"
#include "mapping/pick.h"
#include "mapping/run.h"
#include "mapping/xlstm.h"

/* ---- what happens to an item --------------------------------------------------------------- */

static int take(struct wfs_stage *st, uint32_t index, const struct wfs_pick *pick)
{
    const struct wfs_item *item = &st->in->items[index];
    switch (pick->rule->kind) {
    case WFS_RULE_DROP:
        wfs_report(st->mapper, WFS_DROPPED, item->path, "%s", pick->rule->where);
        return 0;
    case WFS_RULE_ALIAS:
        st->copy_of[index] = pick->of + 1;
        wfs_report(st->mapper, WFS_ALIASED, item->path, "the same weights as %s",
                   wfs_dotted(st->mapper->arena, st->in->items[pick->of].path));
        return 0;
    default:
        break;
    }
    if (pick->rule->fans_in)
        return wfs_groups_add(st, index, pick);
    struct wfs_val val = {.m = pick->match,
                          .expr = item->expr,
                          .item = index,
                          .n_sources = item->n_sources,
                          .sources = item->sources};
    return wfs_rule_run_one(st, pick->rule, &val);
}

static int place(struct wfs_stage *st, uint32_t index)
{
    struct wfs_pick pick;
    bool found;
    int r = wfs_pick_rule(st, index, &pick, &found);
    if (wfs_stage_forgives(st, r))
        return wfs_stage_keep(st, index);
    if (r)
        return r;
    if (wfs_is_explained(st->mapper, &st->in->items[index]))
        wfs_explain_rules(st, index, found ? &pick : NULL);
    if (!found)
        return wfs_stage_keep(st, index);
    r = take(st, index, &pick);
    return wfs_stage_forgives(st, r) ? wfs_stage_keep(st, index) : r;
}

/* ---- fills --------------------------------------------------------------------------------- */

/* A target's path, in its collection where that is not the default one: the same path in another is
 * another target. NULL: out of memory. */
static const char *target_key(struct wfs_stage *st, const char *collection, const char *path)
{
    const char *usual = st->set->target.collection;
    if (!collection || (usual && strcmp(collection, usual) == 0))
        return path;
    return wfs_arena_printf(st->names, WFS_SEP_STR "%s" WFS_SEP_STR "%s", collection, path);
}

static int add_seen(struct wfs_stage *st, size_t index, struct wfs_strmap *seen)
{
    const struct wfs_item *item = &st->out.items[index];
    const char *key = target_key(st, item->collection, item->path);
    if (!key || wfs_strmap_set(seen, key, index))
        return wfs_error_nomem(st->mapper->err, "names");
    return 0;
}

/* A fill gives way to a mapping, an included one to this file's, one for a name to one for all that
 * are like it; two of a kind contradict each other. */
static void report_rival(struct wfs_stage *st, const struct wfs_rule *rule, size_t index)
{
    const struct wfs_item *item = &st->out.items[index];
    const struct wfs_rule *first = item->named_by;
    bool ours = first >= st->set->rules && first < st->set->rules + st->set->n_rules;
    if (ours && first->kind == WFS_RULE_FILL && first != rule && first->level == rule->level &&
        first->sources.n == rule->sources.n && !rule->for_target)
        wfs_report(st->mapper, WFS_COLLISION, item->path,
                   "%s:%u fills it, and %s:%u: the first is shown", first->where, first->pos.col,
                   rule->where, rule->pos.col);
}

/* Makes one filled target, unless the target is there already. */
static int fill(struct wfs_stage *st, const struct wfs_rule *rule, const struct wfs_match *m,
                uint32_t index, const struct wfs_item *item, struct wfs_strmap *seen)
{
    struct wfs_val val = {.m = *m, .expr = item ? item->expr : NULL, .item = index};
    struct wfs_scope scope = {st, rule, m, item, val.expr, false};
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
        wfs_buf_ok(&path) && path.len ? target_key(st, target->collection, path.data) : NULL;
    if (!key)
        return wfs_error_nomem(st->mapper->err, "names");
    uint64_t there;
    if (wfs_strmap_get(seen, key, &there)) {
        report_rival(st, rule, there);
        return 0;
    }
    r = wfs_rule_run_one(st, rule, &val);
    return r ? r : add_seen(st, st->out.n - 1, seen);
}

static int fill_for(struct wfs_stage *st, const struct wfs_rule *rule, struct wfs_strmap *seen)
{
    const struct wfs_table *over = rule->for_target ? &st->out : st->in;
    size_t n = over->n;
    for (size_t i = 0; i < n; i++) {
        struct wfs_match m = {0};
        struct wfs_split split;
        int r = rule->for_target ? wfs_split_path(st->mapper->arena, over->items[i].path, &split,
                                                  st->mapper->err)
                                 : 0;
        if (r)
            return r;
        const struct wfs_name *pattern = rule->sources.part[0].name;
        if (!wfs_name_match(pattern, rule->caps, rule->for_target ? &split : &st->splits[i], &m))
            continue;
        struct wfs_item item = over->items[i];
        r = fill(st, rule, &m, rule->for_target ? WFS_NO_INDEX : (uint32_t)i, &item, seen);
        if (r)
            return r;
    }
    return 0;
}

static int run_fills(struct wfs_stage *st)
{
    struct wfs_strmap seen = {0};
    int r = 0;
    bool any = false;
    for (uint32_t i = 0; i < st->set->n_rules; i++)
        any |= st->set->rules[i].kind == WFS_RULE_FILL;
    for (size_t i = 0; any && !r && i < st->out.n; i++)
        r = add_seen(st, i, &seen);
    for (uint32_t i = 0; !r && i < st->set->n_rules; i++) {
        const struct wfs_rule *rule = &st->set->rules[i];
        if (rule->kind != WFS_RULE_FILL || !wfs_rule_may_hold(st, rule))
            continue;
        struct wfs_match none = {0};
        r = rule->sources.n ? fill_for(st, rule, &seen)
                            : fill(st, rule, &none, WFS_NO_INDEX, NULL, &seen);
    }
    wfs_strmap_free(&seen);
    return r;
}

/* ---- the run ------------------------------------------------------------------------------- */

static int index_items(struct wfs_stage *st)
{
    struct wfs_mapper *mapper = st->mapper;
    wfs_arena_free(st->names);
    st->names = wfs_arena_new();
    st->splits = st->names
                     ? wfs_arena_array(st->names, st->in->n ? st->in->n : 1, sizeof(*st->splits))
                     : NULL;
    if (!st->splits)
        return wfs_error_nomem(mapper->err, "names");
    for (size_t i = 0; i < st->in->n; i++) {
        int r = wfs_split_path(st->names, st->in->items[i].path, &st->splits[i], mapper->err);
        if (!r && wfs_strmap_set(&st->index, st->in->items[i].path, i))
            r = wfs_error_nomem(mapper->err, "names");
        if (r)
            return r;
    }
    return 0;
}

/* Renames see the names as they were; the first that matches counts. */
static int rename_one(struct wfs_stage *st, const struct wfs_rule *const *renames, uint32_t n,
                      uint32_t index, const char **ret)
{
    struct wfs_item *item = &st->in->items[index];
    for (uint32_t i = 0; i < n; i++) {
        const struct wfs_rule *rule = renames[i];
        struct wfs_match m = {0};
        struct wfs_scope scope = {st, rule, &m, item, item->expr, false};
        wfs_cleanup(wfs_buf_free) struct wfs_buf path = {0};
        bool holds;
        if (!wfs_name_match(rule->sources.part[0].name, rule->caps, &st->splits[index], &m))
            continue;
        int r = wfs_eval_cond(&scope, rule->cond, &holds);
        if (!r && holds)
            r = wfs_render(&scope, rule->clauses[0].part[0].name, &path);
        if (r)
            return r;
        if (!holds)
            continue;
        *ret = wfs_buf_ok(&path) && path.len
                   ? wfs_arena_strndup(st->mapper->arena, path.data, path.len)
                   : NULL;
        item->named_by = rule;
        return *ret ? 0 : wfs_error_nomem(st->mapper->err, "names");
    }
    return 0;
}

static int rename_items(struct wfs_stage *st)
{
    const struct wfs_rule **renames =
        wfs_arena_array(st->mapper->arena, st->set->n_rules + 1, sizeof(*renames));
    const char **paths = wfs_arena_array(st->mapper->arena, st->in->n + 1, sizeof(*paths));
    uint32_t n = 0;
    bool any = false;
    if (!renames || !paths)
        return wfs_error_nomem(st->mapper->err, "names");
    for (uint32_t i = 0; i < st->set->n_rules; i++)
        if (st->set->rules[i].kind == WFS_RULE_RENAME)
            renames[n++] = &st->set->rules[i];
    for (size_t i = 0; n && i < st->in->n; i++) {
        paths[i] = st->in->items[i].path;
        int r = rename_one(st, renames, n, (uint32_t)i, &paths[i]);
        if (r)
            return r;
        if (wfs_is_explained(st->mapper, &st->in->items[i]))
            wfs_explain_renames(st, (uint32_t)i, paths[i]);
        any |= paths[i] != st->in->items[i].path;
    }
    if (!any)
        return 0;
    for (size_t i = 0; i < st->in->n; i++) {
        const char *was = st->in->items[i].path;
        st->in->items[i].path = paths[i];
        paths[i] = was;
    }
    st->was_called = paths;
    wfs_strmap_free(&st->index);
    st->index = (struct wfs_strmap){0};
    return index_items(st);
}

static int prepare(struct wfs_stage *st)
{
    struct wfs_arena *arena = st->mapper->arena;
    st->lets = wfs_arena_array(arena, st->set->n_lets + 1, sizeof(*st->lets));
    st->let_state = wfs_arena_array(arena, st->set->n_lets + 1, 1);
    st->operations = wfs_arena_array(arena, st->set->n_rules + 1, sizeof(*st->operations));
    if (!st->lets || !st->let_state || !st->operations)
        return wfs_error_nomem(st->mapper->err, "mapping");
    int r = wfs_namespace_read(st);
    if (!r)
        r = index_items(st);
    if (!r)
        r = rename_items(st);
    if (!r && st->is_last && st->mapper->template && !st->mapper->aligned)
        r = wfs_template_align(st->mapper->template, st->in, arena, st->mapper->err);
    return r ? r : wfs_pick_prepare(st);
}

static int check_requires(struct wfs_stage *st)
{
    struct wfs_scope scope = {.stage = st};
    for (uint32_t i = 0; i < st->set->n_requires; i++) {
        const struct wfs_require *req = &st->set->requires[i];
        bool holds;
        int r = wfs_eval_cond(&scope, req->cond, &holds);
        if (r)
            return r;
        if (!holds)
            return wfs_error_set(st->mapper->err, EINVAL, "%s:%u:%u: %s", req->pos.file,
                                 req->pos.line, req->pos.col, req->message);
    }
    return 0;
}

/* A set that gives modules other names: the template's prefix shows in what it makes. */
static int align_result(struct wfs_stage *st)
{
    struct wfs_template *t = st->is_last ? st->mapper->template : NULL;
    if (!t || st->mapper->aligned || t->add || t->remove)
        return 0;
    return wfs_template_align(t, &st->out, st->mapper->arena, st->mapper->err);
}

static int run(struct wfs_stage *st)
{
    int r = prepare(st);
    if (!r)
        r = check_requires(st);
    if (!r && st->set->is_inverse)
        wfs_inverse_report_losses(st);
    for (size_t i = 0; !r && i < st->in->n; i++)
        r = place(st, (uint32_t)i);
    if (!r)
        r = wfs_groups_run(st);
    if (!r)
        r = run_fills(st);
    if (!r)
        r = align_result(st);
    if (!r)
        r = wfs_namespace_write(st);
    return r;
}

int wfs_stage_run(struct wfs_mapper *mapper, const struct wfs_set *set, bool is_last,
                  const struct wfs_table *in, struct wfs_table *ret_out)
{
    if (set->program)
        return wfs_xlstm_run(mapper, in, ret_out);
    struct wfs_table copy = {0}; /* names are edited while they are read */
    struct wfs_stage st = {.mapper = mapper, .set = set, .is_last = is_last, .in = &copy};
    int r = 0;
    for (size_t i = 0; !r && i < in->n; i++)
        r = wfs_table_add(&copy, &in->items[i], mapper->err);
    if (!r)
        r = run(&st);
    free(copy.items);
    wfs_strmap_free(&st.index);
    wfs_arena_free(st.names);
    wfs_buf_free(&st.scratch);
    wfs_groups_free(&st);
    if (r) {
        free(st.out.items);
        return r;
    }
    *ret_out = st.out;
    return 0;
}
