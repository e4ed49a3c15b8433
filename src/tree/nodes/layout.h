/*
 * layout.h - the finished tree, as it is held. Nothing changes afterwards but the files that are
 * planned when they are asked for, each under its own lock.
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

/* Lays the nodes out. The files go to the tree. */
int wfs_tree_finish(struct wfs_tree_builder *b, struct wfs_tree **ret, struct wfs_error *err);
void wfs_tree_free(struct wfs_tree *tree);

#endif
