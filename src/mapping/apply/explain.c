/*
 * explain.c - why a rule takes a tensor, and the others do not.
 */
#include "mapping/apply/explain.h"

#include <ctype.h>
#include <string.h>

#include "mapping/eval/eval.h"
#include "mapping/roles/names.h"

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

static int add_text(const struct wfs_scope *scope, struct wfs_buf *out, const struct wfs_value *v)
{
    wfs_cleanup(wfs_buf_free) struct wfs_buf buf = {0}, ended = {0};
    struct wfs_value text;
    int r = wfs_value_text(v, &buf, &text, scope->run.sink->err);
    if (r)
        return r;
    wfs_buf_add(&ended, text.s, text.len);
    wfs_buf_char(out, '"');
    wfs_buf_visible(out, wfs_buf_ok(&ended) && ended.data ? ended.data : "");
    wfs_buf_char(out, '"');
    return 0;
}

static int add_value(const struct wfs_scope *scope, struct wfs_buf *out, const struct wfs_value *v)
{
    switch (v->kind) {
    case WFS_VALUE_INT:
        wfs_buf_printf(out, "%lld", (long long)v->i);
        return 0;
    case WFS_VALUE_REAL:
        wfs_buf_printf(out, "%g", v->r);
        return 0;
    case WFS_VALUE_BOOL:
        wfs_buf_str(out, v->i ? "true" : "false");
        return 0;
    case WFS_VALUE_STR:
        return add_text(scope, out, v);
    default:
        wfs_buf_str(out, "not known");
        return 0;
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
    case WFS_V_ROLE:
    case WFS_V_CHANNELS:
    case WFS_V_DIM:
    case WFS_V_TDIM:
        return true;
    default:
        return false;
    }
}

/* The values in an expression, each once. Those that cannot be found are left out. */
static int add_values(const struct wfs_scope *scope, const struct wfs_vexpr *e, struct wfs_buf *out,
                      struct wfs_buf *seen)
{
    wfs_cleanup(wfs_buf_free) struct wfs_buf name = {0};
    struct wfs_value v;
    int r = 0;
    if (!has_value(e)) {
        for (uint32_t i = 0; !r && i < e->n_args; i++)
            r = add_values(scope, e->args[i], out, seen);
        return r;
    }
    wfs_buf_char(&name, '\n');
    add_source(&name, e);
    wfs_buf_char(&name, '\n');
    if (!wfs_buf_ok(&name))
        return -ENOMEM;
    if (seen->len && strstr(seen->data, name.data))
        return 0;
    wfs_buf_str(seen, name.data);
    r = wfs_eval(scope, e, &v);
    if (r)
        return r == -ENOMEM ? r : 0;
    wfs_buf_str(out, out->len ? ", " : "");
    add_source(out, e);
    wfs_buf_str(out, " is ");
    return add_value(scope, out, &v);
}

/* The part of a false condition that makes it so. */
static int false_part(const struct wfs_scope *scope, const struct wfs_vexpr *e,
                      const struct wfs_vexpr **ret)
{
    while (e->kind == WFS_V_BINARY && e->op == WFS_BIN_AND) {
        bool left;
        int r = wfs_eval_cond(scope, e->args[0], &left);
        if (r == -ENOMEM)
            return r;
        if (r)
            break;
        e = e->args[left ? 1 : 0];
    }
    *ret = e;
    return 0;
}

static int add_condition(const struct wfs_scope *scope, struct wfs_buf *out)
{
    wfs_cleanup(wfs_buf_free) struct wfs_buf values = {0}, seen = {0};
    const struct wfs_vexpr *cond = scope->run.rule->cond;
    if (scope->run.rule->asks_result) { /* of a result that is not made */
        wfs_buf_str(out, "its condition is false of what it would make: ");
        add_source(out, cond);
        return 0;
    }
    int r = false_part(scope, cond, &cond);
    if (r)
        return r;
    wfs_buf_str(out, "its condition is false: ");
    add_source(out, cond);
    r = add_values(scope, cond, &values, &seen);
    if (values.len && wfs_buf_ok(&values))
        wfs_buf_printf(out, " (%s)", values.data);
    return r;
}

/* ---- rules --------------------------------------------------------------------------------- */

/* The rules are asked with a sink of their own: nothing that they find is reported again. */
struct explaining {
    struct wfs_apply *apply;
    struct wfs_buf *out;
    struct wfs_sink mute;
    struct wfs_error err;  /* of the rule that was asked last */
    struct wfs_buf others; /* rules whose pattern does not match */
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
    wfs_buf_printf(x->out, "  %s: %s\n      %s\n", rule->where,
                   wfs_buf_ok(why) && why->data ? why->data : "?", rule->text);
}

static void add_others(struct explaining *x)
{
    if (x->others.len && wfs_buf_ok(&x->others))
        wfs_buf_printf(x->out, "  pattern does not match: %s\n", x->others.data);
    wfs_buf_free(&x->others);
    x->last_other = NULL;
}

/* It would take it, but for the rule that does. */
static const char *loses(const struct wfs_set *set, const struct wfs_rule *taken,
                         const struct wfs_rule *rule)
{
    if (set->policy == WFS_MATCH_FIRST)
        return "would take it, but comes later";
    return taken->level != rule->level ? "would take it, but is included"
                                       : "would take it, but has less literal text";
}

static int add_answer(struct explaining *x, uint32_t index, const struct wfs_pick *pick,
                      const struct wfs_pick *taken, enum wfs_pick_answer answer,
                      struct wfs_buf *why)
{
    const struct wfs_world *world = &x->apply->world;
    const struct wfs_run run = {world, &x->mute, pick->rule};
    struct wfs_scope scope = wfs_item_scope(&run, &pick->match, &world->items->items[index]);
    switch (answer) {
    case WFS_PICK_TAKES:
        wfs_buf_str(why, !taken || (taken->rule == pick->rule && taken->part == pick->part)
                             ? "takes it"
                             : loses(world->set, taken->rule, pick->rule));
        return 0;
    case WFS_PICK_PACKED:
        wfs_buf_str(why, "leaves packed weights alone");
        return 0;
    case WFS_PICK_UNSOLVED:
        wfs_buf_str(why, "no number of the original gives this one");
        return 0;
    case WFS_PICK_NO_COPY:
        wfs_buf_str(why, "it is no copy of such a tensor");
        return 0;
    default:
        return add_condition(&scope, why);
    }
}

static int explain_candidate(struct explaining *x, uint32_t index, const struct wfs_candidate *c,
                             const struct wfs_pick *taken)
{
    wfs_cleanup(wfs_buf_free) struct wfs_buf why = {0};
    struct wfs_pick pick = {.rule = c->rule, .part = c->part};
    enum wfs_pick_answer answer;
    int r = wfs_pick_try(x->apply, &x->mute, index, &pick, &answer);
    if (r == -ENOMEM)
        return r;
    if (r)
        wfs_buf_printf(&why, "cannot be asked: %s", x->err.message);
    else if (answer != WFS_PICK_NO_MATCH)
        r = add_answer(x, index, &pick, taken, answer, &why);
    if (why.len)
        add_rule(x, c->rule, &why);
    else
        add_other(x, c->rule);
    return r == -ENOMEM ? r : 0;
}

static int explain_rules(struct explaining *x, uint32_t index)
{
    struct wfs_apply *apply = x->apply;
    struct wfs_pick taken;
    bool found;
    int r = wfs_pick_rule(apply, &x->mute, index, &taken, &found);
    for (size_t i = 0; !r && i < apply->n_candidates; i++)
        r = explain_candidate(x, index, &apply->candidates[i], found ? &taken : NULL);
    add_others(x);
    if (!r && !found)
        wfs_buf_printf(x->out, "  no rule of %s takes it\n", apply->set->name);
    return r;
}

/* *done: an earlier one renames it. */
static int explain_rename(struct explaining *x, uint32_t index, const struct wfs_rule *rule,
                          bool *done)
{
    struct wfs_apply *apply = x->apply;
    const struct wfs_run run = {&apply->unrenamed, &x->mute, rule};
    wfs_cleanup(wfs_buf_free) struct wfs_buf why = {0};
    struct wfs_match m = {0};
    struct wfs_scope scope = wfs_item_scope(&run, &m, &apply->in.items[index]);
    bool holds = false;
    if (!wfs_name_match(rule->sources.part[0].name, rule->caps, &apply->in_names.splits[index],
                        &m)) {
        add_other(x, rule);
        return 0;
    }
    int r = wfs_eval_cond(&scope, rule->cond, &holds);
    if (!r && !holds)
        r = add_condition(&scope, &why);
    else if (*done)
        wfs_buf_str(&why, "would rename it, but comes later");
    else
        wfs_buf_printf(&why, "renames it: %s",
                       wfs_dotted(apply->mapper->arena, apply->world.items->items[index].path));
    *done |= holds;
    add_rule(x, rule, &why);
    return r == -ENOMEM ? r : 0;
}

static int explain_renames(struct explaining *x, uint32_t index)
{
    const struct wfs_set *set = x->apply->set;
    bool done = false;
    int r = 0;
    for (uint32_t i = 0; !r && i < set->n_rules; i++)
        if (set->rules[i].kind == WFS_RULE_RENAME)
            r = explain_rename(x, index, &set->rules[i], &done);
    add_others(x);
    return r;
}

/* Is it the tensor that is asked about, or made of it? */
static bool is_asked_about(const struct wfs_apply *apply, const struct wfs_item *item,
                           const char *path)
{
    for (uint32_t i = 0; i < item->n_sources; i++)
        if (strcmp(apply->mapper->catalog->tensors[item->sources[i]].path, path) == 0)
            return true;
    return strcmp(item->path, path) == 0;
}

static void add_role(const struct wfs_item *item, struct wfs_buf *out)
{
    if (item->role != WFS_ROLE_NONE)
        wfs_buf_printf(out, "  its role is %s: %s\n", wfs_role_name(item->role), item->role_reason);
}

int wfs_explain_apply(struct wfs_apply *apply, const char *path, struct wfs_buf *out,
                      struct wfs_error *err)
{
    struct explaining x = {.apply = apply, .out = out};
    const struct wfs_table *items = apply->world.items;
    int r = 0;
    x.mute.err = &x.err;
    for (size_t i = 0; !r && i < apply->in.n; i++)
        if (is_asked_about(apply, &apply->in.items[i], path))
            r = explain_renames(&x, (uint32_t)i);
    for (size_t i = 0; !r && i < items->n; i++)
        if (is_asked_about(apply, &items->items[i], path)) {
            add_role(&items->items[i], out);
            r = explain_rules(&x, (uint32_t)i);
        }
    return r == -ENOMEM ? wfs_error_nomem(err, "explain") : 0;
}
