/*
 * keep.h - what happens to an item that no rule takes.
 */
#ifndef WEIGHTFS_MAPPING_APPLY_KEEP_H
#define WEIGHTFS_MAPPING_APPLY_KEEP_H

#include "mapping/apply/state.h"

/* By the set's policy: it keeps its name and bytes, is dropped, or is an error. */
int wfs_apply_keep(struct wfs_apply *apply, uint32_t item);
/* True where a rule that failed with `r` counts as none (a lenient run); the error is forgotten. */
bool wfs_apply_forgives(struct wfs_apply *apply, int r);

#endif
