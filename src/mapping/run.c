/*
 * run.c - a rule's operations run and its targets made; groups of a fan-in brought together.
 */
#include <stdlib.h>
#include <string.h>

#include "mapping/ops.h"
#include "mapping/run.h"

/* ---- targets ------------------------------------------------------------------------------- */

static enum wfs_status target_status(const struct wfs_stage *st, const struct wfs_rule *rule,
                                     const struct wfs_val *val)
{
    if (rule->kind == WFS_RULE_FILL)
        return WFS_FILLED;
    if (val->item != WFS_NO_INDEX && st->in->items[val->item].status == WFS_FILLED)
        return WFS_FILLED;
    return WFS_MAPPED;
}

/* What earlier sets of the chain did to the item, then this one. */
static const char *join_operations(struct wfs_stage *st, const struct wfs_val *val,
                                   const char *operations)
{
    const char *before = val->item == WFS_NO_INDEX ? "" : st->in->items[val->item].operations;
    if (!before[0])
        return operations;
    if (!operations[0])
        return before;
    return wfs_arena_printf(st->mapper->arena, "%s %s", before, operations);
}

static int emit_one(struct wfs_stage *st, const struct wfs_rule *rule,
                    const struct wfs_rule_part *target, const struct wfs_val *val,
                    const char *operations)
{
    struct wfs_mapper *mapper = st->mapper;
    struct wfs_scope scope = wfs_val_scope(st, rule, val);
    wfs_cleanup(wfs_buf_free) struct wfs_buf path = {0};
    int r = wfs_render(&scope, target->name, &path);
    if (r)
        return r;
    /* A tensor that has no name keeps none; a rule must not lose one. */
    bool unnamed = val->item != WFS_NO_INDEX && !st->in->items[val->item].path[0];
    if (wfs_buf_ok(&path) && !path.len && !unnamed)
        return wfs_error_set(mapper->err, EINVAL, "%s: the target of %s has an empty name",
                             rule->where, rule->text);
    const struct wfs_item *from = val->item == WFS_NO_INDEX ? NULL : &st->in->items[val->item];
    struct wfs_item item = {
        .path = wfs_buf_ok(&path)
                    ? wfs_arena_strndup(mapper->arena, path.len ? path.data : "", path.len)
                    : NULL,
        .expr = val->expr,
        .status = target_status(st, rule, val),
        .unexpected = from && from->unexpected,
        .tie = from ? from->tie : WFS_NO_INDEX,
        /* A piece is no copy, though it shares. */
        .tied = from && from->tied && from->expr == val->expr,
        .n_sources = val->n_sources,
        .sources = val->sources,
        .operations = join_operations(st, val, operations),
        .rule = rule->where,
        .named_by = rule,
        .collection = target->collection,
    };
    if (!item.path || !item.operations)
        return wfs_error_nomem(mapper->err, "mapping");
    return wfs_table_add(&st->out, &item, mapper->err);
}

int wfs_emit(struct wfs_stage *st, const struct wfs_rule *rule, const struct wfs_rule_part *target,
             const struct wfs_vals *vals, const char *operations)
{
    int r = 0;
    for (size_t i = 0; !r && i < vals->n; i++)
        r = emit_one(st, rule, target, &vals->v[i], operations);
    return r;
}

/* ---- clauses ------------------------------------------------------------------------------- */

static const char *keep_text(struct wfs_stage *st, const struct wfs_buf *text)
{
    if (!wfs_buf_ok(text))
        return NULL;
    return text->len ? wfs_arena_strndup(st->mapper->arena, text->data, text->len) : "";
}

/* One target of a clause: those of `vals` that are for it (all, where it is the only one). */
static int run_target(struct wfs_stage *st, const struct wfs_rule *rule,
                      const struct wfs_rule_parts *clause, uint32_t which,
                      const struct wfs_vals *vals, const char *source_ops)
{
    struct wfs_vals mine = {0};
    wfs_cleanup(wfs_buf_free) struct wfs_buf text = {0};
    const struct wfs_rule_part *target = &clause->part[which];
    int r = 0;
    wfs_buf_str(&text, source_ops);
    for (size_t i = 0; !r && i < vals->n; i++)
        if (clause->n == 1 || vals->v[i].tag == which)
            r = wfs_vals_add(&mine, &vals->v[i], st->mapper->err);
    if (!r && mine.n == 0)
        r = wfs_error_set(st->mapper->err, EINVAL,
                          "%s: nothing is left for the target %s: "
                          "`split` makes one piece for each",
                          rule->where, target->name->text);
    if (!r)
        r = wfs_ops_run(st, rule, &target->ops, &mine, &text);
    const char *operations = r ? NULL : keep_text(st, &text);
    if (!r)
        r = operations ? wfs_emit(st, rule, target, &mine, operations)
                       : wfs_error_nomem(st->mapper->err, "mapping");
    free(mine.v);
    return r;
}

/* Targets joined by & take all parts: one that none of them takes would be lost. */
static int check_targets(struct wfs_stage *st, const struct wfs_rule *rule,
                         const struct wfs_rule_parts *clause, const struct wfs_vals *vals)
{
    for (size_t i = 0; clause->n > 1 && i < vals->n; i++)
        if (vals->v[i].tag >= clause->n)
            return wfs_error_set(
                st->mapper->err, EINVAL, "%s:%u:%u: part %u has no target: %u are joined by &",
                rule->pos.file, rule->pos.line, rule->pos.col, vals->v[i].tag, clause->n);
    return 0;
}

int wfs_clauses_run(struct wfs_stage *st, const struct wfs_rule *rule, const struct wfs_vals *vals,
                    const char *source_ops)
{
    int r = 0;
    for (uint32_t c = 0; !r && c < rule->n_clauses; c++) {
        r = check_targets(st, rule, &rule->clauses[c], vals);
        for (uint32_t i = 0; !r && i < rule->clauses[c].n; i++)
            r = run_target(st, rule, &rule->clauses[c], i, vals, source_ops);
    }
    return r;
}

/* Most rules: one tensor, one target, no fans. Its text is the same every time. */
static bool is_plain(const struct wfs_rule *rule)
{
    if (rule->n_clauses != 1 || rule->clauses[0].n != 1 || rule->sources.n > 1)
        return false;
    const struct wfs_ops *lists[2] = {&rule->clauses[0].part[0].ops,
                                      rule->sources.n ? &rule->sources.part[0].ops : NULL};
    for (int l = 0; l < 2; l++)
        for (uint32_t i = 0; lists[l] && i < lists[l]->n; i++) {
            const struct wfs_op *op = &lists[l]->op[i];
            if (wfs_op_is_fan(op))
                return false;
            for (uint32_t k = 0; k < op->n_args; k++)
                if (op->args[k]->kind != WFS_V_CONST)
                    return false;
        }
    return true;
}

static const char *plain_text(struct wfs_stage *st, const struct wfs_rule *rule)
{
    const char **slot = &st->operations[rule - st->set->rules];
    wfs_cleanup(wfs_buf_free) struct wfs_buf text = {0};
    const struct wfs_ops *lists[2] = {rule->sources.n ? &rule->sources.part[0].ops : NULL,
                                      &rule->clauses[0].part[0].ops};
    for (int l = 0; !*slot && l < 2; l++)
        for (uint32_t i = 0; lists[l] && i < lists[l]->n; i++)
            wfs_buf_printf(&text, "%s%s", text.len ? " " : "", lists[l]->op[i].text);
    if (!*slot)
        *slot = keep_text(st, &text);
    return *slot;
}

static int run_plain(struct wfs_stage *st, const struct wfs_rule *rule, const struct wfs_val *val)
{
    struct wfs_val v = *val;
    int r = 0;
    const char *text = plain_text(st, rule);
    if (!text)
        return wfs_error_nomem(st->mapper->err, "mapping");
    const struct wfs_rule_part *target = &rule->clauses[0].part[0];
    for (uint32_t i = 0; !r && rule->sources.n && i < rule->sources.part[0].ops.n; i++)
        r = wfs_op_apply(st, rule, &rule->sources.part[0].ops.op[i], &v);
    for (uint32_t i = 0; !r && i < target->ops.n; i++)
        r = wfs_op_apply(st, rule, &target->ops.op[i], &v);
    return r ? r : emit_one(st, rule, target, &v, text);
}

/* Which tensor an operation failed on. */
static int named(struct wfs_stage *st, const struct wfs_val *val, int r)
{
    if (r && r != -ENOMEM && val->item != WFS_NO_INDEX)
        wfs_error_prefix(st->mapper->err, "%s",
                         wfs_dotted(st->mapper->arena, st->in->items[val->item].path));
    return r;
}

int wfs_rule_run_one(struct wfs_stage *st, const struct wfs_rule *rule, const struct wfs_val *val)
{
    if (is_plain(rule))
        return named(st, val, run_plain(st, rule, val));
    struct wfs_vals vals = {0};
    wfs_cleanup(wfs_buf_free) struct wfs_buf text = {0};
    int r = wfs_vals_add(&vals, val, st->mapper->err);
    if (!r && rule->sources.n)
        r = wfs_ops_run(st, rule, &rule->sources.part[0].ops, &vals, &text);
    if (!r)
        r = wfs_clauses_run(st, rule, &vals, text.len ? text.data : "");
    free(vals.v);
    return named(st, val, r);
}

/* ---- groups -------------------------------------------------------------------------------- */

int wfs_groups_add(struct wfs_stage *st, uint32_t item, const struct wfs_pick *pick)
{
    if (wfs_grow(&st->hits, &st->cap_hits, st->n_hits + 1, sizeof(*st->hits)))
        return wfs_error_nomem(st->mapper->err, "mapping");
    st->hits[st->n_hits++] = (struct wfs_hit){pick->rule, pick->part, item, pick->match};
    return 0;
}

void wfs_groups_free(struct wfs_stage *st)
{
    free(st->hits);
}

/* By rule and by the captures that are not fanned in: equal hits are one group. */
static int compare_groups(const struct wfs_hit *a, const struct wfs_hit *b)
{
    if (a->rule != b->rule)
        return a->rule < b->rule ? -1 : 1;
    for (uint32_t cap = 0; cap < a->rule->n_caps; cap++) {
        if (!a->rule->caps[cap].in_source || (a->rule->fan_caps >> cap & 1))
            continue;
        int c = wfs_binding_compare(&a->rule->caps[cap], &a->match.b[cap], &b->match.b[cap]);
        if (c)
            return c;
    }
    return 0;
}

/* By part and by the captures that are fanned in: equal hits of a group are told apart by nothing.
 */
static int compare_within(const struct wfs_hit *a, const struct wfs_hit *b)
{
    if (a->part != b->part)
        return a->part < b->part ? -1 : 1;
    for (uint32_t cap = 0; cap < a->rule->n_caps; cap++) {
        int c = a->rule->fan_caps >> cap & 1
                    ? wfs_binding_compare(&a->rule->caps[cap], &a->match.b[cap], &b->match.b[cap])
                    : 0;
        if (c)
            return c;
    }
    return 0;
}

static int compare_hits(const void *pa, const void *pb)
{
    const struct wfs_hit *a = pa, *b = pb;
    int c = compare_groups(a, b);
    c = c ? c : compare_within(a, b);
    return c ? c : a->item < b->item ? -1 : a->item > b->item;
}

static int add_hit(struct wfs_stage *st, const struct wfs_hit *hit, struct wfs_vals *vals)
{
    const struct wfs_item *item = &st->in->items[hit->item];
    struct wfs_val val = {.m = hit->match,
                          .expr = item->expr,
                          .item = hit->item,
                          .n_sources = item->n_sources,
                          .sources = item->sources};
    return wfs_vals_add(vals, &val, st->mapper->err);
}

/* One part's tensors through its own operations, appended to *all with the part's tag. */
static int run_part(struct wfs_stage *st, const struct wfs_hit *hits, size_t n,
                    struct wfs_vals *all, struct wfs_buf *text)
{
    struct wfs_vals vals = {0};
    int r = 0;
    const struct wfs_rule *rule = hits->rule;
    const struct wfs_ops *ops = &rule->sources.part[hits->part].ops;
    for (size_t i = 0; !r && i < n; i++)
        r = add_hit(st, &hits[i], &vals);
    if (!r && hits->part && (ops->n || text->len))
        wfs_buf_str(text, " &");
    if (!r)
        r = wfs_ops_run(st, rule, ops, &vals, text);
    for (size_t i = 0; !r && i < vals.n; i++) {
        if (rule->sources.n > 1)
            vals.v[i].tag = hits->part;
        r = wfs_vals_add(all, &vals.v[i], st->mapper->err);
    }
    free(vals.v);
    return r;
}

static int keep_hits(struct wfs_stage *st, const struct wfs_hit *hits, size_t n)
{
    int r = 0;
    for (size_t i = 0; !r && i < n; i++)
        r = wfs_stage_keep(st, hits[i].item);
    return r;
}

/* A part that has no tensor: the group is incomplete and its tensors are kept. */
static int keep_group(struct wfs_stage *st, const struct wfs_hit *hits, size_t n, uint32_t missing)
{
    const struct wfs_rule *rule = hits->rule;
    for (size_t i = 0; i < n; i++)
        wfs_report(st->mapper, WFS_NOTE, st->in->items[hits[i].item].path,
                   "%s joins it with %s, which is not there", rule->where,
                   rule->sources.part[missing].name->text);
    return keep_hits(st, hits, n);
}

/* Two tensors on one part that nothing tells apart: joining either is a guess, so all are kept. */
static int keep_twins(struct wfs_stage *st, const struct wfs_hit *hits, size_t n, size_t twin)
{
    wfs_report(st->mapper, WFS_COLLISION, st->in->items[hits[twin].item].path,
               "%s joins one tensor like %s: this one is the second", hits->rule->where,
               hits->rule->sources.part[hits[twin].part].name->text);
    return keep_hits(st, hits, n);
}

/* The operations of a part with several tensors: those over captures come first. *open: the
 * captures that are not fanned in yet. */
static int check_order(struct wfs_stage *st, const struct wfs_hit *hit, const struct wfs_ops *ops,
                       uint32_t *open)
{
    for (uint32_t i = 0; i < ops->n && *open; i++) {
        const struct wfs_op *op = &ops->op[i];
        bool joins = op->kind >= WFS_OP_PICK && op->kind <= WFS_OP_SUM;
        if (joins && op->cap != WFS_NO_INDEX)
            *open &= ~(1u << op->cap);
        else if (joins)
            return wfs_op_error(st, op,
                                "there are several tensors like %s: a fan-in over {%s} first",
                                hit->rule->sources.part[hit->part].name->text,
                                hit->rule->caps[__builtin_ctz(*open)].name);
    }
    return 0;
}

/* A part with several tensors must not be taken for several parts. */
static int check_part(struct wfs_stage *st, const struct wfs_hit *hit)
{
    const struct wfs_rule *rule = hit->rule;
    uint32_t left = 0;
    for (uint32_t cap = 0; cap < rule->n_caps; cap++)
        left |= (rule->fan_caps >> cap & 1 && hit->match.b[cap].set) ? 1u << cap : 0;
    int r = check_order(st, hit, &rule->sources.part[hit->part].ops, &left);
    for (uint32_t c = 0; !r && c < rule->n_clauses; c++)
        for (uint32_t i = 0; !r && i < rule->clauses[c].n; i++) {
            uint32_t open = left;
            r = check_order(st, hit, &rule->clauses[c].part[i].ops, &open);
        }
    return r;
}

/* Every part through its own operations. */
static int run_parts(struct wfs_stage *st, const struct wfs_hit *hits, size_t n,
                     struct wfs_vals *all, struct wfs_buf *text)
{
    const struct wfs_rule *rule = hits->rule;
    int r = 0;
    for (size_t at = 0, count; !r && at < n; at += count) {
        for (count = 1; at + count < n && hits[at + count].part == hits[at].part; count++)
            ;
        if (count > 1 && rule->sources.n > 1)
            r = check_part(st, &hits[at]);
        if (!r)
            r = run_part(st, &hits[at], count, all, text);
    }
    return r;
}

/* A group that cannot be joined at all: *ret_kept, its tensors keep their names. */
static int check_group(struct wfs_stage *st, const struct wfs_hit *hits, size_t n, bool *ret_kept)
{
    uint32_t parts = 0; /* the next that is expected */
    size_t twin = 0;
    for (size_t i = 0; i < n && hits[i].part <= parts; i++) {
        parts = hits[i].part + 1;
        if (!twin && i && hits->rule->sources.n > 1 && !compare_within(&hits[i - 1], &hits[i]))
            twin = i;
    }
    *ret_kept = true;
    if (parts < hits->rule->sources.n)
        return keep_group(st, hits, n, parts);
    if (twin)
        return keep_twins(st, hits, n, twin);
    *ret_kept = false;
    return 0;
}

static int run_group(struct wfs_stage *st, const struct wfs_hit *hits, size_t n)
{
    const struct wfs_rule *rule = hits->rule;
    struct wfs_vals all = {0};
    wfs_cleanup(wfs_buf_free) struct wfs_buf text = {0};
    bool kept;
    int r = check_group(st, hits, n, &kept);
    if (r || kept)
        return r;
    r = run_parts(st, hits, n, &all, &text);
    if (!r)
        r = wfs_clauses_run(st, rule, &all, text.len ? text.data : "");
    free(all.v);
    if (wfs_stage_forgives(st, r))
        return keep_hits(st, hits, n);
    if (r && r != -ENOMEM)
        wfs_error_prefix(st->mapper->err, "%s",
                         wfs_dotted(st->mapper->arena, st->in->items[hits->item].path));
    return r;
}

int wfs_groups_run(struct wfs_stage *st)
{
    int r = 0;
    if (st->n_hits)
        qsort(st->hits, st->n_hits, sizeof(*st->hits), compare_hits);
    for (size_t i = 0, n; !r && i < st->n_hits; i += n) {
        for (n = 1; i + n < st->n_hits && !compare_groups(&st->hits[i], &st->hits[i + n]); n++)
            ;
        r = run_group(st, &st->hits[i], n);
    }
    return r;
}
