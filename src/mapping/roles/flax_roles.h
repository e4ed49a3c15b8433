/*
 * flax_roles.h - the role of a `kernel` under Flax's names.
 */
#ifndef WEIGHTFS_MAPPING_ROLES_FLAX_ROLES_H
#define WEIGHTFS_MAPPING_ROLES_FLAX_ROLES_H

#include "mapping/roles/torch_roles.h"

struct wfs_verdict wfs_flax_role(struct wfs_evidence *ev, const struct wfs_item *item);

#endif
