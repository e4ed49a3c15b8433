/*
 * fit.h - items fitted to the template.
 */
#ifndef WEIGHTFS_MAPPING_FIT_H
#define WEIGHTFS_MAPPING_FIT_H

#include "mapping/items/mapper.h"

/* Prefix, collections, shapes, missing, unexpected; nothing where there is no template. */
int wfs_template_fit(const struct wfs_mapper *mapper, struct wfs_sink *sink,
                     struct wfs_table *items);

#endif
