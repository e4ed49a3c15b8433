/*
 * way.h - who may reach a file: what the directories above it and access control lists take from
 * its mode. A mount shows a file at another place, where none of them is in the way.
 */
#ifndef WEIGHTFS_SOURCE_ACCESS_WAY_H
#define WEIGHTFS_SOURCE_ACCESS_WAY_H

#include <sys/types.h>

#include "base/base.h"

struct wfs_way {
    /* The first directory from "/" on that others, or the group, may not search; NULL: none. */
    const char *denies_others, *denies_group;
    /* The first path, the file's own included, that has an access control list. */
    const char *has_acl;
};
/* `path` is looked at where it really is, links followed; `gid` is the file's group. The result's
 * strings lie in the arena. A directory that cannot be looked at denies both. */
int wfs_way_look(struct wfs_arena *arena, const char *path, gid_t gid, struct wfs_way *ret,
                 struct wfs_error *err);
/* What the way leaves of a mode: no bits of others, or of the group, where it denies them; those of
 * the owner alone where a list speaks of people whom mode bits do not know. */
mode_t wfs_way_mode(const struct wfs_way *way, mode_t mode);

#endif
