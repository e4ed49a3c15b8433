/*
 * store.c - writing blocks, facts and tables, and evicting.
 *
 * The file's size is that of its pages in use: evicted pages are used again before the file grows.
 */
#include "cache/index/store.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "cache/index/codec.h"
#include "cache/index/db.h"

#define EVICT_BATCH 16u

enum {
    STMT_HAS_BLOCK,
    STMT_ADD_BLOCK,
    STMT_SET_STORED,
    STMT_ADD_CHUNK,
    STMT_DELETE_CHUNKS,
    STMT_DELETE_BLOCK,
    STMT_OLDEST,
    STMT_TOUCH,
    STMT_ADD_FACT,
    STMT_SET_IDENTITY,
    STMT_ADD_FILE,
    STMT_DELETE_TENSORS,
    STMT_ADD_TENSOR,
    STMT_SET_VIEW,
    STMT_VIEW_DIGEST,
    N_STMTS
};

static const char *const stmt_sql[N_STMTS] = {
    [STMT_HAS_BLOCK] = "SELECT id FROM blocks WHERE key = ?1 AND number = ?2",
    [STMT_ADD_BLOCK] = "INSERT INTO blocks(key, number, elem_bytes, raw_bytes, stored_bytes,"
                       " checksum, used_at) VALUES(?1, ?2, ?3, ?4, 0, ?5, ?6)",
    [STMT_SET_STORED] = "UPDATE blocks SET stored_bytes = ?2 WHERE id = ?1",
    [STMT_ADD_CHUNK] = "INSERT INTO chunks(id, data) VALUES(?1, ?2)",
    [STMT_DELETE_CHUNKS] = "DELETE FROM chunks WHERE id >= ?1 AND id < ?2",
    [STMT_DELETE_BLOCK] = "DELETE FROM blocks WHERE id = ?1",
    [STMT_OLDEST] = "SELECT id FROM blocks ORDER BY used_at, id LIMIT 1",
    [STMT_TOUCH] = "UPDATE blocks SET used_at = ?2 WHERE id = ?1",
    [STMT_ADD_FACT] = "INSERT OR REPLACE INTO facts(kind, hash, value, checksum, used_at)"
                      " VALUES(?1, ?2, ?3, ?4, ?5)",
    [STMT_SET_IDENTITY] = "INSERT OR REPLACE INTO identity(key, value) VALUES(?1, ?2)",
    [STMT_ADD_FILE] = "INSERT OR REPLACE INTO files(path, dev, ino, size_bytes, mtime_ns, ctime_ns)"
                      " VALUES(?1, ?2, ?3, ?4, ?5, ?6)",
    [STMT_DELETE_TENSORS] = "DELETE FROM tensors WHERE view = ?1",
    [STMT_ADD_TENSOR] = "INSERT OR REPLACE INTO tensors(view, name, dtype, shape, n_elems,"
                        " size_bytes, sources, operations, hash)"
                        " VALUES(?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)",
    [STMT_VIEW_DIGEST] = "SELECT digest FROM views WHERE name = ?1",
    [STMT_SET_VIEW] = "INSERT OR REPLACE INTO views(name, n_tensors, size_bytes, digest,"
                      " written_at) VALUES(?1, ?2, ?3, ?4, ?5)",
};

struct wfs_store {
    sqlite3 *db;
    uint64_t limit_bytes;
    struct wfs_encoder *encoder; /* the encoder is made when the first block is written */
    sqlite3_stmt *stmts[N_STMTS];
};

static void disconnect(struct wfs_store *store)
{
    for (int i = 0; i < N_STMTS; i++)
        sqlite3_finalize(store->stmts[i]);
    sqlite3_close(store->db);
    memset(store->stmts, 0, sizeof store->stmts);
    store->db = NULL;
}

static int connect_once(const char *path, struct wfs_store *store)
{
    disconnect(store); /* closes what an earlier attempt has left */
    int r = wfs_db_connect(path, WFS_DB_WRITER, &store->db);
    for (int i = 0; i < N_STMTS && r == SQLITE_OK; i++)
        r = wfs_db_prepare(store->db, stmt_sql[i], &store->stmts[i]);
    return r;
}

int wfs_store_open(const char *path, uint64_t limit_bytes, struct wfs_store **ret)
{
    struct wfs_store *store = calloc(1, sizeof *store);
    if (!store)
        return SQLITE_NOMEM;
    store->limit_bytes = limit_bytes;
    unsigned waited = 0;
    int r;
    do
        r = connect_once(path, store);
    while (wfs_db_wait(r, &waited));
    if (r != SQLITE_OK) {
        wfs_store_close(store);
        return r;
    }
    *ret = store;
    return SQLITE_OK;
}

void wfs_store_close(struct wfs_store *store)
{
    if (!store)
        return;
    disconnect(store);
    wfs_encoder_free(store->encoder);
    free(store);
}

const char *wfs_store_message(const struct wfs_store *store)
{
    return sqlite3_errmsg(store->db);
}

int wfs_store_begin(struct wfs_store *store)
{
    return wfs_db_exec(store->db, "BEGIN IMMEDIATE");
}

int wfs_store_begin_waiting(struct wfs_store *store)
{
    unsigned waited = 0;
    int r;
    do
        r = wfs_store_begin(store);
    while (wfs_db_wait(r, &waited));
    return r;
}

int wfs_store_commit(struct wfs_store *store)
{
    return wfs_db_exec(store->db, "COMMIT");
}

void wfs_store_rollback(struct wfs_store *store)
{
    /* SQLite may have rolled back by itself; then this does nothing */
    if (!sqlite3_get_autocommit(store->db))
        (void)wfs_db_exec(store->db, "ROLLBACK");
}

/* Runs a bound statement that gives no row. */
static int run(sqlite3_stmt *stmt)
{
    int r = sqlite3_step(stmt);
    sqlite3_reset(stmt);
    sqlite3_clear_bindings(stmt);
    return r == SQLITE_DONE || r == SQLITE_ROW ? SQLITE_OK : r;
}

/* Reads the integer of a bound statement's first row; *ret is 0 where there is no row. */
static int run_i64(sqlite3_stmt *stmt, int64_t *ret)
{
    int r = sqlite3_step(stmt);
    *ret = r == SQLITE_ROW ? sqlite3_column_int64(stmt, 0) : 0;
    sqlite3_reset(stmt);
    return r == SQLITE_DONE || r == SQLITE_ROW ? SQLITE_OK : r;
}

static void bind_hash(sqlite3_stmt *stmt, int at, const struct wfs_hash *hash)
{
    sqlite3_bind_blob(stmt, at, hash->bytes, sizeof hash->bytes, SQLITE_STATIC);
}

static void bind_text(sqlite3_stmt *stmt, int at, const char *text)
{
    if (text)
        sqlite3_bind_text(stmt, at, text, -1, SQLITE_STATIC);
    else
        sqlite3_bind_null(stmt, at);
}

/* ---- identity ------------------------------------------------------------------------------ */

static int set_identity_text(struct wfs_store *store, const char *key, const char *value)
{
    sqlite3_stmt *stmt = store->stmts[STMT_SET_IDENTITY];
    bind_text(stmt, 1, key);
    bind_text(stmt, 2, value);
    return run(stmt);
}

static int set_identity_i64(struct wfs_store *store, const char *key, int64_t value)
{
    sqlite3_stmt *stmt = store->stmts[STMT_SET_IDENTITY];
    bind_text(stmt, 1, key);
    sqlite3_bind_int64(stmt, 2, value);
    return run(stmt);
}

/* A relative name would mean another file to whoever looks from elsewhere. */
static int add_file(struct wfs_store *store, const struct wfs_cache_file *file)
{
    wfs_cleanup(wfs_freep) char *real = file->path[0] == '/' ? NULL : realpath(file->path, NULL);
    sqlite3_stmt *stmt = store->stmts[STMT_ADD_FILE];
    bind_text(stmt, 1, real ? real : file->path);
    sqlite3_bind_int64(stmt, 2, (int64_t)file->identity.dev);
    sqlite3_bind_int64(stmt, 3, (int64_t)file->identity.ino);
    sqlite3_bind_int64(stmt, 4, (int64_t)file->identity.size_bytes);
    sqlite3_bind_int64(stmt, 5, file->identity.mtime_ns);
    sqlite3_bind_int64(stmt, 6, file->identity.ctime_ns);
    return run(stmt);
}

static int add_files(struct wfs_store *store, const struct wfs_cache_options *options)
{
    int r = wfs_db_exec(store->db, "DELETE FROM files");
    for (size_t i = 0; i < options->n_files && r == SQLITE_OK; i++)
        r = add_file(store, &options->files[i]);
    return r;
}

int wfs_store_identity(struct wfs_store *store, const struct wfs_cache_options *options)
{
    char id[33];
    wfs_hash_hex(&options->id, id);
    int r = set_identity_text(store, "source", options->source);
    if (r == SQLITE_OK)
        r = set_identity_text(store, "id", id);
    if (r == SQLITE_OK)
        r = set_identity_i64(store, "engine", WFS_ENGINE_VERSION);
    if (r == SQLITE_OK)
        r = set_identity_i64(store, "used_at", (int64_t)time(NULL));
    return r == SQLITE_OK ? add_files(store, options) : r;
}

/* ---- blocks -------------------------------------------------------------------------------- */

static int find_block(struct wfs_store *store, const struct wfs_block_key *key, int64_t *ret_id)
{
    sqlite3_stmt *stmt = store->stmts[STMT_HAS_BLOCK];
    bind_hash(stmt, 1, &key->hash);
    sqlite3_bind_int64(stmt, 2, (int64_t)key->number);
    return run_i64(stmt, ret_id);
}

static int add_chunks(struct wfs_store *store, const struct wfs_block *block, int64_t id,
                      uint64_t *ret_stored)
{
    sqlite3_stmt *stmt = store->stmts[STMT_ADD_CHUNK];
    int64_t chunk_id = id * WFS_DB_CHUNKS_A_BLOCK;
    uint64_t stored = 0;
    for (uint64_t at = 0; at < block->size_bytes; at += WFS_CODEC_CHUNK_BYTES) {
        const uint8_t *data = NULL;
        size_t n = (size_t)wfs_min_u64(block->size_bytes - at, WFS_CODEC_CHUNK_BYTES);
        size_t len =
            wfs_encode_chunk(store->encoder, block->elem_bytes, block->data + at, n, &data);
        if (len == 0)
            return SQLITE_NOMEM;
        sqlite3_bind_int64(stmt, 1, chunk_id++);
        sqlite3_bind_blob64(stmt, 2, data, len, SQLITE_STATIC);
        int r = run(stmt);
        if (r != SQLITE_OK)
            return r;
        stored += len;
    }
    *ret_stored = stored;
    return SQLITE_OK;
}

static int add_block(struct wfs_store *store, const struct wfs_block *block)
{
    struct wfs_hash checksum = wfs_block_checksum(&block->key, block->data, block->size_bytes);
    sqlite3_stmt *stmt = store->stmts[STMT_ADD_BLOCK];
    bind_hash(stmt, 1, &block->key.hash);
    sqlite3_bind_int64(stmt, 2, (int64_t)block->key.number);
    sqlite3_bind_int64(stmt, 3, block->elem_bytes);
    sqlite3_bind_int64(stmt, 4, (int64_t)block->size_bytes);
    bind_hash(stmt, 5, &checksum);
    sqlite3_bind_int64(stmt, 6, (int64_t)time(NULL));
    int r = run(stmt);
    if (r != SQLITE_OK)
        return r;
    int64_t id = sqlite3_last_insert_rowid(store->db);
    uint64_t stored = 0;
    r = add_chunks(store, block, id, &stored);
    if (r != SQLITE_OK)
        return r;
    sqlite3_bind_int64(store->stmts[STMT_SET_STORED], 1, id);
    sqlite3_bind_int64(store->stmts[STMT_SET_STORED], 2, (int64_t)stored);
    return run(store->stmts[STMT_SET_STORED]);
}

int wfs_store_block(struct wfs_store *store, const struct wfs_block *block, bool replace,
                    bool *ret_stored)
{
    int64_t id = 0;
    *ret_stored = false;
    if (block->size_bytes > (uint64_t)WFS_DB_CHUNKS_A_BLOCK * WFS_CODEC_CHUNK_BYTES ||
        block->size_bytes > store->limit_bytes)
        return SQLITE_OK;
    if (!store->encoder && !(store->encoder = wfs_encoder_new()))
        return SQLITE_NOMEM;
    int r = find_block(store, &block->key, &id);
    if (r == SQLITE_OK && id != 0 && !replace)
        return SQLITE_OK;
    if (r == SQLITE_OK && id != 0)
        r = wfs_store_delete_block(store, id);
    enum wfs_evicted evicted = WFS_EVICTED_SOME;
    while (r == SQLITE_OK && evicted == WFS_EVICTED_SOME)
        r = wfs_store_evict(store, block->size_bytes, store->limit_bytes, EVICT_BATCH, &evicted);
    if (r != SQLITE_OK || evicted == WFS_EVICTED_ALL)
        return r;
    r = add_block(store, block);
    *ret_stored = r == SQLITE_OK;
    return r;
}

int wfs_store_touch(struct wfs_store *store, int64_t block_id)
{
    sqlite3_bind_int64(store->stmts[STMT_TOUCH], 1, block_id);
    sqlite3_bind_int64(store->stmts[STMT_TOUCH], 2, (int64_t)time(NULL));
    return run(store->stmts[STMT_TOUCH]);
}

int wfs_store_delete_block(struct wfs_store *store, int64_t block_id)
{
    sqlite3_stmt *chunks = store->stmts[STMT_DELETE_CHUNKS];
    sqlite3_bind_int64(chunks, 1, block_id * WFS_DB_CHUNKS_A_BLOCK);
    sqlite3_bind_int64(chunks, 2, (block_id + 1) * WFS_DB_CHUNKS_A_BLOCK);
    int r = run(chunks);
    if (r != SQLITE_OK)
        return r;
    sqlite3_bind_int64(store->stmts[STMT_DELETE_BLOCK], 1, block_id);
    return run(store->stmts[STMT_DELETE_BLOCK]);
}

/* ---- size ---------------------------------------------------------------------------------- */

int wfs_store_used_bytes(struct wfs_store *store, uint64_t *ret)
{
    int64_t pages = 0, free_pages = 0, page_bytes = 0;
    int r = wfs_db_get_i64(store->db, "PRAGMA page_count", &pages);
    if (r == SQLITE_ROW)
        r = wfs_db_get_i64(store->db, "PRAGMA freelist_count", &free_pages);
    if (r == SQLITE_ROW)
        r = wfs_db_get_i64(store->db, "PRAGMA page_size", &page_bytes);
    if (r != SQLITE_ROW)
        return r;
    *ret = pages > free_pages ? (uint64_t)(pages - free_pages) * (uint64_t)page_bytes : 0;
    return SQLITE_OK;
}

int wfs_store_evict(struct wfs_store *store, uint64_t room_bytes, uint64_t limit_bytes,
                    unsigned max_blocks, enum wfs_evicted *ret)
{
    for (unsigned i = 0; i < max_blocks; i++) {
        uint64_t used = 0;
        int64_t oldest = 0;
        int r = wfs_store_used_bytes(store, &used);
        bool fits = used <= limit_bytes && room_bytes <= limit_bytes - used;
        if (r == SQLITE_OK && !fits)
            r = run_i64(store->stmts[STMT_OLDEST], &oldest);
        if (r != SQLITE_OK)
            return r;
        if (fits || oldest == 0) {
            *ret = !fits ? WFS_EVICTED_ALL : i > 0 ? WFS_EVICTED_ENOUGH : WFS_EVICTED_NOTHING;
            return SQLITE_OK;
        }
        r = wfs_store_delete_block(store, oldest);
        if (r != SQLITE_OK)
            return r;
    }
    *ret = WFS_EVICTED_SOME;
    return SQLITE_OK;
}

int wfs_store_vacuum(struct wfs_store *store, unsigned n_pages, bool *ret_done)
{
    char sql[64];
    int64_t left = 0;
    snprintf(sql, sizeof sql, "PRAGMA incremental_vacuum(%u)", n_pages);
    int r = wfs_db_exec(store->db, sql);
    if (r != SQLITE_OK)
        return r;
    r = wfs_db_get_i64(store->db, "PRAGMA freelist_count", &left);
    *ret_done = left == 0;
    return r == SQLITE_ROW ? SQLITE_OK : r;
}

/* ---- facts and tables ---------------------------------------------------------------------- */

int wfs_store_fact(struct wfs_store *store, const char *kind, const struct wfs_hash *hash,
                   const void *value, size_t size_bytes)
{
    struct wfs_hash checksum = wfs_fact_checksum(kind, hash, value, size_bytes);
    sqlite3_stmt *stmt = store->stmts[STMT_ADD_FACT];
    bind_text(stmt, 1, kind);
    bind_hash(stmt, 2, hash);
    sqlite3_bind_blob64(stmt, 3, value, size_bytes, SQLITE_STATIC);
    bind_hash(stmt, 4, &checksum);
    sqlite3_bind_int64(stmt, 5, (int64_t)time(NULL));
    return run(stmt);
}

int wfs_store_table_digest(struct wfs_store *store, const char *view, struct wfs_hash *ret_digest)
{
    sqlite3_stmt *stmt = store->stmts[STMT_VIEW_DIGEST];
    bind_text(stmt, 1, view);
    int r = sqlite3_step(stmt);
    const void *digest = r == SQLITE_ROW ? sqlite3_column_blob(stmt, 0) : NULL;
    *ret_digest = (struct wfs_hash){{0}};
    if (digest && sqlite3_column_bytes(stmt, 0) == (int)sizeof ret_digest->bytes)
        memcpy(ret_digest->bytes, digest, sizeof ret_digest->bytes);
    sqlite3_reset(stmt);
    return r == SQLITE_DONE || r == SQLITE_ROW ? SQLITE_OK : r;
}

int wfs_store_table_begin(struct wfs_store *store, const char *view)
{
    bind_text(store->stmts[STMT_DELETE_TENSORS], 1, view);
    return run(store->stmts[STMT_DELETE_TENSORS]);
}

int wfs_store_table_row(struct wfs_store *store, const char *view, const struct wfs_index_row *row)
{
    sqlite3_stmt *stmt = store->stmts[STMT_ADD_TENSOR];
    bind_text(stmt, 1, view);
    bind_text(stmt, 2, row->name);
    bind_text(stmt, 3, row->dtype);
    bind_text(stmt, 4, row->shape);
    sqlite3_bind_int64(stmt, 5, (int64_t)row->n_elems);
    sqlite3_bind_int64(stmt, 6, (int64_t)row->size_bytes);
    bind_text(stmt, 7, row->sources);
    bind_text(stmt, 8, row->operations);
    bind_hash(stmt, 9, &row->hash);
    return run(stmt);
}

int wfs_store_table_end(struct wfs_store *store, const struct wfs_index_table *table,
                        uint64_t size_bytes, const struct wfs_hash *digest)
{
    sqlite3_stmt *stmt = store->stmts[STMT_SET_VIEW];
    bind_text(stmt, 1, table->view);
    sqlite3_bind_int64(stmt, 2, (int64_t)table->n_rows);
    sqlite3_bind_int64(stmt, 3, (int64_t)size_bytes);
    bind_hash(stmt, 4, digest);
    sqlite3_bind_int64(stmt, 5, (int64_t)time(NULL));
    return run(stmt);
}
