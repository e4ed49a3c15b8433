/*
 * mount.h - the libfuse3 low-level server over a session's tree.
 */
#ifndef WEIGHTFS_MOUNT_H
#define WEIGHTFS_MOUNT_H

#include "weightfs/tree.h"

struct wfs_mount_options {
    struct wfs_session_options session; /* owned strings live in the caller */
    struct wfs_cache_options cache;
    const char *mountpoint;   /* resolved before forking */
    const char *log;          /* -o log=FILE, NULL: syslog when daemonised */
    const char *fuse_options; /* comma-separated, for libfuse: allow_other, fsname= ... */
    bool foreground, noxattr, nonempty;
    unsigned n_workers; /* 0: 16 */
};

/* `weightfs mount`: forks first (unless in the foreground), the child scans, plans and mounts; the
 * parent returns when the mountpoint answers through the kernel. Returns the exit status. */
int wfs_mount_run(const struct wfs_mount_options *options, struct wfs_error *err);
/* `weightfs umount`: returns when the index is flushed and the server is gone. -EBUSY names who. */
int wfs_mount_umount(const char *mountpoint, struct wfs_error *err);

#endif
