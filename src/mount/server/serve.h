/*
 * serve.h - starting a server, serving until the mount is gone, and ending it.
 */
#ifndef WEIGHTFS_MOUNT_SERVER_SERVE_H
#define WEIGHTFS_MOUNT_SERVER_SERVE_H

#include <pthread.h>
#include <signal.h>

#include "mount/point/mountpoint.h"
#include "mount/server/server.h"

struct wfs_serve {
    struct wfs_server server;
    struct wfs_mountpoint *mountpoint; /* borrowed; removed when the mount is down */
    unsigned dev_major, dev_minor;     /* of the mount */
    int signal_fd;
    unsigned n_threads;
    pthread_t *threads;
    bool has_mountpoint; /* libfuse's session holds the path */
    bool mounted, ending;
};

/* Blocks SIGTERM, SIGINT and SIGHUP, which wfs_serve_loop then takes from a descriptor. To be
 * called before the first thread is started: threads inherit the mask, and one that does not block
 * a signal would be ended by it. */
void wfs_serve_hold_signals(void);
/* Mounts and starts the workers; returns when the mountpoint answers through the kernel. On failure
 * nothing is left. */
int wfs_serve_start(const struct wfs_mount_options *options, struct wfs_session *session,
                    struct wfs_mountpoint *mountpoint, struct wfs_serve *ret,
                    struct wfs_error *err);
/* Serves until the mount is down and its last file closed. A signal unmounts; where that is busy it
 * detaches, and a second one ends the process. */
void wfs_serve_loop(struct wfs_serve *serve);
void wfs_serve_close(struct wfs_serve *serve);

#endif
