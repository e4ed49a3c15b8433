/*
 * inverse_ops.h - a rule being turned around, and the inverses of its operations.
 */
#ifndef WEIGHTFS_RULES_INVERSE_OPS_H
#define WEIGHTFS_RULES_INVERSE_OPS_H

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
/* The inverses of the operations, in reverse order. */
int wfs_invert_ops(struct wfs_inverting *v, const struct wfs_ops *in, struct wfs_ops *ret);

#endif
