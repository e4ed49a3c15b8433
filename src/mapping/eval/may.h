/*
 * may.h - conditions asked before the names are there that they ask about: an inverse has yet to
 * make them.
 */
#ifndef WEIGHTFS_MAPPING_EVAL_MAY_H
#define WEIGHTFS_MAPPING_EVAL_MAY_H

#include "mapping/eval/eval.h"

/* Could the condition hold, whatever the names are that it asks about? */
int wfs_cond_may_hold(const struct wfs_scope *scope, const struct wfs_vexpr *cond, bool *ret);
/* Could the rule's condition hold for some tensor, whatever names there are? True where that cannot
 * be said without a tensor. Fails with -ENOMEM only. */
int wfs_rule_may_hold(const struct wfs_run *run, bool *ret);

#endif
