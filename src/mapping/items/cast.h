/*
 * cast.h - -o dtype=.
 */
#ifndef WEIGHTFS_MAPPING_ITEMS_CAST_H
#define WEIGHTFS_MAPPING_ITEMS_CAST_H

#include "mapping/items/mapper.h"

/* Casts the items that are plain floats; each is reported, exact or rounded. */
int wfs_cast(const struct wfs_mapper *mapper, struct wfs_sink *sink, struct wfs_table *items);

#endif
