/*
 * mountpoint.h - the directory that is mounted on: found, judged, made, cleared of a dead mount,
 * and taken away again.
 */
#ifndef WEIGHTFS_MOUNT_POINT_MOUNTPOINT_H
#define WEIGHTFS_MOUNT_POINT_MOUNTPOINT_H

#include <sys/stat.h>

#include "mount/mount.h"

struct wfs_mountpoint {
    const char *path; /* borrowed */
    bool made;        /* by a wfs_mountpoint_prepare, so it is removed at the end */
};
/* Detaches a dead mount, makes the directory when it is missing, refuses one that is not empty
 * unless `nonempty`. */
int wfs_mountpoint_prepare(const char *path, bool nonempty, struct wfs_mountpoint *ret,
                           struct wfs_error *err);
/* -EINVAL where the mountpoint is at, above or below `other` (which need not exist yet). `what`
 * names it in the message: "the source". */
int wfs_mountpoint_check_apart(const char *path, const char *other, const char *what,
                               struct wfs_error *err);
/* True where the file `st` is `path` or one of the directories above it. */
bool wfs_mountpoint_is_at_or_above(const struct stat *st, const char *path);
/* Removes the directory where wfs_mountpoint_prepare made it and it is empty. */
void wfs_mountpoint_remove(struct wfs_mountpoint *mountpoint);
/* The same for a directory whose server was killed and could not. Where something is still mounted
 * there nothing is done: it may be a mount that hangs. */
void wfs_mountpoint_remove_left(const char *path);

#endif
