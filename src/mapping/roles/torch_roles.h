/*
 * torch_roles.h - the role of a `weight` under PyTorch's names.
 */
#ifndef WEIGHTFS_MAPPING_ROLES_TORCH_ROLES_H
#define WEIGHTFS_MAPPING_ROLES_TORCH_ROLES_H

#include "mapping/roles/evidence.h"

struct wfs_verdict {
    enum wfs_role role;
    const char *reason; /* "its bias has 48 elements, as many as its second axis"; "" for NONE */
};
struct wfs_verdict wfs_torch_role(struct wfs_evidence *ev, const struct wfs_item *item);
/* What shapes and siblings say against a role that somebody claims; NULL: nothing. */
const char *wfs_torch_veto(struct wfs_evidence *ev, const struct wfs_item *item,
                           enum wfs_role role);

#endif
