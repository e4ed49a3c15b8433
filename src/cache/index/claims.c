/*
 * claims.c - looking at one index without SQLite.
 *
 * An index that another program has open is known by SQLite's own locks: with a write-ahead log,
 * every connection holds a shared one for as long as it lives. With a rollback journal they are
 * held in transactions only, so such a file counts as in use for a day after it was last changed.
 */
#include "cache/index/claims.h"

#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "cache/index/db.h"

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
 * POSIX drops all locks that a process holds on a file as soon as it closes any descriptor of that
 * file. So opening an index to look at it, while another session of this process has it open, would
 * take SQLite's locks away. claims_lock is held during each look: no look is under way when a claim
 * is made and SQLite opens the file. */

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

/* Whether this process has claimed the file. The caller holds claims_lock. */
static bool is_claimed(const char *path)
{
    struct stat st;
    const struct wfs_index_claim *claim = stat(path, &st) == 0 ? claims : NULL;
    while (claim && (claim->dev != st.st_dev || claim->ino != st.st_ino))
        claim = claim->next;
    return claim != NULL;
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
