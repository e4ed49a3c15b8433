/*
 * watch.c - a source that is rewritten in place while it is mounted. From then on reading its bytes
 * fails (src/bytes/file.c). The kernel still holds pages that were read before: those are dropped
 * here, and files that are opened later keep none.
 */
#include "mount/server/watch.h"

bool wfs_watch_sources(struct wfs_server *server)
{
    const struct wfs_catalog *catalog = server->session->catalog;
    unsigned n_changed = 0, known = atomic_load(&server->n_changed);
    for (uint32_t i = 0; i < catalog->n_files; i++)
        n_changed += wfs_bytes_check(catalog->files[i].bytes, NULL) != 0;
    while (known < n_changed)
        if (atomic_compare_exchange_weak(&server->n_changed, &known, n_changed)) {
            wfs_server_wake(server);
            break;
        }
    return n_changed == 0;
}

void wfs_watch_drop_pages(struct wfs_server *server)
{
    const struct wfs_tree *tree = server->session->tree;
    for (uint32_t i = 0; i < wfs_tree_n_nodes(tree); i++)
        if (wfs_tree_node(tree, i)->kind != WFS_NODE_DIR)
            fuse_lowlevel_notify_inval_inode(server->fuse, (fuse_ino_t)i + 1, 0, 0);
}
