/*
 * mount.h - the libfuse3 low-level server over a session's tree.
 */
#ifndef WEIGHTFS_MOUNT_MOUNT_H
#define WEIGHTFS_MOUNT_MOUNT_H

#include "tree/tree.h"

/* The exit status of every verb. */
enum wfs_exit {
    WFS_EXIT_OK,
    WFS_EXIT_PROBLEMS,   /* differences or problems were found */
    WFS_EXIT_UNREADABLE, /* usage, or input that cannot be read */
    WFS_EXIT_INTERNAL,
};
/* The exit status for a result of the library (0 or -errno). */
int wfs_exit_status(int r);

struct wfs_mount_options {
    struct wfs_session_options session; /* source is absolute; strings live in the caller */
    struct wfs_cache_options cache;
    const char *mountpoint;   /* resolved before forking */
    const char *log;          /* -o log=FILE, NULL: syslog when daemonised */
    const char *fuse_options; /* comma-separated, for libfuse: allow_other, fsname= ... */
    bool foreground, noxattr, nonempty;
    unsigned n_workers; /* 0: 16 */
};

/* `weightfs mount`: forks first (unless in the foreground), the child scans, plans and mounts; the
 * parent returns when the mountpoint answers through the kernel. Returns the exit status, in the
 * child too, when its mount has ended: the caller cleans up and exits with it. Warnings go to
 * stderr; a failure is in err. `session.strict` is judged here, after the warnings were printed. */
int wfs_mount_run(const struct wfs_mount_options *options, struct wfs_error *err);
/* The path made absolute and free of links, as `mountpoint` above has to be. The directory itself
 * may be missing, or a dead mount. The caller frees it; NULL on failure. */
char *wfs_mountpoint_resolve(const char *path, struct wfs_error *err);
/* `weightfs umount`: returns when the index is written and the server has ended. -EBUSY with a
 * message that names the processes which use the mount. */
int wfs_mount_umount(const char *mountpoint, struct wfs_error *err);

#endif
