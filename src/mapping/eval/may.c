/*
 * may.c - could a condition hold? What it asks about names counts as "maybe".
 */
#include "mapping/eval/may.h"

int wfs_cond_may_hold(const struct wfs_scope *scope, const struct wfs_vexpr *cond, bool *ret)
{
    struct wfs_scope open = *scope;
    open.may = true;
    return wfs_eval_cond(&open, cond, ret);
}

int wfs_rule_may_hold(const struct wfs_run *run, bool *ret)
{
    struct wfs_error ignored = {0};
    struct wfs_sink mute = {.err = &ignored};
    const struct wfs_rule *asked_of = run->rule->origin ? run->rule->origin : run->rule;
    struct wfs_scope scope = {.run = {run->world, &mute, asked_of}};
    bool holds = true;
    int r = wfs_cond_may_hold(&scope, asked_of->cond, &holds);
    *ret = r || holds;
    return wfs_trial_result(run->sink, r);
}
