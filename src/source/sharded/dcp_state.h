/*
 * dcp_state.h - the state dict of a DCP folder as it was nested when it was saved.
 */
#ifndef WEIGHTFS_SOURCE_SHARDED_DCP_STATE_H
#define WEIGHTFS_SOURCE_SHARDED_DCP_STATE_H

#include "source/sharded/dcp_file.h"

/* Into d->t.pickle. Tensors are persistent ids whose only item is their row of state_dict_metadata. */
int wfs_dcp_build_state_dict(struct wfs_dcp *d, struct wfs_error *err);

#endif
