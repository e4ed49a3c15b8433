/*
 * emit.c - a rule's operations run and its targets made.
 */
#include "mapping/apply/emit.h"

#include <stdlib.h>

#include "mapping/ops/fan.h"

/* ---- targets ------------------------------------------------------------------------------- */

static enum wfs_status target_status(const struct wfs_apply *ap, const struct wfs_rule *rule,
                                     const struct wfs_val *val)
{
    if (rule->kind == WFS_RULE_FILL)
        return WFS_FILLED;
    if (val->item != WFS_NO_INDEX && ap->world.items->items[val->item].status == WFS_FILLED)
        return WFS_FILLED;
    return WFS_MAPPED;
}

/* What earlier sets of the chain did to the item, then this one. */
static const char *join_operations(struct wfs_apply *ap, const struct wfs_val *val,
                                   const char *operations)
{
    const char *before =
        val->item == WFS_NO_INDEX ? "" : ap->world.items->items[val->item].operations;
    if (!before[0])
        return operations;
    if (!operations[0])
        return before;
    return wfs_arena_printf(ap->mapper->arena, "%s %s", before, operations);
}

static int emit_one(struct wfs_apply *ap, const struct wfs_rule *rule,
                    const struct wfs_rule_part *target, const struct wfs_val *val,
                    const char *operations)
{
    const struct wfs_run run = wfs_apply_run(ap, rule);
    struct wfs_scope scope = wfs_val_scope(&run, val);
    wfs_cleanup(wfs_buf_free) struct wfs_buf path = {0};
    int r = wfs_render(&scope, target->name, &path);
    if (r)
        return r;
    /* A tensor that has no name keeps none; a rule must not lose one. */
    bool unnamed = val->item != WFS_NO_INDEX && !ap->world.items->items[val->item].path[0];
    if (wfs_buf_ok(&path) && !path.len && !unnamed)
        return wfs_error_set(ap->sink->err, EINVAL, "%s: the target of %s has an empty name",
                             rule->where, rule->text);
    const struct wfs_item *from =
        val->item == WFS_NO_INDEX ? NULL : &ap->world.items->items[val->item];
    struct wfs_item item = {
        .path = wfs_buf_ok(&path)
                    ? wfs_arena_strndup(ap->mapper->arena, path.len ? path.data : "", path.len)
                    : NULL,
        .expr = val->expr,
        .status = target_status(ap, rule, val),
        .unexpected = from && from->unexpected,
        .tie = from ? from->tie : WFS_NO_INDEX,
        /* A piece is no copy, though it shares. */
        .tied = from && from->tied && from->expr == val->expr,
        .n_sources = val->n_sources,
        .sources = val->sources,
        .operations = join_operations(ap, val, operations),
        .shown_role = from ? wfs_shown_role(from) : WFS_ROLE_NONE,
        .role_reason = from ? from->role_reason : NULL,
        .rule = rule->where,
        .named_by = rule,
        .collection = target->collection,
    };
    if (!item.path || !item.operations)
        return wfs_error_nomem(ap->sink->err, "mapping");
    return wfs_table_add(&ap->out, &item, ap->sink->err);
}

static int emit(struct wfs_apply *ap, const struct wfs_rule *rule,
                const struct wfs_rule_part *target, const struct wfs_vals *vals,
                const char *operations)
{
    int r = 0;
    for (size_t i = 0; !r && i < vals->n; i++)
        r = emit_one(ap, rule, target, &vals->v[i], operations);
    return r;
}

/* ---- clauses ------------------------------------------------------------------------------- */

static const char *keep_text(struct wfs_apply *ap, const struct wfs_buf *text)
{
    if (!wfs_buf_ok(text))
        return NULL;
    return text->len ? wfs_arena_strndup(ap->mapper->arena, text->data, text->len) : "";
}

/* One target of a clause: those of `vals` that are for it (all, where it is the only one). */
static int run_target(struct wfs_apply *ap, const struct wfs_rule *rule,
                      const struct wfs_rule_parts *clause, uint32_t which,
                      const struct wfs_vals *vals, const char *source_ops)
{
    struct wfs_vals mine = {0};
    wfs_cleanup(wfs_buf_free) struct wfs_buf text = {0};
    const struct wfs_rule_part *target = &clause->part[which];
    const struct wfs_run run = wfs_apply_run(ap, rule);
    int r = 0;
    wfs_buf_str(&text, source_ops);
    for (size_t i = 0; !r && i < vals->n; i++)
        if (clause->n == 1 || vals->v[i].tag == which)
            r = wfs_vals_add(&mine, &vals->v[i], ap->sink->err);
    if (!r && mine.n == 0)
        r = wfs_error_set(ap->sink->err, EINVAL,
                          "%s: nothing is left for the target %s: "
                          "`split` before -> makes one piece for each",
                          rule->where, target->name->text);
    if (!r)
        r = wfs_ops_run(&run, &target->ops, &mine, &text);
    const char *operations = r ? NULL : keep_text(ap, &text);
    if (!r)
        r = operations ? emit(ap, rule, target, &mine, operations)
                       : wfs_error_nomem(ap->sink->err, "mapping");
    free(mine.v);
    return r;
}

/* Targets joined by & take all parts: one that none of them takes would be lost. */
static int check_targets(struct wfs_apply *ap, const struct wfs_rule *rule,
                         const struct wfs_rule_parts *clause, const struct wfs_vals *vals)
{
    for (size_t i = 0; clause->n > 1 && i < vals->n; i++)
        if (vals->v[i].tag >= clause->n)
            return wfs_error_set(
                ap->sink->err, EINVAL, "%s:%u:%u: part %u has no target: %u are joined by &",
                rule->pos.file, rule->pos.line, rule->pos.col, vals->v[i].tag, clause->n);
    return 0;
}

int wfs_clauses_run(struct wfs_apply *ap, const struct wfs_rule *rule, const struct wfs_vals *vals,
                    const char *source_ops)
{
    int r = 0;
    for (uint32_t c = 0; !r && c < rule->n_clauses; c++) {
        r = check_targets(ap, rule, &rule->clauses[c], vals);
        for (uint32_t i = 0; !r && i < rule->clauses[c].n; i++)
            r = run_target(ap, rule, &rule->clauses[c], i, vals, source_ops);
    }
    return r;
}

/* Which tensor an operation failed on, where it is not kept and reported under its name. */
static int named(struct wfs_apply *ap, const struct wfs_val *val, int r)
{
    if (r && !ap->options->keeps_failed && r != -ENOMEM && val->item != WFS_NO_INDEX)
        wfs_error_prefix(ap->sink->err, "%s",
                         wfs_dotted(ap->mapper->arena, ap->world.items->items[val->item].path));
    return r;
}

int wfs_rule_run_one(struct wfs_apply *ap, const struct wfs_rule *rule, const struct wfs_val *val)
{
    const struct wfs_run run = wfs_apply_run(ap, rule);
    struct wfs_vals vals = {0};
    wfs_cleanup(wfs_buf_free) struct wfs_buf text = {0};
    int r = wfs_vals_add(&vals, val, ap->sink->err);
    if (!r && rule->sources.n)
        r = wfs_ops_run(&run, &rule->sources.part[0].ops, &vals, &text);
    if (!r)
        r = wfs_clauses_run(ap, rule, &vals, text.len ? text.data : "");
    free(vals.v);
    return named(ap, val, r);
}
