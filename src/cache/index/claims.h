/*
 * claims.h - whether a file is an index of ours, and whether a program has it open.
 */
#ifndef WEIGHTFS_CACHE_INDEX_CLAIMS_H
#define WEIGHTFS_CACHE_INDEX_CLAIMS_H

#include <sys/types.h>

#include "base/base.h"

/* Says that this process has the index at `path` open in SQLite, until the claim is released: no
 * function of this header opens the file meanwhile. The claim is zero-initialised; releasing one
 * that was never made does nothing. */
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
/* Latest change of the file or its log, in seconds; 0 when it is gone. */
int64_t wfs_index_mtime(const char *path);

#endif
