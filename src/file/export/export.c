/*
 * export.c - one virtual file written out: PATH.partial, then fsync, then rename. Whoever sees PATH
 * sees all of it; an export that fails or is interrupted leaves nothing. A lock on PATH.partial
 * keeps two whole exports apart; what a killed one left behind is told by its stamp and begun
 * afresh, and any other file of that name is refused.
 */
#include <fcntl.h>
#include <libgen.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "file/file.h"
#include "file/export/chunks.h"
#include "file/export/marker.h"
#include "file/export/partial.h"
#include "file/export/parts.h"
#include "file/export/stamp.h"

/* A file that no export made is somebody's, perhaps the checkpoint. */
static int check_ours(int fd, const char *partial, struct wfs_error *err)
{
    enum wfs_export_kind kind;
    uint64_t size_bytes;
    int r = wfs_export_stamp_kind(fd, partial, NULL, &kind, &size_bytes, err);
    if (r || kind == WFS_EXPORT_EMPTY || kind == WFS_EXPORT_STAMPED)
        return r;
    return wfs_error_set(err, EEXIST,
                         "%s: it is in the way and not known to be of an export; remove it or "
                         "choose another name",
                         partial);
}

static int open_locked(const char *partial, mode_t mode, int *ret_fd, struct wfs_error *err)
{
    int fd wfs_cleanup(wfs_closep) = -1;
    int r = wfs_export_open(partial, O_CREAT, mode, &fd, err);
    if (r == 0)
        r = wfs_export_lock(fd, LOCK_EX, partial, err);
    if (r == 0)
        r = check_ours(fd, partial, err);
    if (r)
        return r;
    *ret_fd = fd;
    fd = -1;
    return 0;
}

static int write_whole(const struct wfs_export_run *run, struct wfs_error *err)
{
    static const struct wfs_hash whole = {{0}}; /* an id that no plan has */
    struct wfs_export_marker unused;
    uint64_t size_bytes = run->file->size_bytes;
    if (ftruncate(run->fd, 0) != 0)
        return wfs_error_set(err, errno, "%s: %s", run->path, strerror(errno));
    int r = wfs_export_stamp(run->fd, run->path, size_bytes, &whole, err);
    if (r == 0)
        r = wfs_export_chunks(run, &unused, err);
    if (r == 0)
        r = wfs_corrections_write(run->corrections, run->fd, run->path, err);
    return r ? r
             : wfs_export_publish(run->fd, run->path, run->options->path, size_bytes, &whole, err);
}

static int export_whole(const struct wfs_vfile *file, struct wfs_cache *cache, const char *partial,
                        const struct wfs_export_options *options, struct wfs_error *err)
{
    struct wfs_corrections corrections = {0};
    int fd wfs_cleanup(wfs_closep) = -1;
    if (wfs_export_is_declared(partial))
        return wfs_error_set(err, EEXIST,
                             "%s: its parts are being exported; --finish or --abort them", partial);
    int r = wfs_corrections_new(file, &corrections, err);
    if (r == 0)
        r = open_locked(partial, options->mode, &fd, err);
    if (r == 0) {
        struct wfs_export_run run = {.file = file,
                                     .cache = cache,
                                     .options = options,
                                     .corrections = &corrections,
                                     .fd = fd,
                                     .path = partial,
                                     .end_chunk = wfs_export_n_chunks(file->size_bytes)};
        r = write_whole(&run, err);
        if (r)
            unlink(partial);
    }
    wfs_corrections_free(&corrections);
    return r;
}

int wfs_export(const struct wfs_vfile *file, struct wfs_cache *cache,
               const struct wfs_export_options *options, struct wfs_error *err)
{
    char *partial wfs_cleanup(wfs_freep) = wfs_export_partial_path(options->path);
    if (!partial)
        return wfs_error_nomem(err, "a file's name");
    int r = wfs_export_check_replaceable(options->path, err);
    if (r)
        return r;
    return options->n_parts > 0 ? wfs_export_part(file, cache, options, err)
                                : export_whole(file, cache, partial, options, err);
}
