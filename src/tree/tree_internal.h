/*
 * tree_internal.h - how a tree is held, and what its builders share.
 *
 * Nodes are built as a growing list with parent links (struct tree_builder), then laid out once so
 * that the children of a directory are consecutive and sorted. Afterwards only the lazily planned
 * files change, each under its own lock.
 */
#ifndef TREE_INTERNAL_H
#define TREE_INTERNAL_H

#include <pthread.h>

#include "tree/tree.h"

/* ---- virtual files ------------------------------------------------------------------------- */

struct tree_file;
/* Plans the file into `arena`, which lives as long as the tree. */
typedef int (*tree_plan_fn)(const struct wfs_session *session, const struct tree_file *file,
                            struct wfs_arena *arena, const struct wfs_vfile **ret,
                            struct wfs_error *err);

/* The payload of a WFS_NODE_VFILE: planned when its size or bytes are first asked for. */
struct tree_file {
    tree_plan_fn plan_fn;
    const void *ctx;                  /* what plan_fn works from */
    uint32_t plan;                    /* the view it belongs to; WFS_NO_INDEX: info */
    const struct wfs_side_file *side; /* a passed-through file: opened anew at each open */
    pthread_mutex_t lock;
    struct wfs_arena *arena;                /* of the planned file; under lock */
    _Atomic(const struct wfs_vfile *) file; /* set once */
};
/* 0 or -errno; a failure is tried again next time. */
int tree_file_get(const struct wfs_session *session, struct tree_file *file,
                  const struct wfs_vfile **ret, struct wfs_error *err);

/* The payload of a WFS_NODE_LIVE. */
struct tree_live {
    /* Text of at most size_bytes (the node's fixed size); padded with newlines by the caller. */
    void (*make)(const struct wfs_session *session, struct wfs_buf *out, size_t size_bytes);
};

/* ---- the tree ------------------------------------------------------------------------------ */

struct wfs_tree {
    const struct wfs_session *session;
    uint32_t n_nodes;
    struct wfs_node *nodes;
    uint32_t *natural; /* [n_nodes]: the children of a directory in natural order, at the same
                          positions as the children themselves */
    uint32_t n_files;
    struct tree_file **files;
    int64_t mtime_ns;
    mode_t file_mode, dir_mode;
    uid_t uid;
    gid_t gid;
};

/* ---- building ------------------------------------------------------------------------------ */

struct build_node {
    const char *name;
    uint32_t parent, first, last, next, n_children;
    uint16_t suffix_len; /* of name: "%~2" goes before it */
    enum wfs_node_kind kind;
    uint32_t plan;
    uint64_t size_bytes;
    void *payload;
};

struct tree_builder {
    struct wfs_session *session;
    struct build_node *nodes;
    size_t n, cap;
    struct tree_file **files;
    size_t n_files, files_cap;
    struct wfs_buf renamed; /* lines for the report: names that had to be made safe */
};

/* Adds a node; its index, or WFS_NO_INDEX when out of memory. `name` lives in the session's arena.
 */
uint32_t tree_add(struct tree_builder *b, uint32_t parent, const char *name,
                  enum wfs_node_kind kind);
uint32_t tree_add_dir(struct tree_builder *b, uint32_t parent, const char *name);
/* A virtual file that is planned on demand. */
struct tree_file *tree_add_file(struct tree_builder *b, uint32_t parent, const char *name,
                                tree_plan_fn plan_fn, const void *ctx, uint32_t plan);
/* tensors/ of one view. */
int tree_add_tensors(struct tree_builder *b, uint32_t dir, uint32_t plan, struct wfs_error *err);
/* Loader files and passed-through files of one view. */
int tree_add_view_files(struct tree_builder *b, uint32_t dir, uint32_t plan, struct wfs_error *err);
/* info/. */
int tree_add_info(struct tree_builder *b, uint32_t dir, struct wfs_error *err);
/* Lays the nodes out. */
int tree_finish(struct tree_builder *b, struct wfs_tree **ret, struct wfs_error *err);

int tree_build(struct wfs_session *session, struct wfs_error *err);
void tree_free(struct wfs_tree *tree);
void tree_file_free(struct tree_file *file);

/* True where .npy can type it and -o format=raw does not say otherwise. */
bool tree_is_npy(const struct wfs_session *session, const struct wfs_expr *expr);

#endif
