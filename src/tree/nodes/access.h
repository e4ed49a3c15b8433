/*
 * access.h - owners, modes and times of a tree's nodes.
 */
#ifndef WEIGHTFS_TREE_NODES_ACCESS_H
#define WEIGHTFS_TREE_NODES_ACCESS_H

#include "tree/nodes/layout.h"

/* Sets modes, owners and times; called once, after the layout. What people may read in the source
 * and not here is a note of the catalog. */
int wfs_tree_set_access(struct wfs_tree *tree, struct wfs_session *session, struct wfs_error *err);
/* st_mode, st_uid and st_gid of a node. */
void wfs_tree_show_access(const struct wfs_tree *tree, const struct wfs_node *node,
                          struct stat *ret);

#endif
