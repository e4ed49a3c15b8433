/*
 * live.h - a file whose text is made anew at each open. Its size is fixed when the tree is built,
 * since the kernel remembers sizes: the text is cut there, or filled up with newlines.
 */
#ifndef WEIGHTFS_TREE_NODES_LIVE_H
#define WEIGHTFS_TREE_NODES_LIVE_H

#include "tree/tree.h"

/* The payload of a WFS_NODE_LIVE. */
struct wfs_tree_live {
    const char *name;
    int (*size)(const struct wfs_session *session, uint64_t *ret_bytes, struct wfs_error *err);
    /* Adds text of at most size_bytes. */
    void (*make)(const struct wfs_session *session, struct wfs_buf *out, size_t size_bytes);
};

#endif
