/*
 * way.c - who may reach a file: the directories above it are looked at one by one, from "/".
 */
#include "source/source.h"

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/xattr.h>

/* "system.posix_acl_access": a version of 4 bytes, then 8 bytes an entry. Three entries are the
 * three classes of the mode, and say nothing more than it (linux/posix_acl_xattr.h). */
#define ACL_NAME       "system.posix_acl_access"
#define ACL_MODE_BYTES (4 + 3 * 8)

static bool has_acl(const char *path)
{
    return getxattr(path, ACL_NAME, NULL, 0) > ACL_MODE_BYTES;
}

/* A directory on the way, or the file at its end. */
static int look_at(struct wfs_arena *arena, const char *path, bool is_end, gid_t gid,
                   struct wfs_way *way)
{
    struct stat st;
    bool is_seen = stat(path, &st) == 0;
    mode_t group = is_seen && st.st_gid == gid ? S_IXGRP : S_IXOTH;
    bool denies_others = !is_end && !(is_seen && st.st_mode & S_IXOTH);
    bool denies_group = !is_end && !(is_seen && st.st_mode & group);
    bool lists = has_acl(path);
    const char *kept = denies_others || denies_group || lists ? wfs_arena_strdup(arena, path) : "";
    if (!kept)
        return -ENOMEM;
    if (denies_others && !way->denies_others)
        way->denies_others = kept;
    if (denies_group && !way->denies_group)
        way->denies_group = kept;
    if (lists && !way->has_acl)
        way->has_acl = kept;
    return 0;
}

int wfs_way_look(struct wfs_arena *arena, const char *path, gid_t gid, struct wfs_way *ret,
                 struct wfs_error *err)
{
    char *real wfs_cleanup(wfs_freep) = realpath(path, NULL);
    if (!real)
        return wfs_error_set(err, errno, "%s: %s", path, strerror(errno));
    struct wfs_way way = {0};
    int r = look_at(arena, "/", false, gid, &way);
    for (char *slash = strchr(real + 1, '/'); !r && slash; slash = strchr(slash + 1, '/')) {
        *slash = '\0';
        r = look_at(arena, real, false, gid, &way);
        *slash = '/';
    }
    if (!r)
        r = look_at(arena, real, true, gid, &way);
    if (r)
        return wfs_error_nomem(err, path);
    *ret = way;
    return 0;
}

mode_t wfs_way_mode(const struct wfs_way *way, mode_t mode)
{
    if (way->denies_others || way->has_acl)
        mode &= ~(mode_t)S_IRWXO;
    if (way->denies_group || way->has_acl)
        mode &= ~(mode_t)S_IRWXG;
    return mode;
}
