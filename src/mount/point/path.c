/*
 * path.c - the path of a mountpoint. It is looked up before the server is forked, while the working
 * directory is still the user's, and the directory itself may be missing or a dead mount.
 */
#include "mount/mount.h"

#include <stdlib.h>
#include <string.h>

/* Resolves the directory above, and keeps the last component as it is. */
static char *resolve_parent(const char *path, struct wfs_error *err)
{
    char *copy wfs_cleanup(wfs_freep) = strdup(path);
    if (!copy) {
        wfs_error_nomem(err, path);
        return NULL;
    }
    size_t len = strlen(copy);
    while (len > 1 && copy[len - 1] == '/')
        copy[--len] = '\0';
    char *slash = strrchr(copy, '/');
    const char *name = slash ? slash + 1 : copy;
    const char *dir = !slash ? "." : slash == copy ? "/" : copy;
    if (slash)
        *slash = '\0';
    char *real wfs_cleanup(wfs_freep) = realpath(*dir ? dir : "/", NULL), *ret = NULL;
    int why = real ? ENOENT : errno;
    if (!real || !*name || !strcmp(name, ".") || !strcmp(name, ".."))
        wfs_error_set(err, why, "%s: %s", path, strerror(why));
    else if (asprintf(&ret, "%s/%s", strcmp(real, "/") ? real : "", name) < 0)
        ret = NULL, wfs_error_nomem(err, path);
    return ret;
}

char *wfs_mountpoint_resolve(const char *path, struct wfs_error *err)
{
    char *real = realpath(path, NULL);
    if (real)
        return real;
    if (errno == ENOENT || errno == ENOTCONN || errno == ECONNABORTED || errno == EACCES)
        return resolve_parent(path, err);
    wfs_error_set(err, errno, "%s: %s", path, strerror(errno));
    return NULL;
}
