/*
 * db.h - SQLite connections to an index, its schema, and what a file turns out to be.
 *
 * The tables (documented for sqlite3 users; times are seconds since the epoch, hashes XXH3-128):
 *
 *   identity(key, value)     source, id (hex), engine, created_at, used_at
 *   files(path, dev, ino, size_bytes, mtime_ns, ctime_ns)
 *                            the source's files as they were; an index is stale when one changed
 *   views(name, n_tensors, size_bytes, digest, written_at)
 *   tensors(view, name, dtype, shape, n_elems, size_bytes, sources, operations, hash)
 *   facts(kind, hash, value, checksum, used_at)
 *                            statistics, content hashes, CRCs of the expression with that hash
 *   statistics(view, name, l2, mean, std, min, max, zeros, nan, inf)
 *                            a view of the facts of kind "statistics", which are JSON; NULL is NaN,
 *                            infinities are text
 *   blocks(id, key, number, elem_bytes, raw_bytes, stored_bytes, checksum, used_at)
 *                            key: expression hash, block size, engine version; number: which block
 *   chunks(id, data)         the block's bytes: id = blocks.id * 1024 + n, 512 KiB of it each, as
 *                            codec.h says
 *
 * Bytes are apart from what describes them, since SQLite rewrites a row whole: noting that a block
 * was used must not rewrite it. They come in chunks, so that neither side holds a whole block
 * twice.
 */
#ifndef WEIGHTFS_CACHE_INDEX_DB_H
#define WEIGHTFS_CACHE_INDEX_DB_H

#include <sqlite3.h>

#include "base/base.h"

#define WFS_DB_APPLICATION_ID 0x57664978 /* "WfIx" */
#define WFS_DB_SCHEMA_VERSION 2
#define WFS_DB_CHUNKS_A_BLOCK 1024
/* how long a lock is waited for before work goes on without the index */
#define WFS_DB_WAIT_MS 2000u

enum wfs_db_access {
    WFS_DB_READ_ONLY, /* the file may not be written */
    WFS_DB_READER,    /* writes nothing, but may recover a log that a killed mount left */
    WFS_DB_WRITER,
};
/* Connects without waiting for locks and without mmap. Returns SQLite's result code; *ret is NULL
 * on failure. */
int wfs_db_connect(const char *path, enum wfs_db_access access, sqlite3 **ret);
/* Prepares `sql` for the connection's life. */
int wfs_db_prepare(sqlite3 *db, const char *sql, sqlite3_stmt **ret);
int wfs_db_exec(sqlite3 *db, const char *sql);
/* Reads the first column of the query's first row. Returns SQLITE_ROW where there is one. */
int wfs_db_get_i64(sqlite3 *db, const char *sql, int64_t *ret);

enum wfs_db_kind {
    WFS_DB_EMPTY,   /* nothing in it yet */
    WFS_DB_OURS,    /* this schema version */
    WFS_DB_OLDER,   /* an earlier version's */
    WFS_DB_NEWER,   /* a later version's */
    WFS_DB_FOREIGN, /* a database that is no index */
    WFS_DB_DAMAGED, /* malformed, or no database at all */
    WFS_DB_LOCKED,
    WFS_DB_UNREADABLE, /* anything else; *ret_r says */
};
/* Connects and tells what the file is; while it is locked this is tried again for up to
 * WFS_DB_WAIT_MS. *ret is NULL where not even connecting worked. */
enum wfs_db_kind wfs_db_open(const char *path, enum wfs_db_access access, sqlite3 **ret,
                             int *ret_r);
/* Makes the tables in an empty database. That another mount has made them first is no failure.
 * Returns SQLite's result code. */
int wfs_db_create(sqlite3 *db, bool use_wal);
/* True for results that mean the file itself is bad. */
bool wfs_db_is_damage(int sqlite_rc);
bool wfs_db_is_busy(int sqlite_rc);
/* For a loop around what may be locked: sleeps a little and says true, or false when the result is
 * another one or *waited_ms has reached WFS_DB_WAIT_MS. */
bool wfs_db_wait(int sqlite_rc, unsigned *waited_ms);
void wfs_sleep_ms(unsigned ms);

#endif
