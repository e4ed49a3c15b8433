/*
 * store.h - what the writer thread does to the database: one connection, one open transaction at a
 * time. Every operation returns SQLite's code (SQLITE_OK on success) and leaves retrying to the
 * caller. Not thread-safe.
 */
#ifndef WEIGHTFS_CACHE_INDEX_STORE_H
#define WEIGHTFS_CACHE_INDEX_STORE_H

#include "cache/pool/pool.h"
#include "cache/cache.h"

struct wfs_store;

/* Connects for writing, waiting up to WFS_DB_WAIT_MS for a lock. limit_bytes is what the file may
 * grow to, not counting its log. */
int wfs_store_open(const char *path, uint64_t limit_bytes, struct wfs_store **ret);
void wfs_store_close(struct wfs_store *store);
const char *wfs_store_message(const struct wfs_store *store);

int wfs_store_begin(struct wfs_store *store);
int wfs_store_begin_waiting(struct wfs_store *store); /* waits for the lock up to WFS_DB_WAIT_MS */
int wfs_store_commit(struct wfs_store *store);
void wfs_store_rollback(struct wfs_store *store);

/* Everything below runs inside a transaction. */
int wfs_store_identity(struct wfs_store *store, const struct wfs_cache_options *options);
/* Stores a block, evicting others where the file would grow beyond its limit. *ret_stored is false
 * where the block is there already or can never fit. */
int wfs_store_block(struct wfs_store *store, const struct wfs_block *block, bool replace,
                    bool *ret_stored);
int wfs_store_touch(struct wfs_store *store, int64_t block_id);
int wfs_store_fact(struct wfs_store *store, const char *kind, const struct wfs_hash *hash,
                   const void *value, size_t size_bytes);
/* *ret_digest is all zeros where there is no such view. */
int wfs_store_table_digest(struct wfs_store *store, const char *view, struct wfs_hash *ret_digest);
int wfs_store_table_begin(struct wfs_store *store, const char *view);
int wfs_store_table_row(struct wfs_store *store, const char *view, const struct wfs_index_row *row);
int wfs_store_table_end(struct wfs_store *store, const struct wfs_index_table *table,
                        uint64_t size_bytes, const struct wfs_hash *digest);
int wfs_store_delete_block(struct wfs_store *store, int64_t block_id);
/* The bytes of all pages of the file that are in use. */
int wfs_store_used_bytes(struct wfs_store *store, uint64_t *ret);
/* Deletes least recently used blocks, at most max_blocks of them, until the bytes used and
 * room_bytes are within limit_bytes. */
enum wfs_evicted {
    WFS_EVICTED_NOTHING, /* the bytes used are within the limit already */
    WFS_EVICTED_SOME,    /* max_blocks were deleted, and more must go */
    WFS_EVICTED_ENOUGH,
    WFS_EVICTED_ALL, /* every block was deleted, and that was not enough */
};
int wfs_store_evict(struct wfs_store *store, uint64_t room_bytes, uint64_t limit_bytes,
                    unsigned max_blocks, enum wfs_evicted *ret);
/* Gives up to n free pages back to the file system. *ret_done: none is left. */
int wfs_store_vacuum(struct wfs_store *store, unsigned n_pages, bool *ret_done);

#endif
