/*
 * files.c - open files and their reads. A read is one pread or gather into an aligned buffer and
 * one write of it to the kernel, together with the blocks that were lent instead of copied; no
 * splice (2-2.5 times slower), no lock across either.
 */
#include "mount/server/files.h"

#include <fcntl.h>
#include <stdlib.h>

#include "mount/server/watch.h"

struct wfs_handle {
    struct wfs_handle *prev, *next; /* under handles_lock */
    struct wfs_open *open;
    uint32_t node;
    atomic_bool failed; /* a failed read of this file has been logged, so the next ones are not */
};

static struct wfs_handle *handle_of(const struct fuse_file_info *fi)
{
    return (struct wfs_handle *)(uintptr_t)fi->fh;
}

static void keep_handle(struct wfs_server *server, struct wfs_handle *h)
{
    pthread_mutex_lock(&server->handles_lock);
    h->next = server->handles;
    if (h->next)
        h->next->prev = h;
    server->handles = h;
    server->n_open++;
    pthread_mutex_unlock(&server->handles_lock);
}

static void drop_handle(struct wfs_server *server, struct wfs_handle *h)
{
    pthread_mutex_lock(&server->handles_lock);
    if (h->prev)
        h->prev->next = h->next;
    else
        server->handles = h->next;
    if (h->next)
        h->next->prev = h->prev;
    server->n_open--;
    pthread_mutex_unlock(&server->handles_lock);
    wfs_open_free(h->open);
    free(h);
}

unsigned wfs_server_n_open(struct wfs_server *server)
{
    pthread_mutex_lock(&server->handles_lock);
    unsigned n = server->n_open;
    pthread_mutex_unlock(&server->handles_lock);
    return n;
}

void wfs_server_close_files(struct wfs_server *server)
{
    while (server->handles)
        drop_handle(server, server->handles);
}

/* Reads the last byte. A page fault in a mapped file cannot return an error, it kills the reader
 * with SIGBUS: so a file that cannot be read is refused when it is opened. This is asked only when
 * a source is known to have changed. */
static int check_readable(struct wfs_handle *h, struct wfs_error *err)
{
    uint64_t size = wfs_open_size_bytes(h->open);
    char byte;
    size_t n;
    return size ? wfs_open_read(h->open, &byte, 1, size - 1, NULL, &n, err) : 0;
}

static int open_handle(struct wfs_server *server, uint32_t node, bool all_well,
                       struct wfs_handle **ret, struct wfs_error *err)
{
    struct wfs_handle *h = calloc(1, sizeof(*h));
    if (!h)
        return wfs_error_nomem(err, "an open file");
    h->node = node;
    int r = wfs_open_node(server->session, node, &h->open, err);
    if (!r && !all_well && !wfs_open_is_live(h->open))
        r = check_readable(h, err);
    if (r) {
        wfs_open_free(h->open);
        free(h);
        return r;
    }
    *ret = h;
    return 0;
}

static void log_failure(struct wfs_server *server, uint32_t node, const struct wfs_error *err)
{
    wfs_log(WFS_LOG_ERROR, "%s: %s", wfs_tree_node(server->session->tree, node)->name,
            err->message);
}

static void op_open(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi)
{
    struct wfs_server *server = wfs_server_of(req);
    struct wfs_error err = {0};
    struct wfs_handle *h = NULL;
    uint32_t node;
    if (!wfs_server_node(req, ino, &node))
        return;
    if ((fi->flags & O_ACCMODE) != O_RDONLY) {
        fuse_reply_err(req, EROFS);
        return;
    }
    bool all_well = wfs_watch_sources(server);
    int r = open_handle(server, node, all_well, &h, &err);
    if (r) {
        log_failure(server, node, &err);
        fuse_reply_err(req, -r);
        return;
    }
    fi->fh = (uintptr_t)h;
    fi->direct_io = wfs_open_is_live(h->open);
    fi->keep_cache = !fi->direct_io && all_well;
    fi->noflush = 1;
    keep_handle(server, h);
    /* The open was interrupted, so the kernel will not call release. */
    if (fuse_reply_open(req, fi) == -ENOENT)
        drop_handle(server, h);
}

/* Readers know EIO; whatever else the library failed with is in the log. */
static int read_errno(int r)
{
    return r == -ENOMEM ? ENOMEM : EIO;
}

static void fail_read(fuse_req_t req, struct wfs_handle *h, int r, const struct wfs_error *err)
{
    struct wfs_server *server = wfs_server_of(req);
    if (!atomic_exchange(&h->failed, true))
        log_failure(server, h->node, err);
    wfs_watch_sources(server);
    fuse_reply_err(req, read_errno(r));
}

static void reply(fuse_req_t req, struct wfs_buffer *buffer, size_t n,
                  const struct wfs_loans *loans)
{
    struct iovec iov[WFS_LOANS_MAX_IOV];
    fuse_reply_iov(req, iov, wfs_loans_iov(loans, buffer->data, n, iov));
}

static void op_read(fuse_req_t req, fuse_ino_t ino, size_t size, off_t off,
                    struct fuse_file_info *fi)
{
    struct wfs_server *server = wfs_server_of(req);
    struct wfs_error err = {0};
    struct wfs_buffer buffer;
    struct wfs_loans loans = {0};
    size_t n = 0;
    (void)ino;
    int r = wfs_buffers_get(&server->buffers, size, (uint64_t)off, &buffer);
    if (r) {
        fuse_reply_err(req, -r);
        return;
    }
    r = wfs_open_read(handle_of(fi)->open, buffer.data, size, (uint64_t)off, &loans, &n, &err);
    if (r)
        fail_read(req, handle_of(fi), r, &err);
    else
        reply(req, &buffer, n, &loans);
    wfs_loans_return(&loans);
    wfs_buffers_put(&server->buffers, &buffer);
}

static void op_release(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi)
{
    (void)ino;
    drop_handle(wfs_server_of(req), handle_of(fi));
    fuse_reply_err(req, 0);
}

static void op_write(fuse_req_t req, fuse_ino_t ino, const char *buf, size_t size, off_t off,
                     struct fuse_file_info *fi)
{
    (void)ino, (void)buf, (void)size, (void)off, (void)fi;
    fuse_reply_err(req, EROFS);
}

static void op_fallocate(fuse_req_t req, fuse_ino_t ino, int mode, off_t off, off_t len,
                         struct fuse_file_info *fi)
{
    (void)ino, (void)mode, (void)off, (void)len, (void)fi;
    fuse_reply_err(req, EROFS);
}

void wfs_server_file_ops(struct fuse_lowlevel_ops *ops)
{
    ops->open = op_open;
    ops->read = op_read;
    ops->release = op_release;
    ops->write = op_write;
    ops->fallocate = op_fallocate;
}
