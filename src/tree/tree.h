/*
 * tree.h - a checkpoint opened with its views, as directories and virtual files. The mount, the
 * commands ls/cat/cp and the tests all read this one tree, so their bytes are the same.
 *
 * A tree does not change once it is built, so lookups take no locks. A node's inode number is its
 * index plus 1 (the root has 1), and is the same in every mount of the same checkpoint with the
 * same options.
 */
#ifndef WEIGHTFS_TREE_TREE_H
#define WEIGHTFS_TREE_TREE_H

#include <sys/stat.h>

#include "file/file.h"
#include "mapping/mapping.h"

enum wfs_tensor_format { WFS_FORMAT_NPY, WFS_FORMAT_RAW };

/* What is shown, and how. Strings are borrowed until wfs_session_open returns. */
struct wfs_session_options {
    const char *source;
    struct wfs_source_options source_options;
    /* The views; none: the default views of the source. One whose name is NULL stands for them, with
     * options. */
    const struct wfs_view_options *views;
    uint32_t n_views;
    bool source_only;              /* no default views: source/ alone, where n_views is 0 */
    const char *files;             /* -o files=LIST|all|none, or NULL for the default */
    uint64_t shard_bytes;          /* -o shards=SIZE; 0: none */
    enum wfs_tensor_format format; /* -o format=npy|raw */
    uid_t uid;                     /* -o uid=, (uid_t)-1: the source's */
    gid_t gid;
    /* -o umask= and mode=, the user's word for the checkpoint's own files whatever modes they have
     * in the source: 0444 & mode & ~umask; directories are 0555 & ~umask, or may be searched by who
     * may read by `mode`. */
    bool has_umask, has_mode;
    mode_t umask, mode;
    /* Others than this process's user may be served: allow_other, or root with another uid=. */
    bool is_shared;
    bool allow_other; /* anybody may be served */
    bool strict;
    /* Files are written out, and not read where they lie: archives leave no room for the reads of a
     * mount. */
    bool is_export;
    /* -o partial: loader files are listed although a tensor of the checkpoint was refused, and lack
     * it. */
    bool partial;
};

/* A loader file that a view would have and does not list. */
struct wfs_unlisted {
    const struct wfs_unlisted *next;
    uint32_t plan;
    const char *name, *why;
};

/* An open checkpoint: catalog, plans and tree. It has no threads but those of the cache. */
struct wfs_session {
    struct wfs_arena *arena;
    struct wfs_catalog *catalog;
    uint32_t n_plans;
    struct wfs_plan **plans; /* plans[0] is source/ */
    struct wfs_tree *tree;
    struct wfs_cache *cache; /* set by whoever starts one (after the last fork); may be NULL */
    struct wfs_session_options options;  /* kept: source, files, the views' names and paths */
    const char *tree_report;             /* names made safe, files hidden or not listed; or NULL */
    const struct wfs_unlisted *unlisted; /* why which loader files are not listed */
};
int wfs_session_open(const struct wfs_session_options *options, struct wfs_session **ret,
                     struct wfs_error *err);
void wfs_session_free(struct wfs_session *session); /* frees the cache too */
void wfs_session_freep(struct wfs_session **session);
/* Why the view's directory does not list a loader file of this name; NULL: it is not one. */
const char *wfs_session_why_unlisted(const struct wfs_session *session, uint32_t plan,
                                     const char *name);
/* wfs_tree_resolve, but the message says why a loader file is not listed. */
int wfs_session_resolve(const struct wfs_session *session, const char *path, uint32_t *ret_node,
                        struct wfs_error *err);
/* Fills in what the cache has to know of the checkpoint: files, id, and where it lies. */
void wfs_session_cache_options(const struct wfs_session *session, struct wfs_cache_options *ret);
/* wfs_prove_casts of all views: before warnings are shown, problems counted and files opened. */
int wfs_session_prove_casts(struct wfs_session *session, const struct wfs_cache_options *cache,
                            struct wfs_error *err);
/* Puts the views' tables into the index of session->cache, in the background. Does nothing where
 * there is no cache. */
void wfs_session_put_tables(struct wfs_session *session);
/* Warnings for stderr and report.txt: source notes and views' problems, one line each. */
void wfs_session_warnings(const struct wfs_session *session, struct wfs_buf *out);

/* ---- nodes --------------------------------------------------------------------------------- */

enum wfs_node_kind {
    WFS_NODE_DIR,
    WFS_NODE_TENSOR, /* one tensor of one view */
    WFS_NODE_VFILE,  /* a loader file, a passed-through file, a frozen info file */
    WFS_NODE_LIVE,   /* a snapshot taken at open: stats.json, norms.tsv; size is padded, fixed */
};

struct wfs_node {
    const char *name;
    uint32_t parent;      /* of the root: the root */
    uint32_t first_child; /* children are consecutive and sorted by strcmp for lookup */
    uint32_t n_children;
    enum wfs_node_kind kind;
    uint32_t n_subdirs;  /* st_nlink = 2 + n_subdirs */
    uint64_t size_bytes; /* of tensors and live files; wfs_tree_stat tells all sizes */
    void *payload;       /* internal; what it is depends on the kind */
    uint32_t plan;       /* of a tensor: its view; the payload is its target */
};

struct wfs_tree;
uint32_t wfs_tree_n_nodes(const struct wfs_tree *tree);
/* 0 <= node < n; the root is 0. */
const struct wfs_node *wfs_tree_node(const struct wfs_tree *tree, uint32_t node);
/* WFS_NO_INDEX when there is none. */
uint32_t wfs_tree_lookup(const struct wfs_tree *tree, uint32_t dir, const char *name);
/* A path from the root, leading and doubled '/' ignored. -ENOENT, -ENOTDIR. */
int wfs_tree_resolve(const struct wfs_tree *tree, const char *path, uint32_t *ret_node,
                     struct wfs_error *err);
/* The i-th child in natural order (layer 2 before layer 10). */
uint32_t wfs_tree_child(const struct wfs_tree *tree, uint32_t dir, uint32_t i);
/* st_ino, mode, owner, size, st_blocks = ceil(size / 512), times. Large virtual files are planned
 * when their size is first asked for: -EIO (logged) where that fails. Thread-safe. */
int wfs_tree_stat(const struct wfs_tree *tree, uint32_t node, struct stat *ret);
/* The sizes of all files added up, for statfs. Plans the files that are not planned yet. */
uint64_t wfs_tree_total_bytes(const struct wfs_tree *tree);

/* "user.weightfs.name" and so on; -ENODATA. Values are plain text without a NUL. */
int wfs_tree_xattr(const struct wfs_tree *tree, uint32_t node, const char *name,
                   struct wfs_buf *out, struct wfs_error *err);
/* NUL-separated names, as listxattr wants them. */
void wfs_tree_xattr_list(const struct wfs_tree *tree, uint32_t node, struct wfs_buf *out);

/* An open file. It is small: it holds the header of a .npy; plans of whole files are shared. */
struct wfs_open;
int wfs_open_node(struct wfs_session *session, uint32_t node, struct wfs_open **ret,
                  struct wfs_error *err);
/* Reads min(len, size - off). Large parts may be lent instead of copied (cache.h), where loans is not
 * NULL. Thread-safe on one open file. */
int wfs_open_read(struct wfs_open *open, void *buf, size_t len, uint64_t off,
                  struct wfs_loans *loans, size_t *ret_n, struct wfs_error *err);
uint64_t wfs_open_size_bytes(const struct wfs_open *open);
/* The parts it reads; NULL for passed-through and live files. */
const struct wfs_vfile *wfs_open_vfile(const struct wfs_open *open);
/* True for live files, of which the kernel must not keep pages. */
bool wfs_open_is_live(const struct wfs_open *open);
void wfs_open_free(struct wfs_open *open);
void wfs_open_freep(struct wfs_open **open);

#endif
