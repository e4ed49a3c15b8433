/*
 * partial.c - PATH.partial, the file that an export fills until it is renamed to PATH.
 */
#include "file/export/partial.h"

#include <fcntl.h>
#include <libgen.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "file/export/stamp.h"

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
    /* EINVAL: the file system cannot sync a directory, and a rename is as durable as it gets. */
    if (fd < 0 || (fsync(fd) != 0 && errno != EINVAL))
        return wfs_error_set(err, errno, "%s: %s", dir, strerror(errno));
    return 0;
}

int wfs_export_publish(int fd, const char *partial, const char *path, uint64_t size_bytes,
                       const struct wfs_hash *id, struct wfs_error *err)
{
    /* The first fsync may take minutes. The stamp stays until it is done, so that what an export
     * that is killed meanwhile leaves behind is still known to be of an export. */
    if (fsync(fd) != 0 || ftruncate(fd, (off_t)size_bytes) != 0 || fsync(fd) != 0)
        return wfs_error_set(err, errno, "%s: %s", partial, strerror(errno));
    if (rename(partial, path) != 0) {
        int r = wfs_error_set(err, errno, "%s: %s", path, strerror(errno));
        /* On a file system without locks another process may have published this very file: then it
         * is no longer at PATH.partial, and gets no stamp. */
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
