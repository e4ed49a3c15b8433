/*
 * rendezvous.h - how `weightfs umount` finds the server of a mount and learns that it is gone.
 *
 * The server listens, without ever accepting, on abstract sockets named by the mount's device
 * number. A connection made before the mount is taken down hangs up when the server's process
 * ends, however it ends: no process id to trust, no file to leave behind.
 */
#ifndef WEIGHTFS_MOUNT_POINT_RENDEZVOUS_H
#define WEIGHTFS_MOUNT_POINT_RENDEZVOUS_H

#include <sys/types.h>

#include "base/base.h"

/* The kernel gives a device number to the next mount as soon as this one is down, while its server
 * may still be writing the index and hold the name: the next server then takes the next name. */
#define WFS_RENDEZVOUS_NAMES 8

/* Called by the server: it listens from here on until its process ends. 0 or -errno. */
int wfs_rendezvous_listen(unsigned dev_major, unsigned dev_minor, struct wfs_error *err);

struct wfs_rendezvous {
    struct wfs_rendezvous_server {
        int fd, pid_fd; /* pid_fd is -1 on kernels without it: then only the hang-up counts */
        pid_t pid;
    } servers[WFS_RENDEZVOUS_NAMES];
    unsigned n;
};
/* Connects to all servers of the device that run as root, as `owner` or as ourselves. */
void wfs_rendezvous_connect(unsigned dev_major, unsigned dev_minor, uid_t owner,
                            struct wfs_rendezvous *ret);
/* Waits until they are gone, at most timeout_ms (-1: for ever): true when they are. */
bool wfs_rendezvous_wait(const struct wfs_rendezvous *rendezvous, int timeout_ms);
void wfs_rendezvous_close(struct wfs_rendezvous *rendezvous);

#endif
