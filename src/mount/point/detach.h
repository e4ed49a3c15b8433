/*
 * detach.h - taking a mount out of the file system.
 */
#ifndef WEIGHTFS_MOUNT_POINT_DETACH_H
#define WEIGHTFS_MOUNT_POINT_DETACH_H

#include "base/base.h"

/* Takes the mount at `path` down: umount(2), or fusermount3 where that is not permitted. `lazy`:
 * also while it is busy; it then ends with its last user. -EBUSY. */
int wfs_mountpoint_unmount(const char *path, bool lazy, struct wfs_error *err);

#endif
