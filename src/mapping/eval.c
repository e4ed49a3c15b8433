/*
 * eval.c - expressions of the rules language. Whole numbers stay whole and are checked; a value
 * that is not known travels as NONE until something needs it, and then the message names the
 * option.
 */
#include <ctype.h>
#include <math.h>
#include <string.h>

#include "mapping/convolution.h"
#include "mapping/eval.h"

/* Nested values: lets lead to lets. What one level takes of the stack, this often, fits into the
 * smallest stacks that a mount's threads have. */
#define EVAL_MAX_DEPTH 512

static struct wfs_value none(void)
{
    return (struct wfs_value){.kind = WFS_VALUE_NONE};
}
static struct wfs_value maybe(void)
{
    return (struct wfs_value){.kind = WFS_VALUE_MAYBE};
}
static struct wfs_value boolean(bool b)
{
    return (struct wfs_value){.kind = WFS_VALUE_BOOL, .i = b};
}
static struct wfs_value integer(int64_t i)
{
    return (struct wfs_value){.kind = WFS_VALUE_INT, .i = i};
}
static struct wfs_value text(const char *s, size_t len)
{
    return (struct wfs_value){.kind = WFS_VALUE_STR, .s = s, .len = len};
}
/* A name, or components of one. */
static struct wfs_value path_text(const char *s, size_t len)
{
    return (struct wfs_value){.kind = WFS_VALUE_STR, .s = s, .len = len, .is_path = true};
}

static int eval_error(const struct wfs_scope *scope, const struct wfs_vexpr *e, const char *message)
{
    return wfs_error_set(scope->stage->mapper->err, EINVAL, "%s:%u:%u: %s", e->pos.file,
                         e->pos.line, e->pos.col, message);
}

/* ---- leaves -------------------------------------------------------------------------------- */

static int eval_let(const struct wfs_scope *scope, const struct wfs_vexpr *e, struct wfs_value *ret)
{
    struct wfs_stage *st = scope->stage;
    uint32_t i = 0;
    while (i < st->set->n_lets && strcmp(st->set->lets[i].name, e->text) != 0)
        i++;
    if (i == st->set->n_lets)
        return eval_error(scope, e, "a value that no `let` sets");
    if (st->let_state[i] == 1)
        return eval_error(scope, e, "a value that is computed from itself");
    if (st->let_state[i] == 0) {
        st->let_state[i] = 1;
        /* What an inverse's values ask of names is about names that it has yet to make, but where
         * they are written for it. */
        const struct wfs_let *let = &st->set->lets[i];
        bool is_own = st->set->is_inverse && let->inverse;
        struct wfs_scope global = {.stage = st, .optimistic = st->set->is_inverse && !is_own};
        if (!wfs_config_get_set(st->mapper->config, e->text, &st->lets[i])) {
            int r = wfs_eval(&global, is_own ? let->inverse : let->expr, &st->lets[i]);
            if (r) {
                st->let_state[i] = 0;
                return r;
            }
        }
        st->let_state[i] = 2;
    }
    *ret = st->lets[i];
    return 0;
}

static int eval_capture(const struct wfs_scope *scope, const struct wfs_vexpr *e,
                        struct wfs_value *ret)
{
    const struct wfs_binding *b = scope->match ? &scope->match->b[e->index] : NULL;
    if (!b || !b->set)
        return eval_error(scope, e, "a capture that has no value here");
    const struct wfs_cap *cap = &scope->rule->caps[e->index];
    if (cap->kind == WFS_CAP_INT)
        *ret = integer(b->i);
    else if (cap->kind == WFS_CAP_ALT)
        *ret = path_text(cap->alts[b->i], strlen(cap->alts[b->i]));
    else
        *ret = path_text(b->s, b->len);
    ret->is_number = b->is_number && ret->kind == WFS_VALUE_STR;
    if (ret->is_number)
        ret->i = b->i;
    return 0;
}

static bool is_open(const struct wfs_scope *scope, const struct wfs_value *v)
{
    return scope->optimistic && (v->kind == WFS_VALUE_MAYBE || v->kind == WFS_VALUE_NONE);
}

/* The size of an axis of a shape; NONE where there is none. */
static int size_of(const struct wfs_scope *scope, const struct wfs_vexpr *axis_expr, uint32_t ndim,
                   const uint64_t *shape, struct wfs_value *ret)
{
    struct wfs_value v;
    int64_t axis;
    int r = wfs_eval(scope, axis_expr, &v);
    if (!r && is_open(scope, &v)) {
        *ret = maybe();
        return 0;
    }
    if (!r)
        r = wfs_value_int(scope, axis_expr, &v, &axis);
    if (r)
        return r;
    if (axis < 0)
        axis += ndim;
    *ret = axis >= 0 && axis < (int64_t)ndim ? integer((int64_t)shape[axis]) : none();
    return 0;
}

/* Looks another name up in the template, or in the source. */
static int find_name(const struct wfs_scope *scope, const struct wfs_name *name, bool of_template,
                     uint64_t *ret_at, bool *ret_there)
{
    struct wfs_stage *st = scope->stage;
    struct wfs_buf *buf = &st->scratch;
    /* Values within the name may ask for other names: theirs go behind this one. */
    size_t start = buf->len;
    int r = wfs_render(scope, name, buf);
    if (!r && !wfs_buf_ok(buf))
        r = wfs_error_nomem(st->mapper->err, "names");
    if (!r) {
        const char *path = buf->len > start ? buf->data + start : "";
        if (of_template) {
            *ret_at = wfs_template_find(st->is_last ? st->mapper->template : NULL, path);
            *ret_there = *ret_at != WFS_NO_INDEX;
        } else {
            *ret_there = wfs_strmap_get(&st->index, path, ret_at);
        }
    }
    buf->len = start;
    return r;
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
    struct wfs_stage *st = scope->stage;
    const struct wfs_template *t = st->is_last ? st->mapper->template : NULL;
    uint64_t at = 0;
    if (scope->optimistic) {
        *ret = maybe();
        return 0;
    }
    bool of_template = e->kind == WFS_V_TEMPLATE || e->kind == WFS_V_TDIM, there = false;
    int r = find_other(scope, e, of_template, &at, &there);
    if (r)
        return r;
    if (e->kind == WFS_V_EXISTS || e->kind == WFS_V_TEMPLATE) {
        *ret = boolean(there);
        return 0;
    }
    *ret = none();
    if (!there)
        return 0;
    if (of_template)
        return size_of(scope, e->args[0], t->keys[at].ndim, t->keys[at].shape, ret);
    const struct wfs_expr *other = st->in->items[at].expr;
    return size_of(scope, e->args[0], other->ndim, other->shape, ret);
}

static int eval_any(const struct wfs_scope *scope, const struct wfs_vexpr *e, struct wfs_value *ret)
{
    struct wfs_match m = {0};
    uint32_t item;
    if (scope->optimistic) {
        *ret = maybe();
        return 0;
    }
    if (scope->match)
        m = *scope->match;
    int r = wfs_stage_any(scope->stage, e, scope->rule ? scope->rule->caps : NULL, &m, &item);
    *ret = boolean(!r && item != WFS_NO_INDEX);
    return r;
}

static int eval_leaf(const struct wfs_scope *scope, const struct wfs_vexpr *e,
                     struct wfs_value *ret)
{
    *ret = none();
    switch (e->kind) {
    case WFS_V_CONST:
        *ret = e->value;
        return 0;
    case WFS_V_CAPTURE:
        return eval_capture(scope, e, ret);
    case WFS_V_LET:
        return eval_let(scope, e, ret);
    case WFS_V_CONFIG:
        *ret = wfs_config_get(scope->stage->mapper->config, e->text);
        return 0;
    case WFS_V_RANK:
        if (scope->expr)
            *ret = integer(scope->expr->ndim);
        return 0;
    case WFS_V_DTYPE:
        if (scope->expr) {
            const char *name = wfs_dtype_info(scope->expr->dtype)->name;
            *ret = text(name, strlen(name));
        }
        return 0;
    case WFS_V_SHAPE:
        return scope->expr ? size_of(scope, e->args[0], scope->expr->ndim, scope->expr->shape, ret)
                           : 0;
    case WFS_V_NAME:
        if (scope->item)
            *ret = path_text(scope->item->path, strlen(scope->item->path));
        return 0;
    case WFS_V_TIED:
        if (scope->optimistic)
            ret->kind = WFS_VALUE_MAYBE;
        else
            *ret = boolean(scope->item && scope->item->tied);
        return 0;
    case WFS_V_PACKED:
        /* Without a match no tensor is meant: could it be so of some? */
        *ret = scope->optimistic && !scope->match ? maybe()
                                                  : boolean(scope->item && scope->item->packed);
        return 0;
    case WFS_V_CONVOLUTION:
        if (scope->optimistic) {
            ret->kind = WFS_VALUE_MAYBE;
        } else if (scope->item && wfs_convolution_name(scope->item)) {
            const char *name = wfs_convolution_name(scope->item);
            *ret = text(name, strlen(name));
        }
        return 0;
    case WFS_V_ANY:
        return eval_any(scope, e, ret);
    default:
        return eval_exists(scope, e, ret);
    }
}

/* ---- operators ----------------------------------------------------------------------------- */

static bool is_int(const struct wfs_value *v)
{
    return v->kind == WFS_VALUE_INT || (v->kind == WFS_VALUE_STR && v->is_number);
}

static bool is_number(const struct wfs_value *v)
{
    return is_int(v) || v->kind == WFS_VALUE_REAL;
}

static double as_real(const struct wfs_value *v)
{
    return is_int(v) ? (double)v->i : v->r;
}

static int64_t floor_div(int64_t a, int64_t b)
{
    int64_t q = a / b;
    return q - (a % b != 0 && (a < 0) != (b < 0));
}

static int int_arith(const struct wfs_scope *scope, const struct wfs_vexpr *e, int64_t a, int64_t b,
                     struct wfs_value *ret)
{
    int64_t v = 0;
    bool overflow = false;
    if ((e->op == WFS_BIN_DIV || e->op == WFS_BIN_MOD) && (b == 0 || (a == INT64_MIN && b == -1)))
        return eval_error(scope, e, "division by zero");
    switch ((enum wfs_binop)e->op) {
    case WFS_BIN_ADD:
        overflow = __builtin_add_overflow(a, b, &v);
        break;
    case WFS_BIN_SUB:
        overflow = __builtin_sub_overflow(a, b, &v);
        break;
    case WFS_BIN_MUL:
        overflow = __builtin_mul_overflow(a, b, &v);
        break;
    case WFS_BIN_DIV:
        v = floor_div(a, b);
        break;
    default:
        v = a - floor_div(a, b) * b;
    }
    if (overflow)
        return eval_error(scope, e, "a number beyond 64 bits");
    *ret = integer(v);
    return 0;
}

static int real_arith(const struct wfs_scope *scope, const struct wfs_vexpr *e, double a, double b,
                      struct wfs_value *ret)
{
    double v;
    switch ((enum wfs_binop)e->op) {
    case WFS_BIN_ADD:
        v = a + b;
        break;
    case WFS_BIN_SUB:
        v = a - b;
        break;
    case WFS_BIN_MUL:
        v = a * b;
        break;
    case WFS_BIN_DIV:
        v = a / b;
        break;
    default:
        v = fmod(a, b);
    }
    if (!isfinite(v))
        return eval_error(scope, e, "a result that is no number");
    *ret = (struct wfs_value){.kind = WFS_VALUE_REAL, .r = v};
    return 0;
}

static int arith(const struct wfs_scope *scope, const struct wfs_vexpr *e,
                 const struct wfs_value *a, const struct wfs_value *b, struct wfs_value *ret)
{
    *ret = none();
    if (a->kind == WFS_VALUE_MAYBE || b->kind == WFS_VALUE_MAYBE)
        *ret = maybe();
    if (ret->kind == WFS_VALUE_MAYBE || a->kind == WFS_VALUE_NONE || b->kind == WFS_VALUE_NONE)
        return 0;
    if (!is_number(a) || !is_number(b))
        return eval_error(scope, e, "arithmetic on what is no number");
    if (is_int(a) && is_int(b))
        return int_arith(scope, e, a->i, b->i, ret);
    return real_arith(scope, e, as_real(a), as_real(b), ret);
}

static bool texts_equal(const struct wfs_value *a, const struct wfs_value *b)
{
    return a->len == b->len && memcmp(a->s, b->s, a->len) == 0;
}

/* Not of texts of two kinds, see compare_texts. */
static bool values_equal(const struct wfs_value *a, const struct wfs_value *b)
{
    if (is_number(a) && is_number(b))
        return is_int(a) && is_int(b) ? a->i == b->i : as_real(a) == as_real(b);
    if (a->kind != b->kind)
        return false;
    if (a->kind == WFS_VALUE_STR)
        return texts_equal(a, b);
    return a->kind != WFS_VALUE_NONE && a->i == b->i;
}

static int compare_texts(const struct wfs_scope *scope, const struct wfs_value *a,
                         const struct wfs_value *b, bool *ret)
{
    wfs_cleanup(wfs_buf_free) struct wfs_buf buf_a = {0}, buf_b = {0};
    struct wfs_value x, y;
    int r = wfs_value_text(scope, a, &buf_a, &x);
    if (!r)
        r = wfs_value_text(scope, b, &buf_b, &y);
    if (!r)
        *ret = texts_equal(&x, &y);
    return r;
}

static int compare_equal(const struct wfs_scope *scope, const struct wfs_value *a,
                         const struct wfs_value *b, bool *ret)
{
    if (a->kind == WFS_VALUE_STR && b->kind == WFS_VALUE_STR && a->is_path != b->is_path)
        return compare_texts(scope, a, b, ret);
    *ret = values_equal(a, b);
    return 0;
}

/* A let that is not known is needed wherever it stands; config.x alone may be asked for. */
static bool is_let(const struct wfs_vexpr *e)
{
    return e->kind == WFS_V_LET;
}

static int compare(const struct wfs_scope *scope, const struct wfs_vexpr *e,
                   const struct wfs_value *a, const struct wfs_value *b, struct wfs_value *ret)
{
    bool unknown = a->kind == WFS_VALUE_NONE || b->kind == WFS_VALUE_NONE;
    if (scope->optimistic &&
        (unknown || a->kind == WFS_VALUE_MAYBE || b->kind == WFS_VALUE_MAYBE)) {
        *ret = maybe();
        return 0;
    }
    if (unknown && is_let(e->args[0]) && a->kind == WFS_VALUE_NONE)
        return wfs_eval_needed(scope, e->args[0]);
    if (unknown && is_let(e->args[1]) && b->kind == WFS_VALUE_NONE)
        return wfs_eval_needed(scope, e->args[1]);
    *ret = boolean(false);
    if (unknown)
        return 0;
    if (e->op == WFS_BIN_EQ || e->op == WFS_BIN_NE) {
        bool equal = false;
        int r = compare_equal(scope, a, b, &equal);
        *ret = boolean(equal == (e->op == WFS_BIN_EQ));
        return r;
    }
    if (!is_number(a) || !is_number(b))
        return eval_error(scope, e, "a comparison of what is no number");
    double x = as_real(a), y = as_real(b);
    bool less = is_int(a) && is_int(b) ? a->i < b->i : x < y;
    bool same = values_equal(a, b);
    *ret = boolean(e->op == WFS_BIN_LT   ? less
                   : e->op == WFS_BIN_LE ? less || same
                   : e->op == WFS_BIN_GT ? !less && !same
                                         : !less);
    return 0;
}

static int truth(const struct wfs_scope *scope, const struct wfs_vexpr *e,
                 const struct wfs_value *v, enum wfs_truth *ret)
{
    if (v->kind == WFS_VALUE_MAYBE || (v->kind == WFS_VALUE_NONE && scope->optimistic))
        *ret = WFS_MAYBE;
    else if (v->kind == WFS_VALUE_BOOL)
        *ret = v->i ? WFS_TRUE : WFS_FALSE;
    else if (v->kind == WFS_VALUE_NONE && is_let(e))
        return wfs_eval_needed(scope, e);
    else if (v->kind == WFS_VALUE_NONE)
        *ret = WFS_FALSE;
    else
        return eval_error(scope, e, "a condition that is neither true nor false");
    return 0;
}

static struct wfs_value from_truth(enum wfs_truth t)
{
    return t == WFS_MAYBE ? maybe() : boolean(t == WFS_TRUE);
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
        *ret = from_truth(a);
        return 0;
    }
    r = wfs_eval(scope, e->args[1], &v);
    if (!r)
        r = truth(scope, e->args[1], &v, &b);
    if (!r)
        *ret = from_truth(b == decides ? b : a == WFS_MAYBE ? a : b);
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
        return arith(scope, e, &a, &b, ret);
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
        *ret = from_truth(t == WFS_MAYBE ? t : t == WFS_TRUE ? WFS_FALSE : WFS_TRUE);
    return r;
}

static int eval_neg(const struct wfs_scope *scope, const struct wfs_vexpr *e, struct wfs_value *ret)
{
    struct wfs_value v;
    int r = wfs_eval(scope, e->args[0], &v);
    if (r)
        return r;
    if (is_int(&v) && v.i != INT64_MIN)
        v = integer(-v.i);
    else if (v.kind == WFS_VALUE_REAL)
        v.r = -v.r;
    else if (v.kind != WFS_VALUE_NONE && v.kind != WFS_VALUE_MAYBE)
        return eval_error(scope, e, "minus of what is no number");
    *ret = v;
    return 0;
}

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
        return wfs_eval_call(scope, e, ret);
    default:
        return eval_leaf(scope, e, ret);
    }
}

int wfs_eval(const struct wfs_scope *scope, const struct wfs_vexpr *e, struct wfs_value *ret)
{
    struct wfs_stage *st = scope->stage;
    if (st->n_nested >= EVAL_MAX_DEPTH)
        return eval_error(scope, e, "values that lead to each other too deeply");
    st->n_nested++;
    int r = eval_any_kind(scope, e, ret);
    st->n_nested--;
    return r;
}

/* ---- what callers need --------------------------------------------------------------------- */

/* The first part of an expression whose value is not known. */
static const struct wfs_vexpr *find_unknown(const struct wfs_scope *scope,
                                            const struct wfs_vexpr *e)
{
    struct wfs_value v;
    if (e->kind == WFS_V_LET || e->kind == WFS_V_CONFIG)
        return !wfs_eval(scope, e, &v) && (v.kind == WFS_VALUE_NONE || v.kind == WFS_VALUE_MAYBE)
                   ? e
                   : NULL;
    for (uint32_t i = 0; i < e->n_args; i++) {
        const struct wfs_vexpr *found = find_unknown(scope, e->args[i]);
        if (found)
            return found;
    }
    return NULL;
}

int wfs_eval_needed(const struct wfs_scope *scope, const struct wfs_vexpr *e)
{
    struct wfs_mapper *mapper = scope->stage->mapper;
    const struct wfs_vexpr *unknown = find_unknown(scope, e);
    if (!unknown)
        return eval_error(scope, e, "a value that is not known here");
    return wfs_error_set(mapper->err, EINVAL,
                         "%s:%u:%u: the value '%s' is needed and not in %s: give "
                         "-o set=%s=VALUE",
                         e->pos.file, e->pos.line, e->pos.col, unknown->text,
                         mapper->catalog->config_path ? wfs_config_name(mapper->config)
                                                      : "any config.json beside the weights",
                         unknown->text);
}

int wfs_value_int(const struct wfs_scope *scope, const struct wfs_vexpr *e,
                  const struct wfs_value *v, int64_t *ret)
{
    if (v->kind == WFS_VALUE_NONE || v->kind == WFS_VALUE_MAYBE)
        return wfs_eval_needed(scope, e);
    bool whole = v->kind == WFS_VALUE_REAL && floor(v->r) == v->r && fabs(v->r) < 9e15;
    if (!whole && !is_int(v))
        return eval_error(scope, e, "expected a whole number");
    *ret = whole ? (int64_t)v->r : v->i;
    return 0;
}

int wfs_value_real(const struct wfs_scope *scope, const struct wfs_vexpr *e,
                   const struct wfs_value *v, double *ret)
{
    if (v->kind == WFS_VALUE_NONE || v->kind == WFS_VALUE_MAYBE)
        return wfs_eval_needed(scope, e);
    if (!is_number(v))
        return eval_error(scope, e, "expected a number");
    *ret = as_real(v);
    return 0;
}

int wfs_eval_int(const struct wfs_scope *scope, const struct wfs_vexpr *e, int64_t *ret)
{
    struct wfs_value v;
    int r = wfs_eval(scope, e, &v);
    return r ? r : wfs_value_int(scope, e, &v, ret);
}

int wfs_eval_real(const struct wfs_scope *scope, const struct wfs_vexpr *e, double *ret)
{
    struct wfs_value v;
    int r = wfs_eval(scope, e, &v);
    return r ? r : wfs_value_real(scope, e, &v, ret);
}

int wfs_eval_cond(const struct wfs_scope *scope, const struct wfs_vexpr *e, bool *ret)
{
    struct wfs_value v;
    enum wfs_truth t;
    if (!e) {
        *ret = true;
        return 0;
    }
    int r = wfs_eval(scope, e, &v);
    if (!r)
        r = truth(scope, e, &v, &t);
    if (!r)
        *ret = t != WFS_FALSE;
    return r;
}

bool wfs_rule_may_hold(struct wfs_stage *stage, const struct wfs_rule *rule)
{
    struct wfs_error *err = stage->mapper->err, ignored = {0};
    const struct wfs_rule *asked_of = rule->origin ? rule->origin : rule;
    struct wfs_scope scope = {.stage = stage, .rule = asked_of, .optimistic = true};
    bool holds = true;
    stage->mapper->err = &ignored;
    bool asked = wfs_eval_cond(&scope, asked_of->cond, &holds) == 0;
    stage->mapper->err = err;
    return !asked || holds;
}
