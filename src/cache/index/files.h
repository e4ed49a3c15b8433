/*
 * files.h - indices as whole files: how big they are, which were used last, and their removal.
 */
#ifndef WEIGHTFS_CACHE_INDEX_FILES_H
#define WEIGHTFS_CACHE_INDEX_FILES_H

#include "base/base.h"

/* The size of the file together with its -wal, -shm and -journal. */
uint64_t wfs_index_file_bytes(const char *path);
/* Unlinks the file and those three; adds what that freed to *ret_freed (may be NULL). */
int wfs_index_unlink(const char *path, uint64_t *ret_freed, struct wfs_error *err);
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
