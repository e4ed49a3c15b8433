/*
 * solve.c - an inverse at work: {l+1} solved for l, and what a rule would make, for its condition.
 */
#include "mapping/apply/solve.h"

#include <stdlib.h>

/* ---- equations ----------------------------------------------------------------------------- */

#define SOLVE_MAX_STEPS 65536 /* assignments tried for one name */

struct solving {
    const struct wfs_run *run;
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

/* Evaluates equation i under the assignment; a division by zero is no solution. */
static int holds(struct solving *s, uint32_t i, bool *ret)
{
    struct wfs_error ignored = {0};
    struct wfs_sink mute = {.err = &ignored};
    struct wfs_scope scope = {.run = {s->run->world, &mute, s->run->rule}, .match = &s->m};
    int64_t value;
    int r = wfs_eval_int(&scope, s->run->rule->equations[i].expr, &value);
    *ret = r == 0 && value == s->target[i];
    return wfs_trial_result(s->run->sink, r);
}

static int all_hold(struct solving *s, bool *ret)
{
    int r = 0;
    *ret = true;
    for (uint32_t i = 0; i < s->run->rule->n_equations && !r && *ret; i++)
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
    const struct wfs_cap *cap = &s->run->rule->caps[s->unknown[k]];
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

static void prepare(struct solving *s)
{
    int64_t largest = 0, scale = 16;
    for (uint32_t i = 0; i < s->run->rule->n_equations; i++) {
        struct wfs_binding *hidden = &s->m.b[s->run->rule->equations[i].hidden];
        s->asked[i] = hidden->set;
        if (!hidden->set)
            continue;
        s->target[i] = hidden->i;
        largest = hidden->i > largest ? hidden->i : largest;
        hidden->set = false;
        for (uint32_t cap = 0; cap < s->run->rule->n_caps; cap++) {
            bool known = s->m.b[cap].set || !uses(s->run->rule->equations[i].expr, cap);
            for (uint32_t k = 0; k < s->n_unknown; k++)
                known |= s->unknown[k] == cap;
            if (!known)
                s->unknown[s->n_unknown++] = cap;
        }
    }
    /* {l/2} is at least half as large as l would be: a bound that such arithmetic stays in. */
    s->largest =
        largest > (SOLVE_MAX_STEPS - scale) / scale ? largest + scale : (largest + 1) * scale;
}

int wfs_solve(const struct wfs_run *run, struct wfs_match *match, bool *ret_found)
{
    *ret_found = true;
    if (run->rule->n_equations == 0)
        return 0;
    struct solving s = {.run = run, .m = *match};
    prepare(&s);
    int r = try_all(&s, 0);
    if (r)
        return r;
    *ret_found = s.n_found == 1;
    if (s.n_found > 1 || s.open)
        return wfs_error_set(run->sink->err, EINVAL,
                             "%s: several numbers %s this name: a range, as in {j:0-2}, would "
                             "tell them apart",
                             run->rule->where, s.n_found > 1 ? "give" : "may give");
    if (*ret_found)
        *match = s.found;
    return 0;
}

/* ---- conditions ---------------------------------------------------------------------------- */

int wfs_inverse_result(const struct wfs_run *run, const struct wfs_val *val,
                       const struct wfs_expr **ret)
{
    const struct wfs_rule *rule = run->rule;
    struct wfs_error ignored = {0};
    struct wfs_sink mute = {.err = &ignored};
    struct wfs_run trial = {run->world, &mute, rule};
    struct wfs_vals vals = {0};
    *ret = NULL;
    int r = wfs_vals_add(&vals, val, mute.err);
    if (!r)
        r = wfs_ops_run(&trial, &rule->sources.part[0].ops, &vals, NULL);
    if (!r && rule->clauses[0].n == 1)
        r = wfs_ops_run(&trial, &rule->clauses[0].part[0].ops, &vals, NULL);
    if (!r && vals.n)
        *ret = vals.v[0].expr;
    free(vals.v);
    return wfs_trial_result(run->sink, r);
}
