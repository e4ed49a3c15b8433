/*
 * explain.c - what every rule of a set says to one tensor, in order: which one takes it, why those
 * whose pattern matches do not, and last, on a line, those whose pattern does not match.
 *
 * Of a condition the part that is false is shown, with the values that it asks for.
 */
#include <ctype.h>
#include <string.h>

#include "mapping/eval.h"
#include "mapping/explain.h"

bool wfs_is_explained(const struct wfs_mapper *mapper, const struct wfs_item *item)
{
    if (!mapper->explain)
        return false;
    for (uint32_t i = 0; i < item->n_sources; i++)
        if (strcmp(mapper->catalog->tensors[item->sources[i]].path, mapper->explain_name) == 0)
            return true;
    return strcmp(item->path, mapper->explain_name) == 0;
}

/* ---- conditions ---------------------------------------------------------------------------- */

/* As written, on one line. */
static void add_source(struct wfs_buf *out, const struct wfs_vexpr *e)
{
    size_t len = e->source_len;
    bool space = false;
    while (len && isspace((unsigned char)e->source[len - 1]))
        len--;
    for (size_t i = 0; i < len; i++) {
        bool is_space = isspace((unsigned char)e->source[i]);
        if (!is_space)
            wfs_buf_printf(out, "%s%c", space ? " " : "", e->source[i]);
        space = is_space;
    }
}

static void add_value(const struct wfs_scope *scope, struct wfs_buf *out, const struct wfs_value *v)
{
    wfs_cleanup(wfs_buf_free) struct wfs_buf buf = {0}, ended = {0};
    struct wfs_value text;
    switch (v->kind) {
    case WFS_VALUE_INT:
        wfs_buf_printf(out, "%lld", (long long)v->i);
        return;
    case WFS_VALUE_REAL:
        wfs_buf_printf(out, "%g", v->r);
        return;
    case WFS_VALUE_BOOL:
        wfs_buf_str(out, v->i ? "true" : "false");
        return;
    case WFS_VALUE_STR:
        if (!wfs_value_text(scope, v, &buf, &text))
            wfs_buf_add(&ended, text.s, text.len);
        wfs_buf_char(out, '"');
        wfs_buf_visible(out, wfs_buf_ok(&ended) && ended.data ? ended.data : "");
        wfs_buf_char(out, '"');
        return;
    default:
        wfs_buf_str(out, "not known");
    }
}

/* What stands for a value that the reader cannot see in the rule. */
static bool has_value(const struct wfs_vexpr *e)
{
    switch (e->kind) {
    case WFS_V_CAPTURE:
    case WFS_V_LET:
    case WFS_V_CONFIG:
    case WFS_V_RANK:
    case WFS_V_DTYPE:
    case WFS_V_SHAPE:
    case WFS_V_CONVOLUTION:
    case WFS_V_DIM:
    case WFS_V_TDIM:
        return true;
    default:
        return false;
    }
}

static void add_values(const struct wfs_scope *scope, const struct wfs_vexpr *e,
                       struct wfs_buf *out, struct wfs_buf *seen)
{
    wfs_cleanup(wfs_buf_free) struct wfs_buf name = {0};
    struct wfs_value v;
    if (!has_value(e)) {
        for (uint32_t i = 0; i < e->n_args; i++)
            add_values(scope, e->args[i], out, seen);
        return;
    }
    wfs_buf_char(&name, '\n');
    add_source(&name, e);
    wfs_buf_char(&name, '\n');
    if (!wfs_buf_ok(&name) || (seen->len && strstr(seen->data, name.data)))
        return;
    wfs_buf_str(seen, name.data);
    if (wfs_eval(scope, e, &v))
        return;
    wfs_buf_str(out, out->len ? ", " : "");
    add_source(out, e);
    wfs_buf_str(out, " is ");
    add_value(scope, out, &v);
}

/* The part of a false condition that makes it so. */
static const struct wfs_vexpr *false_part(const struct wfs_scope *scope, const struct wfs_vexpr *e)
{
    while (e->kind == WFS_V_BINARY && e->op == WFS_BIN_AND) {
        bool left;
        if (wfs_eval_cond(scope, e->args[0], &left))
            return e;
        e = e->args[left ? 1 : 0];
    }
    return e;
}

static void add_condition(const struct wfs_scope *scope, struct wfs_buf *out)
{
    wfs_cleanup(wfs_buf_free) struct wfs_buf values = {0}, seen = {0};
    const struct wfs_vexpr *cond = scope->rule->cond;
    if (scope->rule->asks_result) { /* of a result that is not made */
        wfs_buf_str(out, "its condition is false of what it would make: ");
        add_source(out, cond);
        return;
    }
    cond = false_part(scope, cond);
    wfs_buf_str(out, "its condition is false: ");
    add_source(out, cond);
    add_values(scope, cond, &values, &seen);
    if (values.len && wfs_buf_ok(&values))
        wfs_buf_printf(out, " (%s)", values.data);
}

/* ---- rules --------------------------------------------------------------------------------- */

struct explaining {
    struct wfs_stage *stage;
    const struct wfs_item *item;
    struct wfs_buf others; /* whose pattern does not match */
    const struct wfs_rule *last_other;
};

/* "linen.map:15, 16, 17" */
static void add_other(struct explaining *x, const struct wfs_rule *rule)
{
    const struct wfs_rule *last = x->last_other;
    if (last == rule) /* another pattern of it */
        return;
    if (last && strcmp(last->pos.file, rule->pos.file) == 0)
        wfs_buf_printf(&x->others, ", %u", rule->pos.line);
    else
        wfs_buf_printf(&x->others, "%s%s", last ? ", " : "", rule->where);
    x->last_other = rule;
}

static void add_rule(struct explaining *x, const struct wfs_rule *rule, const struct wfs_buf *why)
{
    wfs_buf_printf(x->stage->mapper->explain, "  %s: %s\n      %s\n", rule->where,
                   wfs_buf_ok(why) && why->data ? why->data : "?", rule->text);
}

static void add_others(struct explaining *x)
{
    if (x->others.len && wfs_buf_ok(&x->others))
        wfs_buf_printf(x->stage->mapper->explain, "  pattern does not match: %s\n", x->others.data);
    wfs_buf_free(&x->others);
}

/* It would take it, but for the rule that does. */
static const char *loses(const struct wfs_stage *stage, const struct wfs_rule *taken,
                         const struct wfs_rule *rule)
{
    if (stage->set->policy == WFS_MATCH_FIRST)
        return "would take it, but comes later";
    return taken->level != rule->level ? "would take it, but is included"
                                       : "would take it, but has less literal text";
}

static void add_answer(const struct explaining *x, const struct wfs_pick *pick,
                       const struct wfs_pick *taken, enum wfs_pick_answer answer,
                       struct wfs_buf *why)
{
    struct wfs_scope scope = {x->stage, pick->rule, &pick->match, x->item, x->item->expr, false};
    switch (answer) {
    case WFS_PICK_TAKES:
        wfs_buf_str(why, !taken || (taken->rule == pick->rule && taken->part == pick->part)
                             ? "takes it"
                             : loses(x->stage, taken->rule, pick->rule));
        return;
    case WFS_PICK_PACKED:
        wfs_buf_str(why, "leaves packed weights alone");
        return;
    case WFS_PICK_UNSOLVED:
        wfs_buf_str(why, "no number of the original gives this one");
        return;
    case WFS_PICK_NO_COPY:
        wfs_buf_str(why, "it is no copy of such a tensor");
        return;
    default:
        add_condition(&scope, why);
    }
}

static void explain_one(struct explaining *x, uint32_t index, const struct wfs_candidate *c,
                        const struct wfs_pick *taken)
{
    wfs_cleanup(wfs_buf_free) struct wfs_buf why = {0};
    struct wfs_pick pick = {.rule = c->rule, .part = c->part};
    struct wfs_error *err = x->stage->mapper->err, own = {0};
    enum wfs_pick_answer answer;
    x->stage->mapper->err = &own;
    int r = wfs_pick_try(x->stage, index, &pick, &answer);
    if (r)
        wfs_buf_printf(&why, "cannot be asked: %s", own.message);
    else if (answer != WFS_PICK_NO_MATCH)
        add_answer(x, &pick, taken, answer, &why);
    x->stage->mapper->err = err;
    if (why.len)
        add_rule(x, c->rule, &why);
    else
        add_other(x, c->rule);
}

void wfs_explain_rules(struct wfs_stage *stage, uint32_t index, const struct wfs_pick *taken)
{
    struct explaining x = {.stage = stage, .item = &stage->in->items[index]};
    for (size_t i = 0; i < stage->n_candidates; i++)
        explain_one(&x, index, &stage->candidates[i], taken);
    add_others(&x);
    if (!taken)
        wfs_buf_printf(stage->mapper->explain, "  no rule of %s takes it\n", stage->set->name);
}

void wfs_explain_renames(struct wfs_stage *stage, uint32_t index, const char *path)
{
    struct explaining x = {.stage = stage, .item = &stage->in->items[index]};
    bool done = false;
    for (uint32_t i = 0; i < stage->set->n_rules; i++) {
        const struct wfs_rule *rule = &stage->set->rules[i];
        wfs_cleanup(wfs_buf_free) struct wfs_buf why = {0};
        struct wfs_match m = {0};
        struct wfs_scope scope = {stage, rule, &m, x.item, x.item->expr, false};
        bool holds = false;
        if (rule->kind != WFS_RULE_RENAME)
            continue;
        if (!wfs_name_match(rule->sources.part[0].name, rule->caps, &stage->splits[index], &m)) {
            add_other(&x, rule);
            continue;
        }
        if (wfs_eval_cond(&scope, rule->cond, &holds) == 0 && !holds)
            add_condition(&scope, &why);
        else if (done)
            wfs_buf_str(&why, "would rename it, but comes later");
        else
            wfs_buf_printf(&why, "renames it: %s", wfs_dotted(stage->mapper->arena, path));
        done |= holds;
        add_rule(&x, rule, &why);
    }
    add_others(&x);
}
