/*
 * flatten.h - dense layers behind the flattened output of convolutions.
 */
#ifndef WEIGHTFS_MAPPING_ROLES_CONVS_FLATTEN_H
#define WEIGHTFS_MAPPING_ROLES_CONVS_FLATTEN_H

#include "mapping/roles/convs/readings.h"

/* Of the items that are DENSE: FLATTENED with their channels, and DENSE_OR_FLATTENED. */
int wfs_mark_flattened(struct wfs_flattening *f);

#endif
