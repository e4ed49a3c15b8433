/*
 * layout.h - the finished tree. It does not change any more, but for virtual files that are planned
 * when they are asked for, each under a lock of its own.
 */
#ifndef WEIGHTFS_TREE_NODES_LAYOUT_H
#define WEIGHTFS_TREE_NODES_LAYOUT_H

#include "tree/nodes/builder.h"

struct wfs_tree {
    const struct wfs_session *session;
    uint32_t n_nodes;
    struct wfs_node *nodes;
    uint32_t *natural; /* [n_nodes]: the children of a directory in natural order, at the same
                          positions as the children themselves */
    uint32_t n_files;
    struct wfs_tree_file **files;
    int64_t mtime_ns;
    mode_t file_mode, dir_mode;
    const mode_t *side_modes; /* [catalog->n_side_files]: of the passed-through files */
    uid_t uid;
    gid_t gid;
};

/* Makes the tree of the builder's nodes. The tree owns the virtual files from here on. */
int wfs_tree_finish(struct wfs_tree_builder *b, struct wfs_tree **ret, struct wfs_error *err);
void wfs_tree_free(struct wfs_tree *tree);

#endif
