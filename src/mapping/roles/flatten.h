/*
 * flatten.h - dense layers behind the flattened output of convolutions.
 */
#ifndef WEIGHTFS_MAPPING_ROLES_FLATTEN_H
#define WEIGHTFS_MAPPING_ROLES_FLATTEN_H

#include "mapping/roles/evidence.h"

/* Turns dense layers into flattened ones (item->channels is set) or doubtful ones. All other roles
 * are marked. -EINVAL where -o set=flatten.NAME= does not fit its layer. */
int wfs_mark_flattened(struct wfs_evidence *ev, struct wfs_sink *sink);

#endif
