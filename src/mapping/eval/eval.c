/*
 * eval.c - expressions of the rules language, and target names, which may hold expressions (and
 * expressions ask about names). A value that is not known travels as NONE until something needs it,
 * and then the message names the option.
 */
#include "mapping/eval/eval.h"

#include <math.h>
#include <string.h>

/* Nested values: lets lead to lets. What one level takes of the stack, this often, fits into the
 * smallest stacks that a mount's threads have. */
#define EVAL_MAX_DEPTH 512

static int eval_needed(const struct wfs_scope *scope, const struct wfs_vexpr *e);
static int as_int(const struct wfs_scope *scope, const struct wfs_vexpr *e,
                  const struct wfs_value *v, int64_t *ret);

static int eval_error(const struct wfs_scope *scope, const struct wfs_vexpr *e, const char *message)
{
    return wfs_error_set(scope->run.sink->err, EINVAL, "%s:%u:%u: %s", e->pos.file, e->pos.line,
                         e->pos.col, message);
}

/* `wrong` is what the values' own functions say: NULL, or what is wrong with them. */
static int check(const struct wfs_scope *scope, const struct wfs_vexpr *e, const char *wrong)
{
    return wrong ? eval_error(scope, e, wrong) : 0;
}

/* A value that may turn out to be anything once the names are there. */
static bool is_open(const struct wfs_scope *scope, const struct wfs_value *v)
{
    return scope->may && wfs_value_is_unknown(v);
}

/* ---- leaves -------------------------------------------------------------------------------- */

static struct wfs_value eval_config(const struct wfs_scope *scope, const char *path)
{
    const struct wfs_world *world = scope->run.world;
    bool by_name;
    if (scope->lists)
        return wfs_config_get_list(world->config, path);
    struct wfs_value value = wfs_config_get_for(world->config, path, scope->subject, &by_name);
    world->memo->n_by_name += by_name;
    return value;
}

/* Evaluates a let for all rules: without one of them, and without a tensor but for what config has
 * for it. */
static int find_let(const struct wfs_scope *scope, const struct wfs_let *let, struct wfs_value *ret)
{
    const struct wfs_world *world = scope->run.world;
    /* What an inverse's values ask of names is about names that it has yet to make, except where
     * they are written for it. */
    bool is_own = world->set->is_inverse && let->inverse;
    struct wfs_scope global = {.run = {world, scope->run.sink, NULL},
                               .may = world->set->is_inverse && !is_own,
                               .subject = scope->subject};
    if (wfs_config_get_set(world->config, let->name, ret))
        return 0;
    return wfs_eval(&global, is_own ? let->inverse : let->expr, ret);
}

static int eval_let(const struct wfs_scope *scope, const struct wfs_vexpr *e, struct wfs_value *ret)
{
    const struct wfs_set *set = scope->run.world->set;
    struct wfs_memo *memo = scope->run.world->memo;
    uint32_t i = 0;
    while (i < set->n_lets && strcmp(set->lets[i].name, e->text) != 0)
        i++;
    if (i == set->n_lets)
        return eval_error(scope, e, "a value that no `let` sets");
    if (memo->let_state[i] == 1)
        return eval_error(scope, e, "a value that is computed from itself");
    if (memo->let_state[i] == 0) {
        uint64_t n_by_name = memo->n_by_name;
        memo->let_state[i] = 1;
        int r = find_let(scope, &set->lets[i], &memo->lets[i]);
        memo->let_state[i] = r || memo->n_by_name != n_by_name ? 0 : 2;
        if (r)
            return r;
    }
    *ret = memo->lets[i];
    return 0;
}

static int eval_capture(const struct wfs_scope *scope, const struct wfs_vexpr *e,
                        struct wfs_value *ret)
{
    const struct wfs_binding *b = scope->match ? &scope->match->b[e->index] : NULL;
    if (!b || !b->set)
        return eval_error(scope, e, "a capture that has no value here");
    const struct wfs_cap *cap = &scope->run.rule->caps[e->index];
    if (cap->kind == WFS_CAP_INT)
        *ret = wfs_value_int(b->i);
    else if (cap->kind == WFS_CAP_ALT)
        *ret = wfs_value_str(cap->alts[b->i], strlen(cap->alts[b->i]), true);
    else
        *ret = wfs_value_str(b->s, b->len, true);
    ret->is_number = b->is_number && ret->kind == WFS_VALUE_STR;
    if (ret->is_number)
        ret->i = b->i;
    return 0;
}

/* The size of an axis of a shape; NONE where there is none. */
static int size_of(const struct wfs_scope *scope, const struct wfs_vexpr *axis_expr, uint32_t ndim,
                   const uint64_t *shape, struct wfs_value *ret)
{
    struct wfs_value v;
    int64_t axis;
    int r = wfs_eval(scope, axis_expr, &v);
    if (!r && is_open(scope, &v)) {
        *ret = wfs_value_maybe();
        return 0;
    }
    if (!r)
        r = as_int(scope, axis_expr, &v, &axis);
    if (r)
        return r;
    if (axis < 0)
        axis += ndim;
    *ret =
        axis >= 0 && axis < (int64_t)ndim ? wfs_value_int((int64_t)shape[axis]) : wfs_value_none();
    return 0;
}

/* Looks another name up in the template, or in the source. */
static int find_name(const struct wfs_scope *scope, const struct wfs_name *name, bool of_template,
                     uint64_t *ret_at, bool *ret_there)
{
    const struct wfs_world *world = scope->run.world;
    wfs_cleanup(wfs_buf_free) struct wfs_buf path = {0};
    int r = wfs_render(scope, name, &path);
    if (r)
        return r;
    if (!wfs_buf_ok(&path))
        return wfs_error_nomem(scope->run.sink->err, "names");
    if (of_template) {
        *ret_at = wfs_template_find(world->template, path.len ? path.data : "");
        *ret_there = *ret_at != WFS_NO_INDEX;
    } else {
        *ret_there = wfs_strmap_get(&world->names->index, path.len ? path.data : "", ret_at);
    }
    return 0;
}

/* exists("a.b"): the component "a.b", or else the name a.b. */
static int find_other(const struct wfs_scope *scope, const struct wfs_vexpr *e, bool of_template,
                      uint64_t *ret_at, bool *ret_there)
{
    int r = find_name(scope, e->name, of_template, ret_at, ret_there);
    if (!r && !*ret_there && e->name->dotted)
        r = find_name(scope, e->name->dotted, of_template, ret_at, ret_there);
    return r;
}

/* exists, template, dim and tdim: questions about another name. */
static int eval_exists(const struct wfs_scope *scope, const struct wfs_vexpr *e,
                       struct wfs_value *ret)
{
    const struct wfs_world *world = scope->run.world;
    bool of_template = e->kind == WFS_V_TEMPLATE || e->kind == WFS_V_TDIM, there = false;
    uint64_t at = 0;
    int r = find_other(scope, e, of_template, &at, &there);
    if (r)
        return r;
    if (e->kind == WFS_V_EXISTS || e->kind == WFS_V_TEMPLATE) {
        *ret = wfs_value_bool(there);
        return 0;
    }
    *ret = wfs_value_none();
    if (!there)
        return 0;
    if (of_template) {
        const struct wfs_template_key *key = &world->template->keys[at];
        return size_of(scope, e->args[0], key->ndim, key->shape, ret);
    }
    const struct wfs_expr *other = world->items->items[at].expr;
    return size_of(scope, e->args[0], other->ndim, other->shape, ret);
}

static int eval_any(const struct wfs_scope *scope, const struct wfs_vexpr *e, struct wfs_value *ret)
{
    const struct wfs_run *run = &scope->run;
    struct wfs_match none = {0};
    uint32_t item = WFS_NO_INDEX;
    int r = wfs_world_any(run->world, e, run->rule ? run->rule->caps : NULL,
                          scope->match ? scope->match : &none, &item, run->sink->err);
    *ret = wfs_value_bool(!r && item != WFS_NO_INDEX);
    return r;
}

/* What is asked about a name or a tensor that may not be there yet. */
static bool asks_what_may_come(const struct wfs_scope *scope, enum wfs_vexpr_kind kind)
{
    switch (kind) {
    case WFS_V_EXISTS:
    case WFS_V_TEMPLATE:
    case WFS_V_DIM:
    case WFS_V_TDIM:
    case WFS_V_ANY:
    case WFS_V_TIED:
    case WFS_V_CONVOLUTION:
    case WFS_V_ROLE:
    case WFS_V_CHANNELS:
        return true;
    case WFS_V_PACKED: /* without a match no tensor is meant: could it be so of some? */
        return !scope->match;
    default:
        return false;
    }
}

static int eval_leaf(const struct wfs_scope *scope, const struct wfs_vexpr *e,
                     struct wfs_value *ret)
{
    if (scope->may && asks_what_may_come(scope, e->kind)) {
        *ret = wfs_value_maybe();
        return 0;
    }
    switch (e->kind) {
    case WFS_V_CONST:
        *ret = e->value;
        return 0;
    case WFS_V_CAPTURE:
        return eval_capture(scope, e, ret);
    case WFS_V_LET:
        return eval_let(scope, e, ret);
    case WFS_V_CONFIG:
        *ret = eval_config(scope, e->text);
        return 0;
    case WFS_V_ANY:
        return eval_any(scope, e, ret);
    case WFS_V_EXISTS:
    case WFS_V_TEMPLATE:
    case WFS_V_DIM:
    case WFS_V_TDIM:
        return eval_exists(scope, e, ret);
    case WFS_V_SHAPE:
        *ret = wfs_value_none();
        return scope->expr ? size_of(scope, e->args[0], scope->expr->ndim, scope->expr->shape, ret)
                           : 0;
    default:
        *ret = wfs_scope_value(scope, e->kind);
        return 0;
    }
}

/* ---- operators ----------------------------------------------------------------------------- */

/* A let that is not known is needed wherever it stands; config.x alone may be asked for. */
static bool is_let(const struct wfs_vexpr *e)
{
    return e->kind == WFS_V_LET;
}

static int compare(const struct wfs_scope *scope, const struct wfs_vexpr *e,
                   const struct wfs_value *a, const struct wfs_value *b, struct wfs_value *ret)
{
    bool unknown = a->kind == WFS_VALUE_NONE || b->kind == WFS_VALUE_NONE, holds = false;
    if (is_open(scope, a) || is_open(scope, b)) {
        *ret = wfs_value_maybe();
        return 0;
    }
    if (a->kind == WFS_VALUE_NONE && is_let(e->args[0]))
        return eval_needed(scope, e->args[0]);
    if (b->kind == WFS_VALUE_NONE && is_let(e->args[1]))
        return eval_needed(scope, e->args[1]);
    int r = 0;
    if (!unknown && (e->op == WFS_BIN_EQ || e->op == WFS_BIN_NE)) {
        r = wfs_value_equal(a, b, &holds, scope->run.sink->err);
        holds = holds == (e->op == WFS_BIN_EQ);
    } else if (!unknown) {
        r = check(scope, e, wfs_value_order((enum wfs_binop)e->op, a, b, &holds));
    }
    *ret = wfs_value_bool(holds);
    return r;
}

static int truth(const struct wfs_scope *scope, const struct wfs_vexpr *e,
                 const struct wfs_value *v, enum wfs_truth *ret)
{
    if (v->kind == WFS_VALUE_MAYBE || is_open(scope, v))
        *ret = WFS_MAYBE;
    else if (v->kind == WFS_VALUE_BOOL)
        *ret = v->i ? WFS_TRUE : WFS_FALSE;
    else if (v->kind == WFS_VALUE_NONE && is_let(e))
        return eval_needed(scope, e);
    else if (v->kind == WFS_VALUE_NONE)
        *ret = WFS_FALSE;
    else
        return eval_error(scope, e, "a condition that is neither true nor false");
    return 0;
}

/* Kleene's three values; the right side is not evaluated where the left decides. */
static int eval_logic(const struct wfs_scope *scope, const struct wfs_vexpr *e,
                      struct wfs_value *ret)
{
    enum wfs_truth decides = e->op == WFS_BIN_AND ? WFS_FALSE : WFS_TRUE, a, b;
    struct wfs_value v;
    int r = wfs_eval(scope, e->args[0], &v);
    if (!r)
        r = truth(scope, e->args[0], &v, &a);
    if (r)
        return r;
    if (a == decides) {
        *ret = wfs_value_truth(a);
        return 0;
    }
    r = wfs_eval(scope, e->args[1], &v);
    if (!r)
        r = truth(scope, e->args[1], &v, &b);
    if (!r)
        *ret = wfs_value_truth(b == decides ? b : a == WFS_MAYBE ? a : b);
    return r;
}

static int eval_binary(const struct wfs_scope *scope, const struct wfs_vexpr *e,
                       struct wfs_value *ret)
{
    struct wfs_value a, b;
    if (e->op == WFS_BIN_AND || e->op == WFS_BIN_OR)
        return eval_logic(scope, e, ret);
    int r = wfs_eval(scope, e->args[0], &a);
    if (r)
        return r;
    if (e->op == WFS_BIN_ELSE && a.kind != WFS_VALUE_NONE) {
        *ret = a;
        return 0;
    }
    r = wfs_eval(scope, e->args[1], &b);
    if (r)
        return r;
    if (e->op == WFS_BIN_ELSE) {
        *ret = b;
        return 0;
    }
    if (e->op <= WFS_BIN_MOD)
        return check(scope, e, wfs_value_arith((enum wfs_binop)e->op, &a, &b, ret));
    return compare(scope, e, &a, &b, ret);
}

static int eval_not(const struct wfs_scope *scope, const struct wfs_vexpr *e, struct wfs_value *ret)
{
    struct wfs_value v;
    enum wfs_truth t;
    int r = wfs_eval(scope, e->args[0], &v);
    if (!r)
        r = truth(scope, e->args[0], &v, &t);
    if (!r)
        *ret = wfs_value_truth(t == WFS_MAYBE ? t : t == WFS_TRUE ? WFS_FALSE : WFS_TRUE);
    return r;
}

static int eval_neg(const struct wfs_scope *scope, const struct wfs_vexpr *e, struct wfs_value *ret)
{
    struct wfs_value v;
    int r = wfs_eval(scope, e->args[0], &v);
    return r ? r : check(scope, e, wfs_value_negate(&v, ret));
}

/* ---- functions ----------------------------------------------------------------------------- */

static int as_real(const struct wfs_scope *scope, const struct wfs_vexpr *e,
                   const struct wfs_value *v, double *ret);

static int call_real(const struct wfs_scope *scope, const struct wfs_vexpr *e,
                     const struct wfs_value *args, struct wfs_value *ret)
{
    double x[2] = {0, 0}, v = 0;
    int r = 0;
    for (uint32_t i = 0; !r && i < e->n_args; i++)
        r = as_real(scope, e->args[i], &args[i], &x[i]);
    if (!r)
        r = check(scope, e, wfs_value_real((enum wfs_fn)e->op, x[0], x[1], &v));
    if (!r)
        *ret = (struct wfs_value){.kind = WFS_VALUE_REAL, .r = v};
    return r;
}

static int call_whole(const struct wfs_scope *scope, const struct wfs_vexpr *e,
                      const struct wfs_value *args, struct wfs_value *ret)
{
    int64_t a, b, v = 0;
    int r = as_int(scope, e->args[0], &args[0], &a);
    if (!r)
        r = as_int(scope, e->args[1], &args[1], &b);
    if (!r)
        r = check(scope, e, wfs_value_whole((enum wfs_fn)e->op, a, b, &v));
    if (!r)
        *ret = wfs_value_int(v);
    return r;
}

static int call_text(const struct wfs_scope *scope, const struct wfs_vexpr *e,
                     const struct wfs_value *args, struct wfs_value *ret)
{
    for (uint32_t i = 0; i < e->n_args; i++)
        if (args[i].kind != WFS_VALUE_STR)
            return eval_error(scope, e, "expected a text");
    return wfs_value_call(scope->run.world->arena, (enum wfs_fn)e->op, args, e->n_args, ret,
                          scope->run.sink->err);
}

static int eval_call(const struct wfs_scope *scope, const struct wfs_vexpr *e,
                     struct wfs_value *ret)
{
    struct wfs_value args[WFS_VEXPR_MAX_ARGS];
    for (uint32_t i = 0; i < e->n_args; i++) {
        int r = wfs_eval(scope, e->args[i], &args[i]);
        if (r)
            return r;
        if (is_open(scope, &args[i])) {
            *ret = wfs_value_maybe();
            return 0;
        }
        if (args[i].kind == WFS_VALUE_NONE && e->op != WFS_FN_KNOWN)
            return eval_needed(scope, e->args[i]);
    }
    switch ((enum wfs_fn)e->op) {
    case WFS_FN_KNOWN:
        *ret = wfs_value_bool(args[0].kind != WFS_VALUE_NONE);
        return 0;
    case WFS_FN_SQRT:
    case WFS_FN_FLOAT32:
    case WFS_FN_LOG:
    case WFS_FN_POW:
        return call_real(scope, e, args, ret);
    case WFS_FN_CEILDIV:
    case WFS_FN_ROUNDUP:
    case WFS_FN_MIN:
    case WFS_FN_MAX:
        return call_whole(scope, e, args, ret);
    default:
        return call_text(scope, e, args, ret);
    }
}

/* ---- any expression ------------------------------------------------------------------------ */

static int eval_any_kind(const struct wfs_scope *scope, const struct wfs_vexpr *e,
                         struct wfs_value *ret)
{
    switch (e->kind) {
    case WFS_V_NEG:
        return eval_neg(scope, e, ret);
    case WFS_V_NOT:
        return eval_not(scope, e, ret);
    case WFS_V_BINARY:
        return eval_binary(scope, e, ret);
    case WFS_V_CALL:
        return eval_call(scope, e, ret);
    default:
        return eval_leaf(scope, e, ret);
    }
}

int wfs_eval(const struct wfs_scope *scope, const struct wfs_vexpr *e, struct wfs_value *ret)
{
    struct wfs_memo *memo = scope->run.world->memo;
    if (memo->n_nested >= EVAL_MAX_DEPTH)
        return eval_error(scope, e, "values that lead to each other too deeply");
    memo->n_nested++;
    int r = eval_any_kind(scope, e, ret);
    memo->n_nested--;
    return r;
}

/* ---- what callers need --------------------------------------------------------------------- */

/* The first part of an expression whose value is not known, NULL: there is none. */
static int find_unknown(const struct wfs_scope *scope, const struct wfs_vexpr *e,
                        const struct wfs_vexpr **ret)
{
    struct wfs_value v;
    *ret = NULL;
    if (e->kind == WFS_V_LET || e->kind == WFS_V_CONFIG) {
        int r = wfs_eval(scope, e, &v);
        if (!r && wfs_value_is_unknown(&v))
            *ret = e;
        return wfs_trial_result(scope->run.sink, r);
    }
    int r = 0;
    for (uint32_t i = 0; i < e->n_args && !r && !*ret; i++)
        r = find_unknown(scope, e->args[i], ret);
    return r;
}

/* The error for a value that is needed and not known. */
static int eval_needed(const struct wfs_scope *scope, const struct wfs_vexpr *e)
{
    const struct wfs_world *world = scope->run.world;
    const struct wfs_vexpr *unknown;
    int r = find_unknown(scope, e, &unknown);
    if (r)
        return r;
    if (!unknown)
        return eval_error(scope, e, "a value that is not known here");
    return wfs_error_set(scope->run.sink->err, EINVAL,
                         "%s:%u:%u: the value '%s' is needed and not in %s: give "
                         "-o set=%s=VALUE",
                         e->pos.file, e->pos.line, e->pos.col, unknown->text,
                         world->catalog->config_path ? wfs_config_name(world->config)
                                                     : "any config.json beside the weights",
                         unknown->text);
}

/* A value that is needed as a whole number; `e` is what gave it. */
static int as_int(const struct wfs_scope *scope, const struct wfs_vexpr *e,
                  const struct wfs_value *v, int64_t *ret)
{
    if (wfs_value_is_unknown(v))
        return eval_needed(scope, e);
    bool whole = v->kind == WFS_VALUE_REAL && floor(v->r) == v->r && fabs(v->r) < 9e15;
    if (!whole && !wfs_value_is_int(v))
        return eval_error(scope, e, "expected a whole number");
    *ret = whole ? (int64_t)v->r : v->i;
    return 0;
}

static int as_real(const struct wfs_scope *scope, const struct wfs_vexpr *e,
                   const struct wfs_value *v, double *ret)
{
    if (wfs_value_is_unknown(v))
        return eval_needed(scope, e);
    if (!wfs_value_is_number(v))
        return eval_error(scope, e, "expected a number");
    *ret = wfs_value_as_real(v);
    return 0;
}

int wfs_eval_int(const struct wfs_scope *scope, const struct wfs_vexpr *e, int64_t *ret)
{
    struct wfs_value v;
    int r = wfs_eval(scope, e, &v);
    return r ? r : as_int(scope, e, &v, ret);
}

int wfs_eval_real(const struct wfs_scope *scope, const struct wfs_vexpr *e, double *ret)
{
    struct wfs_value v;
    int r = wfs_eval(scope, e, &v);
    return r ? r : as_real(scope, e, &v, ret);
}

int wfs_eval_cond(const struct wfs_scope *scope, const struct wfs_vexpr *cond, bool *ret)
{
    struct wfs_value v;
    enum wfs_truth t;
    if (!cond) {
        *ret = true;
        return 0;
    }
    int r = wfs_eval(scope, cond, &v);
    if (!r)
        r = truth(scope, cond, &v, &t);
    if (!r)
        *ret = t != WFS_FALSE;
    return r;
}

/* ---- names --------------------------------------------------------------------------------- */

static void add_binding(const struct wfs_cap *cap, const struct wfs_binding *b, struct wfs_buf *out)
{
    if (cap->kind == WFS_CAP_INT)
        wfs_buf_printf(out, "%lld", (long long)b->i);
    else if (cap->kind == WFS_CAP_ALT)
        wfs_buf_str(out, cap->alts[b->i]);
    else
        wfs_buf_add(out, b->s, b->len);
}

static int render_expr(const struct wfs_scope *scope, const struct wfs_vexpr *e,
                       struct wfs_buf *out)
{
    struct wfs_value v;
    int r = wfs_eval(scope, e, &v);
    if (r)
        return r;
    if (v.kind == WFS_VALUE_INT && v.i >= 0)
        wfs_buf_printf(out, "%lld", (long long)v.i);
    else if (v.kind == WFS_VALUE_STR && v.is_path)
        wfs_buf_add(out, v.s, v.len);
    else if (v.kind == WFS_VALUE_STR)
        wfs_value_add_as_path(out, &v);
    else if (v.kind == WFS_VALUE_NONE)
        return eval_needed(scope, e);
    else
        return eval_error(scope, e, "expected a text or a number from 0 up in a target's name");
    return 0;
}

/* *ret_vanishes: the segment was only a {p:*} that stands for nothing. */
static int render_segment(const struct wfs_scope *scope, const struct wfs_segment *seg,
                          struct wfs_buf *out, bool *ret_vanishes)
{
    size_t before = out->len;
    bool literal = false;
    for (uint32_t i = 0; i < seg->n_atoms; i++) {
        const struct wfs_atom *atom = &seg->atoms[i];
        if (atom->lit) {
            wfs_buf_add(out, atom->lit, atom->len);
            literal = true;
        } else if (atom->cap == WFS_NO_INDEX) {
            int r = render_expr(scope, atom->expr, out);
            if (r)
                return r;
        } else if (!scope->match || !scope->match->b[atom->cap].set) {
            return wfs_error_set(scope->run.sink->err, EINVAL,
                                 "%s: {%s} has no value for this target", scope->run.rule->where,
                                 scope->run.rule->caps[atom->cap].name);
        } else {
            enum wfs_cap_kind kind = scope->run.rule->caps[atom->cap].kind;
            literal |= kind != WFS_CAP_MANY;
            add_binding(&scope->run.rule->caps[atom->cap], &scope->match->b[atom->cap], out);
        }
    }
    *ret_vanishes = out->len == before && !literal;
    return 0;
}

int wfs_render(const struct wfs_scope *scope, const struct wfs_name *name, struct wfs_buf *out)
{
    bool any = false;
    for (uint32_t i = 0; i < name->n_segments; i++) {
        size_t before = out->len;
        bool vanishes;
        if (any)
            wfs_buf_char(out, WFS_SEP);
        int r = render_segment(scope, &name->segments[i], out, &vanishes);
        if (r)
            return r;
        if (vanishes && any && out->data)
            out->data[out->len = before] = 0;
        any |= !vanishes;
    }
    return 0;
}
