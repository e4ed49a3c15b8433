/*
 * walk.h - a tree visited in natural order, directories before what is in them. Names come from
 * files and may nest as deep as they like: no recursion.
 */
#ifndef WEIGHTFS_CLI_WALK_H
#define WEIGHTFS_CLI_WALK_H

#include "tree/tree.h"

/* `path` is the node's, below the root of the walk; "" for that root. Non-zero ends the walk. */
typedef int (*wfs_walk_fn)(void *ctx, uint32_t node, const char *path, struct wfs_error *err);
int wfs_walk(const struct wfs_tree *tree, uint32_t root, wfs_walk_fn fn, void *ctx,
             struct wfs_error *err);

#endif
