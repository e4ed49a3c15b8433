/*
 * server.h - the FUSE server of one mount, shared by the request handlers (ops.c, files.c), its
 * life (serve.c) and what watches the source (watch.c).
 *
 * Invariant: everything here is constant while requests are served, but for what is atomic and the
 * buffers, which have a lock of their own. Inode number = node index + 1; the tree never changes,
 * so there is nothing to remember of lookups and nothing to forget.
 */
#ifndef WEIGHTFS_MOUNT_SERVER_SERVER_H
#define WEIGHTFS_MOUNT_SERVER_SERVER_H

#include <fuse_lowlevel.h>
#include <stdatomic.h>

#include "mount/server/buffers.h"
#include "mount/mount.h"

#define WFS_MOUNT_TIMEOUT_S  3600.0
#define WFS_MOUNT_WORKERS    16
#define WFS_MOUNT_BACKGROUND 64 /* read-ahead requests that the kernel may have pending */

struct wfs_server {
    struct fuse_session *fuse;
    struct wfs_session *session;
    struct wfs_buffers buffers;
    uint32_t generation; /* of all inodes but the root's (generation.h) */
    bool noxattr;
    bool no_opendir; /* the kernel lists directories without opening them: set at INIT */
    int event_fd;    /* wakes the main thread: a worker ended, or n_changed grew */
    atomic_uint n_workers;
    atomic_uint n_changed;        /* source files known to have been changed in place */
    pthread_mutex_t handles_lock; /* guards the list of open files; held for a few instructions */
    struct wfs_handle *handles;
    unsigned n_open;
};

static inline struct wfs_server *wfs_server_of(fuse_req_t req)
{
    return fuse_req_userdata(req);
}
static inline struct wfs_tree *wfs_server_tree(fuse_req_t req)
{
    return wfs_server_of(req)->session->tree;
}
/* The node of an inode. Where there is none, answers the request with ESTALE and returns false. */
bool wfs_server_node(fuse_req_t req, fuse_ino_t ino, uint32_t *ret_node);
/* Wakes the main thread (wfs_serve_loop), which looks at n_workers and n_changed. */
void wfs_server_wake(struct wfs_server *server);

#endif
