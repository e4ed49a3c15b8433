/*
 * writer.h - the one thread that writes the index: blocks, facts, tables, uses and evictions, from
 * a bounded queue. A queued block is pinned in the pool, so the memory budget counts it.
 */
#ifndef WEIGHTFS_CACHE_INDEX_WRITER_H
#define WEIGHTFS_CACHE_INDEX_WRITER_H

#include "cache/index/index.h"
#include "cache/pool/pool.h"

struct wfs_writer;

/* Starts the thread, which first records the checkpoint's identity. With cache=always a full queue
 * makes the producer wait, else it drops. pool may be NULL (then no block is ever put). */
int wfs_writer_new(struct wfs_index *index, struct wfs_pool *pool,
                   const struct wfs_cache_options *options, struct wfs_writer **ret,
                   struct wfs_error *err);
/* Writes what is queued and ends the thread. */
void wfs_writer_free(struct wfs_writer *writer);
/* Returns when what was queued before is written (or given up). */
void wfs_writer_flush(struct wfs_writer *writer);

/* Queues a block, of which the queue takes a pin of its own. False where the queue had no room for
 * it. `replace`: the index holds a damaged row of this block. */
bool wfs_writer_put_block(struct wfs_writer *writer, struct wfs_block *block, bool replace);
void wfs_writer_touch(struct wfs_writer *writer, int64_t block_id);
/* Queues a fact; the value is copied. */
void wfs_writer_put_fact(struct wfs_writer *writer, const char *kind, const struct wfs_hash *hash,
                         const void *buf, size_t size_bytes);
/* Large tables wait until the mount has settled, and are left out where it ends before. */
void wfs_writer_put_table(struct wfs_writer *writer, const struct wfs_index_table *table);
/* Blocks that were queued and could not be written. */
uint64_t wfs_writer_n_lost(const struct wfs_writer *writer);

#endif
