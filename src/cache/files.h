/*
 * files.h - indices as whole files: whether one is ours, in use, how big, and away with it.
 */
#ifndef WEIGHTFS_CACHE_FILES_H
#define WEIGHTFS_CACHE_FILES_H

#include <sys/types.h>

#include "base/base.h"

/* Says that this process has the index at `path` in SQLite from here on, until it is released:
 * nothing below opens it then. Of zeros before; one that was never claimed may be released. */
struct wfs_index_claim {
    dev_t dev;
    ino_t ino;
    struct wfs_index_claim *next;
};
void wfs_index_claim(struct wfs_index_claim *claim, const char *path);
void wfs_index_release(struct wfs_index_claim *claim);

/* The first bytes of a file say that it is an index of ours, of any version. */
bool wfs_index_header_is_ours(const char *path);
/* True where a program, this one included, has the database open (SQLite holds a lock on it). */
bool wfs_index_is_in_use(const char *path);
/* The file with its -wal, -shm and -journal. */
uint64_t wfs_index_file_bytes(const char *path);
/* Unlinks all of them; adds what that freed to *ret_freed (may be NULL). */
int wfs_index_unlink(const char *path, uint64_t *ret_freed, struct wfs_error *err);
/* Latest change of the file or its log, in seconds; 0 when it is gone. */
int64_t wfs_index_mtime(const char *path);

/* Unlinks other indices of the directory that `path` is in, least recently used first, until all
 * of them are within limit_bytes; those in use stay. For the default directory only. */
void wfs_index_evict_others(const char *path, uint64_t limit_bytes);

/* The indices of a directory, least recently used first. */
struct wfs_index_file {
    char *path;
    int64_t mtime;
    uint64_t size_bytes;
};
int wfs_index_scan(const char *dir, struct wfs_index_file **ret, size_t *ret_n,
                   struct wfs_error *err);
void wfs_index_scan_free(struct wfs_index_file *files, size_t n);

#endif
