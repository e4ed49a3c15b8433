/*
 * files.c - looking at indices without SQLite.
 *
 * An index that another program has open is known by SQLite's own locks: with a write-ahead log,
 * every connection holds a shared one for as long as it lives. With a rollback journal they are
 * held in transactions only, so such a file counts as in use for a day after it was last changed.
 */
#include "files.h"

#include <dirent.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "db.h"
#include "paths.h"

/* SQLite's file format: where things are in the header, and the bytes that locks are on. */
#define HEADER_BYTES          100
#define HEADER_WRITE_FORMAT   18
#define HEADER_FORMAT_JOURNAL 1
#define HEADER_APP_ID         68
#define LOCK_FIRST            0x40000000
#define LOCK_BYTES            512
#define JOURNAL_IN_USE_S      (24 * 3600)

/* ---- what this process has open itself ------------------------------------------------------
 *
 * POSIX drops all locks that a process holds on a file when it closes any descriptor of it: a look
 * at an index that another session of this process has open would take SQLite's locks away. Its
 * lock is held over each look, so that none is under way when SQLite opens the file. */

static pthread_mutex_t claims_lock = PTHREAD_MUTEX_INITIALIZER;
static struct wfs_index_claim *claims;

void wfs_index_claim(struct wfs_index_claim *claim, const char *path)
{
    struct stat st;
    if (stat(path, &st) < 0)
        return;
    claim->dev = st.st_dev;
    claim->ino = st.st_ino;
    pthread_mutex_lock(&claims_lock);
    claim->next = claims;
    claims = claim;
    pthread_mutex_unlock(&claims_lock);
}

void wfs_index_release(struct wfs_index_claim *claim)
{
    pthread_mutex_lock(&claims_lock);
    struct wfs_index_claim **link = &claims;
    while (*link && *link != claim)
        link = &(*link)->next;
    if (*link)
        *link = claim->next;
    pthread_mutex_unlock(&claims_lock);
}

/* With claims_lock held. */
static bool is_claimed(const char *path)
{
    struct stat st;
    const struct wfs_index_claim *claim = stat(path, &st) == 0 ? claims : NULL;
    while (claim && (claim->dev != st.st_dev || claim->ino != st.st_ino))
        claim = claim->next;
    return claim != NULL;
}

/* ---- a look at a file ---------------------------------------------------------------------- */

static bool read_header(int fd, uint8_t header[HEADER_BYTES])
{
    return fd >= 0 && pread(fd, header, HEADER_BYTES, 0) == HEADER_BYTES;
}

static bool look_at_header(const char *path)
{
    uint8_t header[HEADER_BYTES];
    wfs_cleanup(wfs_closep) int fd = open(path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
    if (!read_header(fd, header))
        return false;
    const uint8_t *id = header + HEADER_APP_ID;
    uint32_t app_id =
        (uint32_t)id[0] << 24 | (uint32_t)id[1] << 16 | (uint32_t)id[2] << 8 | (uint32_t)id[3];
    return app_id == WFS_DB_APPLICATION_ID;
}

bool wfs_index_header_is_ours(const char *path)
{
    pthread_mutex_lock(&claims_lock);
    bool is_ours = is_claimed(path) || look_at_header(path);
    pthread_mutex_unlock(&claims_lock);
    return is_ours;
}

static bool look_for_locks(const char *path)
{
    uint8_t header[HEADER_BYTES];
    struct flock lock = {
        .l_type = F_WRLCK, .l_whence = SEEK_SET, .l_start = LOCK_FIRST, .l_len = LOCK_BYTES};
    wfs_cleanup(wfs_closep) int fd = open(path, O_RDWR | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
    if (!read_header(fd, header))
        return false;
    if (fcntl(fd, F_OFD_GETLK, &lock) == 0 && lock.l_type != F_UNLCK)
        return true;
    return header[HEADER_WRITE_FORMAT] == HEADER_FORMAT_JOURNAL &&
           (int64_t)time(NULL) - wfs_index_mtime(path) < JOURNAL_IN_USE_S;
}

bool wfs_index_is_in_use(const char *path)
{
    pthread_mutex_lock(&claims_lock);
    bool in_use = is_claimed(path) || look_for_locks(path);
    pthread_mutex_unlock(&claims_lock);
    return in_use;
}

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

int64_t wfs_index_mtime(const char *path)
{
    char log[PATH_MAX];
    struct stat st;
    int64_t latest = 0;
    if (lstat(path, &st) == 0)
        latest = (int64_t)st.st_mtime;
    if (snprintf(log, sizeof log, "%s-wal", path) < (int)sizeof log && lstat(log, &st) == 0 &&
        (int64_t)st.st_mtime > latest)
        latest = (int64_t)st.st_mtime;
    return latest;
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
    int rc = 0;
    for (struct dirent *e; stream && rc == 0 && (e = readdir(stream));)
        rc = scan_entry(dir, e->d_name, &files, &n, &cap, err);
    if (stream)
        closedir(stream);
    if (rc < 0) {
        wfs_index_scan_free(files, n);
        return rc;
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
