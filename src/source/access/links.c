/*
 * links.c - see links.h. A path is walked component by component, as the kernel does it, since who
 * owns each link on the way is what decides.
 */
#include "source/access/links.h"

#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "source/source.h"

#define LINKS_MAX 40 /* as the kernel's */

static const char *const repository_kinds[] = {"models--", "datasets--", "spaces--"};

/* ---- the checkpoint's folder --------------------------------------------------------------- */

/* "/c/models--o--n/blobs" where real is below "/c/models--o--n/snapshots"; "" where it is not; NULL
 * without memory. */
static const char *blobs_of(struct wfs_arena *arena, const char *real)
{
    static const char snapshots[] = "/snapshots/";
    for (const char *at = real; (at = strstr(at, snapshots)); at++) {
        const char *name = at;
        while (name > real && name[-1] != '/')
            name--;
        for (size_t i = 0; i < WFS_ARRAY_SIZE(repository_kinds); i++)
            if (strncmp(name, repository_kinds[i], strlen(repository_kinds[i])) == 0)
                return wfs_arena_printf(arena, "%.*s/blobs", (int)(at - real), real);
    }
    return "";
}

int wfs_home_open(struct wfs_arena *arena, const char *path, struct wfs_home *ret,
                  struct wfs_error *err)
{
    char *real wfs_cleanup(wfs_freep) = realpath(path, NULL);
    if (!real)
        return wfs_error_set(err, errno, "%s: %s", path, strerror(errno));
    size_t len = strlen(path);
    while (len > 1 && path[len - 1] == '/')
        len--;
    struct wfs_home home = {.path = wfs_arena_strndup(arena, path, len),
                            .real = wfs_arena_strdup(arena, real),
                            .blobs = blobs_of(arena, real)};
    if (!home.path || !home.real || !home.blobs)
        return wfs_error_nomem(err, path);
    if (!*home.blobs)
        home.blobs = NULL;
    *ret = home;
    return 0;
}

/* ---- walking ------------------------------------------------------------------------------- */

struct walk {
    char at[PATH_MAX];   /* where it has come: no links in it; "" is "/" */
    char rest[PATH_MAX]; /* what is still to walk */
    unsigned n_links;
    uid_t owner, other; /* of the first link, and of the first that has another owner */
};

static void go_up(struct walk *walk)
{
    char *slash = strrchr(walk->at, '/');
    if (slash)
        *slash = '\0';
}

/* The link at walk->at is replaced by what it says. */
static int follow(struct walk *walk, const struct stat *st)
{
    char target[PATH_MAX], rest[PATH_MAX];
    ssize_t n = readlink(walk->at, target, sizeof(target) - 1);
    if (n < 0)
        return -errno;
    if (walk->n_links++ == LINKS_MAX)
        return -ELOOP;
    if (walk->n_links == 1)
        walk->owner = walk->other = st->st_uid;
    if (walk->other == walk->owner)
        walk->other = st->st_uid;
    target[n] = '\0';
    if (snprintf(rest, sizeof(rest), "%s/%s", target, walk->rest) >= (int)sizeof(rest))
        return -ENAMETOOLONG;
    memcpy(walk->rest, rest, sizeof(rest));
    if (*target == '/')
        walk->at[0] = '\0';
    else
        go_up(walk);
    return 0;
}

/* One component: walk->rest gets shorter by it. */
static int step(struct walk *walk)
{
    struct stat st;
    char *name = walk->rest + strspn(walk->rest, "/");
    size_t len = strcspn(name, "/"), at_len = strlen(walk->at);
    bool is_up = len == 2 && memcmp(name, "..", 2) == 0;
    bool is_here = len == 0 || (len == 1 && *name == '.');
    if (is_up)
        go_up(walk);
    if (!is_up && !is_here &&
        snprintf(walk->at + at_len, sizeof(walk->at) - at_len, "/%.*s", (int)len, name) >=
            (int)(sizeof(walk->at) - at_len))
        return -ENAMETOOLONG;
    memmove(walk->rest, name + len, strlen(name + len) + 1);
    if (is_up || is_here)
        return 0;
    if (lstat(walk->at, &st))
        return -errno;
    return S_ISLNK(st.st_mode) ? follow(walk, &st) : 0;
}

static int start(struct walk *walk, const struct wfs_home *home, const char *path)
{
    size_t len = strlen(home->path);
    bool is_below = strncmp(path, home->path, len) == 0 && (path[len] == '/' || path[len] == '\0');
    *walk = (struct walk){0};
    /* A path beside the folder is walked from "/": then its links count as well. */
    int n = snprintf(walk->rest, sizeof(walk->rest), "%s", is_below ? path + len : path);
    int m = snprintf(walk->at, sizeof(walk->at), "%s", is_below ? home->real : "");
    if (strcmp(walk->at, "/") == 0)
        walk->at[0] = '\0';
    return n < PATH_MAX && m < PATH_MAX ? 0 : -ENAMETOOLONG;
}

/* ---- judging ------------------------------------------------------------------------------- */

/* Whether `path` is `dir` or below it. */
static bool is_in(const char *path, const char *dir)
{
    size_t len = strlen(dir);
    return strncmp(path, dir, len) == 0 && (path[len] == '/' || path[len] == '\0');
}

static bool is_own(const struct wfs_home *home, const char *at)
{
    if (is_in(at, strcmp(home->real, "/") ? home->real : ""))
        return true;
    const char *blob = home->blobs && is_in(at, home->blobs) ? at + strlen(home->blobs) : NULL;
    return blob && *blob && !strchr(blob + 1, '/');
}

static int everybody_reads(struct wfs_arena *arena, const char *at, const struct stat *st,
                           bool *ret, struct wfs_error *err)
{
    struct wfs_way way;
    mode_t needed = S_ISDIR(st->st_mode) ? S_IROTH | S_IXOTH : S_IROTH;
    int r = wfs_way_look(arena, at, st->st_gid, &way, err);
    if (!r)
        *ret = (wfs_way_mode(&way, st->st_mode) & needed) == needed;
    return r;
}

static int judge(struct wfs_arena *arena, const struct walk *walk, const struct stat *st,
                 struct wfs_link *link, struct wfs_error *err)
{
    bool is_public = false;
    link->leads_out = true;
    if (walk->n_links && walk->other == walk->owner && walk->owner == st->st_uid)
        return 0;
    int r = everybody_reads(arena, walk->at, st, &is_public, err);
    if (r || is_public)
        return r;
    link->is_refused = true;
    link->why = wfs_arena_printf(
        arena, "a link of user %lu to %s of user %lu, which not everybody may read",
        (unsigned long)(walk->owner == st->st_uid ? walk->other : walk->owner), walk->at,
        (unsigned long)st->st_uid);
    return link->why ? 0 : wfs_error_nomem(err, walk->at);
}

int wfs_link_look(struct wfs_arena *arena, const struct wfs_home *home, const char *path,
                  uint64_t dev, uint64_t ino, struct wfs_link *ret, struct wfs_error *err)
{
    struct walk walk;
    struct stat st;
    struct wfs_link link = {0};
    int r = start(&walk, home, path);
    while (!r && *walk.rest)
        r = step(&walk);
    if (!r && lstat(*walk.at ? walk.at : "/", &st))
        r = -errno;
    if (r)
        return wfs_error_set(err, -r, "%s: %s", path, strerror(-r));
    if (st.st_dev != dev || st.st_ino != ino)
        return wfs_error_set(err, ESTALE, "%s: changed while it was looked at", path);
    if (!is_own(home, walk.at))
        r = judge(arena, &walk, &st, &link, err);
    if (!r)
        *ret = link;
    return r;
}
