/*
 * node.c - looking things up in a finished tree. Everything is immutable but the lazily planned
 * virtual files, so nothing here takes a lock that a reader could wait on.
 */
#include "tree/tree.h"

#include <stdlib.h>
#include <string.h>

#include "tree/nodes/access.h"
#include "tree/nodes/layout.h"
#include "tree/nodes/planned.h"

/* The unit of st_blocks. A file of 0 blocks would be one hole to `tar -S`. */
#define NODE_BLOCK_BYTES 512
/* st_blksize, which readers take as the size of their buffer. With a larger one
 * torch.load(mmap=True) reads that much for every record; programs that copy files choose for
 * themselves. */
#define NODE_IO_BYTES    4096
#define NODE_LIST_BYTES  (1 << 20) /* at most, of a large directory */
#define NODE_ENTRY_BYTES 128       /* what an entry of a listing takes, about */

uint32_t wfs_tree_n_nodes(const struct wfs_tree *tree)
{
    return tree->n_nodes;
}

const struct wfs_node *wfs_tree_node(const struct wfs_tree *tree, uint32_t node)
{
    return &tree->nodes[node];
}

uint32_t wfs_tree_lookup(const struct wfs_tree *tree, uint32_t dir, const char *name)
{
    uint32_t low = tree->nodes[dir].first_child, high = low + tree->nodes[dir].n_children;
    while (low < high) {
        uint32_t mid = low + (high - low) / 2;
        int c = strcmp(name, tree->nodes[mid].name);
        if (c == 0)
            return mid;
        if (c < 0)
            high = mid;
        else
            low = mid + 1;
    }
    return WFS_NO_INDEX;
}

int wfs_tree_resolve(const struct wfs_tree *tree, const char *path, uint32_t *ret_node,
                     struct wfs_error *err)
{
    uint32_t node = 0;
    const char *whole = path;
    for (size_t len; *path; path += len) {
        path += strspn(path, "/");
        len = strcspn(path, "/");
        if (len == 0 || (len == 1 && *path == '.'))
            continue;
        char *name wfs_cleanup(wfs_freep) = strndup(path, len);
        if (!name)
            return wfs_error_nomem(err, "a path");
        if (tree->nodes[node].kind != WFS_NODE_DIR)
            return wfs_error_set(err, ENOTDIR, "%s: '%s' is not a directory", whole,
                                 tree->nodes[node].name);
        node = wfs_tree_lookup(tree, node, name);
        if (node == WFS_NO_INDEX)
            return wfs_error_set(err, ENOENT, "%s: there is no '%s'", whole, name);
    }
    *ret_node = node;
    return 0;
}

uint32_t wfs_tree_child(const struct wfs_tree *tree, uint32_t dir, uint32_t i)
{
    return tree->natural[tree->nodes[dir].first_child + i];
}

static int size_of(const struct wfs_tree *tree, const struct wfs_node *node, uint64_t *ret)
{
    struct wfs_tree_file *file = node->payload;
    if (node->kind != WFS_NODE_VFILE) {
        *ret = node->size_bytes;
        return 0;
    }
    if (file->side) {
        *ret = file->side->identity.size_bytes;
        return 0;
    }
    struct wfs_error err = {0};
    const struct wfs_vfile *vfile;
    if (wfs_tree_file_get(tree->session, file, &vfile, &err)) {
        wfs_log(WFS_LOG_ERROR, "%s cannot be planned: %s", node->name, err.message);
        return -EIO;
    }
    *ret = vfile->size_bytes;
    return 0;
}

/* st_blksize of a directory. readdir(3) takes it as the size of its buffer, and for each call the
 * kernel allocates as many pages: so it is what the directory needs and not more, else walking many
 * small directories would be slow. It is a power of two, as FUSE wants it. */
static blksize_t io_bytes(const struct wfs_node *node)
{
    blksize_t bytes = NODE_IO_BYTES;
    while (bytes < NODE_LIST_BYTES && bytes / NODE_ENTRY_BYTES < (blksize_t)node->n_children)
        bytes *= 2;
    return bytes;
}

int wfs_tree_stat(const struct wfs_tree *tree, uint32_t node, struct stat *ret)
{
    const struct wfs_node *n = &tree->nodes[node];
    uint64_t size;
    int r = size_of(tree, n, &size);
    if (r)
        return r;
    struct timespec mtime = {.tv_sec = tree->mtime_ns / 1000000000,
                             .tv_nsec = tree->mtime_ns % 1000000000};
    *ret = (struct stat){.st_ino = (ino_t)node + 1,
                         .st_nlink = n->kind == WFS_NODE_DIR ? 2 + n->n_subdirs : 1,
                         .st_size = (off_t)size,
                         .st_blksize = io_bytes(n),
                         .st_blocks = (blkcnt_t)((size + NODE_BLOCK_BYTES - 1) / NODE_BLOCK_BYTES),
                         .st_atim = mtime,
                         .st_mtim = mtime,
                         .st_ctim = mtime};
    wfs_tree_show_access(tree, n, ret);
    return 0;
}

uint64_t wfs_tree_total_bytes(const struct wfs_tree *tree)
{
    uint64_t total = 0, size;
    for (uint32_t i = 0; i < tree->n_nodes; i++)
        if (size_of(tree, &tree->nodes[i], &size) == 0 && !wfs_add_u64(total, size, &total))
            return UINT64_MAX;
    return total;
}
