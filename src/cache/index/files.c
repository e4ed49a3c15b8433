/*
 * files.c - the size, the age and the removal of indices, and the list of a directory of them.
 */
#include "cache/index/files.h"

#include <dirent.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cache/index/claims.h"
#include "cache/index/paths.h"

uint64_t wfs_index_file_bytes(const char *path)
{
    uint64_t total = 0;
    for (size_t i = 0; i < WFS_INDEX_N_COMPANIONS; i++) {
        char name[PATH_MAX];
        struct stat st;
        if (snprintf(name, sizeof name, "%s%s", path, wfs_index_companions[i]) < (int)sizeof name &&
            lstat(name, &st) == 0 && S_ISREG(st.st_mode))
            total += (uint64_t)st.st_size;
    }
    return total;
}

/* The log first: a database whose log is gone is merely older, a log without its database is
 * litter. */
int wfs_index_unlink(const char *path, uint64_t *ret_freed, struct wfs_error *err)
{
    uint64_t freed = wfs_index_file_bytes(path);
    for (size_t i = WFS_INDEX_N_COMPANIONS; i-- > 0;) {
        char name[PATH_MAX];
        if (snprintf(name, sizeof name, "%s%s", path, wfs_index_companions[i]) >= (int)sizeof name)
            return wfs_error_set(err, ENAMETOOLONG, "%s: the name is too long", path);
        if (unlink(name) < 0 && errno != ENOENT)
            return wfs_error_set(err, errno, "%s: cannot remove: %s", name, strerror(errno));
    }
    if (ret_freed)
        *ret_freed += freed;
    return 0;
}

static int compare_use(const void *a, const void *b)
{
    const struct wfs_index_file *x = a, *y = b;
    if (x->mtime != y->mtime)
        return x->mtime < y->mtime ? -1 : 1;
    return strcmp(x->path, y->path);
}

static int scan_entry(const char *dir, const char *name, struct wfs_index_file **files, size_t *n,
                      size_t *cap, struct wfs_error *err)
{
    size_t len = strlen(name);
    if (len <= strlen(WFS_INDEX_SUFFIX) ||
        strcmp(name + len - strlen(WFS_INDEX_SUFFIX), WFS_INDEX_SUFFIX) != 0)
        return 0;
    if (wfs_grow(files, cap, *n + 1, sizeof **files) < 0)
        return wfs_error_nomem(err, "the list of indices");
    struct wfs_index_file *file = &(*files)[*n];
    struct stat st;
    if (asprintf(&file->path, "%s/%s", dir, name) < 0)
        return wfs_error_nomem(err, "the list of indices");
    if (lstat(file->path, &st) < 0 || !S_ISREG(st.st_mode) || st.st_uid != geteuid()) {
        free(file->path);
        return 0;
    }
    file->mtime = wfs_index_mtime(file->path);
    file->size_bytes = wfs_index_file_bytes(file->path);
    (*n)++;
    return 0;
}

int wfs_index_scan(const char *dir, struct wfs_index_file **ret, size_t *ret_n,
                   struct wfs_error *err)
{
    struct wfs_index_file *files = NULL;
    size_t n = 0, cap = 0;
    DIR *stream = opendir(dir);
    if (!stream && errno != ENOENT)
        return wfs_error_set(err, errno, "%s: %s", dir, strerror(errno));
    int r = 0;
    for (struct dirent *e; stream && r == 0 && (e = readdir(stream));)
        r = scan_entry(dir, e->d_name, &files, &n, &cap, err);
    if (stream)
        closedir(stream);
    if (r < 0) {
        wfs_index_scan_free(files, n);
        return r;
    }
    if (n > 1)
        qsort(files, n, sizeof *files, compare_use);
    *ret = files;
    *ret_n = n;
    return 0;
}

void wfs_index_scan_free(struct wfs_index_file *files, size_t n)
{
    for (size_t i = 0; i < n; i++)
        free(files[i].path);
    free(files);
}

void wfs_index_evict_others(const char *path, uint64_t limit_bytes)
{
    struct wfs_index_file *files = NULL;
    size_t n = 0;
    wfs_cleanup(wfs_freep) char *dir = strdup(path);
    char *slash = dir ? strrchr(dir, '/') : NULL;
    if (!slash)
        return;
    *slash = '\0';
    if (wfs_index_scan(dir, &files, &n, NULL) < 0)
        return;
    uint64_t total = 0;
    for (size_t i = 0; i < n; i++)
        total += files[i].size_bytes;
    for (size_t i = 0; i < n && total > limit_bytes; i++) {
        const struct wfs_index_file *file = &files[i];
        if (strcmp(file->path, path) == 0 || !wfs_index_header_is_ours(file->path) ||
            wfs_index_is_in_use(file->path) || wfs_index_unlink(file->path, NULL, NULL) < 0)
            continue;
        wfs_log(WFS_LOG_INFO, "%s: evicted", file->path);
        total -= file->size_bytes;
    }
    wfs_index_scan_free(files, n);
}
