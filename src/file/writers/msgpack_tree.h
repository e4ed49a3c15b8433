/*
 * msgpack_tree.h - a manifest's paths as the nested maps of a Flax msgpack.
 */
#ifndef WEIGHTFS_FILE_WRITERS_MSGPACK_TREE_H
#define WEIGHTFS_FILE_WRITERS_MSGPACK_TREE_H

#include "file/file.h"

/* msgpack-python unpacks 1024 nested maps; a chunk map below the last needs two. */
#define WFS_MSGPACK_MAX_DEPTH 1000
#define WFS_MSGPACK_MODULE    UINT32_MAX

struct wfs_msgpack_node {
    const char *key; /* into the manifest's path; not terminated */
    size_t key_len;
    uint32_t entry;  /* of the tensor here, or WFS_MSGPACK_MODULE */
    uint32_t number; /* of all nodes, in the order they came; the root is 0 */
    uint32_t n_children;
    struct wfs_msgpack_node *first_child, *last_child, *next; /* in the order they came */
};

/* Builds the tree in the arena. -EEXIST: the entry *ret_conflict is a tensor where a module is, or
 * the other way round; -E2BIG: it nests too deep; -ENOMEM. */
int wfs_msgpack_tree(const struct wfs_manifest *manifest, struct wfs_arena *arena,
                     struct wfs_msgpack_node *ret_root, uint32_t *ret_conflict);

#endif
