/*
 * users.h - who keeps a mount busy.
 */
#ifndef WEIGHTFS_MOUNT_POINT_USERS_H
#define WEIGHTFS_MOUNT_POINT_USERS_H

#include "mount/point/mountinfo.h"

/* Appends "1234 (python3: source/model.safetensors), 1300 (bash: its working directory)": the
 * processes that this user may look at, up to WFS_USERS_SHOWN. Appends nothing where there are
 * none. */
#define WFS_USERS_SHOWN 10
void wfs_mount_users(const struct wfs_mount_entry *entry, struct wfs_buf *out);

#endif
