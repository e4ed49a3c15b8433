/*
 * index.c - the read side of the index: opening it, and blocks, facts and digests out of it.
 *
 * A reader is a connection with its prepared statements and a decoder. Whoever needs one takes it
 * from the idle list or opens another, and puts it back: the list's lock is held for neither. A
 * block and its chunks are read in one transaction, so that an eviction in between cannot mix them.
 */
#include "cache/index/index.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "cache/index/codec.h"
#include "cache/index/db.h"
#include "cache/index/claims.h"
#include "cache/index/files.h"
#include "cache/index/paths.h"

#define DEFAULT_LIMIT (UINT64_C(10) << 30)
/* connections at once, more than there are workers; beyond them a read is a miss */
#define MAX_READERS      32u
#define MAX_IDLE_READERS 4u /* connections kept for the next read; each takes about a megabyte */
#define TOUCH_AFTER_S    60 /* a block's used_at is written again only after so many seconds */

enum { STMT_BEGIN, STMT_COMMIT, STMT_BLOCK, STMT_CHUNKS, STMT_FACT, N_STMTS };

static const char *const stmt_sql[N_STMTS] = {
    [STMT_BEGIN] = "BEGIN",
    [STMT_COMMIT] = "COMMIT",
    [STMT_BLOCK] = ("SELECT id, elem_bytes, raw_bytes, checksum, used_at FROM blocks"
                    " WHERE key = ?1 AND number = ?2"),
    [STMT_CHUNKS] = "SELECT data FROM chunks WHERE id >= ?1 AND id < ?2 ORDER BY id",
    [STMT_FACT] = "SELECT value, checksum FROM facts WHERE kind = ?1 AND hash = ?2",
};

struct reader {
    sqlite3 *db;
    sqlite3_stmt *stmts[N_STMTS];
    struct wfs_decoder *decoder;
    struct reader *next;
};

struct wfs_index {
    char *path;
    bool read_only;
    uint64_t limit_bytes;
    /* held from before the first reader connects until the last one has closed */
    struct wfs_index_claim claim;
    atomic_bool unusable; /* nothing is read or written any more */
    atomic_bool damaged;  /* and the file is of no use to the next mount either */
    atomic_uint reported; /* one bit for each problem that a warning has told */
    pthread_mutex_t lock;
    struct reader *idle; /* connections nobody uses at the moment; lock guards these three fields */
    unsigned n_idle, n_open;
};

/* ---- problems ------------------------------------------------------------------------------ */

static const char *const problem_texts[WFS_N_PROBLEMS] = {
    [WFS_PROBLEM_DAMAGED] = "the index is damaged: not used any more, bytes are computed",
    [WFS_PROBLEM_UNREADABLE] = "the index cannot be read: not used any more, bytes are computed",
    [WFS_PROBLEM_BAD_BLOCK] = "the index has damaged blocks: they are computed again",
    [WFS_PROBLEM_FULL] = "no space for the index: nothing more is stored",
    [WFS_PROBLEM_LOCKED] =
        "another program keeps the index locked: blocks are not stored meanwhile",
    [WFS_PROBLEM_IO] = "the index cannot be written: nothing more is stored",
};

void wfs_index_report(struct wfs_index *index, enum wfs_index_problem problem, const char *detail)
{
    unsigned bit = 1u << problem;
    bool first = (atomic_fetch_or(&index->reported, bit) & bit) == 0;
    if (problem == WFS_PROBLEM_DAMAGED)
        atomic_store(&index->damaged, true);
    if (problem == WFS_PROBLEM_DAMAGED || problem == WFS_PROBLEM_UNREADABLE)
        atomic_store(&index->unusable, true);
    if (first)
        wfs_log(WFS_LOG_WARNING, "%s: %s (%s)", index->path, problem_texts[problem], detail);
}

void wfs_index_report_sqlite(struct wfs_index *index, int sqlite_rc, const char *detail)
{
    int primary = sqlite_rc & 0xff;
    if (wfs_db_is_damage(sqlite_rc))
        wfs_index_report(index, WFS_PROBLEM_DAMAGED, detail);
    else if (wfs_db_is_busy(sqlite_rc))
        wfs_index_report(index, WFS_PROBLEM_LOCKED, detail);
    else if (primary == SQLITE_FULL)
        wfs_index_report(index, WFS_PROBLEM_FULL, detail);
    else
        wfs_index_report(index, WFS_PROBLEM_IO, detail);
}

bool wfs_index_is_usable(const struct wfs_index *index)
{
    return !atomic_load_explicit(&index->unusable, memory_order_relaxed);
}

/* ---- readers ------------------------------------------------------------------------------- */

static void reader_free(struct reader *reader)
{
    if (!reader)
        return;
    for (int i = 0; i < N_STMTS; i++)
        sqlite3_finalize(reader->stmts[i]);
    sqlite3_close(reader->db);
    wfs_decoder_free(reader->decoder);
    free(reader);
}

static int reader_new(const struct wfs_index *index, struct reader **ret)
{
    struct reader *reader = calloc(1, sizeof *reader);
    if (!reader)
        return SQLITE_NOMEM;
    int r = wfs_db_connect(index->path, index->read_only ? WFS_DB_READ_ONLY : WFS_DB_READER,
                           &reader->db);
    for (int i = 0; i < N_STMTS && r == SQLITE_OK; i++)
        r = wfs_db_prepare(reader->db, stmt_sql[i], &reader->stmts[i]);
    if (r == SQLITE_OK && !(reader->decoder = wfs_decoder_new()))
        r = SQLITE_NOMEM;
    if (r == SQLITE_OK)
        *ret = reader;
    else
        reader_free(reader);
    return r;
}

/* Takes a connection for one read; NULL where none can be had at the moment. */
static struct reader *take_reader(struct wfs_index *index)
{
    if (!wfs_index_is_usable(index))
        return NULL;
    pthread_mutex_lock(&index->lock);
    struct reader *reader = index->idle;
    bool may_open = !reader && index->n_open < MAX_READERS;
    if (reader) {
        index->idle = reader->next;
        index->n_idle--;
    } else if (may_open) {
        index->n_open++;
    }
    pthread_mutex_unlock(&index->lock);
    if (reader || !may_open)
        return reader;
    if (reader_new(index, &reader) != SQLITE_OK) {
        pthread_mutex_lock(&index->lock);
        index->n_open--;
        pthread_mutex_unlock(&index->lock);
    }
    return reader;
}

static void put_reader(struct wfs_index *index, struct reader *reader)
{
    pthread_mutex_lock(&index->lock);
    bool keep = index->n_idle < MAX_IDLE_READERS;
    if (keep) {
        reader->next = index->idle;
        index->idle = reader;
        index->n_idle++;
    } else {
        index->n_open--;
    }
    pthread_mutex_unlock(&index->lock);
    if (!keep)
        reader_free(reader);
}

static int step_once(sqlite3_stmt *stmt)
{
    int r = sqlite3_step(stmt);
    sqlite3_reset(stmt);
    return r;
}

/* A read has failed: damage is reported, anything else (busy, no memory) is just a miss. */
static void note_failure(struct wfs_index *index, struct reader *reader, int r)
{
    if (wfs_db_is_damage(r))
        wfs_index_report(index, WFS_PROBLEM_DAMAGED, sqlite3_errmsg(reader->db));
    else if ((r & 0xff) == SQLITE_IOERR)
        wfs_index_report(index, WFS_PROBLEM_UNREADABLE, sqlite3_errmsg(reader->db));
}

/* ---- opening ------------------------------------------------------------------------------- */

static int describe_refusal(enum wfs_db_kind kind, int r, const char *path, struct wfs_error *err)
{
    switch (kind) {
    case WFS_DB_FOREIGN:
        return wfs_error_set(err, EEXIST, "%s is not an index of weightfs: left alone", path);
    case WFS_DB_NEWER:
        return wfs_error_set(err, EEXIST, "%s was made by a later weightfs: left alone", path);
    case WFS_DB_LOCKED:
        return wfs_error_set(err, EBUSY, "%s is locked by another program", path);
    default:
        return wfs_error_set(err, EIO, "%s cannot be used: %s", path, sqlite3_errstr(r));
    }
}

/* A file whose name or header says that it cannot be an index of ours is never removed. */
static bool may_recreate(enum wfs_db_kind kind, const char *path, bool is_default)
{
    return kind == WFS_DB_OLDER ||
           (kind == WFS_DB_DAMAGED && (is_default || wfs_index_header_is_ours(path)));
}

static int recreate(const char *path, enum wfs_db_kind kind, struct wfs_error *err)
{
    if (wfs_index_is_in_use(path))
        return wfs_error_set(err, EBUSY, "%s is damaged and in use by another mount", path);
    wfs_log(WFS_LOG_WARNING, "%s: %s: made anew", path,
            kind == WFS_DB_OLDER ? "the index is an earlier version's" : "the index is damaged");
    return wfs_index_unlink(path, NULL, err);
}

static int make_tables(sqlite3 *db, const char *path, struct wfs_error *err)
{
    bool is_network = wfs_index_dir_is_network(path);
    if (is_network)
        wfs_log(WFS_LOG_WARNING,
                "%s lies on a network file system: the index is kept with a rollback journal",
                path);
    int r = wfs_db_create(db, !is_network);
    if (r == SQLITE_OK)
        return 0;
    return wfs_error_set(err, (r & 0xff) == SQLITE_FULL ? ENOSPC : EIO,
                         "%s: cannot make the index: %s", path, sqlite3_errstr(r));
}

/* Leaves a database of this schema version at `path`, or says why not. */
static int open_file(const char *path, bool is_default, bool read_only, bool is_retry,
                     struct wfs_error *err)
{
    sqlite3 *db = NULL;
    int r = SQLITE_OK, result = 0;
    enum wfs_db_kind kind =
        wfs_db_open(path, read_only ? WFS_DB_READ_ONLY : WFS_DB_WRITER, &db, &r);
    if (kind == WFS_DB_EMPTY && !read_only)
        result = make_tables(db, path, err);
    else if (kind != WFS_DB_OURS)
        result = -EEXIST;
    sqlite3_close(db);
    if (result != -EEXIST)
        return result;
    if (read_only || is_retry || !may_recreate(kind, path, is_default))
        return describe_refusal(kind, r, path, err);
    char *again = NULL;
    result = recreate(path, kind, err);
    if (result == 0)
        result = wfs_index_prepare(path, is_default, &again, &read_only, err);
    free(again);
    return result < 0 ? result : open_file(path, is_default, read_only, true, err);
}

/* The first reader stays: it keeps the log from being folded up at every close. Another mount that
 * folds it up just now, as the last one to leave, locks this one out for that long. */
static int open_first_reader(struct wfs_index *index, struct wfs_error *err)
{
    unsigned waited = 0;
    struct reader *reader = NULL;
    int r;
    wfs_index_claim(&index->claim, index->path);
    do
        r = reader_new(index, &reader);
    while (wfs_db_wait(r, &waited));
    if (r != SQLITE_OK)
        return describe_refusal(wfs_db_is_busy(r) ? WFS_DB_LOCKED : WFS_DB_UNREADABLE, r,
                                index->path, err);
    index->n_open++;
    put_reader(index, reader);
    return 0;
}

static int open_index(const struct wfs_cache_options *options, struct wfs_index *index,
                      struct wfs_error *err)
{
    bool is_default = !options->index_path;
    wfs_cleanup(wfs_freep) char *default_path =
        is_default ? wfs_index_default_path(&options->id, err) : NULL;
    const char *path = is_default ? default_path : options->index_path;
    if (!path)
        return -ENOENT;
    int r = wfs_index_prepare(path, is_default, &index->path, &index->read_only, err);
    if (r == 0)
        r = open_file(index->path, is_default, index->read_only, false, err);
    if (r == 0)
        r = open_first_reader(index, err);
    if (r == 0 && index->read_only)
        wfs_log(WFS_LOG_WARNING, "%s is read-only: nothing is stored", index->path);
    return r;
}

struct wfs_index *wfs_index_open(const struct wfs_cache_options *options)
{
    struct wfs_error err = {0};
    if (options->index_path && strcmp(options->index_path, "none") == 0)
        return NULL;
    struct wfs_index *index = calloc(1, sizeof *index);
    if (!index)
        return NULL;
    pthread_mutex_init(&index->lock, NULL);
    index->limit_bytes = options->index_bytes > 0 ? options->index_bytes : DEFAULT_LIMIT;
    if (open_index(options, index, &err) == 0)
        return index;
    wfs_log(WFS_LOG_WARNING, "no index: %s", err.message);
    wfs_index_close(index);
    return NULL;
}

void wfs_index_close(struct wfs_index *index)
{
    if (!index)
        return;
    for (struct reader *r = index->idle, *next; r; r = next) {
        next = r->next;
        reader_free(r);
    }
    wfs_index_release(&index->claim);
    if (index->path && !index->read_only && atomic_load(&index->damaged) &&
        !wfs_index_is_in_use(index->path))
        (void)wfs_index_unlink(index->path, NULL, NULL);
    pthread_mutex_destroy(&index->lock);
    free(index->path);
    free(index);
}

const char *wfs_index_path(const struct wfs_index *index)
{
    return index->path;
}

bool wfs_index_is_read_only(const struct wfs_index *index)
{
    return index->read_only;
}

uint64_t wfs_index_limit_bytes(const struct wfs_index *index)
{
    return index->limit_bytes;
}

/* ---- blocks -------------------------------------------------------------------------------- */

struct stored {
    int64_t id, used_at;
    uint32_t elem_bytes;
    struct wfs_hash checksum;
};

static enum wfs_index_result find_block(struct reader *reader, const struct wfs_block_key *key,
                                        uint64_t len, struct stored *ret, int *ret_r)
{
    sqlite3_stmt *stmt = reader->stmts[STMT_BLOCK];
    enum wfs_index_result result = WFS_INDEX_MISS;
    sqlite3_bind_blob(stmt, 1, key->hash.bytes, sizeof key->hash.bytes, SQLITE_STATIC);
    sqlite3_bind_int64(stmt, 2, (int64_t)key->number);
    *ret_r = sqlite3_step(stmt);
    if (*ret_r == SQLITE_ROW) {
        const void *checksum = sqlite3_column_blob(stmt, 3);
        ret->id = sqlite3_column_int64(stmt, 0);
        ret->elem_bytes = (uint32_t)sqlite3_column_int64(stmt, 1);
        ret->used_at = sqlite3_column_int64(stmt, 4);
        bool whole = sqlite3_column_int64(stmt, 2) == (int64_t)len && checksum &&
                     sqlite3_column_bytes(stmt, 3) == (int)sizeof ret->checksum.bytes;
        if (whole)
            memcpy(ret->checksum.bytes, checksum, sizeof ret->checksum.bytes);
        result = whole ? WFS_INDEX_HIT : WFS_INDEX_BAD;
    }
    sqlite3_reset(stmt);
    return result;
}

/* A hit where every chunk of the block is there, has the size that it must have, and decodes. */
static enum wfs_index_result read_chunks(struct reader *reader, const struct stored *stored,
                                         uint8_t *buf, uint64_t len, int *ret_r)
{
    sqlite3_stmt *stmt = reader->stmts[STMT_CHUNKS];
    uint64_t at = 0;
    sqlite3_bind_int64(stmt, 1, stored->id * WFS_DB_CHUNKS_A_BLOCK);
    sqlite3_bind_int64(stmt, 2, (stored->id + 1) * WFS_DB_CHUNKS_A_BLOCK);
    while ((*ret_r = sqlite3_step(stmt)) == SQLITE_ROW) {
        uint64_t n = wfs_min_u64(len - at, WFS_CODEC_CHUNK_BYTES);
        const uint8_t *data = sqlite3_column_blob(stmt, 0);
        size_t data_len = (size_t)sqlite3_column_bytes(stmt, 0);
        if (!data || !wfs_decode_chunk(reader->decoder, stored->elem_bytes, data, data_len,
                                       buf + at, (size_t)n))
            break;
        at += n;
    }
    sqlite3_reset(stmt);
    if (*ret_r == SQLITE_DONE && at == len)
        return WFS_INDEX_HIT;
    return *ret_r == SQLITE_DONE || *ret_r == SQLITE_ROW ? WFS_INDEX_BAD : WFS_INDEX_MISS;
}

static enum wfs_index_result get_block(struct reader *reader, const struct wfs_block_key *key,
                                       uint8_t *buf, uint64_t len, struct stored *stored,
                                       int *ret_r)
{
    *ret_r = step_once(reader->stmts[STMT_BEGIN]);
    if (*ret_r != SQLITE_DONE)
        return WFS_INDEX_MISS;
    enum wfs_index_result result = find_block(reader, key, len, stored, ret_r);
    if (result == WFS_INDEX_HIT)
        result = read_chunks(reader, stored, buf, len, ret_r);
    (void)step_once(reader->stmts[STMT_COMMIT]);
    if (result != WFS_INDEX_HIT)
        return result;
    struct wfs_hash checksum = wfs_block_checksum(key, buf, len);
    bool same = memcmp(checksum.bytes, stored->checksum.bytes, sizeof checksum.bytes) == 0;
    return same ? WFS_INDEX_HIT : WFS_INDEX_BAD;
}

enum wfs_index_result wfs_index_get_block(struct wfs_index *index, const struct wfs_block_key *key,
                                          uint8_t *buf, uint64_t len, int64_t *ret_id)
{
    struct stored stored = {0};
    int r = SQLITE_OK;
    struct reader *reader = take_reader(index);
    if (!reader)
        return WFS_INDEX_MISS;
    enum wfs_index_result result = get_block(reader, key, buf, len, &stored, &r);
    if (result == WFS_INDEX_MISS)
        note_failure(index, reader, r);
    put_reader(index, reader);
    if (result == WFS_INDEX_BAD)
        wfs_index_report(index, WFS_PROBLEM_BAD_BLOCK, "a checksum or a size is wrong");
    bool is_old = (int64_t)time(NULL) - stored.used_at >= TOUCH_AFTER_S;
    *ret_id = result == WFS_INDEX_HIT && is_old ? stored.id : 0;
    return result;
}

/* ---- facts --------------------------------------------------------------------------------- */

static bool column_is(sqlite3_stmt *stmt, int column, const void *data, size_t len)
{
    const void *have = sqlite3_column_blob(stmt, column);
    return have && (size_t)sqlite3_column_bytes(stmt, column) == len &&
           memcmp(have, data, len) == 0;
}

/* Copies the value into buf where it has the size asked for and its checksum holds. */
static bool take_fact(sqlite3_stmt *stmt, const char *kind, const struct wfs_hash *hash, void *buf,
                      size_t size_bytes)
{
    const void *value = sqlite3_column_blob(stmt, 0);
    if (!value || (size_t)sqlite3_column_bytes(stmt, 0) != size_bytes)
        return false;
    struct wfs_hash checksum = wfs_fact_checksum(kind, hash, value, size_bytes);
    if (!column_is(stmt, 1, checksum.bytes, sizeof checksum.bytes))
        return false;
    memcpy(buf, value, size_bytes);
    return true;
}

bool wfs_index_get_fact(struct wfs_index *index, const char *kind, const struct wfs_hash *hash,
                        void *buf, size_t size_bytes)
{
    struct reader *reader = take_reader(index);
    if (!reader)
        return false;
    sqlite3_stmt *stmt = reader->stmts[STMT_FACT];
    sqlite3_bind_text(stmt, 1, kind, -1, SQLITE_STATIC);
    sqlite3_bind_blob(stmt, 2, hash->bytes, sizeof hash->bytes, SQLITE_STATIC);
    int r = sqlite3_step(stmt);
    bool found = r == SQLITE_ROW && take_fact(stmt, kind, hash, buf, size_bytes);
    sqlite3_reset(stmt);
    note_failure(index, reader, r);
    put_reader(index, reader);
    return found;
}
