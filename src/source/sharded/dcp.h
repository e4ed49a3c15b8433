/*
 * dcp.h - folders of torch.distributed.checkpoint.
 */
#ifndef WEIGHTFS_SOURCE_SHARDED_DCP_H
#define WEIGHTFS_SOURCE_SHARDED_DCP_H

#include "source/folder/listing.h"

/* Also what Megatron keeps below the folder of an iteration. */
extern const struct wfs_folder_format wfs_folder_dcp;

#endif
