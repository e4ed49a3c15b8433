/*
 * ops.h - requests about names and attributes, and all that would write.
 */
#ifndef WEIGHTFS_MOUNT_SERVER_OPS_H
#define WEIGHTFS_MOUNT_SERVER_OPS_H

#include "mount/server/server.h"

void wfs_server_ops(struct fuse_lowlevel_ops *ops, bool noxattr);

#endif
