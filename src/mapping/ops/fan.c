/*
 * fan.c - operations that join tensors or tell one apart: concat, stack, sum, pick, split, unstack;
 * and a rule's operations run in order.
 *
 * The tensors of a rule are a list. A fan-in over a capture joins those that agree in everything
 * else; numbers must be 0..n-1 and alternatives complete: a hole is an error, never a shorter
 * result.
 */
#include "mapping/ops/fan.h"

#include <stdlib.h>
#include <string.h>

/* ---- joining ------------------------------------------------------------------------------- */

/* The sources of all, in order. */
static int join_sources(const struct wfs_run *run, const struct wfs_val *v, size_t n,
                        struct wfs_val *ret)
{
    uint32_t total = 0;
    for (size_t i = 0; i < n; i++)
        total += v[i].n_sources;
    uint32_t *all = wfs_arena_array(run->world->arena, total ? total : 1, sizeof(*all));
    if (!all)
        return wfs_error_nomem(run->sink->err, "mapping");
    uint32_t at = 0;
    for (size_t i = 0; i < n; i++)
        for (uint32_t s = 0; s < v[i].n_sources; s++) {
            bool seen = false;
            for (uint32_t k = 0; k < at && !seen && total <= 64; k++)
                seen = all[k] == v[i].sources[s];
            if (!seen)
                all[at++] = v[i].sources[s];
        }
    ret->sources = all;
    ret->n_sources = at;
    return 0;
}

/* Joins v[0..n) into one. */
static int join(const struct wfs_run *run, const struct wfs_op *op, const struct wfs_val *v,
                size_t n, struct wfs_val *ret)
{
    struct wfs_scope scope = wfs_val_scope(run, &v[0]);
    struct wfs_val out = v[0];
    const struct wfs_expr **in = malloc(n * sizeof(*in));
    if (!in)
        return wfs_error_nomem(run->sink->err, "mapping");
    for (size_t i = 0; i < n; i++)
        in[i] = v[i].expr;
    struct wfs_op_call call = wfs_op_call(&scope, op, in, (uint32_t)n);
    int r = wfs_op_run(&call, run->sink);
    free(in);
    if (!r)
        r = join_sources(run, v, n, &out);
    if (r)
        return r;
    out.expr = call.ret;
    if (op->cap != WFS_NO_INDEX)
        out.m.b[op->cap].set = false;
    else
        out.tag = 0;
    *ret = out;
    return 0;
}

struct joining {
    const struct wfs_rule *rule;
    uint32_t cap;
};

/* Part by part; then by all captures but the one joined over. Equal: they are joined. */
static int compare_others(const struct joining *j, const struct wfs_val *a, const struct wfs_val *b)
{
    if (a->tag != b->tag)
        return a->tag < b->tag ? -1 : 1;
    for (uint32_t i = 0; i < j->rule->n_caps; i++) {
        int c = i == j->cap ? 0 : wfs_binding_compare(&j->rule->caps[i], &a->m.b[i], &b->m.b[i]);
        if (c)
            return c;
    }
    return 0;
}

static int compare_vals(const void *pa, const void *pb, void *joining)
{
    const struct wfs_val *a = pa, *b = pb;
    const struct joining *j = joining;
    int c = compare_others(j, a, b);
    return c ? c : wfs_binding_compare(&j->rule->caps[j->cap], &a->m.b[j->cap], &b->m.b[j->cap]);
}

/* v[0..n) agree but in cap and are sorted by it. */
static int check_complete(const struct wfs_run *run, const struct wfs_op *op,
                          const struct wfs_val *v, size_t n)
{
    const struct wfs_cap *cap = &run->rule->caps[op->cap];
    int64_t lo = cap->ranged ? cap->lo : 0;
    for (size_t i = 0; i < n; i++) {
        const struct wfs_binding *b = &v[i].m.b[op->cap];
        if (!b->set || b->i == lo + (int64_t)i)
            continue;
        const char *near = wfs_dotted(run->world->arena, run->world->items->items[v[i].item].path);
        if (i && b->i == v[i - 1].m.b[op->cap].i)
            return wfs_op_error(run->sink->err, op, "two tensors for one {%s}: %s", cap->name,
                                near);
        if (cap->kind == WFS_CAP_ALT)
            return wfs_op_error(run->sink->err, op, "{%s} has no '%s' beside %s", cap->name,
                                cap->alts[i], near);
        return wfs_op_error(run->sink->err, op, "{%s} has a hole: %lld is missing before %s",
                            cap->name, (long long)(lo + (int64_t)i), near);
    }
    if (cap->kind == WFS_CAP_ALT && n < cap->n_alts)
        return wfs_op_error(
            run->sink->err, op, "{%s} has no '%s' beside %s", cap->name, cap->alts[n],
            wfs_dotted(run->world->arena, run->world->items->items[v[0].item].path));
    if (cap->ranged && n < (uint64_t)(cap->hi - lo) + 1)
        return wfs_op_error(
            run->sink->err, op, "{%s} has a hole: %lld is missing behind %s", cap->name,
            (long long)(lo + (int64_t)n),
            wfs_dotted(run->world->arena, run->world->items->items[v[n - 1].item].path));
    return 0;
}

/* A capture that can be fanned in over: its values have an order without holes. */
static int check_countable(const struct wfs_run *run, const struct wfs_op *op,
                           const struct wfs_vals *vals)
{
    const struct wfs_cap *cap = &run->rule->caps[op->cap];
    if (cap->kind == WFS_CAP_INT || cap->kind == WFS_CAP_ALT)
        return 0;
    if (!cap->in_regex)
        return wfs_op_error(run->sink->err, op, "expected {%s} to be a number or alternatives",
                            cap->name);
    for (size_t i = 0; i < vals->n; i++) {
        const struct wfs_binding *b = &vals->v[i].m.b[op->cap];
        if (b->set && !b->is_number)
            return wfs_op_error(
                run->sink->err, op, "expected {%s} to be a number in %s", cap->name,
                wfs_dotted(run->world->arena, run->world->items->items[vals->v[i].item].path));
    }
    return 0;
}

static int join_over_capture(const struct wfs_run *run, const struct wfs_op *op,
                             struct wfs_vals *vals)
{
    struct joining joining = {run->rule, op->cap};
    size_t n_out = 0;
    int r = check_countable(run, op, vals);
    if (r)
        return r;
    qsort_r(vals->v, vals->n, sizeof(*vals->v), compare_vals, &joining);
    for (size_t i = 0, n; i < vals->n; i += n) {
        struct wfs_val out;
        for (n = 1; i + n < vals->n && !compare_others(&joining, &vals->v[i], &vals->v[i + n]); n++)
            ;
        r = check_complete(run, op, &vals->v[i], n);
        if (!r)
            r = join(run, op, &vals->v[i], n, &out);
        if (r)
            return r;
        vals->v[n_out++] = out;
    }
    vals->n = n_out;
    return 0;
}

static int join_all(const struct wfs_run *run, const struct wfs_op *op, struct wfs_vals *vals)
{
    struct wfs_val out;
    int r = join(run, op, vals->v, vals->n, &out);
    if (r)
        return r;
    vals->v[0] = out;
    vals->n = 1;
    return 0;
}

static int pick(const struct wfs_run *run, const struct wfs_op *op, struct wfs_vals *vals)
{
    struct wfs_scope scope = wfs_val_scope(run, &vals->v[0]);
    int64_t i;
    int r = wfs_eval_int(&scope, op->args[0], &i);
    if (!r && (i < 0 || (uint64_t)i >= vals->n))
        r = wfs_op_error(run->sink->err, op, "there are %zu parts", vals->n);
    if (r)
        return r;
    vals->v[0] = vals->v[i];
    vals->v[0].tag = 0;
    vals->n = 1;
    return 0;
}

/* ---- telling apart ------------------------------------------------------------------------- */

#define MAX_FAN_OUT 65536

/* Where piece i of n begins and ends on the axis. */
static int piece_bounds(const struct wfs_scope *scope, const struct wfs_op *op, uint32_t axis,
                        uint64_t n, uint64_t *bounds)
{
    uint64_t size = scope->expr->shape[axis];
    bounds[0] = 0;
    if (op->n_args == 1) {
        if (size % n)
            return wfs_op_error(scope->run.sink->err, op,
                                "axis %u of size %llu does not divide into %llu "
                                "equal parts",
                                axis, (unsigned long long)size, (unsigned long long)n);
        for (uint64_t i = 1; i <= n; i++)
            bounds[i] = size / n * i;
        return 0;
    }
    for (uint64_t i = 0; i < n; i++) {
        int64_t v;
        int r = wfs_eval_int(scope, op->args[i + 1], &v);
        if (r)
            return r;
        if (v < 0 || !wfs_add_u64(bounds[i], (uint64_t)v, &bounds[i + 1]))
            return wfs_op_error(scope->run.sink->err, op, "a size below 0");
    }
    if (bounds[n] != size)
        return wfs_op_error(scope->run.sink->err, op, "the sizes add up to %llu, the axis has %llu",
                            (unsigned long long)bounds[n], (unsigned long long)size);
    return 0;
}

/* How many pieces a fan-out makes of this tensor. */
static int count_pieces(const struct wfs_scope *scope, const struct wfs_op *op, uint32_t axis,
                        uint32_t n_targets, uint64_t *ret)
{
    const struct wfs_cap *cap = op->cap == WFS_NO_INDEX ? NULL : &scope->run.rule->caps[op->cap];
    uint64_t n = n_targets;
    if (cap && cap->kind == WFS_CAP_ALT)
        n = cap->n_alts;
    else if (cap && cap->ranged)
        n = (uint64_t)(cap->hi - cap->lo + 1);
    else if (op->operation->by_steps)
        n = scope->expr->shape[axis];
    else if (op->n_args > 1)
        n = op->n_args - 1;
    if (op->operation->by_steps && n != scope->expr->shape[axis])
        return wfs_op_error(scope->run.sink->err, op, "axis %u has size %llu, not %llu", axis,
                            (unsigned long long)scope->expr->shape[axis], (unsigned long long)n);
    if (!cap && n_targets > 1 && n != n_targets)
        return wfs_op_error(scope->run.sink->err, op, "%llu parts for %u targets",
                            (unsigned long long)n, n_targets);
    if (op->n_args > 1 && op->n_args - 1 != n)
        return wfs_op_error(scope->run.sink->err, op, "%u sizes for %llu parts", op->n_args - 1,
                            (unsigned long long)n);
    if (n == 0 || n > MAX_FAN_OUT)
        return wfs_op_error(scope->run.sink->err, op, "%llu parts", (unsigned long long)n);
    *ret = n;
    return 0;
}

static int cut(const struct wfs_run *run, const struct wfs_op *op, struct wfs_val *val,
               uint32_t axis, uint64_t from, uint64_t to)
{
    struct wfs_arena *arena = run->world->arena;
    struct wfs_error *err = run->sink->err;
    int r = wfs_expr_slice(arena, val->expr, axis, from, to, 1, &val->expr, err);
    if (!r && op->operation->by_steps)
        r = wfs_expr_squeeze(arena, val->expr, axis, &val->expr, err);
    return r;
}

static int cut_all(const struct wfs_run *run, const struct wfs_op *op, const struct wfs_val *val,
                   uint32_t axis, const uint64_t *bounds, uint64_t n, struct wfs_vals *out)
{
    const struct wfs_cap *cap = op->cap == WFS_NO_INDEX ? NULL : &run->rule->caps[op->cap];
    int64_t lo = cap && cap->ranged ? cap->lo : 0;
    for (uint64_t i = 0; i < n; i++) {
        struct wfs_val piece = *val;
        int r = cut(run, op, &piece, axis, bounds[i], bounds[i + 1]);
        if (cap)
            piece.m.b[op->cap] = (struct wfs_binding){.set = true, .s = "", .i = lo + (int64_t)i};
        else
            piece.tag = (uint32_t)i;
        if (!r)
            r = wfs_vals_add(out, &piece, run->sink->err);
        if (r)
            return r;
    }
    return 0;
}

static int fan_out_one(const struct wfs_run *run, const struct wfs_op *op,
                       const struct wfs_val *val, struct wfs_vals *out)
{
    struct wfs_scope scope = wfs_val_scope(run, val);
    struct wfs_op_call call = wfs_op_call(&scope, op, &val->expr, 1);
    uint32_t axis;
    uint64_t n;
    int r = wfs_op_axis(&call, 0, val->expr->ndim, &axis);
    if (!r)
        r = count_pieces(&scope, op, axis, run->rule->clauses[0].n, &n);
    if (r)
        return r;
    uint64_t *bounds = malloc((n + 1) * sizeof(*bounds));
    if (!bounds)
        return wfs_error_nomem(run->sink->err, "mapping");
    if (op->operation->by_steps)
        for (uint64_t i = 0; i <= n; i++)
            bounds[i] = i;
    else
        r = piece_bounds(&scope, op, axis, n, bounds);
    if (!r)
        r = cut_all(run, op, val, axis, bounds, n, out);
    free(bounds);
    return r;
}

static int fan_out(const struct wfs_run *run, const struct wfs_op *op, struct wfs_vals *vals)
{
    struct wfs_vals out = {0};
    int r = 0;
    for (size_t i = 0; !r && i < vals->n; i++)
        r = fan_out_one(run, op, &vals->v[i], &out);
    if (r) {
        free(out.v);
        return r;
    }
    free(vals->v);
    *vals = out;
    return 0;
}

/* The classes that are for several tensors, or make several. */
static int run_fan(const struct wfs_run *run, const struct wfs_op *op, struct wfs_vals *vals)
{
    enum wfs_op_class class = op->operation->class;
    if (vals->n == 0)
        return 0;
    if (class == WFS_OP_SPLIT)
        return fan_out(run, op, vals);
    if (class == WFS_OP_PICK)
        return pick(run, op, vals);
    return op->cap != WFS_NO_INDEX ? join_over_capture(run, op, vals) : join_all(run, op, vals);
}

/* ---- in order ------------------------------------------------------------------------------ */

static bool is_constant(const struct wfs_op *op)
{
    for (uint32_t i = 0; i < op->n_args; i++) {
        const struct wfs_vexpr *e = op->args[i];
        if (e->kind != WFS_V_CONST && !(e->kind == WFS_V_NEG && e->args[0]->kind == WFS_V_CONST))
            return false;
    }
    return true;
}

/* "reshape(12, 64, -1)": as written, with values in place of names. */
static int describe(const struct wfs_run *run, const struct wfs_op *op, const struct wfs_val *val,
                    struct wfs_buf *text)
{
    if (text->len)
        wfs_buf_char(text, ' ');
    if (is_constant(op) || !val) {
        wfs_buf_str(text, op->text);
        return 0;
    }
    struct wfs_error ignored = {0};
    struct wfs_sink mute = {.err = &ignored};
    struct wfs_scope scope = wfs_val_scope(run, val);
    scope.run.sink = &mute;
    wfs_buf_add(text, op->text, strcspn(op->text, "("));
    const char *sep = "(";
    int r = 0;
    for (uint32_t i = 0; i < op->n_args && r != -ENOMEM; i++, sep = ", ") {
        int64_t whole;
        double v;
        wfs_buf_str(text, sep);
        r = wfs_eval_int(&scope, op->args[i], &whole);
        if (!r) {
            wfs_buf_printf(text, "%lld", (long long)whole);
            continue;
        }
        r = r == -ENOMEM ? r : wfs_eval_real(&scope, op->args[i], &v);
        if (!r)
            wfs_buf_printf(text, "%.10g", v);
    }
    wfs_buf_char(text, ')');
    return wfs_trial_result(run->sink, r);
}

static int which_part(const struct wfs_run *run, const struct wfs_op *op,
                      const struct wfs_vals *vals, int64_t *ret)
{
    if (vals->n == 0)
        return 0;
    struct wfs_scope scope = wfs_val_scope(run, &vals->v[0]);
    int64_t i;
    int r = wfs_eval_int(&scope, op->args[0], &i);
    if (!r && (i < 0 || (uint64_t)i >= vals->n))
        r = wfs_op_error(run->sink->err, op, "there are %zu parts", vals->n);
    if (!r)
        *ret = i;
    return r;
}

static int run_each(const struct wfs_run *run, const struct wfs_op *op, int64_t only,
                    struct wfs_vals *vals)
{
    int r = 0;
    for (size_t k = 0; !r && k < vals->n; k++)
        if (only < 0 || vals->v[k].tag == (uint64_t)only)
            r = wfs_op_apply(run, op, &vals->v[k]);
    return r;
}

/* *only: at(n) stood before it, so that it is for part n alone; -1: for all. */
static int run_one(const struct wfs_run *run, const struct wfs_op *op, int64_t *only,
                   struct wfs_vals *vals)
{
    enum wfs_op_class class = op->operation->class;
    bool is_each = class == WFS_OP_ONE || class == WFS_OP_FILL;
    if (*only >= 0 && !is_each)
        return wfs_op_error(run->sink->err, op,
                            "at(n) before it: it is for an operation on one part");
    if (class == WFS_OP_AT)
        return which_part(run, op, vals, only);
    int r = is_each ? run_each(run, op, *only, vals) : run_fan(run, op, vals);
    *only = -1;
    return r;
}

int wfs_ops_run(const struct wfs_run *run, const struct wfs_ops *ops, struct wfs_vals *vals,
                struct wfs_buf *text)
{
    int64_t only = -1;
    for (uint32_t i = 0; i < ops->n; i++) {
        const struct wfs_op *op = &ops->op[i];
        int r = text ? describe(run, op, vals->n ? &vals->v[0] : NULL, text) : 0;
        if (!r)
            r = run_one(run, op, &only, vals);
        if (r)
            return r;
    }
    if (only >= 0)
        return wfs_op_error(run->sink->err, &ops->op[ops->n - 1], "no operation follows it");
    return text && !wfs_buf_ok(text) ? wfs_error_nomem(run->sink->err, "mapping") : 0;
}
