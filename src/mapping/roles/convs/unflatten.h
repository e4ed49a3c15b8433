/*
 * unflatten.h - dense layers in front of convolutions.
 */
#ifndef WEIGHTFS_MAPPING_ROLES_CONVS_UNFLATTEN_H
#define WEIGHTFS_MAPPING_ROLES_CONVS_UNFLATTEN_H

#include "mapping/roles/convs/readings.h"

/* After wfs_mark_flattened: UNFLATTENED with their channels, their biases as well, and
 * DENSE_OR_UNFLATTENED. */
int wfs_mark_unflattened(struct wfs_flattening *f);

#endif
