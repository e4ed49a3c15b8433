/*
 * state.c - one set being applied.
 */
#include "mapping/apply/state.h"

struct wfs_run wfs_apply_run(const struct wfs_apply *apply, const struct wfs_rule *rule)
{
    return (struct wfs_run){&apply->world, apply->sink, rule};
}

bool wfs_apply_has(const struct wfs_apply *apply, const struct wfs_rule *rule)
{
    return apply->set->is_inverse || rule->direction != WFS_INVERSE_ONLY;
}
