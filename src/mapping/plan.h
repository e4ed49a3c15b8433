/*
 * plan.h - making a plan while somebody watches.
 */
#ifndef WEIGHTFS_MAPPING_PLAN_H
#define WEIGHTFS_MAPPING_PLAN_H

#include "mapping/apply/state.h"

/* wfs_plan_view; `watch` (or NULL) sees each set of the chain when it was applied. */
int wfs_plan_make(const struct wfs_catalog *catalog, const struct wfs_view_options *options,
                  const struct wfs_watch *watch, struct wfs_plan **ret, struct wfs_error *err);

#endif
