/*
 * assemble.h - items into a plan.
 */
#ifndef WEIGHTFS_MAPPING_ASSEMBLE_H
#define WEIGHTFS_MAPPING_ASSEMBLE_H

#include "mapping/items/mapper.h"

/* Sorted targets with unique paths into the plan; collisions are reported. */
int wfs_assemble(const struct wfs_mapper *mapper, struct wfs_sink *sink, struct wfs_table *items,
                 struct wfs_plan *plan);

#endif
