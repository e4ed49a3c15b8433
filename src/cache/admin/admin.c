/*
 * admin.c - `weightfs index`: what the indices hold; verify, prune, clear.
 *
 * These run in a process of their own, beside mounts that use the same files. Looking needs no lock
 * that a mount would notice; removing blocks is one short transaction at a time; a file that a
 * mount has open is never unlinked.
 */
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "cache/index/codec.h"
#include "cache/index/db.h"
#include "cache/index/claims.h"
#include "cache/index/files.h"
#include "cache/index/paths.h"
#include "cache/index/store.h"
#include "cache/admin/connect.h"
#include "cache/cache.h"

#define EVICT_BATCH  64u
#define VACUUM_PAGES 4096u

/* ---- looking ------------------------------------------------------------------------------- */

static int64_t ns_of(struct timespec ts)
{
    return (int64_t)ts.tv_sec * 1000000000 + ts.tv_nsec;
}

static bool file_is_same(sqlite3_stmt *row)
{
    struct stat st;
    const char *path = (const char *)sqlite3_column_text(row, 0);
    return path && stat(path, &st) == 0 && st.st_dev == (dev_t)sqlite3_column_int64(row, 1) &&
           st.st_ino == (ino_t)sqlite3_column_int64(row, 2) &&
           (int64_t)st.st_size == sqlite3_column_int64(row, 3) &&
           ns_of(st.st_mtim) == sqlite3_column_int64(row, 4) &&
           ns_of(st.st_ctim) == sqlite3_column_int64(row, 5);
}

static bool is_stale(sqlite3 *db)
{
    sqlite3_stmt *stmt = NULL;
    bool stale = false;
    if (wfs_db_prepare(db, "SELECT path, dev, ino, size_bytes, mtime_ns, ctime_ns FROM files",
                       &stmt) == SQLITE_OK)
        while (!stale && sqlite3_step(stmt) == SQLITE_ROW)
            stale = !file_is_same(stmt);
    sqlite3_finalize(stmt);
    return stale;
}

static uint64_t number(sqlite3 *db, const char *sql)
{
    int64_t n = 0;
    (void)wfs_db_get_i64(db, sql, &n);
    return n > 0 ? (uint64_t)n : 0;
}

static char *source_of(sqlite3 *db)
{
    sqlite3_stmt *stmt = NULL;
    char *source = NULL;
    if (wfs_db_prepare(db, "SELECT value FROM identity WHERE key = 'source'", &stmt) == SQLITE_OK &&
        sqlite3_step(stmt) == SQLITE_ROW && sqlite3_column_text(stmt, 0))
        source = strdup((const char *)sqlite3_column_text(stmt, 0));
    sqlite3_finalize(stmt);
    return source ? source : strdup("");
}

int wfs_index_stat(const char *path, struct wfs_index_info *ret, struct wfs_error *err)
{
    sqlite3 *db = NULL;
    char *real = NULL;
    int r = wfs_index_connect(path, &real, &db, err);
    if (r < 0)
        return r;
    struct wfs_index_info info = {
        .path = real,
        .source = source_of(db),
        .file_bytes = wfs_index_file_bytes(real),
        .n_blocks = number(db, "SELECT count(*) FROM blocks"),
        .block_raw_bytes = number(db, "SELECT sum(raw_bytes) FROM blocks"),
        .block_stored_bytes = number(db, "SELECT sum(stored_bytes) FROM blocks"),
        .n_facts = number(db, "SELECT count(*) FROM facts"),
        .used_at = (int64_t)number(db, "SELECT value FROM identity WHERE key = 'used_at'"),
        .schema_version = (int)number(db, "PRAGMA user_version"),
        .is_stale = is_stale(db),
    };
    sqlite3_close(db);
    if (!info.source) {
        free(real);
        return wfs_error_nomem(err, "the index's description");
    }
    *ret = info;
    return 0;
}

/* A file that cannot be read as an index is listed as it is: version 0. */
static int describe(const struct wfs_index_file *file, struct wfs_index_info *ret)
{
    struct wfs_error err = {0};
    if (wfs_index_stat(file->path, ret, &err) == 0)
        return 0;
    wfs_log(WFS_LOG_WARNING, "%s", err.message);
    *ret = (struct wfs_index_info){.path = strdup(file->path),
                                   .source = strdup(""),
                                   .file_bytes = file->size_bytes,
                                   .used_at = file->mtime};
    if (ret->path && ret->source)
        return 0;
    free(ret->path);
    free(ret->source);
    return -ENOMEM;
}

static int scan_all(struct wfs_index_file **ret, size_t *ret_n, struct wfs_error *err)
{
    wfs_cleanup(wfs_freep) char *dir = wfs_index_directory(err);
    return dir ? wfs_index_scan(dir, ret, ret_n, err) : -ENOENT;
}

int wfs_index_list(struct wfs_index_info **ret, size_t *ret_n, struct wfs_error *err)
{
    struct wfs_index_file *files = NULL;
    size_t n = 0, done = 0;
    int r = scan_all(&files, &n, err);
    if (r < 0)
        return r;
    struct wfs_index_info *infos = calloc(n + 1, sizeof *infos);
    while (infos && done < n && (r = describe(&files[done], &infos[done])) == 0)
        done++;
    wfs_index_scan_free(files, n);
    if (!infos || r < 0) {
        wfs_index_info_free(infos, done);
        return wfs_error_nomem(err, "the list of indices");
    }
    *ret = infos;
    *ret_n = n;
    return 0;
}

void wfs_index_info_free(struct wfs_index_info *infos, size_t n)
{
    for (size_t i = 0; infos && i < n; i++) {
        free(infos[i].path);
        free(infos[i].source);
    }
    free(infos);
}

/* ---- removing ------------------------------------------------------------------------------ */

/* Unlinks the index unless a mount has it open, and adds what that freed to the sum. */
static int unlink_unused(const char *path, uint64_t *ret_freed, struct wfs_error *err)
{
    if (wfs_index_is_in_use(path))
        return wfs_error_set(err, EBUSY, "%s is in use by a mount", path);
    return wfs_index_unlink(path, ret_freed, err);
}

static int shrink_step(struct wfs_store *store, uint64_t limit_bytes, enum wfs_evicted *evicted,
                       bool *vacuumed)
{
    int r = wfs_store_begin_waiting(store);
    if (r == SQLITE_OK && *evicted == WFS_EVICTED_SOME)
        r = wfs_store_evict(store, 0, limit_bytes, EVICT_BATCH, evicted);
    else if (r == SQLITE_OK)
        r = wfs_store_vacuum(store, VACUUM_PAGES, vacuumed);
    if (r == SQLITE_OK)
        r = wfs_store_commit(store);
    if (r != SQLITE_OK)
        wfs_store_rollback(store);
    return r;
}

/* Evicts least recently used blocks until the file is within limit_bytes. */
static int shrink(const char *path, uint64_t limit_bytes, uint64_t *ret_freed,
                  struct wfs_error *err)
{
    struct wfs_store *store = NULL;
    enum wfs_evicted evicted = WFS_EVICTED_SOME;
    bool vacuumed = false;
    uint64_t before = wfs_index_file_bytes(path);
    int r = wfs_store_open(path, limit_bytes, &store);
    while (r == SQLITE_OK && !vacuumed)
        r = shrink_step(store, limit_bytes, &evicted, &vacuumed);
    /* Closing folds the log into the file, unless a mount has it open too. */
    wfs_store_close(store);
    uint64_t after = wfs_index_file_bytes(path);
    *ret_freed += before > after ? before - after : 0;
    if (r == SQLITE_OK)
        return 0;
    return wfs_error_set(err, wfs_db_is_busy(r) ? EBUSY : EIO, "%s: cannot prune: %s", path,
                         sqlite3_errstr(r));
}

static int prune_stale(const struct wfs_index_file *file, uint64_t *ret_freed, bool *ret_gone,
                       struct wfs_error *err)
{
    struct wfs_index_info info = {0};
    *ret_gone = false;
    if (wfs_index_stat(file->path, &info, NULL) < 0)
        return 0; /* whether it is stale cannot be told here */
    bool stale = info.is_stale;
    free(info.path);
    free(info.source);
    if (!stale || wfs_index_is_in_use(file->path))
        return 0;
    int r = wfs_index_unlink(file->path, ret_freed, err);
    *ret_gone = r == 0;
    return r;
}

/* Makes one of the indices smaller that stay and together have *total bytes: where all of its bytes
 * are too many it is unlinked, else blocks go until the total is within max_bytes. */
static int prune_to_size(const struct wfs_index_file *file, uint64_t max_bytes, uint64_t *total,
                         uint64_t *ret_freed, struct wfs_error *err)
{
    uint64_t freed = 0, excess = *total - max_bytes;
    int r;
    if (excess >= file->size_bytes && wfs_index_header_is_ours(file->path) &&
        !wfs_index_is_in_use(file->path))
        r = wfs_index_unlink(file->path, &freed, err);
    else
        r = shrink(file->path, file->size_bytes - wfs_min_u64(excess, file->size_bytes), &freed,
                   err);
    *total -= wfs_min_u64(freed, *total);
    *ret_freed += freed;
    return r;
}

static int prune_files(struct wfs_index_file *files, size_t n, uint64_t max_bytes,
                       uint64_t *ret_freed, struct wfs_error *err)
{
    uint64_t total = 0;
    size_t n_left = 0;
    for (size_t i = 0; i < n; i++) {
        bool gone = false;
        int r = prune_stale(&files[i], ret_freed, &gone, err);
        if (r < 0)
            return r;
        if (gone) {
            free(files[i].path);
            files[i].path = NULL;
            continue;
        }
        total += files[i].size_bytes;
        n_left++;
    }
    for (size_t i = 0; i < n && max_bytes > 0 && total > max_bytes && n_left > 0; i++) {
        int r = files[i].path ? prune_to_size(&files[i], max_bytes, &total, ret_freed, err) : 0;
        if (r < 0)
            return r;
    }
    return 0;
}

int wfs_index_prune(uint64_t max_bytes, uint64_t *ret_freed_bytes, struct wfs_error *err)
{
    struct wfs_index_file *files = NULL;
    size_t n = 0;
    uint64_t freed = 0;
    int r = scan_all(&files, &n, err);
    if (r < 0)
        return r;
    r = prune_files(files, n, max_bytes, &freed, err);
    wfs_index_scan_free(files, n);
    if (r == 0)
        *ret_freed_bytes = freed;
    return r;
}

static int clear_one(const char *path, uint64_t *ret_freed, struct wfs_error *err)
{
    wfs_cleanup(wfs_freep) char *real = realpath(path, NULL);
    if (!real)
        return wfs_error_set(err, errno, "%s: %s", path, strerror(errno));
    if (!wfs_index_header_is_ours(real))
        return wfs_error_set(err, EINVAL, "%s is not an index of weightfs", path);
    return unlink_unused(real, ret_freed, err);
}

/* In our own directory a file with our header is ours, and is removed even where the rest of it is
 * damaged. */
static int clear_all(uint64_t *ret_freed, struct wfs_error *err)
{
    struct wfs_index_file *files = NULL;
    size_t n = 0;
    int r = scan_all(&files, &n, err);
    for (size_t i = 0; r == 0 && i < n; i++)
        r = unlink_unused(files[i].path, ret_freed, err);
    wfs_index_scan_free(files, n);
    return r;
}

int wfs_index_clear(const char *path, uint64_t *ret_freed_bytes, struct wfs_error *err)
{
    uint64_t freed = 0;
    int r = path ? clear_one(path, &freed, err) : clear_all(&freed, err);
    if (r == 0)
        *ret_freed_bytes = freed;
    return r;
}
