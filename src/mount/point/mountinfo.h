/*
 * mountinfo.h - what /proc/self/mountinfo says of the mount at a path.
 */
#ifndef WEIGHTFS_MOUNT_POINT_MOUNTINFO_H
#define WEIGHTFS_MOUNT_POINT_MOUNTINFO_H

#include <sys/types.h>

#include "base/base.h"

struct wfs_mount_entry {
    int mount_id;
    unsigned dev_major, dev_minor;
    char *path;    /* of the mountpoint, unescaped */
    char *fs_type; /* "fuse.weightfs" */
    char *options; /* of the file system, as they stand there: "ro,user_id=0,allow_other" */
    uid_t owner;   /* user_id= of a FUSE mount, else (uid_t)-1 */
};
void wfs_mount_entry_free(struct wfs_mount_entry *entry);

/* The topmost mount exactly at `path` (absolute, resolved): 0, or -ENOENT where there is none. */
int wfs_mountinfo_at(const char *path, struct wfs_mount_entry *ret, struct wfs_error *err);
/* The path of another mount below entry->path, which keeps it busy, and that of a mount of the same
 * device elsewhere, which keeps its server alive. The caller frees it; NULL when there is none. */
char *wfs_mountinfo_below(const struct wfs_mount_entry *entry);
char *wfs_mountinfo_elsewhere(const struct wfs_mount_entry *entry);
/* The path of an overlay that has the mount, or a directory in it, among its layers: it keeps the
 * server alive, too. NULL when there is none, or when its layers were named relative to a working
 * directory. */
char *wfs_mountinfo_overlay(const struct wfs_mount_entry *entry);
/* The part of an absolute path that lies in the mount ("" for its root); NULL when it does not. */
const char *wfs_mount_entry_inside(const struct wfs_mount_entry *entry, const char *path);
/* Replaces \040 and the like by the character, in place: the kernel writes paths in /proc so. */
void wfs_mountinfo_unescape(char *path);
bool wfs_mount_entry_is_fuse(const struct wfs_mount_entry *entry);

#endif
