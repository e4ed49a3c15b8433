/*
 * explain.h - `weightfs map --explain NAME`: what every rule of a set says to one tensor.
 */
#ifndef WEIGHTFS_MAPPING_EXPLAIN_H
#define WEIGHTFS_MAPPING_EXPLAIN_H

#include "mapping/pick.h"

/* Is this the tensor that is asked about (or made of it)? */
bool wfs_is_explained(const struct wfs_mapper *mapper, const struct wfs_item *item);
/* The renames; `path` is the name after them. */
void wfs_explain_renames(struct wfs_stage *stage, uint32_t item, const char *path);
/* All other rules that could take it; `taken`: the pick, NULL: none. */
void wfs_explain_rules(struct wfs_stage *stage, uint32_t item, const struct wfs_pick *taken);

#endif
