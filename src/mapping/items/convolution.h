/*
 * convolution.h - which weights are those of transposed convolutions.
 */
#ifndef WEIGHTFS_MAPPING_ITEMS_CONVOLUTION_H
#define WEIGHTFS_MAPPING_ITEMS_CONVOLUTION_H

#include "mapping/items/mapper.h"

/* Marks the items, where the set asks for `convolution`, and reports what was assumed. */
int wfs_mark_convolutions(const struct wfs_mapper *mapper, struct wfs_sink *sink,
                          const struct wfs_set *set, struct wfs_table *items);
/* The value of `convolution` for an item under the name that it has now; NULL: it is none. */
const char *wfs_convolution_name(const struct wfs_item *item);

#endif
