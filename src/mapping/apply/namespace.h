/*
 * namespace.h - how names are written in a source and in a target.
 */
#ifndef WEIGHTFS_MAPPING_APPLY_NAMESPACE_H
#define WEIGHTFS_MAPPING_APPLY_NAMESPACE_H

#include "mapping/apply/state.h"

/* An inverse first of the chain: names that its set wrote with '/' are split there. */
int wfs_split_slashes(const struct wfs_mapper *mapper, const struct wfs_set *set,
                      struct wfs_table *items, struct wfs_error *err);
/* The set's `source` declaration, on the names of apply->in. */
int wfs_namespace_read(struct wfs_apply *apply);
/* Prefix, collection and the set's `target` declaration, on the names of apply->out. */
int wfs_namespace_write(struct wfs_apply *apply);

#endif
