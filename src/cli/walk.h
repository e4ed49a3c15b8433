/*
 * walk.h - visits a tree in natural order, directories before what is in them. It does not recurse:
 * names come from files, and may nest deep enough to exhaust the stack.
 */
#ifndef WEIGHTFS_CLI_WALK_H
#define WEIGHTFS_CLI_WALK_H

#include "tree/tree.h"

/* `path` is relative to the root of the walk, and "" for the root itself. A result other than 0
 * ends the walk. */
typedef int (*wfs_walk_fn)(void *ctx, uint32_t node, const char *path, struct wfs_error *err);
int wfs_walk(const struct wfs_tree *tree, uint32_t root, wfs_walk_fn fn, void *ctx,
             struct wfs_error *err);

#endif
