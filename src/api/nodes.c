/*
 * nodes.c - the tree of an open checkpoint: directories are listed, files are read.
 */
#include <stdlib.h>
#include <string.h>

#include "api/checkpoint.h"

struct wfs_checkpoint_file {
    struct wfs_open *open;
};

static int check_node(const struct wfs_tree *tree, uint32_t node, struct wfs_error *err)
{
    if (node < wfs_tree_n_nodes(tree))
        return 0;
    return wfs_error_set(err, ERANGE, "node %u: there are %u", node, wfs_tree_n_nodes(tree));
}

int wfs_checkpoint_find_node(const struct wfs_checkpoint *checkpoint, const char *path,
                             uint32_t *ret_node, struct wfs_failure *failure)
{
    struct wfs_error err = {0};
    int r = wfs_session_resolve(checkpoint->session, path, ret_node, &err);
    return wfs_api_fail(r, &err, failure);
}

static int describe_node(const struct wfs_tree *tree, uint32_t node,
                         struct wfs_checkpoint_node *ret, struct wfs_error *err)
{
    struct stat st;
    int r = check_node(tree, node, err);
    if (r)
        return r;
    const struct wfs_node *n = wfs_tree_node(tree, node);
    r = wfs_tree_stat(tree, node, &st);
    if (r)
        return wfs_error_set(err, -r, "%s: its size cannot be told: %s", n->name, strerror(-r));
    bool is_directory = n->kind == WFS_NODE_DIR;
    struct wfs_checkpoint_node description = {.struct_size = sizeof(description),
                                              .name = n->name,
                                              .is_directory = is_directory,
                                              .n_children = is_directory ? n->n_children : 0,
                                              .size_bytes =
                                                  is_directory ? 0 : (uint64_t)st.st_size};
    return wfs_api_describe(ret, &description, err);
}

int wfs_checkpoint_node(const struct wfs_checkpoint *checkpoint, uint32_t node,
                        struct wfs_checkpoint_node *ret, struct wfs_failure *failure)
{
    struct wfs_error err = {0};
    return wfs_api_fail(describe_node(checkpoint->session->tree, node, ret, &err), &err, failure);
}

static int check_child(const struct wfs_tree *tree, uint32_t directory, uint32_t i,
                       struct wfs_error *err)
{
    int r = check_node(tree, directory, err);
    if (r)
        return r;
    const struct wfs_node *n = wfs_tree_node(tree, directory);
    if (n->kind != WFS_NODE_DIR)
        return wfs_error_set(err, ENOTDIR, "%s: is not a directory", n->name);
    if (i >= n->n_children)
        return wfs_error_set(err, ERANGE, "%s: child %u: there are %u", n->name, i, n->n_children);
    return 0;
}

int wfs_checkpoint_child(const struct wfs_checkpoint *checkpoint, uint32_t directory, uint32_t i,
                         uint32_t *ret_node, struct wfs_failure *failure)
{
    struct wfs_error err = {0};
    const struct wfs_tree *tree = checkpoint->session->tree;
    int r = check_child(tree, directory, i, &err);
    if (!r)
        *ret_node = wfs_tree_child(tree, directory, i);
    return wfs_api_fail(r, &err, failure);
}

/* ---- files --------------------------------------------------------------------------------- */

static int open_file(struct wfs_session *session, uint32_t node, struct wfs_checkpoint_file **ret,
                     struct wfs_error *err)
{
    int r = check_node(session->tree, node, err);
    if (r)
        return r;
    struct wfs_checkpoint_file *file wfs_cleanup(wfs_freep) = calloc(1, sizeof(*file));
    if (!file)
        return wfs_error_nomem(err, "an open file");
    r = wfs_open_node(session, node, &file->open, err);
    if (!r)
        *ret = wfs_steal(&file);
    return r;
}

int wfs_checkpoint_open_file(struct wfs_checkpoint *checkpoint, uint32_t node,
                             struct wfs_checkpoint_file **ret_file, struct wfs_failure *failure)
{
    struct wfs_error err = {0};
    return wfs_api_fail(open_file(checkpoint->session, node, ret_file, &err), &err, failure);
}

int wfs_checkpoint_file_read(struct wfs_checkpoint_file *file, void *buf, size_t len, uint64_t off,
                             size_t *ret_n, struct wfs_failure *failure)
{
    struct wfs_error err = {0};
    return wfs_api_fail(wfs_open_read(file->open, buf, len, off, NULL, ret_n, &err), &err, failure);
}

void wfs_checkpoint_file_close(struct wfs_checkpoint_file *file)
{
    if (!file)
        return;
    wfs_open_free(file->open);
    free(file);
}
