/*
 * live.h - the payload of a live file.
 */
#ifndef WEIGHTFS_TREE_NODES_LIVE_H
#define WEIGHTFS_TREE_NODES_LIVE_H

#include "tree/tree.h"

/* The payload of a WFS_NODE_LIVE. */
struct wfs_tree_live {
    /* Text of at most size_bytes (the node's fixed size); padded with newlines by the caller. */
    void (*make)(const struct wfs_session *session, struct wfs_buf *out, size_t size_bytes);
};

#endif
