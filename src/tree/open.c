/*
 * open.c - an open file: which parts it reads, and what keeps them alive. The .npy of a tensor (a
 * header and one expression) is planned when it is opened, so that files that are not open cost
 * nothing.
 */
#include "tree/tree.h"

#include <stdlib.h>
#include <string.h>

#include "tree/nodes/layout.h"
#include "tree/nodes/live.h"
#include "tree/nodes/planned.h"
#include "tree/contents/tensors.h"

struct wfs_open {
    struct wfs_session *session;
    const struct wfs_vfile *vfile; /* what a tensor or a virtual file is read from */
    struct wfs_arena *arena;       /* what the plan of a tensor's file lives in */
    struct wfs_bytes *bytes;       /* of a passed-through file */
    struct wfs_buf live;           /* the snapshot of a live file */
    bool is_live;
    uint64_t size_bytes;
};

static int open_tensor(struct wfs_open *open, const struct wfs_node *node, struct wfs_error *err)
{
    const struct wfs_target *target = node->payload;
    open->arena = wfs_arena_new();
    if (!open->arena)
        return wfs_error_nomem(err, "an open file");
    int r = wfs_tree_is_npy(open->session, target->expr)
                ? wfs_npy_plan(target->expr, open->arena, &open->vfile, err)
                : wfs_raw_plan(target->expr, open->arena, &open->vfile, err);
    if (!r)
        open->size_bytes = open->vfile->size_bytes;
    return r;
}

static int side_changed(const struct wfs_side_file *side, struct wfs_error *err)
{
    return wfs_error_set(err, EIO, "%s: changed since the mount was made", side->path);
}

/* Opens a passed-through file by its path, and refuses it where it is not the file of the mount any
 * more: its size would be wrong and, outside of the checkpoint, its mode, which was the reason to
 * show it. The path may by now lead into this very mount (a symlink, or a folder that was mounted
 * over). Opening such a file would ask this server to open it, and so on until no worker is left;
 * stat, which comes first, does not ask for an open. */
static int open_side(struct wfs_open *open, const struct wfs_side_file *side, struct wfs_error *err)
{
    const struct wfs_identity *then = &side->identity;
    struct stat st;
    if (stat(side->path, &st) < 0)
        return wfs_error_set(err, errno, "%s: %s", side->path, strerror(errno));
    if (st.st_dev != then->dev || st.st_ino != then->ino)
        return side_changed(side, err);
    int r = wfs_bytes_open(side->path, &open->bytes, err);
    if (r)
        return r;
    const struct wfs_file_info *info = wfs_bytes_file_info(open->bytes);
    const struct wfs_identity *now = &info->identity;
    bool is_chmodded = info->mode != side->mode || info->uid != side->uid || info->gid != side->gid;
    if (now->dev != then->dev || now->ino != then->ino || now->size_bytes != then->size_bytes ||
        now->mtime_ns != then->mtime_ns ||
        (now->ctime_ns != then->ctime_ns && (!is_chmodded || side->leads_out)))
        return side_changed(side, err);
    open->size_bytes = now->size_bytes;
    return 0;
}

/* One that is held is the file of the mount, whatever has its name now; a change in place is EIO. */
static int open_held(struct wfs_open *open, const struct wfs_side_file *side, struct wfs_error *err)
{
    int r = wfs_bytes_check(side->bytes, err);
    if (r)
        return r;
    open->bytes = wfs_bytes_ref(side->bytes);
    open->size_bytes = side->identity.size_bytes;
    return 0;
}

static int open_vfile(struct wfs_open *open, struct wfs_tree_file *file, struct wfs_error *err)
{
    if (file->side)
        return file->side->bytes ? open_held(open, file->side, err)
                                 : open_side(open, file->side, err);
    int r = wfs_tree_file_get(open->session, file, &open->vfile, err);
    if (!r)
        open->size_bytes = open->vfile->size_bytes;
    return r;
}

/* Makes the text now, and fills it up with newlines to the size that the node shows. */
static int open_live(struct wfs_open *open, const struct wfs_node *node, struct wfs_error *err)
{
    const struct wfs_tree_live *live = node->payload;
    open->is_live = true;
    open->size_bytes = node->size_bytes;
    live->make(open->session, &open->live, node->size_bytes);
    while (wfs_buf_ok(&open->live) && open->live.len < node->size_bytes)
        wfs_buf_char(&open->live, '\n');
    return wfs_buf_ok(&open->live) ? 0 : wfs_error_nomem(err, node->name);
}

int wfs_open_node(struct wfs_session *session, uint32_t index, struct wfs_open **ret,
                  struct wfs_error *err)
{
    const struct wfs_node *node = &session->tree->nodes[index];
    struct wfs_open *open wfs_cleanup(wfs_open_freep) = calloc(1, sizeof(*open));
    if (!open)
        return wfs_error_nomem(err, "an open file");
    open->session = session;
    int r = node->kind == WFS_NODE_TENSOR  ? open_tensor(open, node, err)
            : node->kind == WFS_NODE_VFILE ? open_vfile(open, node->payload, err)
            : node->kind == WFS_NODE_LIVE
                ? open_live(open, node, err)
                : wfs_error_set(err, EISDIR, "%s: is a directory", node->name);
    if (r)
        return r;
    *ret = wfs_steal(&open);
    return 0;
}

int wfs_open_read(struct wfs_open *open, void *buf, size_t len, uint64_t off,
                  struct wfs_loans *loans, size_t *ret_n, struct wfs_error *err)
{
    if (open->vfile)
        return wfs_vfile_read(open->vfile, open->session->cache, buf, len, off, loans, ret_n, err);
    size_t n = off >= open->size_bytes ? 0 : (size_t)wfs_min_u64(len, open->size_bytes - off);
    if (n && open->is_live) {
        memcpy(buf, open->live.data + off, n);
    } else if (n) {
        int r = wfs_bytes_read(open->bytes, buf, n, off, err);
        if (r)
            return r;
        if (open->session->cache)
            wfs_cache_count_served(open->session->cache, n);
    }
    *ret_n = n;
    return 0;
}

uint64_t wfs_open_size_bytes(const struct wfs_open *open)
{
    return open->size_bytes;
}

const struct wfs_vfile *wfs_open_vfile(const struct wfs_open *open)
{
    return open->vfile;
}

bool wfs_open_is_live(const struct wfs_open *open)
{
    return open->is_live;
}

void wfs_open_free(struct wfs_open *open)
{
    if (!open)
        return;
    wfs_arena_free(open->arena);
    wfs_bytes_unref(open->bytes);
    wfs_buf_free(&open->live);
    free(open);
}

void wfs_open_freep(struct wfs_open **open)
{
    wfs_open_free(*open);
}
