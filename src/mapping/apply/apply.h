/*
 * apply.h - one set applied to a table of items.
 */
#ifndef WEIGHTFS_MAPPING_APPLY_APPLY_H
#define WEIGHTFS_MAPPING_APPLY_APPLY_H

#include "mapping/apply/state.h"

/* Makes `ret_out` of `in` (its items are sorted later). */
int wfs_apply(const struct wfs_mapper *mapper, struct wfs_sink *sink, const struct wfs_set *set,
              const struct wfs_apply_options *options, const struct wfs_table *in,
              struct wfs_table *ret_out);

#endif
