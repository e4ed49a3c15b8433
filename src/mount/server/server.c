/*
 * server.c - what every request handler begins with.
 */
#include "mount/server/server.h"

#include <sys/eventfd.h>

bool wfs_server_node(fuse_req_t req, fuse_ino_t ino, uint32_t *ret_node)
{
    if (ino == 0 || ino > wfs_tree_n_nodes(wfs_server_tree(req))) {
        fuse_reply_err(req, ESTALE);
        return false;
    }
    *ret_node = (uint32_t)(ino - 1);
    return true;
}

void wfs_server_wake(struct wfs_server *server)
{
    eventfd_write(server->event_fd, 1);
}
