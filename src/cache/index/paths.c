/*
 * paths.c - names, permissions and whole files of indices.
 *
 * An index is trusted with bytes that readers get, guarded by checksums that anybody can compute,
 * so nobody else may be able to write it or to put a journal beside it. Checks are by lstat before
 * the file is opened: in a directory that only we can write, nothing changes in between but by us.
 */
#include "cache/index/paths.h"

#include <fcntl.h>
#include <limits.h>
#include <pwd.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cache/index/claims.h"
#include "cache/cache.h"

const char *const wfs_index_companions[WFS_INDEX_N_COMPANIONS] = {"", "-wal", "-shm", "-journal"};

char *wfs_index_directory(struct wfs_error *err)
{
    const char *cache = getenv("XDG_CACHE_HOME"), *home = getenv("HOME");
    char *dir = NULL;
    if (cache && cache[0] == '/') {
        if (asprintf(&dir, "%s/weightfs", cache) < 0)
            dir = NULL;
    } else {
        struct passwd *pw = home && home[0] == '/' ? NULL : getpwuid(geteuid());
        home = pw ? pw->pw_dir : home;
        if (!home || home[0] != '/') {
            wfs_error_set(err, ENOENT, "no home directory for the index (XDG_CACHE_HOME)");
            return NULL;
        }
        if (asprintf(&dir, "%s/.cache/weightfs", home) < 0)
            dir = NULL;
    }
    if (!dir)
        wfs_error_nomem(err, "the index's path");
    return dir;
}

char *wfs_index_default_path(const struct wfs_hash *id, struct wfs_error *err)
{
    wfs_cleanup(wfs_freep) char *dir = wfs_index_directory(err);
    char hex[33], *path = NULL;
    if (!dir)
        return NULL;
    wfs_hash_hex(id, hex);
    if (asprintf(&path, "%s/%s" WFS_INDEX_SUFFIX, dir, hex) < 0) {
        wfs_error_nomem(err, "the index's path");
        return NULL;
    }
    return path;
}

static int make_directories(const char *dir, struct wfs_error *err)
{
    wfs_cleanup(wfs_freep) char *path = strdup(dir);
    if (!path)
        return wfs_error_nomem(err, "the index's path");
    for (char *p = path + 1;; p++) {
        char c = *p;
        if (c != '/' && c != '\0')
            continue;
        *p = '\0';
        if (mkdir(path, 0700) < 0 && errno != EEXIST && (errno != EROFS || c == '\0'))
            return wfs_error_set(err, errno, "%s: cannot make the directory: %s", path,
                                 strerror(errno));
        if (c == '\0')
            return 0;
        *p = c;
    }
}

static int check_directory(const char *dir, bool is_default, struct wfs_error *err)
{
    struct stat st;
    if (stat(dir, &st) < 0)
        return wfs_error_set(err, errno, "%s: %s", dir, strerror(errno));
    if (!S_ISDIR(st.st_mode))
        return wfs_error_set(err, ENOTDIR, "%s is not a directory", dir);
    if (st.st_uid != geteuid())
        return wfs_error_set(err, EPERM, "%s belongs to another user", dir);
    if (is_default && (st.st_mode & 077) != 0 && chmod(dir, 0700) == 0)
        return 0;
    if ((st.st_mode & 022) != 0)
        return wfs_error_set(err, EPERM, "%s can be written by others", dir);
    return 0;
}

/* Checks `path` and the files that SQLite keeps beside it: each is absent, or a plain file of ours
 * that nobody else can write. */
static int check_file(const char *path, bool *ret_exists, bool *ret_read_only,
                      struct wfs_error *err)
{
    for (size_t i = 0; i < WFS_INDEX_N_COMPANIONS; i++) {
        char name[PATH_MAX];
        struct stat st = {0};
        if (snprintf(name, sizeof name, "%s%s", path, wfs_index_companions[i]) >= (int)sizeof name)
            return wfs_error_set(err, ENAMETOOLONG, "%s: the name is too long", path);
        if (lstat(name, &st) < 0 && errno != ENOENT)
            return wfs_error_set(err, errno, "%s: %s", name, strerror(errno));
        if (S_ISLNK(st.st_mode))
            return wfs_error_set(err, ELOOP, "%s is a symbolic link", name);
        /* The file is not there, or another mount that ends is just removing it. */
        if (st.st_nlink == 0)
            continue;
        if (!S_ISREG(st.st_mode) || st.st_nlink != 1)
            return wfs_error_set(err, EPERM, "%s is not a plain file with one name", name);
        if (st.st_uid != geteuid())
            return wfs_error_set(err, EPERM, "%s belongs to another user", name);
        if ((st.st_mode & 022) != 0)
            return wfs_error_set(err, EPERM, "%s can be written by others", name);
        if (i == 0) {
            *ret_exists = true;
            *ret_read_only = (st.st_mode & 0200) == 0;
            /* Somebody's file that is no index keeps its mode; it is refused when it is opened. */
            if (!*ret_read_only && (st.st_mode & 077) != 0 &&
                (st.st_size == 0 || wfs_index_header_is_ours(name)))
                (void)chmod(name, 0600);
        }
    }
    return 0;
}

static int make_file(const char *path, struct wfs_error *err)
{
    wfs_cleanup(wfs_closep) int fd =
        open(path, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
    /* That another mount has made the file meanwhile is as good. */
    if (fd < 0 && errno != EEXIST)
        return wfs_error_set(err, errno, "%s: cannot make the index: %s", path, strerror(errno));
    return 0;
}

/* The resolved path of the directory that `path` lies in; malloc'd. */
static char *resolve_directory(const char *path, bool is_default, struct wfs_error *err)
{
    const char *slash = strrchr(path, '/');
    wfs_cleanup(wfs_freep) char *dir = slash == path ? strdup("/")
                                       : slash       ? strndup(path, (size_t)(slash - path))
                                                     : strdup(".");
    if (!dir) {
        wfs_error_nomem(err, "the index's path");
        return NULL;
    }
    struct stat st;
    if (stat(dir, &st) < 0 && make_directories(dir, err) < 0)
        return NULL;
    char *resolved = realpath(dir, NULL);
    if (!resolved)
        wfs_error_set(err, errno, "%s: %s", dir, strerror(errno));
    else if (check_directory(resolved, is_default, err) < 0) {
        free(resolved);
        resolved = NULL;
    }
    return resolved;
}

int wfs_index_prepare(const char *path, bool is_default, char **ret_path, bool *ret_read_only,
                      struct wfs_error *err)
{
    const char *slash = strrchr(path, '/'), *base = slash ? slash + 1 : path;
    if (*base == '\0')
        return wfs_error_set(err, EISDIR, "%s names a directory, not an index", path);
    wfs_cleanup(wfs_freep) char *dir = resolve_directory(path, is_default, err);
    if (!dir)
        return -(err && err->code > 0 ? err->code : ENOENT);
    wfs_cleanup(wfs_freep) char *real = NULL;
    if (asprintf(&real, "%s/%s", strcmp(dir, "/") == 0 ? "" : dir, base) < 0) {
        real = NULL;
        return wfs_error_nomem(err, "the index's path");
    }
    bool exists = false, read_only = false;
    int r = check_file(real, &exists, &read_only, err);
    if (r == 0 && !exists)
        r = make_file(real, err);
    if (r < 0)
        return r;
    *ret_read_only = read_only || access(real, W_OK) < 0;
    *ret_path = wfs_steal(&real);
    return 0;
}

bool wfs_index_dir_is_network(const char *path)
{
    wfs_cleanup(wfs_freep) char *dir = strdup(path);
    char *slash = dir ? strrchr(dir, '/') : NULL;
    if (!slash)
        return false;
    slash[slash == dir ? 1 : 0] = '\0';
    wfs_cleanup(wfs_closep) int fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    return fd >= 0 && wfs_fd_is_network(fd);
}
