/*
 * mountpoint.c - see mountpoint.h. "At, above or below" is judged by device and inode of every
 * ancestor, so that symbolic links and bind mounts do not hide it: a mount over its own source
 * would wait for itself, and a mount inside it would show itself as a file of the checkpoint.
 */
#include "mount/point/mountpoint.h"

#include <dirent.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "mount/point/mountinfo.h"
#include "mount/point/detach.h"

/* Marks a directory that a mount made, so that one which a killed server left is known for what it
 * is. Where the file system has no such attributes it stays. */
#define MADE_XATTR       "user.weightfs.made"
#define STACKED_DEAD_MAX 16 /* how many dead mounts on top of one another are detached */

/* statfs always asks the server, while stat may be answered from what the kernel remembers of the
 * time when there was one. */
static bool is_dead(const char *path)
{
    struct statfs st;
    return statfs(path, &st) && (errno == ENOTCONN || errno == ECONNABORTED);
}

/* Detaches the mounts of servers that were killed, which nobody can use any more. */
static int detach_dead(const char *path, struct wfs_error *err)
{
    for (int i = 0; is_dead(path); i++) {
        struct wfs_mount_entry entry;
        int r = wfs_mountinfo_at(path, &entry, err);
        if (r)
            return r;
        bool is_fuse = wfs_mount_entry_is_fuse(&entry);
        wfs_mount_entry_free(&entry);
        if (!is_fuse || i == STACKED_DEAD_MAX)
            return wfs_error_set(err, ENOTCONN, "%s: a dead mount is in the way", path);
        r = wfs_mountpoint_unmount(path, true, err);
        if (r)
            return r;
    }
    return 0;
}

static int check_empty(const char *path, struct wfs_error *err)
{
    DIR *dir = opendir(path);
    if (!dir)
        return wfs_error_set(err, errno, "%s: %s", path, strerror(errno));
    int r = 0;
    for (struct dirent *d; !r && (d = readdir(dir));)
        if (strcmp(d->d_name, ".") && strcmp(d->d_name, ".."))
            r = wfs_error_set(err, ENOTEMPTY, "%s: not empty (-o nonempty mounts over it)", path);
    closedir(dir);
    return r;
}

static bool is_made(const char *path)
{
    return getxattr(path, MADE_XATTR, NULL, 0) >= 0;
}

static int make_directory(const char *path, struct wfs_error *err)
{
    if (mkdir(path, 0755))
        return wfs_error_set(err, errno, "%s: cannot be made: %s", path, strerror(errno));
    setxattr(path, MADE_XATTR, "", 0, 0);
    return 0;
}

int wfs_mountpoint_prepare(const char *path, bool nonempty, struct wfs_mountpoint *ret,
                           struct wfs_error *err)
{
    struct stat st;
    int r = detach_dead(path, err);
    if (r)
        return r;
    if (stat(path, &st)) {
        if (errno != ENOENT)
            return wfs_error_set(err, errno, "%s: %s", path, strerror(errno));
        r = make_directory(path, err);
        if (!r)
            *ret = (struct wfs_mountpoint){.path = path, .made = true};
        return r;
    }
    if (!S_ISDIR(st.st_mode))
        return wfs_error_set(err, ENOTDIR, "%s: not a directory", path);
    r = nonempty ? 0 : check_empty(path, err);
    if (!r)
        *ret = (struct wfs_mountpoint){.path = path, .made = is_made(path)};
    return r;
}

bool wfs_mountpoint_is_at_or_above(const struct stat *st, const char *path)
{
    char *p wfs_cleanup(wfs_freep) = strdup(path);
    while (p && *p) {
        struct stat here;
        if (stat(p, &here) == 0 && here.st_dev == st->st_dev && here.st_ino == st->st_ino)
            return true;
        char *slash = strrchr(p, '/');
        if (!slash || !strcmp(p, "/"))
            break;
        slash[slash == p] = '\0';
    }
    return false;
}

static int check_apart(const char *path, const char *other, const char *what, struct wfs_error *err)
{
    struct stat mount_st, other_st;
    if (stat(path, &mount_st))
        return wfs_error_set(err, errno, "%s: %s", path, strerror(errno));
    if (wfs_mountpoint_is_at_or_above(&mount_st, other))
        return wfs_error_set(err, EINVAL, "%s: the mountpoint is at or above %s, %s", path, what,
                             other);
    if (stat(other, &other_st) == 0 && wfs_mountpoint_is_at_or_above(&other_st, path))
        return wfs_error_set(err, EINVAL, "%s: the mountpoint is below %s, %s", path, what, other);
    return 0;
}

/* `other` may be a link: both the directory that holds the link and what it leads to count. */
int wfs_mountpoint_check_apart(const char *path, const char *other, const char *what,
                               struct wfs_error *err)
{
    char *real wfs_cleanup(wfs_freep) = realpath(other, NULL);
    int r = check_apart(path, other, what, err);
    return r || !real ? r : check_apart(path, real, what, err);
}

void wfs_mountpoint_remove(struct wfs_mountpoint *mountpoint)
{
    if (mountpoint->made && rmdir(mountpoint->path) && errno != ENOENT && errno != ENOTEMPTY)
        wfs_log(WFS_LOG_WARNING, "%s: cannot be removed: %s", mountpoint->path, strerror(errno));
    mountpoint->made = false;
}

void wfs_mountpoint_remove_left(const char *path)
{
    struct wfs_mount_entry entry;
    if (wfs_mountinfo_at(path, &entry, NULL) == 0) {
        wfs_mount_entry_free(&entry);
        return;
    }
    struct wfs_mountpoint left = {.path = path, .made = is_made(path)};
    wfs_mountpoint_remove(&left);
}
