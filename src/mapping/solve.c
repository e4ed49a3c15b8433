/*
 * solve.c - an inverse at work: {l+1} solved for l, conditions on what it makes, and the proof that
 * mapping the result forward gives what it was made from.
 */
#include <stdlib.h>
#include <string.h>

#include "mapping/convolution.h"
#include "mapping/inverse.h"

/* ---- equations ----------------------------------------------------------------------------- */

#define SOLVE_MAX_STEPS 65536 /* assignments tried for one name */

struct solving {
    struct wfs_stage *stage;
    const struct wfs_rule *rule;
    struct wfs_match m; /* being tried */
    struct wfs_match found;
    uint32_t n_unknown;
    uint32_t unknown[WFS_RULE_MAX_CAPS];
    int64_t target[WFS_RULE_MAX_CAPS];
    bool asked[WFS_RULE_MAX_CAPS]; /* equation i is about this part's pattern */
    int64_t largest;
    uint32_t n_found, n_steps;
    bool open; /* numbers that were not tried may be answers too */
};

static bool uses(const struct wfs_vexpr *e, uint32_t cap)
{
    bool found = e->kind == WFS_V_CAPTURE && e->index == cap;
    for (uint32_t i = 0; i < e->n_args; i++)
        found |= uses(e->args[i], cap);
    return found;
}

/*
 * Evaluates equation i under the assignment; a division by zero is no solution. The planner's own
 * state serves, with its errors sent elsewhere: a copy of the state would own the same buffers.
 */
static int holds(struct solving *s, uint32_t i, bool *ret)
{
    struct wfs_mapper *mapper = s->stage->mapper;
    struct wfs_error ignored = {0};
    struct wfs_error *err = mapper->err;
    struct wfs_scope scope = {.stage = s->stage, .rule = s->rule, .match = &s->m};
    int64_t value;
    mapper->err = &ignored;
    int r = wfs_eval_int(&scope, s->rule->solves[i].expr, &value);
    mapper->err = err;
    if (r == -ENOMEM)
        return wfs_error_set(err, ENOMEM, "out of memory");
    *ret = r == 0 && value == s->target[i];
    return 0;
}

static int all_hold(struct solving *s, bool *ret)
{
    int r = 0;
    *ret = true;
    for (uint32_t i = 0; i < s->rule->n_solves && !r && *ret; i++)
        if (s->asked[i])
            r = holds(s, i, ret);
    return r;
}

static void assign(struct solving *s, uint32_t cap, int64_t value)
{
    s->m.b[cap] = (struct wfs_binding){.set = true, .s = "", .i = value};
}

static int try_all(struct solving *s, uint32_t k)
{
    if (k == s->n_unknown) {
        bool all;
        int r = all_hold(s, &all);
        if (!r && all && s->n_found++ == 0)
            s->found = s->m;
        return r;
    }
    const struct wfs_cap *cap = &s->rule->caps[s->unknown[k]];
    int64_t lo = cap->ranged ? cap->lo : 0, hi = cap->ranged ? cap->hi : s->largest;
    for (int64_t v = lo; v <= hi && s->n_found < 2 && !s->open; v++) {
        if (++s->n_steps > SOLVE_MAX_STEPS) {
            s->open = true;
            return 0;
        }
        uint32_t n = s->n_found;
        assign(s, s->unknown[k], v);
        int r = try_all(s, k + 1);
        if (r)
            return r;
        /* {l/32}: the numbers that give the same go on beyond the bound. */
        s->open |= !cap->ranged && v == hi && s->n_found > n;
    }
    return 0;
}

static int prepare(struct solving *s)
{
    int64_t largest = 0, scale = 16;
    for (uint32_t i = 0; i < s->rule->n_solves; i++) {
        struct wfs_binding *hidden = &s->m.b[s->rule->solves[i].hidden];
        s->asked[i] = hidden->set;
        if (!hidden->set)
            continue;
        s->target[i] = hidden->i;
        largest = hidden->i > largest ? hidden->i : largest;
        hidden->set = false;
        for (uint32_t cap = 0; cap < s->rule->n_caps; cap++) {
            bool known = s->m.b[cap].set || !uses(s->rule->solves[i].expr, cap);
            for (uint32_t k = 0; k < s->n_unknown; k++)
                known |= s->unknown[k] == cap;
            if (!known)
                s->unknown[s->n_unknown++] = cap;
        }
    }
    /* {l/2} is at least half as large as l would be: a bound that such arithmetic stays in. */
    s->largest =
        largest > (SOLVE_MAX_STEPS - scale) / scale ? largest + scale : (largest + 1) * scale;
    return 0;
}

int wfs_solve(struct wfs_stage *stage, const struct wfs_rule *rule, struct wfs_match *match,
              bool *ret_found)
{
    *ret_found = true;
    if (rule->n_solves == 0)
        return 0;
    struct solving s = {.stage = stage, .rule = rule, .m = *match};
    int r = prepare(&s);
    if (!r)
        r = try_all(&s, 0);
    if (r)
        return r;
    *ret_found = s.n_found == 1;
    if (s.n_found > 1 || s.open)
        return wfs_error_set(stage->mapper->err, EINVAL,
                             "%s: several numbers %s this name: a range, as in {j:0-2}, would "
                             "tell them apart",
                             rule->where, s.n_found > 1 ? "give" : "may give");
    if (*ret_found)
        *match = s.found;
    return 0;
}

/* ---- conditions ---------------------------------------------------------------------------- */

int wfs_inverse_result(struct wfs_stage *stage, const struct wfs_rule *rule, uint32_t index,
                       const struct wfs_match *match, const struct wfs_expr **ret)
{
    const struct wfs_item *item = &stage->in->items[index];
    struct wfs_val val = {.m = *match,
                          .expr = item->expr,
                          .item = index,
                          .n_sources = item->n_sources,
                          .sources = item->sources};
    struct wfs_vals vals = {0};
    struct wfs_error ignored = {0};
    struct wfs_error *err = stage->mapper->err;
    *ret = NULL;
    if (wfs_vals_add(&vals, &val, err))
        return -ENOMEM;
    stage->mapper->err = &ignored; /* where an operation does not fit the rule does not apply */
    int r = wfs_ops_run(stage, rule, &rule->sources.part[0].ops, &vals, NULL);
    if (!r && rule->clauses[0].n == 1)
        r = wfs_ops_run(stage, rule, &rule->clauses[0].part[0].ops, &vals, NULL);
    stage->mapper->err = err;
    if (!r && vals.n)
        *ret = vals.v[0].expr;
    free(vals.v);
    return 0;
}

/* ---- what does not come back --------------------------------------------------------------- */

/* ---- the proof ----------------------------------------------------------------------------- */
