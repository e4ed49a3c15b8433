/*
 * builder.h - a tree while it is built: a growing list of nodes with links to their parents
 * (layout.c then makes the children of a directory consecutive).
 */
#ifndef WEIGHTFS_TREE_NODES_BUILDER_H
#define WEIGHTFS_TREE_NODES_BUILDER_H

#include "tree/nodes/planned.h"

struct wfs_build_node {
    const char *name;
    uint32_t parent, first, last, next, n_children;
    /* how many bytes at the end of the name are its suffix, which a "%~2" goes before */
    uint16_t suffix_len;
    enum wfs_node_kind kind;
    uint32_t plan;
    uint64_t size_bytes;
    void *payload;
};

struct wfs_tree_builder {
    struct wfs_session *session;
    struct wfs_build_node *nodes;
    size_t n, cap;
    struct wfs_tree_file **files;
    size_t n_files, files_cap;
    struct wfs_buf renamed; /* lines for the report: names that had to be made safe */
};

/* Adds a node and returns its index, or WFS_NO_INDEX when out of memory. `name`, which is in the
 * session's arena, is borrowed. */
uint32_t wfs_tree_add(struct wfs_tree_builder *b, uint32_t parent, const char *name,
                      enum wfs_node_kind kind);
uint32_t wfs_tree_add_dir(struct wfs_tree_builder *b, uint32_t parent, const char *name);
/* Adds a virtual file, which is planned when it is asked for. NULL when out of memory. */
struct wfs_tree_file *wfs_tree_add_file(struct wfs_tree_builder *b, uint32_t parent,
                                        const char *name, wfs_tree_plan_fn plan_fn, const void *ctx,
                                        uint32_t plan);

#endif
