/*
 * depthwise.h - convolutions whose outputs have one input each: of one channel, or depthwise.
 */
#ifndef WEIGHTFS_MAPPING_ROLES_CONVS_DEPTHWISE_H
#define WEIGHTFS_MAPPING_ROLES_CONVS_DEPTHWISE_H

#include "mapping/roles/evidence.h"

/* Of the items that are CONVOLUTION_OR_DEPTHWISE: DEPTHWISE, and CONVOLUTION of one channel, where that
 * is proved. 0 or -ENOMEM. */
int wfs_mark_depthwise(struct wfs_evidence *ev);

#endif
