/*
 * inverse.c - the other direction of a rule set.
 *
 * Every rule is turned around: targets become patterns, patterns become targets, operations their
 * inverses in reverse order. What has no inverse (a sum, a lost capture, a reshape that does not
 * say what it came from) refuses the set and says where. Conditions are asked of what the inverse
 * makes (its rank and shape); names that are not known yet count as possible. Whether the result is
 * really an inverse on the names at hand is proved afterwards, by mapping it back
 * (wfs_inverse_prove).
 */
#include <stdlib.h>
#include <string.h>

#include "mapping/inverse.h"

struct inverting {
    struct wfs_arena *arena;
    struct wfs_error *err;
    const struct wfs_rule *rule; /* being turned around */
    uint32_t n_caps;
    struct wfs_cap caps[WFS_RULE_MAX_CAPS];
    uint32_t n_solves;
    struct wfs_solve solves[WFS_RULE_MAX_CAPS];
};

static int refuse(struct inverting *v, struct wfs_pos pos, const char *why)
{
    return wfs_error_set(v->err, EINVAL, "%s:%u:%u: no inverse: %s", pos.file, pos.line, pos.col,
                         why);
}

static int nomem(struct inverting *v)
{
    return wfs_error_nomem(v->err, "rules");
}

/* ---- operations ---------------------------------------------------------------------------- */

static struct wfs_vexpr *new_expr(struct inverting *v, enum wfs_vexpr_kind kind,
                                  const struct wfs_op *op)
{
    struct wfs_vexpr *e = wfs_arena_alloc(v->arena, sizeof(*e));
    if (!e) {
        nomem(v);
        return NULL;
    }
    e->kind = kind;
    e->pos = op->pos;
    return e;
}

static const struct wfs_vexpr *int_expr(struct inverting *v, const struct wfs_op *op, int64_t i)
{
    struct wfs_vexpr *e = new_expr(v, WFS_V_CONST, op);
    if (e)
        e->value = (struct wfs_value){.kind = WFS_VALUE_INT, .i = i};
    return e;
}

static const struct wfs_vexpr *binary(struct inverting *v, const struct wfs_op *op,
                                      enum wfs_binop bin, const struct wfs_vexpr *a,
                                      const struct wfs_vexpr *b)
{
    struct wfs_vexpr *e = a && b ? new_expr(v, WFS_V_BINARY, op) : NULL;
    if (e) {
        e->op = (int)bin;
        e->n_args = 2;
        e->args[0] = a;
        e->args[1] = b;
    }
    return e;
}

static const struct wfs_vexpr *shape_expr(struct inverting *v, const struct wfs_op *op,
                                          const struct wfs_vexpr *axis)
{
    struct wfs_vexpr *e = new_expr(v, WFS_V_SHAPE, op);
    if (e) {
        e->n_args = 1;
        e->args[0] = axis;
    }
    return e;
}

static int set_args(struct inverting *v, struct wfs_op *op, const struct wfs_vexpr *const *args,
                    uint32_t n)
{
    for (uint32_t i = 0; i < n; i++)
        if (!args[i])
            return -ENOMEM;
    op->args = wfs_arena_memdup(v->arena, args, n * sizeof(args[0]));
    op->n_args = n;
    return op->args ? 0 : nomem(v);
}

static int invert_permute(struct inverting *v, struct wfs_op *op)
{
    const struct wfs_vexpr *args[WFS_MAX_NDIM] = {0};
    if (op->n_args > WFS_MAX_NDIM)
        return refuse(v, op->pos, "too many axes");
    for (uint32_t i = 0; i < op->n_args; i++) {
        const struct wfs_value *a = &op->args[i]->value;
        if (op->args[i]->kind != WFS_V_CONST || a->kind != WFS_VALUE_INT || a->i < 0 ||
            a->i >= op->n_args || args[a->i])
            return refuse(v, op->pos, "permute needs the numbers of all axes");
        args[a->i] = int_expr(v, op, i);
    }
    return set_args(v, op, args, op->n_args);
}

/* "OI*>*IO" -> "*IO>OI*" */
static int invert_layout(struct inverting *v, struct wfs_op *op)
{
    const char *mid = strchr(op->layout, '>');
    op->layout =
        wfs_arena_printf(v->arena, "%s>%.*s", mid + 1, (int)(mid - op->layout), op->layout);
    return op->layout ? 0 : nomem(v);
}

static int invert_reshape(struct inverting *v, struct wfs_op *op)
{
    if (!op->n_from)
        return refuse(v, op->pos,
                      "reshape must say what it comes from, as in "
                      "reshape(H, D, -1; H*D, -1)");
    const struct wfs_vexpr *const *to = op->args;
    uint32_t n_to = op->n_args;
    op->args = op->from;
    op->n_args = op->n_from;
    op->from = to;
    op->n_from = n_to;
    return 0;
}

/* pad -> slice(axis, before, shape[axis] - after); repeat -> every n-th; tile -> the first. */
static int invert_size(struct inverting *v, struct wfs_op *op)
{
    const struct wfs_vexpr *const *a = op->args;
    const struct wfs_vexpr *size = shape_expr(v, op, a[0]), *zero = int_expr(v, op, 0);
    if (op->kind == WFS_OP_PAD) {
        const struct wfs_vexpr *stop = binary(v, op, WFS_BIN_SUB, size, a[2]);
        const struct wfs_vexpr *args[] = {a[0], a[1], stop};
        op->kind = WFS_OP_SLICE;
        return set_args(v, op, args, 3);
    }
    bool tile = op->kind == WFS_OP_TILE;
    const struct wfs_vexpr *part[] = {a[0], zero, a[1]}, *steps[] = {a[0], zero, size, a[1]};
    op->kind = tile ? WFS_OP_PART : WFS_OP_SLICE;
    return tile ? set_args(v, op, part, 3) : set_args(v, op, steps, 4);
}

static int invert_values(struct inverting *v, struct wfs_op *op)
{
    bool scale = op->kind == WFS_OP_SCALE;
    struct wfs_vexpr *one = new_expr(v, WFS_V_CONST, op);
    if (!one)
        return -ENOMEM;
    one->value = (struct wfs_value){.kind = WFS_VALUE_REAL, .r = scale ? 1.0 : 0.0};
    const struct wfs_vexpr *arg =
        binary(v, op, scale ? WFS_BIN_DIV : WFS_BIN_SUB, one, op->args[0]);
    return set_args(v, op, &arg, 1);
}

/* concat <-> split, stack <-> unstack */
static int invert_fan(struct inverting *v, struct wfs_op *op)
{
    const struct wfs_cap *cap = op->cap == WFS_NO_INDEX ? NULL : &v->rule->caps[op->cap];
    bool counted = !cap || cap->kind == WFS_CAP_ALT || cap->ranged;
    switch (op->kind) {
    case WFS_OP_STACK:
        op->kind = WFS_OP_UNSTACK;
        return 0;
    case WFS_OP_UNSTACK:
        op->kind = WFS_OP_STACK;
        return 0;
    case WFS_OP_SPLIT:
        op->kind = WFS_OP_CONCAT;
        op->equal = op->n_args == 1;
        return 0;
    default:
        break;
    }
    if (op->n_args == 1 && !op->equal)
        return refuse(v, op->pos, "concat must say its sizes, or `equal`");
    if (!counted)
        return refuse(v, op->pos, "how many parts there are is not known: {i:0-3} would say");
    op->kind = WFS_OP_SPLIT;
    op->equal = false;
    return 0;
}

static int invert_op(struct inverting *v, const struct wfs_op *in, struct wfs_op *out)
{
    *out = *in;
    switch (in->kind) {
    case WFS_OP_TRANSPOSE:
    case WFS_OP_REVERSE:
    case WFS_OP_FLIP:
        return 0;
    case WFS_OP_PERMUTE:
        return invert_permute(v, out);
    case WFS_OP_LAYOUT:
    case WFS_OP_GATES:
        return invert_layout(v, out);
    case WFS_OP_RESHAPE:
        return invert_reshape(v, out);
    case WFS_OP_SQUEEZE:
        out->kind = WFS_OP_UNSQUEEZE;
        return in->n_args ? 0 : refuse(v, in->pos, "squeeze must say which axis");
    case WFS_OP_UNSQUEEZE:
        out->kind = WFS_OP_SQUEEZE;
        return 0;
    case WFS_OP_ROPE:
        out->kind = WFS_OP_UNROPE;
        return 0;
    case WFS_OP_UNROPE:
        out->kind = WFS_OP_ROPE;
        return 0;
    case WFS_OP_PAD:
    case WFS_OP_TILE:
    case WFS_OP_REPEAT:
        return invert_size(v, out);
    case WFS_OP_SCALE:
    case WFS_OP_ADD:
        return invert_values(v, out);
    case WFS_OP_CONCAT:
    case WFS_OP_STACK:
    case WFS_OP_SPLIT:
    case WFS_OP_UNSTACK:
        return invert_fan(v, out);
    default:
        return refuse(v, in->pos, "this operation loses what it came from");
    }
}

static int invert_ops(struct inverting *v, const struct wfs_ops *in, struct wfs_ops *ret)
{
    struct wfs_op *ops = wfs_arena_array(v->arena, in->n ? in->n : 1, sizeof(*ops));
    if (!ops)
        return nomem(v);
    for (uint32_t i = 0; i < in->n; i++) {
        struct wfs_op *op = &ops[in->n - 1 - i];
        int r = invert_op(v, &in->op[i], op);
        if (r)
            return r;
        op->text = wfs_arena_printf(v->arena, "~%s", in->op[i].text);
        if (!op->text)
            return nomem(v);
    }
    *ret = (struct wfs_ops){in->n, ops};
    return 0;
}

/* ---- names --------------------------------------------------------------------------------- */

static bool is_arithmetic(const struct inverting *v, const struct wfs_vexpr *e)
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
static int expression_atom(struct inverting *v, const struct wfs_name *name, struct wfs_atom *atom)
{
    if (!is_arithmetic(v, atom->expr))
        return refuse(v, name->pos, "the target's name is computed from text");
    if (v->n_caps == WFS_RULE_MAX_CAPS)
        return refuse(v, name->pos, "too many captures");
    v->caps[v->n_caps] =
        (struct wfs_cap){.name = "", .kind = WFS_CAP_INT, .pos = name->pos, .in_source = false};
    v->solves[v->n_solves++] = (struct wfs_solve){v->n_caps, atom->expr};
    atom->cap = v->n_caps++;
    atom->expr = NULL;
    return 0;
}

static int pattern_from(struct inverting *v, const struct wfs_name *target,
                        const struct wfs_name **ret)
{
    struct wfs_name *name = wfs_arena_memdup(v->arena, target, sizeof(*target));
    struct wfs_segment *segments =
        wfs_arena_memdup(v->arena, target->segments, target->n_segments * sizeof(*segments));
    if (!name || !segments)
        return nomem(v);
    name->n_many = 0;
    for (uint32_t i = 0; i < target->n_segments; i++) {
        struct wfs_atom *atoms =
            wfs_arena_memdup(v->arena, segments[i].atoms, segments[i].n_atoms * sizeof(*atoms));
        if (!atoms)
            return nomem(v);
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
            return refuse(v, target->pos, "{p:*} does not stand alone in the target");
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
static bool is_known(const struct inverting *v, const struct wfs_parts *patterns, uint32_t cap)
{
    for (uint32_t i = 0; i < patterns->n; i++)
        if (name_has(patterns->part[i].name, cap))
            return true;
    for (uint32_t i = 0; i < v->n_solves; i++)
        if (expr_has(v->solves[i].expr, cap))
            return true;
    return false;
}

/* ---- rules --------------------------------------------------------------------------------- */

static bool parts_fan(const struct wfs_parts *parts, uint32_t cap)
{
    for (uint32_t i = 0; i < parts->n; i++)
        for (uint32_t k = 0; k < parts->part[i].ops.n; k++) {
            const struct wfs_op *op = &parts->part[i].ops.op[k];
            if (op->cap == cap && (op->kind == WFS_OP_CONCAT || op->kind == WFS_OP_STACK))
                return true;
        }
    return false;
}

static int turn_parts(struct inverting *v, const struct wfs_parts *in, bool to_patterns,
                      struct wfs_parts *ret)
{
    struct wfs_part *parts = wfs_arena_array(v->arena, in->n, sizeof(*parts));
    if (!parts)
        return nomem(v);
    for (uint32_t i = 0; i < in->n; i++) {
        parts[i].name = in->part[i].name;
        int r = to_patterns ? pattern_from(v, in->part[i].name, &parts[i].name) : 0;
        if (!r)
            r = invert_ops(v, &in->part[i].ops, &parts[i].ops);
        if (r)
            return r;
    }
    *ret = (struct wfs_parts){in->n, parts};
    return 0;
}

static int keep_lists(struct inverting *v, struct wfs_rule *out)
{
    out->n_caps = v->n_caps;
    out->caps = wfs_arena_memdup(v->arena, v->caps, sizeof(v->caps));
    out->n_solves = v->n_solves;
    out->solves = wfs_arena_memdup(v->arena, v->solves, sizeof(v->solves));
    out->where = wfs_arena_printf(v->arena, "~%s", v->rule->where);
    out->text = wfs_arena_printf(v->arena, "~ %s", v->rule->text);
    return out->caps && out->solves && out->where && out->text ? 0 : nomem(v);
}

static int invert_map(struct inverting *v, struct wfs_rule *out)
{
    const struct wfs_rule *in = v->rule;
    struct wfs_parts *clause = wfs_arena_alloc(v->arena, sizeof(*clause));
    if (!clause)
        return nomem(v);
    for (uint32_t i = 0; i < in->sources.n; i++)
        if (in->sources.part[i].name->regex)
            return refuse(v, in->pos, "a regular expression cannot be written backwards");
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
        if (!hidden && !known && in->caps[cap].in_source && !(in->fan_caps >> cap & 1))
            return refuse(v, in->caps[cap].pos, "the target does not hold this capture");
        if (!hidden)
            v->caps[cap].in_source = known;
    }
    out->fans_in |= out->fan_caps != 0;
    return 0;
}

/* A drop that says what it restores becomes a fill over what the inverse has made. */
static int invert_drop(struct inverting *v, struct wfs_rule *out)
{
    const struct wfs_rule *in = v->rule;
    struct wfs_part part = {.name = in->sources.part[0].name, .ops = {1, in->restore}};
    struct wfs_part pattern = {.name = in->restore_for};
    struct wfs_parts *clause = wfs_arena_alloc(v->arena, sizeof(*clause));
    if (!clause || !(clause->part = wfs_arena_memdup(v->arena, &part, sizeof(part))))
        return nomem(v);
    clause->n = 1;
    out->kind = WFS_RULE_FILL;
    out->for_target = true;
    out->clauses = clause;
    out->n_clauses = 1;
    out->sources.n = 1;
    out->sources.part = wfs_arena_memdup(v->arena, &pattern, sizeof(pattern));
    out->cond = NULL;
    return out->sources.part ? 0 : nomem(v);
}

/* What was filled is left out again, unless a rule makes something of it. */
static int invert_fill(struct inverting *v, const struct wfs_part *target, struct wfs_rule *out)
{
    struct wfs_part part = {0};
    int r = pattern_from(v, target->name, &part.name);
    if (r)
        return r;
    out->kind = WFS_RULE_DROP;
    out->cond = NULL;
    out->sources.n = 1;
    out->sources.part = wfs_arena_memdup(v->arena, &part, sizeof(part));
    return out->sources.part ? 0 : nomem(v);
}

static void begin(struct inverting *v, const struct wfs_rule *rule, struct wfs_rule *out)
{
    v->rule = rule;
    v->n_caps = rule->n_caps;
    v->n_solves = 0;
    memcpy(v->caps, rule->caps, rule->n_caps * sizeof(v->caps[0]));
    *out = (struct wfs_rule){.kind = rule->kind,
                             .pos = rule->pos,
                             .cond = rule->cond,
                             .takes_packed = rule->takes_packed,
                             .asks_convolution = rule->asks_convolution,
                             .level = rule->level};
}

/* `inverse drop`, as it is. */
static int keep_drop(struct inverting *v, struct wfs_rule *out)
{
    out->kind = WFS_RULE_DROP;
    out->sources = v->rule->sources;
    return 0;
}

static int invert_rule(struct inverting *v, struct wfs_rule *out)
{
    if (v->rule->kind == WFS_RULE_MAP)
        return invert_map(v, out);
    return v->rule->inverse_only ? keep_drop(v, out) : invert_drop(v, out);
}

/* A rename only brings names into the form that comes back. */
static bool has_inverse(const struct wfs_rule *rule)
{
    return rule->kind == WFS_RULE_MAP ||
           (rule->kind == WFS_RULE_DROP && (rule->restore || rule->inverse_only));
}

static int invert_mappings(struct inverting *v, const struct wfs_set *set, struct wfs_rule *rules,
                           uint32_t *n)
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
static int invert_rules(struct inverting *v, const struct wfs_set *set, struct wfs_rule *rules,
                        uint32_t *ret_n)
{
    uint32_t n = 0;
    int r = invert_mappings(v, set, rules, &n);
    for (uint32_t i = 0; !r && i < set->n_rules; i++) {
        const struct wfs_rule *rule = &set->rules[i];
        uint32_t first = rule->kind == WFS_RULE_MAP ? 1 : 0;
        bool copies = rule->kind == WFS_RULE_MAP || rule->kind == WFS_RULE_FILL;
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

static int turn_namespaces(struct inverting *v, const struct wfs_set *in, struct wfs_set *out)
{
    const char *const one[] = {in->target.collection};
    out->source = in->target;
    out->target = in->source;
    if (in->target.collection) {
        out->source.n_collections = 1;
        out->source.collections = wfs_arena_memdup(v->arena, one, sizeof(one));
        if (!out->source.collections)
            return nomem(v);
    }
    if (in->source.n_collections > 1)
        return refuse(v, (struct wfs_pos){in->file, 1, 1},
                      "which of several collections a name was in is lost");
    out->target.collection = in->source.n_collections ? in->source.collections[0] : NULL;
    return 0;
}

static int turn_prefixes(struct inverting *v, const struct wfs_set *in, struct wfs_set *out)
{
    struct wfs_prefix *p = wfs_arena_array(v->arena, in->n_prefixes + 1, sizeof(*p));
    if (!p)
        return nomem(v);
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
    struct inverting *v = wfs_arena_alloc(arena, sizeof(*v));
    size_t max = 0;
    for (uint32_t i = 0; i < set->n_rules; i++)
        max += 1 + set->rules[i].n_clauses;
    struct wfs_rule *rules = wfs_arena_array(arena, max + 1, sizeof(*rules));
    if (!out || !v || !rules)
        return wfs_error_nomem(err, "rules");
    v->arena = arena;
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
