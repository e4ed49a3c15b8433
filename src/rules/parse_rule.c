/*
 * parse_rule.c - rules: mappings, drop, alias, fill.
 */
#include "rules/parse_rule.h"

#include <string.h>

#include "rules/operations/operation.h"
#include "rules/parse_ops.h"

static void begin(struct wfs_parser *p)
{
    p->n_caps = 0;
    p->in_target = false;
}

static int parse_source_name(struct wfs_parser *p, const struct wfs_name **ret)
{
    p->in_target = false;
    if (!wfs_parse_space(p))
        return wfs_parse_expected(p, "a pattern");
    return wfs_parse_name(p, ret);
}

static int parse_target_name(struct wfs_parser *p, const struct wfs_name **ret)
{
    p->in_target = true;
    if (!wfs_parse_space(p))
        return wfs_parse_expected(p, "a target");
    return wfs_parse_name(p, ret);
}

/* COLLECTION: in front of a target, without a space. */
static int parse_collection(struct wfs_parser *p, const char **ret)
{
    size_t n = 0;
    for (char c; (c = wfs_parse_peek_at(p, n)) == '_' || (c >= 'a' && c <= 'z');)
        n++;
    if (n == 0 || wfs_parse_peek_at(p, n) != ':' || wfs_parse_peek_at(p, n + 1) == ' ')
        return 0;
    int r = wfs_parse_ident(p, "a collection", ret);
    wfs_parse_next(p);
    return r;
}

/* PART {& PART}, each with its operations. */
static int parse_parts(struct wfs_parser *p, bool target, struct wfs_rule_parts *ret)
{
    struct wfs_rule_part parts[WFS_RULE_MAX_PARTS];
    uint32_t n = 0;
    do {
        struct wfs_rule_part *part = &parts[n];
        *part = (struct wfs_rule_part){0};
        if (n == WFS_RULE_MAX_PARTS)
            return wfs_parse_expected(p, "at most 64 parts");
        int r = 0;
        if (target && wfs_parse_space(p))
            r = parse_collection(p, &part->collection);
        if (!r)
            r = target ? parse_target_name(p, &part->name) : parse_source_name(p, &part->name);
        if (!r && wfs_parse_accept(p, ":"))
            r = wfs_parse_ops(p, &part->ops);
        if (r)
            return r;
        n++;
    } while (wfs_parse_accept(p, "&"));
    ret->n = n;
    ret->part = wfs_arena_memdup(p->arena, parts, n * sizeof(parts[0]));
    return ret->part ? 0 : wfs_error_nomem(p->err, "rules");
}

static int parse_clauses(struct wfs_parser *p, struct wfs_rule *rule)
{
    struct wfs_rule_parts clauses[WFS_RULE_MAX_PARTS];
    uint32_t n = 0;
    int r = wfs_parse_expect(p, "->");
    if (r)
        return r;
    do {
        if (n == WFS_RULE_MAX_PARTS)
            return wfs_parse_expected(p, "at most 64 targets");
        r = parse_parts(p, true, &clauses[n]);
        if (r)
            return r;
        n++;
    } while (wfs_parse_accept(p, "->"));
    rule->n_clauses = n;
    rule->clauses = wfs_arena_memdup(p->arena, clauses, n * sizeof(clauses[0]));
    return rule->clauses ? 0 : wfs_error_nomem(p->err, "rules");
}

static int parse_condition(struct wfs_parser *p, struct wfs_rule *rule)
{
    const struct wfs_vexpr *own;
    rule->cond = p->when;
    if (!wfs_parse_accept(p, "if"))
        return 0;
    int r = wfs_parse_expr(p, &own);
    if (r || !p->when) {
        rule->cond = own;
        return r;
    }
    return wfs_parse_both(p, p->when, own, &rule->cond);
}

static bool op_is_fill(const struct wfs_op *op)
{
    return op->operation->class == WFS_OP_FILL;
}

static int parse_fill_op(struct wfs_parser *p, struct wfs_op *ret)
{
    struct wfs_pos pos;
    wfs_parse_space(p);
    pos = wfs_parse_pos(p);
    int r = wfs_parse_op(p, ret);
    if (!r && !op_is_fill(ret))
        return wfs_parse_error(p, pos, "expected zeros, ones, full, arange or sinusoid");
    return r;
}

/* Single-part helper. */
static int one_part(struct wfs_parser *p, const struct wfs_name *name, struct wfs_rule_parts *ret)
{
    struct wfs_rule_part part = {.name = name};
    ret->n = 1;
    ret->part = wfs_arena_memdup(p->arena, &part, sizeof(part));
    return ret->part ? 0 : wfs_error_nomem(p->err, "rules");
}

static int parse_drop(struct wfs_parser *p, struct wfs_rule *rule)
{
    const struct wfs_name *name;
    rule->kind = WFS_RULE_DROP;
    int r = parse_source_name(p, &name);
    if (!r)
        r = one_part(p, name, &rule->sources);
    if (r || !wfs_parse_accept(p, ":"))
        return r;
    struct wfs_op op;
    r = parse_fill_op(p, &op);
    if (!r)
        r = wfs_parse_expect(p, "for");
    if (!r)
        r = parse_source_name(p, &rule->restore_for);
    if (r)
        return r;
    rule->restore = wfs_arena_memdup(p->arena, &op, sizeof(op));
    return rule->restore ? 0 : wfs_error_nomem(p->err, "rules");
}

static int parse_alias(struct wfs_parser *p, struct wfs_rule *rule)
{
    const struct wfs_name *name;
    rule->kind = WFS_RULE_ALIAS;
    int r = parse_source_name(p, &name);
    if (!r)
        r = one_part(p, name, &rule->sources);
    if (!r)
        r = wfs_parse_expect(p, "of");
    return r ? r : parse_source_name(p, &rule->of);
}

static int one_target(struct wfs_parser *p, const struct wfs_rule_part *part, struct wfs_rule *rule)
{
    struct wfs_rule_parts *clause = wfs_arena_alloc(p->arena, sizeof(*clause));
    if (!clause || !(clause->part = wfs_arena_memdup(p->arena, part, sizeof(*part))))
        return wfs_error_nomem(p->err, "rules");
    clause->n = 1;
    rule->n_clauses = 1;
    rule->clauses = clause;
    return 0;
}

static int parse_rename(struct wfs_parser *p, struct wfs_rule *rule)
{
    const struct wfs_name *name;
    struct wfs_rule_part target = {0};
    rule->kind = WFS_RULE_RENAME;
    int r = parse_source_name(p, &name);
    if (!r)
        r = one_part(p, name, &rule->sources);
    if (!r)
        r = wfs_parse_expect(p, "->");
    if (!r)
        r = parse_target_name(p, &target.name);
    return r ? r : one_target(p, &target, rule);
}

/* The `for` pattern binds the target's captures but stands after it: it is parsed first. */
static int parse_fill(struct wfs_parser *p, struct wfs_rule *rule)
{
    rule->kind = WFS_RULE_FILL;
    struct wfs_parser ahead = *p;
    const struct wfs_name *pattern = NULL;
    while (wfs_parse_space(&ahead)) {
        if (wfs_parse_accept(&ahead, "for")) {
            int r = parse_source_name(&ahead, &pattern);
            if (r)
                return r;
            memcpy(p->caps, ahead.caps, sizeof(p->caps));
            p->n_caps = ahead.n_caps;
            break;
        }
        while (wfs_parse_peek(&ahead) && !strchr(" \t\r\n", wfs_parse_peek(&ahead)))
            wfs_parse_next(&ahead);
    }
    int r = pattern ? one_part(p, pattern, &rule->sources) : 0;
    struct wfs_rule_part part = {0};
    if (!r && wfs_parse_space(p))
        r = parse_collection(p, &part.collection);
    if (!r)
        r = parse_target_name(p, &part.name);
    if (!r)
        r = wfs_parse_expect(p, ":");
    if (!r)
        r = wfs_parse_ops(p, &part.ops);
    if (!r && !op_is_fill(&part.ops.op[0]))
        return wfs_parse_error(p, part.ops.op[0].pos,
                               "expected zeros, ones, full, arange or sinusoid");
    if (!r && wfs_parse_accept(p, "for"))
        r = parse_source_name(p, &pattern);
    if (r)
        return r;
    return one_target(p, &part, rule);
}

/* ---- checks -------------------------------------------------------------------------------- */

static bool name_uses(const struct wfs_name *name, uint32_t cap)
{
    if (name->regex)
        return name->regex_group[cap] >= 0;
    for (uint32_t i = 0; i < name->n_segments; i++)
        for (uint32_t a = 0; a < name->segments[i].n_atoms; a++)
            if (!name->segments[i].atoms[a].lit && name->segments[i].atoms[a].cap == cap)
                return true;
    return false;
}

static bool ops_fan(const struct wfs_ops *ops, uint32_t cap, bool in)
{
    for (uint32_t i = 0; i < ops->n; i++) {
        enum wfs_op_class fan = in ? WFS_OP_JOIN : WFS_OP_SPLIT;
        if (ops->op[i].cap == cap && ops->op[i].operation->class == fan)
            return true;
    }
    return false;
}

static bool rule_fans(const struct wfs_rule *rule, uint32_t cap, bool in)
{
    for (uint32_t i = 0; i < rule->sources.n; i++)
        if (ops_fan(&rule->sources.part[i].ops, cap, in))
            return true;
    for (uint32_t c = 0; c < rule->n_clauses; c++)
        for (uint32_t i = 0; i < rule->clauses[c].n; i++)
            if (ops_fan(&rule->clauses[c].part[i].ops, cap, in))
                return true;
    return false;
}

/* A capture that a target makes must come from a fan-out; one that parts do not share must be
 * fanned in; what is fanned in cannot stand in the target. */
static int check_captures(struct wfs_parser *p, const struct wfs_rule *rule)
{
    for (uint32_t cap = 0; cap < p->n_caps; cap++) {
        const struct wfs_cap *c = &p->caps[cap];
        bool fan_in = rule_fans(rule, cap, true), fan_out = rule_fans(rule, cap, false);
        if (!c->in_source && !fan_out && rule->kind == WFS_RULE_MAP)
            return wfs_parse_error(p, c->pos,
                                   "expected {%s} in a source pattern, or split or unstack over it",
                                   c->name);
        if (c->in_source && fan_out)
            return wfs_parse_error(p, c->pos,
                                   "expected {%s}, made by split or unstack, only in "
                                   "the target",
                                   c->name);
        if (!c->in_source && c->kind != WFS_CAP_INT && c->kind != WFS_CAP_ALT)
            return wfs_parse_error(p, c->pos, "expected {%s:#} or {%s:a|b} in a target", c->name,
                                   c->name);
        for (uint32_t i = 0; i < rule->sources.n && c->in_source && !fan_in; i++)
            if (rule->kind == WFS_RULE_MAP && !name_uses(rule->sources.part[i].name, cap))
                return wfs_parse_error(p, rule->sources.part[i].name->pos,
                                       "expected {%s} in this pattern too, or concat or stack "
                                       "over it",
                                       c->name);
        for (uint32_t k = 0; k < rule->n_clauses && fan_in; k++)
            for (uint32_t i = 0; i < rule->clauses[k].n; i++)
                if (name_uses(rule->clauses[k].part[i].name, cap))
                    return wfs_parse_error(p, rule->clauses[k].part[i].name->pos,
                                           "expected no {%s} in the target: it is fanned in",
                                           c->name);
    }
    return 0;
}

static bool asks(const struct wfs_vexpr *e, enum wfs_vexpr_kind kind)
{
    bool found = e->kind == kind;
    for (uint32_t i = 0; i < e->n_args; i++)
        found |= asks(e->args[i], kind);
    return found;
}

static int finish(struct wfs_parser *p, struct wfs_rule *rule, size_t start)
{
    rule->takes_packed = rule->cond && asks(rule->cond, WFS_V_PACKED);
    rule->asks_convolution = rule->cond && asks(rule->cond, WFS_V_CONVOLUTION);
    rule->asks_role = rule->cond && asks(rule->cond, WFS_V_ROLE);
    rule->asks_channels = rule->cond && asks(rule->cond, WFS_V_CHANNELS);
    rule->n_caps = p->n_caps;
    rule->fans_in = rule->kind == WFS_RULE_MAP && rule->sources.n > 1;
    for (uint32_t cap = 0; cap < p->n_caps; cap++)
        rule->fan_caps |= (uint32_t)rule_fans(rule, cap, true) << cap;
    rule->fans_in |= rule->fan_caps != 0;
    rule->caps = wfs_arena_memdup(p->arena, p->caps, p->n_caps * sizeof(p->caps[0]));
    const char *text = wfs_parse_text_since(p, start);
    rule->text =
        text && p->when_text ? wfs_arena_printf(p->arena, "%s%s", text, p->when_text) : text;
    rule->where = wfs_arena_printf(p->arena, "%s:%u", rule->pos.file, rule->pos.line);
    if (!rule->text || !rule->where || (p->n_caps && !rule->caps))
        return wfs_error_nomem(p->err, "rules");
    return 0;
}

/* How far the next line with a statement on it is indented. */
static size_t next_indent(const struct wfs_parser *p)
{
    struct wfs_parser ahead = *p;
    return wfs_parse_statement_start(&ahead) ? ahead.pos - ahead.line_start : 0;
}

/* The condition, up to the colon and the end of its line. */
static int parse_when_condition(struct wfs_parser *p, const struct wfs_vexpr **ret)
{
    begin(p);
    wfs_parse_space(p);
    struct wfs_pos pos = wfs_parse_pos(p);
    size_t start = p->pos;
    int r = wfs_parse_expr(p, ret);
    if (!r && p->n_caps)
        r = wfs_parse_error(p, pos, "expected a condition without captures: `let` may have them");
    const char *text = r ? NULL : wfs_parse_text_since(p, start);
    if (!r && !text)
        r = wfs_error_nomem(p->err, "rules");
    if (!r)
        r = wfs_parse_expect(p, ":");
    if (r)
        return r;
    p->when_text = wfs_arena_printf(p->arena, " when %s%s", text, p->when_text ? p->when_text : "");
    return p->when_text ? 0 : wfs_error_nomem(p->err, "rules");
}

int wfs_parse_when(struct wfs_parser *p)
{
    const struct wfs_vexpr *cond;
    int r = parse_when_condition(p, &cond);
    if (r)
        return r;
    uint32_t line = p->line;
    size_t indent = next_indent(p);
    if (wfs_parse_space(p) && p->line == line)
        return wfs_parse_expected(p, "the end of the line after ':'");
    if (indent <= p->indent)
        return wfs_parse_expected(p, "rules, indented, below `when`");
    p->indent = indent;
    if (p->when)
        return wfs_parse_both(p, p->when, cond, &p->when);
    p->when = cond;
    return 0;
}

static int parse_kind(struct wfs_parser *p, struct wfs_rule *rule)
{
    if (wfs_parse_accept(p, "drop "))
        return parse_drop(p, rule);
    if (wfs_parse_accept(p, "alias "))
        return parse_alias(p, rule);
    if (wfs_parse_accept(p, "rename "))
        return parse_rename(p, rule);
    if (wfs_parse_accept(p, "fill "))
        return parse_fill(p, rule);
    int r = parse_parts(p, false, &rule->sources);
    return r ? r : parse_clauses(p, rule);
}

/* [inverse|forward] and what kind of rule it is, with its names and operations. */
static int parse_directed(struct wfs_parser *p, struct wfs_rule *rule)
{
    if (wfs_parse_accept(p, "inverse "))
        rule->direction = WFS_INVERSE_ONLY;
    else if (wfs_parse_accept(p, "forward "))
        rule->direction = WFS_FORWARD_ONLY;
    int r = parse_kind(p, rule);
    if (!r && rule->direction != WFS_BOTH_WAYS && rule->restore)
        return wfs_parse_error(p, rule->restore->pos,
                               "expected a drop that restores nothing, since it is for one "
                               "direction: `inverse fill` says what the other one fills");
    return r;
}

int wfs_parse_rule(struct wfs_parser *p, struct wfs_rule *ret)
{
    struct wfs_rule rule = {.pos = wfs_parse_pos(p)};
    size_t start = p->pos;
    begin(p);
    int r = parse_directed(p, &rule);
    if (!r)
        r = check_captures(p, &rule); /* before any() in the condition adds its own */
    if (!r)
        r = parse_condition(p, &rule);
    if (!r && wfs_parse_accept(p, "doubt"))
        r = wfs_parse_string(p, &rule.doubt);
    if (!r && wfs_parse_space(p))
        r = wfs_parse_expected(p, "'->', '&', 'if' or the end of the rule");
    if (!r)
        r = finish(p, &rule, start);
    if (!r)
        *ret = rule;
    return r;
}
