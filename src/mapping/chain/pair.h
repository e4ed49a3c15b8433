/*
 * pair.h - modules whose names a template knows better: `fc1` is `Dense_0` where its kind and
 * shapes leave no other choice.
 */
#ifndef WEIGHTFS_MAPPING_CHAIN_PAIR_H
#define WEIGHTFS_MAPPING_CHAIN_PAIR_H

#include "mapping/items/mapper.h"

/* Renames items so that the set maps them to the template's keys; what fits several modules is left
 * and reported as ambiguous. */
int wfs_pair(const struct wfs_mapper *mapper, struct wfs_sink *sink, const struct wfs_set *set,
             struct wfs_table *items);

#endif
