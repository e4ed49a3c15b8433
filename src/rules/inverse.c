/*
 * inverse.c - the other direction of a rule set.
 *
 * Every rule is turned around: targets become patterns, patterns become targets, operations their
 * inverses in reverse order. What has no inverse (a sum, a lost capture, a reshape that does not
 * say what it came from) refuses the set and says where, unless the rule is marked `forward`: then
 * rules marked `inverse` stand for it. Conditions are asked of what the inverse makes (its rank and shape); names that are not known yet count as possible. Whether the result is
 * really an inverse on the names at hand is proved afterwards, by mapping it back
 * (wfs_inverse_prove).
 */
#include <string.h>

#include "rules/inverse_ops.h"
#include "rules/operations/operation.h"

/* ---- names --------------------------------------------------------------------------------- */

static bool is_arithmetic(const struct wfs_inverting *v, const struct wfs_vexpr *e)
{
    bool ok = e->kind == WFS_V_LET || e->kind == WFS_V_CONFIG || e->kind == WFS_V_NEG ||
              e->kind == WFS_V_BINARY;
    if (e->kind == WFS_V_CONST)
        ok = e->value.kind == WFS_VALUE_INT;
    if (e->kind == WFS_V_CAPTURE)
        ok = v->caps[e->index].kind == WFS_CAP_INT;
    for (uint32_t i = 0; i < e->n_args; i++)
        ok = ok && is_arithmetic(v, e->args[i]);
    return ok;
}

/* {l+1} of a target becomes a number of the pattern, and an equation to solve for l. */
static int expression_atom(struct wfs_inverting *v, const struct wfs_name *name,
                           struct wfs_atom *atom)
{
    if (!is_arithmetic(v, atom->expr))
        return wfs_invert_refuse(v, name->pos, "the target's name is computed from text");
    if (v->n_caps == WFS_RULE_MAX_CAPS)
        return wfs_invert_refuse(v, name->pos, "too many captures");
    v->caps[v->n_caps] =
        (struct wfs_cap){.name = "", .kind = WFS_CAP_INT, .pos = name->pos, .in_source = false};
    v->equations[v->n_equations++] = (struct wfs_equation){v->n_caps, atom->expr};
    atom->cap = v->n_caps++;
    atom->expr = NULL;
    return 0;
}

static int pattern_from(struct wfs_inverting *v, const struct wfs_name *target,
                        const struct wfs_name **ret)
{
    struct wfs_name *name = wfs_arena_memdup(v->arena, target, sizeof(*target));
    struct wfs_segment *segments =
        wfs_arena_memdup(v->arena, target->segments, target->n_segments * sizeof(*segments));
    if (!name || !segments)
        return wfs_invert_nomem(v);
    name->n_many = 0;
    for (uint32_t i = 0; i < target->n_segments; i++) {
        struct wfs_atom *atoms =
            wfs_arena_memdup(v->arena, segments[i].atoms, segments[i].n_atoms * sizeof(*atoms));
        if (!atoms)
            return wfs_invert_nomem(v);
        segments[i].atoms = atoms;
        segments[i].many = false;
        for (uint32_t a = 0; a < segments[i].n_atoms; a++) {
            if (atoms[a].lit)
                continue;
            if (atoms[a].cap == WFS_NO_INDEX) {
                int r = expression_atom(v, target, &atoms[a]);
                if (r)
                    return r;
            }
            enum wfs_cap_kind kind = v->caps[atoms[a].cap].kind;
            segments[i].many |= kind == WFS_CAP_MANY || kind == WFS_CAP_SOME;
        }
        if (segments[i].many && segments[i].n_atoms > 1)
            return wfs_invert_refuse(v, target->pos, "{p:*} does not stand alone in the target");
        name->n_many += segments[i].many;
    }
    name->segments = segments;
    *ret = name;
    return 0;
}

static bool name_has(const struct wfs_name *name, uint32_t cap)
{
    for (uint32_t i = 0; i < name->n_segments; i++)
        for (uint32_t a = 0; a < name->segments[i].n_atoms; a++)
            if (!name->segments[i].atoms[a].lit && name->segments[i].atoms[a].cap == cap)
                return true;
    return false;
}

static bool expr_has(const struct wfs_vexpr *e, uint32_t cap)
{
    bool found = e->kind == WFS_V_CAPTURE && e->index == cap;
    for (uint32_t i = 0; i < e->n_args; i++)
        found |= expr_has(e->args[i], cap);
    return found;
}

/* Does the inverse's pattern give this capture a value? */
static bool is_known(const struct wfs_inverting *v, const struct wfs_rule_parts *patterns,
                     uint32_t cap)
{
    for (uint32_t i = 0; i < patterns->n; i++)
        if (name_has(patterns->part[i].name, cap))
            return true;
    for (uint32_t i = 0; i < v->n_equations; i++)
        if (expr_has(v->equations[i].expr, cap))
            return true;
    return false;
}

static bool sources_have(const struct wfs_rule *rule, uint32_t cap)
{
    for (uint32_t i = 0; i < rule->sources.n; i++)
        if (name_has(rule->sources.part[i].name, cap))
            return true;
    return false;
}

/* Is the capture of any size bounded by the value? Behind a % it is not. */
static bool expr_bounds(const struct wfs_vexpr *e, uint32_t cap)
{
    bool found = e->kind == WFS_V_CAPTURE && e->index == cap;
    if (e->kind == WFS_V_BINARY && e->op == WFS_BIN_MOD)
        return false;
    for (uint32_t i = 0; i < e->n_args; i++)
        found |= expr_bounds(e->args[i], cap);
    return found;
}

/* A remainder alone has one answer within any bound that is small enough, and endlessly many. */
static bool is_bounded(const struct wfs_inverting *v, const struct wfs_rule_parts *patterns,
                       uint32_t cap)
{
    bool bounded = v->caps[cap].ranged || v->n_equations == 0;
    for (uint32_t i = 0; i < patterns->n; i++)
        bounded |= name_has(patterns->part[i].name, cap);
    for (uint32_t i = 0; i < v->n_equations; i++)
        bounded |= expr_bounds(v->equations[i].expr, cap);
    return bounded;
}

/* ---- rules --------------------------------------------------------------------------------- */

static bool parts_fan(const struct wfs_rule_parts *parts, uint32_t cap)
{
    for (uint32_t i = 0; i < parts->n; i++)
        for (uint32_t k = 0; k < parts->part[i].ops.n; k++) {
            const struct wfs_op *op = &parts->part[i].ops.op[k];
            if (op->cap == cap && op->operation->class == WFS_OP_JOIN)
                return true;
        }
    return false;
}

/* Where names of this target stand when they are read. */
static const char *read_collection(const struct wfs_inverting *v,
                                   const struct wfs_rule_part *target)
{
    const char *usual = v->set->target.collection;
    return target->collection ? target->collection : usual ? usual : "";
}

static int turn_parts(struct wfs_inverting *v, const struct wfs_rule_parts *in, bool to_patterns,
                      struct wfs_rule_parts *ret)
{
    struct wfs_rule_part *parts = wfs_arena_array(v->arena, in->n, sizeof(*parts));
    if (!parts)
        return wfs_invert_nomem(v);
    for (uint32_t i = 0; i < in->n; i++) {
        parts[i].name = in->part[i].name;
        parts[i].collection = to_patterns ? read_collection(v, &in->part[i]) : NULL;
        int r = to_patterns ? pattern_from(v, in->part[i].name, &parts[i].name) : 0;
        if (!r)
            r = wfs_invert_ops(v, &in->part[i].ops, &parts[i].ops);
        if (r)
            return r;
    }
    *ret = (struct wfs_rule_parts){in->n, parts};
    return 0;
}

static int keep_lists(struct wfs_inverting *v, struct wfs_rule *out)
{
    out->n_caps = v->n_caps;
    out->caps = wfs_arena_memdup(v->arena, v->caps, sizeof(v->caps));
    out->n_equations = v->n_equations;
    out->equations = wfs_arena_memdup(v->arena, v->equations, sizeof(v->equations));
    out->where = wfs_arena_printf(v->arena, "~%s", v->rule->where);
    out->text = wfs_arena_printf(v->arena, "~ %s", v->rule->text);
    return out->caps && out->equations && out->where && out->text ? 0 : wfs_invert_nomem(v);
}

static int invert_map(struct wfs_inverting *v, struct wfs_rule *out)
{
    const struct wfs_rule *in = v->rule;
    struct wfs_rule_parts *clause = wfs_arena_alloc(v->arena, sizeof(*clause));
    if (!clause)
        return wfs_invert_nomem(v);
    for (uint32_t i = 0; i < in->sources.n; i++)
        if (in->sources.part[i].name->regex)
            return wfs_invert_refuse(v, in->pos,
                                     "a regular expression cannot be written backwards");
    int r = turn_parts(v, &in->clauses[0], true, &out->sources);
    if (!r)
        r = turn_parts(v, &in->sources, false, clause);
    if (r)
        return r;
    out->clauses = clause;
    out->n_clauses = 1;
    out->asks_result = in->cond != NULL;
    out->fans_in = out->sources.n > 1;
    for (uint32_t cap = 0; cap < v->n_caps; cap++) {
        bool fans = parts_fan(&out->sources, cap) || parts_fan(clause, cap);
        out->fan_caps |= (uint32_t)fans << cap;
        bool hidden = cap >= in->n_caps, known = is_known(v, &out->sources, cap);
        if (!hidden && !known && sources_have(in, cap) && !(in->fan_caps >> cap & 1))
            return wfs_invert_refuse(v, in->caps[cap].pos, "the target does not hold this capture");
        if (!hidden && known && !is_bounded(v, &out->sources, cap))
            return wfs_invert_refuse(v, in->caps[cap].pos,
                                     "many numbers give this remainder: a range, as in "
                                     "{l:0-99}, would leave one");
        if (!hidden)
            v->caps[cap].in_source = known;
    }
    out->fans_in |= out->fan_caps != 0;
    return 0;
}

/* A drop that says what it restores becomes a fill over what the inverse has made. */
static int invert_drop(struct wfs_inverting *v, struct wfs_rule *out)
{
    const struct wfs_rule *in = v->rule;
    struct wfs_rule_part part = {.name = in->sources.part[0].name, .ops = {1, in->restore}};
    struct wfs_rule_part pattern = {.name = in->restore_for};
    struct wfs_rule_parts *clause = wfs_arena_alloc(v->arena, sizeof(*clause));
    if (!clause || !(clause->part = wfs_arena_memdup(v->arena, &part, sizeof(part))))
        return wfs_invert_nomem(v);
    clause->n = 1;
    out->kind = WFS_RULE_FILL;
    out->origin = in;
    out->for_target = true;
    out->clauses = clause;
    out->n_clauses = 1;
    out->sources.n = 1;
    out->sources.part = wfs_arena_memdup(v->arena, &pattern, sizeof(pattern));
    out->cond = NULL;
    return out->sources.part ? 0 : wfs_invert_nomem(v);
}

/* What was filled is left out again, unless a rule makes something of it. */
static int invert_fill(struct wfs_inverting *v, const struct wfs_rule_part *target,
                       struct wfs_rule *out)
{
    struct wfs_rule_part part = {.collection = read_collection(v, target)};
    int r = pattern_from(v, target->name, &part.name);
    if (r)
        return r;
    out->kind = WFS_RULE_DROP;
    out->origin = v->rule->kind == WFS_RULE_FILL ? v->rule : NULL;
    out->cond = NULL;
    out->sources.n = 1;
    out->sources.part = wfs_arena_memdup(v->arena, &part, sizeof(part));
    return out->sources.part ? 0 : wfs_invert_nomem(v);
}

static void begin(struct wfs_inverting *v, const struct wfs_rule *rule, struct wfs_rule *out)
{
    v->rule = rule;
    v->n_caps = rule->n_caps;
    v->n_equations = 0;
    memcpy(v->caps, rule->caps, rule->n_caps * sizeof(v->caps[0]));
    *out = (struct wfs_rule){.kind = rule->kind,
                             .pos = rule->pos,
                             .cond = rule->cond,
                             .takes_packed = rule->takes_packed,
                             .asks_convolution = rule->asks_convolution,
                             .asks_role = rule->asks_role,
                             .asks_channels = rule->asks_channels,
                             .level = rule->level};
}

static int invert_rule(struct wfs_inverting *v, struct wfs_rule *out)
{
    if (v->rule->direction == WFS_INVERSE_ONLY) {
        *out = *v->rule; /* it is written for this direction */
        return 0;
    }
    return v->rule->kind == WFS_RULE_MAP ? invert_map(v, out) : invert_drop(v, out);
}

/* A rename only brings names into the form that comes back. */
static bool has_inverse(const struct wfs_rule *rule)
{
    if (rule->direction != WFS_BOTH_WAYS)
        return rule->direction == WFS_INVERSE_ONLY;
    return rule->kind == WFS_RULE_MAP || (rule->kind == WFS_RULE_DROP && rule->restore);
}

static int invert_mappings(struct wfs_inverting *v, const struct wfs_set *set,
                           struct wfs_rule *rules, uint32_t *n)
{
    int r = 0;
    for (uint32_t i = 0; !r && i < set->n_rules; i++) {
        const struct wfs_rule *rule = &set->rules[i];
        if (!has_inverse(rule))
            continue;
        begin(v, rule, &rules[*n]);
        r = invert_rule(v, &rules[*n]);
        if (!r)
            r = keep_lists(v, &rules[*n]);
        ++*n;
    }
    return r;
}

/* Mappings first, in order; drops of fills last, so that a mapping wins. */
static int invert_rules(struct wfs_inverting *v, const struct wfs_set *set, struct wfs_rule *rules,
                        uint32_t *ret_n)
{
    uint32_t n = 0;
    int r = invert_mappings(v, set, rules, &n);
    for (uint32_t i = 0; !r && i < set->n_rules; i++) {
        const struct wfs_rule *rule = &set->rules[i];
        uint32_t first = rule->kind == WFS_RULE_MAP ? 1 : 0;
        bool copies = rule->direction == WFS_BOTH_WAYS &&
                      (rule->kind == WFS_RULE_MAP || rule->kind == WFS_RULE_FILL);
        for (uint32_t c = first; !r && copies && c < rule->n_clauses; c++) {
            begin(v, rule, &rules[n]);
            r = invert_fill(v, &rule->clauses[c].part[0], &rules[n]);
            if (!r)
                r = keep_lists(v, &rules[n]);
            n++;
        }
    }
    *ret_n = n;
    return r;
}

/* ---- the set ------------------------------------------------------------------------------- */

static void add_collection(const char **list, uint32_t *n, const char *name)
{
    for (uint32_t i = 0; i < *n; i++)
        if (strcmp(list[i], name) == 0)
            return;
    list[(*n)++] = name;
}

/* Collections that the rule's targets name; one for the inverse alone names those of the source. */
static void add_rule_collections(const struct wfs_rule *rule, const char **list, uint32_t *n)
{
    if (rule->direction == WFS_INVERSE_ONLY)
        return;
    for (uint32_t c = 0; c < rule->n_clauses; c++)
        for (uint32_t k = 0; k < rule->clauses[c].n; k++)
            if (rule->clauses[c].part[k].collection)
                add_collection(list, n, rule->clauses[c].part[k].collection);
}

/* The default collection and those that targets name. */
static int list_collections(struct wfs_inverting *v, const struct wfs_set *in,
                            struct wfs_namespace *ret)
{
    size_t max = 1;
    for (uint32_t i = 0; i < in->n_rules; i++)
        for (uint32_t c = 0; c < in->rules[i].n_clauses; c++)
            max += in->rules[i].clauses[c].n;
    const char **list = wfs_arena_array(v->arena, max, sizeof(*list));
    if (!list)
        return wfs_invert_nomem(v);
    ret->n_collections = 0;
    if (in->target.collection)
        add_collection(list, &ret->n_collections, in->target.collection);
    for (uint32_t i = 0; i < in->n_rules; i++)
        add_rule_collections(&in->rules[i], list, &ret->n_collections);
    ret->collections = list;
    return 0;
}

static int turn_namespaces(struct wfs_inverting *v, const struct wfs_set *in, struct wfs_set *out)
{
    out->source = in->target;
    out->target = in->source;
    int r = list_collections(v, in, &out->source);
    if (r)
        return r;
    if (in->source.n_collections > 1)
        return wfs_invert_refuse(v, (struct wfs_pos){in->file, 1, 1},
                                 "which of several collections a name was in is lost");
    out->target.collection = in->source.n_collections ? in->source.collections[0] : NULL;
    return 0;
}

static int turn_prefixes(struct wfs_inverting *v, const struct wfs_set *in, struct wfs_set *out)
{
    struct wfs_prefix *p = wfs_arena_array(v->arena, in->n_prefixes + 1, sizeof(*p));
    if (!p)
        return wfs_invert_nomem(v);
    for (uint32_t i = 0; i < in->n_prefixes; i++) {
        p[i] = in->prefixes[in->n_prefixes - 1 - i];
        p[i].add = !p[i].add;
    }
    out->prefixes = p;
    return 0;
}

int wfs_set_invert(struct wfs_arena *arena, const struct wfs_set *set, struct wfs_set **ret,
                   struct wfs_error *err)
{
    struct wfs_set *out = wfs_arena_memdup(arena, set, sizeof(*set));
    struct wfs_inverting *v = wfs_arena_alloc(arena, sizeof(*v));
    size_t max = 0;
    for (uint32_t i = 0; i < set->n_rules; i++)
        max += 1 + set->rules[i].n_clauses;
    struct wfs_rule *rules = wfs_arena_array(arena, max + 1, sizeof(*rules));
    if (!out || !v || !rules)
        return wfs_error_nomem(err, "rules");
    v->arena = arena;
    v->set = set;
    v->err = err;
    int r = invert_rules(v, set, rules, &out->n_rules);
    if (!r)
        r = turn_namespaces(v, set, out);
    if (!r)
        r = turn_prefixes(v, set, out);
    if (r)
        return r;
    out->rules = rules;
    out->name = wfs_arena_printf(arena, "~%s", set->name);
    out->from = set->to;
    out->to = set->from;
    out->files = NULL;
    out->format = NULL;
    out->policy = WFS_MATCH_FIRST;
    out->n_detect = 0;
    out->is_inverse = true;
    out->inverse_of = set;
    if (!out->name)
        return wfs_error_nomem(err, "rules");
    *ret = out;
    return 0;
}
