/*
 * inverting.h - a rule being turned around: what the operations' inverses are made with.
 */
#ifndef WEIGHTFS_RULES_OPERATIONS_INVERTING_H
#define WEIGHTFS_RULES_OPERATIONS_INVERTING_H

#include "rules/rules.h"

struct wfs_inverting {
    struct wfs_arena *arena;
    struct wfs_error *err;
    const struct wfs_set *set;
    const struct wfs_rule *rule; /* being turned around */
    uint32_t n_caps;
    struct wfs_cap caps[WFS_RULE_MAX_CAPS];
    uint32_t n_equations;
    struct wfs_equation equations[WFS_RULE_MAX_CAPS];
};

/* -EINVAL "flax.map:3:9: no inverse: WHY" */
int wfs_invert_refuse(struct wfs_inverting *v, struct wfs_pos pos, const char *why);
int wfs_invert_nomem(struct wfs_inverting *v);
/* Expressions of an inverse's arguments, at the place of `op`; NULL when out of memory (v->err is
 * set), or where an operand is NULL. */
const struct wfs_vexpr *wfs_invert_int(struct wfs_inverting *v, const struct wfs_op *op, int64_t i);
const struct wfs_vexpr *wfs_invert_real(struct wfs_inverting *v, const struct wfs_op *op, double r);
const struct wfs_vexpr *wfs_invert_binary(struct wfs_inverting *v, const struct wfs_op *op,
                                          enum wfs_binop bin, const struct wfs_vexpr *a,
                                          const struct wfs_vexpr *b);
/* shape[axis] */
const struct wfs_vexpr *wfs_invert_shape(struct wfs_inverting *v, const struct wfs_op *op,
                                         const struct wfs_vexpr *axis);
/* Gives the operation other arguments; -ENOMEM where one of them is NULL. */
int wfs_invert_args(struct wfs_inverting *v, struct wfs_op *op, const struct wfs_vexpr *const *args,
                    uint32_t n);
/* For operations that undo themselves. */
int wfs_invert_same(struct wfs_inverting *v, struct wfs_op *op);
/* "OI*>*IO" becomes "*IO>OI*". */
int wfs_invert_layout(struct wfs_inverting *v, struct wfs_op *op);

#endif
