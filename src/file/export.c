/*
 * export.c - one virtual file written out: PATH.partial, then fsync, then rename. Whoever sees PATH
 * sees all of it; an export that fails or is interrupted leaves nothing. A lock on PATH.partial
 * keeps two whole exports apart; what a killed one left behind is told by its stamp and begun
 * afresh, and any other file of that name is refused.
 */
#include "file/export_internal.h"

#include <fcntl.h>
#include <libgen.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#define DEFAULT_MODE 0666

char *wfs_export_partial_path(const char *path)
{
    char *partial = NULL;
    return asprintf(&partial, "%s.partial", path) < 0 ? NULL : partial;
}

int wfs_export_open(const char *partial, int flags, mode_t mode, int *ret_fd, struct wfs_error *err)
{
    int fd = open(partial, O_RDWR | O_CLOEXEC | O_NOFOLLOW | flags, mode ? mode : DEFAULT_MODE);
    if (fd < 0)
        return wfs_error_set(err, errno, "%s: %s", partial, strerror(errno));
    struct stat st;
    if (fstat(fd, &st) != 0 || !S_ISREG(st.st_mode)) {
        close(fd);
        return wfs_error_set(err, EINVAL, "%s: it is in the way and no regular file", partial);
    }
    *ret_fd = fd;
    return 0;
}

bool wfs_export_is_at(int fd, const char *partial)
{
    struct stat by_fd, by_path;
    return fstat(fd, &by_fd) == 0 && stat(partial, &by_path) == 0 &&
           by_fd.st_ino == by_path.st_ino && by_fd.st_dev == by_path.st_dev;
}

int wfs_export_lock(int fd, int operation, const char *partial, struct wfs_error *err)
{
    if (flock(fd, operation | LOCK_NB) != 0 && errno == EWOULDBLOCK)
        return wfs_error_set(err, EBUSY, "%s: another export is %s", partial,
                             operation == LOCK_SH ? "writing or finishing it"
                                                  : "writing, finishing or aborting it");
    if (!wfs_export_is_at(fd, partial))
        return wfs_error_set(err, EBUSY, "%s: another export has just finished or aborted it",
                             partial);
    return 0;
}

int wfs_export_sync_dir(const char *path, struct wfs_error *err)
{
    char *copy wfs_cleanup(wfs_freep) = strdup(path);
    if (!copy)
        return wfs_error_nomem(err, "a directory's name");
    const char *dir = dirname(copy);
    int fd wfs_cleanup(wfs_closep) = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    /* Some file systems cannot sync a directory; then their renames are as durable as they get. */
    if (fd < 0 || (fsync(fd) != 0 && errno != EINVAL))
        return wfs_error_set(err, errno, "%s: %s", dir, strerror(errno));
    return 0;
}

int wfs_export_publish(int fd, const char *partial, const char *path, uint64_t size_bytes,
                       const struct wfs_hash *id, struct wfs_error *err)
{
    /* The long fsync while the stamp is there: one that is killed can still be told. */
    if (fsync(fd) != 0 || ftruncate(fd, (off_t)size_bytes) != 0 || fsync(fd) != 0)
        return wfs_error_set(err, errno, "%s: %s", partial, strerror(errno));
    if (rename(partial, path) != 0) {
        int r = wfs_error_set(err, errno, "%s: %s", path, strerror(errno));
        /* Where there are no locks it may be FILE by now, which another process has published. */
        if (wfs_export_is_at(fd, partial))
            (void)wfs_export_stamp(fd, partial, size_bytes, id, NULL);
        return r;
    }
    return wfs_export_sync_dir(path, err);
}

int wfs_export_check_replaceable(const char *path, struct wfs_error *err)
{
    struct stat st;
    if (stat(path, &st) == 0 && !S_ISREG(st.st_mode))
        return wfs_error_set(err, S_ISDIR(st.st_mode) ? EISDIR : EINVAL,
                             "%s: only a regular file can be replaced", path);
    return 0;
}

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
