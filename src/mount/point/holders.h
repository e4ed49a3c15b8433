/*
 * holders.h - what of the kernel itself keeps a mount busy: no process has it open.
 */
#ifndef WEIGHTFS_MOUNT_POINT_HOLDERS_H
#define WEIGHTFS_MOUNT_POINT_HOLDERS_H

#include "mount/point/mountinfo.h"

/* Appends "exported by the NFS server (/mnt/bert), /dev/loop0 (of source/model.safetensors)": exports,
 * loop devices, swap files and overlays, as far as /proc and /sys tell this user. Begins with a comma
 * where `out` holds something. Appends nothing where there are none. */
void wfs_mount_holders(const struct wfs_mount_entry *entry, struct wfs_buf *out);

#endif
