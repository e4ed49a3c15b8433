/*
 * losses.h - what an inverse cannot give back.
 */
#ifndef WEIGHTFS_MAPPING_APPLY_LOSSES_H
#define WEIGHTFS_MAPPING_APPLY_LOSSES_H

#include "mapping/apply/state.h"

/* Notes what the forward set drops, leaves out as copies or renames, and cannot be told. */
int wfs_inverse_report_losses(const struct wfs_apply *apply);

#endif
