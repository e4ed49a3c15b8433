/*
 * ops.c - requests about names and attributes, answered from the immutable tree without a lock.
 * Everything that would write is EROFS here as well: root may remount the mount read-write.
 */
#include "mount/server/ops.h"

#include <string.h>
#include <sys/statvfs.h>

#define XATTR_PREFIX   "user.weightfs."
#define STATFS_BLOCK   4096u
#define NAME_BYTES_MAX 255u /* the kernel does not check it for a FUSE server */

/* The kernel wants the root to have generation 0. */
static int make_entry(fuse_req_t req, uint32_t node, struct fuse_entry_param *ret)
{
    *ret = (struct fuse_entry_param){.ino = (fuse_ino_t)node + 1,
                                     .generation = node ? wfs_server_of(req)->generation : 0,
                                     .attr_timeout = WFS_MOUNT_TIMEOUT_S,
                                     .entry_timeout = WFS_MOUNT_TIMEOUT_S};
    return wfs_tree_stat(wfs_server_tree(req), node, &ret->attr);
}

/* "." and ".." are asked for by who serves the mount over NFS: they turn a client's handle back into
 * a file that the kernel has forgotten. Here alone may `node` be no directory. */
static uint32_t find_name(const struct wfs_tree *tree, uint32_t node, const char *name)
{
    if (strcmp(name, ".") == 0)
        return node;
    if (strcmp(name, "..") == 0)
        return wfs_tree_node(tree, node)->parent;
    return wfs_tree_lookup(tree, node, name);
}

/* The kernel may remember that a name is not there as well, since no file ever appears. */
static void op_lookup(fuse_req_t req, fuse_ino_t parent, const char *name)
{
    struct fuse_entry_param entry = {.entry_timeout = WFS_MOUNT_TIMEOUT_S};
    uint32_t dir;
    if (!wfs_server_node(req, parent, &dir))
        return;
    uint32_t node = find_name(wfs_server_tree(req), dir, name);
    int r = strlen(name) > NAME_BYTES_MAX ? -ENAMETOOLONG
            : node == WFS_NO_INDEX        ? 0
                                          : make_entry(req, node, &entry);
    if (r)
        fuse_reply_err(req, -r);
    else
        fuse_reply_entry(req, &entry);
}

static void op_getattr(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi)
{
    struct stat st;
    uint32_t node;
    (void)fi;
    if (!wfs_server_node(req, ino, &node))
        return;
    int r = wfs_tree_stat(wfs_server_tree(req), node, &st);
    if (r)
        fuse_reply_err(req, -r);
    else
        fuse_reply_attr(req, &st, WFS_MOUNT_TIMEOUT_S);
}

static void op_forget(fuse_req_t req, fuse_ino_t ino, uint64_t n_lookups)
{
    (void)ino;
    (void)n_lookups;
    fuse_reply_none(req);
}

static void op_forget_multi(fuse_req_t req, size_t count, struct fuse_forget_data *forgets)
{
    (void)count;
    (void)forgets;
    fuse_reply_none(req);
}

/* ENOSYS to the first opendir means "never ask again, and cache": one request less a directory. */
static void op_opendir(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi)
{
    uint32_t node;
    if (!wfs_server_node(req, ino, &node))
        return;
    if (wfs_server_of(req)->no_opendir) {
        fuse_reply_err(req, ENOSYS);
        return;
    }
    fi->cache_readdir = 1;
    fi->keep_cache = 1;
    fuse_reply_open(req, fi);
}

/* ---- listing: cookie 0 is ".", 1 "..", 2 + i the i-th child in natural order ------------------
 */

struct listing {
    fuse_req_t req;
    char *buf;
    size_t size_bytes, used_bytes;
    bool plus;
};

/* Adds one entry; -ENOSPC when the buffer is full, or another -errno. */
static int list_entry(struct listing *l, const char *name, uint32_t node, off_t next)
{
    struct fuse_entry_param entry;
    int r = make_entry(l->req, node, &entry);
    if (r)
        return r;
    char *at = l->buf + l->used_bytes;
    size_t left = l->size_bytes - l->used_bytes, n;
    if (l->plus)
        n = fuse_add_direntry_plus(l->req, at, left, name, &entry, next);
    else
        n = fuse_add_direntry(l->req, at, left, name, &entry.attr, next);
    if (n > left)
        return -ENOSPC;
    l->used_bytes += n;
    return 0;
}

static int list_children(struct listing *l, uint32_t dir, off_t off)
{
    const struct wfs_tree *tree = wfs_server_tree(l->req);
    const struct wfs_node *node = wfs_tree_node(tree, dir);
    int r = 0;
    if (off <= 0)
        r = list_entry(l, ".", dir, 1);
    if (!r && off <= 1)
        r = list_entry(l, "..", node->parent, 2);
    for (uint64_t i = off > 2 ? (uint64_t)off - 2 : 0; !r && i < node->n_children; i++) {
        uint32_t child = wfs_tree_child(tree, dir, (uint32_t)i);
        r = list_entry(l, wfs_tree_node(tree, child)->name, child, (off_t)i + 3);
    }
    return r == -ENOSPC || l->used_bytes ? 0 : r;
}

static void list(fuse_req_t req, fuse_ino_t ino, size_t size, off_t off, bool plus)
{
    struct wfs_server *server = wfs_server_of(req);
    struct wfs_buffer buffer;
    uint32_t dir;
    if (!wfs_server_node(req, ino, &dir))
        return;
    int r = wfs_buffers_get(&server->buffers, size, 0, &buffer);
    if (r) {
        fuse_reply_err(req, -r);
        return;
    }
    struct listing l = {.req = req, .buf = buffer.data, .size_bytes = size, .plus = plus};
    r = list_children(&l, dir, off);
    if (r)
        fuse_reply_err(req, -r);
    else
        fuse_reply_buf(req, l.buf, l.used_bytes);
    wfs_buffers_put(&server->buffers, &buffer);
}

static void op_readdir(fuse_req_t req, fuse_ino_t ino, size_t size, off_t off,
                       struct fuse_file_info *fi)
{
    (void)fi;
    list(req, ino, size, off, false);
}

static void op_readdirplus(fuse_req_t req, fuse_ino_t ino, size_t size, off_t off,
                           struct fuse_file_info *fi)
{
    (void)fi;
    list(req, ino, size, off, true);
}

static void op_statfs(fuse_req_t req, fuse_ino_t ino)
{
    const struct wfs_tree *tree = wfs_server_tree(req);
    uint64_t total = wfs_tree_total_bytes(tree);
    struct statvfs st = {.f_bsize = STATFS_BLOCK,
                         .f_frsize = STATFS_BLOCK,
                         .f_blocks = total / STATFS_BLOCK + (total % STATFS_BLOCK != 0),
                         .f_files = wfs_tree_n_nodes(tree),
                         .f_namemax = NAME_BYTES_MAX};
    (void)ino;
    fuse_reply_statfs(req, &st);
}

/* ---- extended attributes ------------------------------------------------------------------- */

static void reply_xattr(fuse_req_t req, const struct wfs_buf *value, size_t size)
{
    if (!wfs_buf_ok(value))
        fuse_reply_err(req, ENOMEM);
    else if (size == 0)
        fuse_reply_xattr(req, value->len);
    else if (size < value->len)
        fuse_reply_err(req, ERANGE);
    else
        fuse_reply_buf(req, value->data, value->len);
}

/* `ls -l` asks for security.* and system.* attributes of every file; there are none. */
static void op_getxattr(fuse_req_t req, fuse_ino_t ino, const char *name, size_t size)
{
    struct wfs_buf value wfs_cleanup(wfs_buf_free) = {0};
    uint32_t node;
    if (strncmp(name, XATTR_PREFIX, strlen(XATTR_PREFIX))) {
        fuse_reply_err(req, ENODATA);
        return;
    }
    if (!wfs_server_node(req, ino, &node))
        return;
    int r = wfs_tree_xattr(wfs_server_tree(req), node, name, &value, NULL);
    if (r)
        fuse_reply_err(req, -r);
    else
        reply_xattr(req, &value, size);
}

static void op_listxattr(fuse_req_t req, fuse_ino_t ino, size_t size)
{
    struct wfs_buf names wfs_cleanup(wfs_buf_free) = {0};
    uint32_t node;
    if (!wfs_server_node(req, ino, &node))
        return;
    wfs_tree_xattr_list(wfs_server_tree(req), node, &names);
    reply_xattr(req, &names, size);
}

/* ---- writing ------------------------------------------------------------------------------- */

static void op_setattr(fuse_req_t req, fuse_ino_t ino, struct stat *st, int to_set,
                       struct fuse_file_info *fi)
{
    (void)ino, (void)st, (void)to_set, (void)fi;
    fuse_reply_err(req, EROFS);
}

static void op_mknod(fuse_req_t req, fuse_ino_t ino, const char *name, mode_t mode, dev_t dev)
{
    (void)ino, (void)name, (void)mode, (void)dev;
    fuse_reply_err(req, EROFS);
}

static void op_mkdir(fuse_req_t req, fuse_ino_t ino, const char *name, mode_t mode)
{
    (void)ino, (void)name, (void)mode;
    fuse_reply_err(req, EROFS);
}

static void op_remove(fuse_req_t req, fuse_ino_t ino, const char *name)
{
    (void)ino, (void)name;
    fuse_reply_err(req, EROFS);
}

static void op_symlink(fuse_req_t req, const char *link, fuse_ino_t ino, const char *name)
{
    (void)link, (void)ino, (void)name;
    fuse_reply_err(req, EROFS);
}

static void op_rename(fuse_req_t req, fuse_ino_t ino, const char *name, fuse_ino_t new_ino,
                      const char *new_name, unsigned flags)
{
    (void)ino, (void)name, (void)new_ino, (void)new_name, (void)flags;
    fuse_reply_err(req, EROFS);
}

static void op_link(fuse_req_t req, fuse_ino_t ino, fuse_ino_t new_ino, const char *new_name)
{
    (void)ino, (void)new_ino, (void)new_name;
    fuse_reply_err(req, EROFS);
}

static void op_create(fuse_req_t req, fuse_ino_t ino, const char *name, mode_t mode,
                      struct fuse_file_info *fi)
{
    (void)ino, (void)name, (void)mode, (void)fi;
    fuse_reply_err(req, EROFS);
}

static void op_setxattr(fuse_req_t req, fuse_ino_t ino, const char *name, const char *value,
                        size_t size, int flags)
{
    (void)ino, (void)name, (void)value, (void)size, (void)flags;
    fuse_reply_err(req, EROFS);
}

void wfs_server_ops(struct fuse_lowlevel_ops *ops, bool noxattr)
{
    ops->lookup = op_lookup;
    ops->getattr = op_getattr;
    ops->forget = op_forget;
    ops->forget_multi = op_forget_multi;
    ops->opendir = op_opendir;
    ops->readdir = op_readdir;
    ops->readdirplus = op_readdirplus;
    ops->statfs = op_statfs;
    ops->setattr = op_setattr;
    ops->mknod = op_mknod;
    ops->mkdir = op_mkdir;
    ops->unlink = op_remove;
    ops->rmdir = op_remove;
    ops->symlink = op_symlink;
    ops->rename = op_rename;
    ops->link = op_link;
    ops->create = op_create;
    ops->setxattr = op_setxattr;
    ops->removexattr = op_remove;
    if (noxattr)
        return; /* libfuse then answers ENOSYS, and the kernel never asks again */
    ops->getxattr = op_getxattr;
    ops->listxattr = op_listxattr;
}
