/*
 * index.h - the checkpoint's SQLite index as the rest of the cache sees it.
 *
 * Reading (struct wfs_index) is done by many workers, each with a connection of its own for the
 * moment, and never waits for a lock: busy is a miss. Writing is one thread's (writer.h), with its
 * own connection, which retries. Every problem is one warning and then no index, or no writing.
 */
#ifndef WEIGHTFS_CACHE_INDEX_INDEX_H
#define WEIGHTFS_CACHE_INDEX_INDEX_H

#include "cache/pool/pool.h"
#include "cache/cache.h"

/* Opens or makes the index that the options name. NULL: there is none (a warning says why, unless
 * the user asked for none). */
struct wfs_index *wfs_index_open(const struct wfs_cache_options *options);
/* No read may be running. An index found damaged while in use is unlinked now. */
void wfs_index_close(struct wfs_index *index);
const char *wfs_index_path(const struct wfs_index *index);
bool wfs_index_is_read_only(const struct wfs_index *index);
uint64_t wfs_index_limit_bytes(const struct wfs_index *index);

enum wfs_index_result { WFS_INDEX_MISS, WFS_INDEX_HIT, WFS_INDEX_BAD };
/* Fills buf[0..len) with the block, checked. BAD: it is there but damaged; have it replaced.
 * *ret_id is the row, for wfs_writer_touch, or 0 when it was used lately. */
enum wfs_index_result wfs_index_get_block(struct wfs_index *index, const struct wfs_block_key *key,
                                          uint8_t *buf, uint64_t len, int64_t *ret_id);
bool wfs_index_get_fact(struct wfs_index *index, const char *kind, const struct wfs_hash *hash,
                        void *buf, size_t size_bytes);
/* ---- for the writer ------------------------------------------------------------------------ */

/* One warning a problem and mount; later ones of the same kind go to the debug log. */
enum wfs_index_problem {
    WFS_PROBLEM_DAMAGED,    /* SQLite found the file malformed: it is not used any more */
    WFS_PROBLEM_UNREADABLE, /* an I/O error: likewise */
    WFS_PROBLEM_BAD_BLOCK,  /* a checksum or a frame is wrong: computed again */
    WFS_PROBLEM_FULL,       /* no space: nothing more is written */
    WFS_PROBLEM_LOCKED,     /* another program holds the lock for long */
    WFS_PROBLEM_IO,         /* anything else: nothing more is written */
    WFS_N_PROBLEMS,
};
void wfs_index_report(struct wfs_index *index, enum wfs_index_problem problem, const char *detail);
/* Reports the problem that a result code of SQLite stands for. */
void wfs_index_report_sqlite(struct wfs_index *index, int sqlite_rc, const char *detail);
bool wfs_index_is_usable(const struct wfs_index *index);

#endif
