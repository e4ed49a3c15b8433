/*
 * writer.c - the writing thread and its transactions.
 *
 * A transaction is opened by the first job and committed as soon as the queue is empty, or when it
 * is big or old enough: the write lock is never held while waiting, nor for long, and between two
 * transactions of a full queue there is a pause in which another mount's writer gets it. Where
 * another program holds the lock, BEGIN is tried again up to WFS_DB_WAIT_MS; then the job is lost,
 * and later ones are tried once each until the lock can be had again, so that a stuck program does
 * not hold up the queue (nor, with cache=always, the readers behind it). A full disk or a damaged
 * file ends the writing for this mount, with one warning.
 */
#include "cache/index/writer.h"

#include <pthread.h>
#include <sqlite3.h>
#include <stdlib.h>
#include <string.h>

#include "cache/index/db.h"
#include "cache/index/files.h"
#include "cache/index/queue.h"
#include "cache/index/rows.h"
#include "cache/index/store.h"

#define MAX_FACT_BYTES  65536u
#define COMMIT_BYTES    (UINT64_C(16) << 20)
#define COMMIT_AFTER_MS 100u
/* retrying for a lock pauses at most so long, which must be less than YIELD_MS */
#define LOCK_PAUSE_MAX_MS    4u
#define YIELD_MS             6u /* a busy writer lets others at the lock this long */
#define EVICT_BATCH          32u
#define VACUUM_PAGES         512u
#define SMALL_TABLE          10000u /* tables of at most so many rows are written without delay */
#define LARGE_TABLE_DELAY_MS 3000u

struct wfs_writer {
    struct wfs_index *index;
    struct wfs_pool *pool;
    struct wfs_queue *queue;
    struct wfs_cache_options options; /* strings are borrowed: see cache.h */
    pthread_t thread;
    atomic_uint_fast64_t n_lost;

    /* What follows is used by the thread alone. */
    struct wfs_store *store; /* NULL: it could not be opened, and the queue is stopped */
    bool in_transaction, was_locked;
    /* what the open transaction has written, and when it began */
    uint64_t bytes_in, n_blocks_in, begun_ms;
};

static bool is_stopped(struct wfs_writer *writer)
{
    return wfs_queue_is_stopped(writer->queue) || !wfs_index_is_usable(writer->index);
}

/* ---- transactions -------------------------------------------------------------------------- */

static void lose(struct wfs_writer *writer, uint64_t n_blocks)
{
    atomic_fetch_add_explicit(&writer->n_lost, n_blocks, memory_order_relaxed);
}

static int when_unlocked(struct wfs_writer *writer, int (*fn)(struct wfs_store *))
{
    unsigned limit_ms = writer->was_locked ? 0 : WFS_DB_WAIT_MS;
    int r = fn(writer->store);
    for (unsigned waited = 0, pause = 1; wfs_db_is_busy(r) && waited < limit_ms;) {
        wfs_sleep_ms(pause);
        waited += pause;
        pause = pause < LOCK_PAUSE_MAX_MS ? pause * 2 : pause;
        r = fn(writer->store);
    }
    writer->was_locked = wfs_db_is_busy(r);
    return r;
}

/* Rolls back; whatever was in the transaction is lost. */
static void give_up(struct wfs_writer *writer, int r)
{
    wfs_index_report_sqlite(writer->index, r, wfs_store_message(writer->store));
    wfs_store_rollback(writer->store);
    lose(writer, writer->n_blocks_in);
    writer->in_transaction = false;
    if (!wfs_db_is_busy(r))
        wfs_queue_stop(writer->queue);
}

static bool begin(struct wfs_writer *writer)
{
    if (writer->in_transaction)
        return true;
    writer->bytes_in = writer->n_blocks_in = 0;
    int r = when_unlocked(writer, wfs_store_begin);
    writer->begun_ms = wfs_now_ms();
    if (r != SQLITE_OK)
        give_up(writer, r);
    else
        writer->in_transaction = true;
    return writer->in_transaction;
}

static void commit(struct wfs_writer *writer)
{
    if (!writer->in_transaction)
        return;
    int r = when_unlocked(writer, wfs_store_commit);
    if (r != SQLITE_OK)
        give_up(writer, r);
    writer->in_transaction = false;
}

/* ---- blocks and size ----------------------------------------------------------------------- */

/* Evicts blocks until the file is within its limit, in transactions so small that other programs
 * get their turn between them. An unmount does not wait for the end of this: the next mount goes
 * on. */
static int shrink(struct wfs_writer *writer)
{
    uint64_t limit = wfs_index_limit_bytes(writer->index);
    enum wfs_evicted evicted = WFS_EVICTED_SOME;
    bool evicted_any = false, vacuumed = false;
    while (evicted == WFS_EVICTED_SOME || (evicted_any && !vacuumed)) {
        if (wfs_queue_is_ending(writer->queue) || !begin(writer))
            return SQLITE_OK;
        int r = evicted == WFS_EVICTED_SOME
                    ? wfs_store_evict(writer->store, 0, limit, EVICT_BATCH, &evicted)
                    : wfs_store_vacuum(writer->store, VACUUM_PAGES, &vacuumed);
        if (r != SQLITE_OK)
            return r;
        evicted_any = evicted_any || evicted != WFS_EVICTED_NOTHING;
        commit(writer);
    }
    return SQLITE_OK;
}

static int store_block(struct wfs_writer *writer, const struct wfs_job *job)
{
    bool stored = false;
    int r = wfs_store_block(writer->store, job->block, job->replace, &stored);
    writer->bytes_in += stored ? job->block->size_bytes : 0;
    writer->n_blocks_in += stored;
    if (r != SQLITE_OK)
        lose(writer, 1);
    return r;
}

/* ---- tables -------------------------------------------------------------------------------- */

struct table_write {
    struct wfs_writer *writer;
    const struct wfs_index_table *table;
    struct wfs_hash digest;
    uint64_t size_bytes;
    int sqlite_rc;
};

/* A large table is not worth holding up an unmount. */
static bool is_in_the_way(const struct table_write *write)
{
    return write->table->n_rows > SMALL_TABLE && wfs_queue_is_ending(write->writer->queue);
}

static int digest_row(void *ctx, const struct wfs_index_row *row)
{
    struct table_write *write = ctx;
    wfs_rows_digest(&write->digest, row);
    return is_in_the_way(write) ? -ECANCELED : 0;
}

/* True where the table in the index differs from this one and must be written; *ret_digest is this
 * one's digest. */
static bool table_is_stale(struct wfs_writer *writer, const struct wfs_index_table *table,
                           struct wfs_hash *ret_digest)
{
    struct table_write write = {.writer = writer, .table = table};
    struct wfs_hash have;
    if (is_stopped(writer) || wfs_rows_each(table, digest_row, &write) < 0 ||
        wfs_store_table_digest(writer->store, table->view, &have) != SQLITE_OK)
        return false;
    *ret_digest = write.digest;
    return memcmp(have.bytes, write.digest.bytes, sizeof have.bytes) != 0;
}

static int write_row(void *ctx, const struct wfs_index_row *row)
{
    struct table_write *write = ctx;
    write->size_bytes += row->size_bytes; /* a sum for people: it may wrap */
    write->sqlite_rc = wfs_store_table_row(write->writer->store, write->table->view, row);
    return write->sqlite_rc != SQLITE_OK || is_in_the_way(write) ? -ECANCELED : 0;
}

/* A table that is given up stays half written under no digest, so it is stale for the next mount.
 */
static int store_table(struct wfs_writer *writer, const struct wfs_index_table *table,
                       const struct wfs_hash *digest)
{
    static const struct wfs_hash none;
    struct table_write write = {.writer = writer, .table = table, .sqlite_rc = SQLITE_OK};
    int r = wfs_store_table_begin(writer->store, table->view);
    if (r != SQLITE_OK)
        return r;
    bool whole = wfs_rows_each(table, write_row, &write) == 0;
    if (write.sqlite_rc != SQLITE_OK)
        return write.sqlite_rc;
    return wfs_store_table_end(writer->store, table, write.size_bytes, whole ? digest : &none);
}

/* ---- jobs ---------------------------------------------------------------------------------- */

static int run_job(struct wfs_writer *writer, const struct wfs_job *job)
{
    switch (job->kind) {
    case WFS_JOB_IDENTITY:
        return wfs_store_identity(writer->store, &writer->options);
    case WFS_JOB_SHRINK:
        return shrink(writer);
    case WFS_JOB_BLOCK:
        return store_block(writer, job);
    case WFS_JOB_TOUCH:
        return wfs_store_touch(writer->store, job->block_id);
    case WFS_JOB_FACT:
        return wfs_store_fact(writer->store, job->fact_kind, &job->hash, job->value,
                              job->size_bytes);
    case WFS_JOB_TABLE:
        return store_table(writer, &job->table, &job->hash);
    case WFS_JOB_BARRIER:
        break;
    }
    return SQLITE_OK;
}

/* Does what can be done of a job without the write lock. True where that was all: a barrier, or a
 * table that the index has already. */
static bool is_done_already(struct wfs_writer *writer, struct wfs_job *job)
{
    if (job->kind != WFS_JOB_BARRIER && job->kind != WFS_JOB_TABLE)
        return false;
    commit(writer);
    return job->kind == WFS_JOB_BARRIER || !table_is_stale(writer, &job->table, &job->hash);
}

static void do_job(struct wfs_writer *writer, struct wfs_job *job)
{
    if (is_done_already(writer, job))
        return;
    if (is_stopped(writer) || !begin(writer)) {
        lose(writer, job->kind == WFS_JOB_BLOCK);
        return;
    }
    int r = run_job(writer, job);
    if (r != SQLITE_OK)
        give_up(writer, r);
    if (writer->in_transaction &&
        (writer->bytes_in >= COMMIT_BYTES || wfs_now_ms() - writer->begun_ms >= COMMIT_AFTER_MS)) {
        commit(writer);
        wfs_sleep_ms(YIELD_MS);
    }
}

static void open_store(struct wfs_writer *writer)
{
    const char *path = wfs_index_path(writer->index);
    uint64_t limit_bytes = wfs_index_limit_bytes(writer->index);
    int r = wfs_store_open(path, limit_bytes, &writer->store);
    if (r != SQLITE_OK) {
        wfs_index_report_sqlite(writer->index, r, sqlite3_errstr(r));
        wfs_queue_stop(writer->queue);
    } else if (!writer->options.index_path) {
        wfs_index_evict_others(path, limit_bytes);
    }
}

static void *writer_main(void *arg)
{
    struct wfs_writer *writer = arg;
    open_store(writer);
    do {
        for (struct wfs_job *job; (job = wfs_queue_take(writer->queue));) {
            do_job(writer, job);
            wfs_queue_finish(writer->queue, job);
        }
        commit(writer);
    } while (wfs_queue_wait(writer->queue));
    wfs_store_close(writer->store);
    return NULL;
}

/* ---- producers ----------------------------------------------------------------------------- */

static void put_kind(struct wfs_writer *writer, enum wfs_job_kind kind)
{
    struct wfs_job *job = wfs_job_new(kind, 0);
    if (job)
        wfs_queue_put(writer->queue, job);
}

bool wfs_writer_put_block(struct wfs_writer *writer, struct wfs_block *block, bool replace)
{
    struct wfs_job *job = wfs_job_new(WFS_JOB_BLOCK, 0);
    if (!job)
        return false;
    wfs_pool_pin(writer->pool, block);
    job->block = block;
    job->replace = replace;
    return wfs_queue_put_block(writer->queue, job);
}

void wfs_writer_touch(struct wfs_writer *writer, int64_t block_id)
{
    struct wfs_job *job = wfs_job_new(WFS_JOB_TOUCH, 0);
    if (!job)
        return;
    job->block_id = block_id;
    wfs_queue_put(writer->queue, job);
}

void wfs_writer_put_fact(struct wfs_writer *writer, const char *kind, const struct wfs_hash *hash,
                         const void *buf, size_t size_bytes)
{
    struct wfs_job *job =
        size_bytes <= MAX_FACT_BYTES ? wfs_job_new(WFS_JOB_FACT, size_bytes) : NULL;
    if (!job)
        return;
    job->hash = *hash;
    memcpy(job->value, buf, size_bytes);
    job->fact_kind = strdup(kind);
    if (job->fact_kind)
        wfs_queue_put(writer->queue, job);
    else
        wfs_job_free(writer->queue, job);
}

void wfs_writer_put_table(struct wfs_writer *writer, const struct wfs_index_table *table)
{
    struct wfs_job *job = wfs_job_new(WFS_JOB_TABLE, 0);
    if (!job)
        return;
    job->table = *table;
    job->due_ms = table->n_rows > SMALL_TABLE ? wfs_now_ms() + LARGE_TABLE_DELAY_MS : 0;
    wfs_queue_put(writer->queue, job);
}

void wfs_writer_flush(struct wfs_writer *writer)
{
    wfs_queue_flush(writer->queue);
}

uint64_t wfs_writer_n_lost(const struct wfs_writer *writer)
{
    return atomic_load_explicit(&writer->n_lost, memory_order_relaxed);
}

/* ---- life ---------------------------------------------------------------------------------- */

int wfs_writer_new(struct wfs_index *index, struct wfs_pool *pool,
                   const struct wfs_cache_options *options, struct wfs_writer **ret,
                   struct wfs_error *err)
{
    struct wfs_writer *writer = calloc(1, sizeof *writer);
    struct wfs_queue *queue = wfs_queue_new(pool, options->mode == WFS_CACHE_ALWAYS);
    int r = writer && queue ? 0 : ENOMEM;
    if (r == 0) {
        writer->index = index;
        writer->pool = pool;
        writer->queue = queue;
        writer->options = *options;
        put_kind(writer, WFS_JOB_IDENTITY);
        put_kind(writer, WFS_JOB_SHRINK);
        r = pthread_create(&writer->thread, NULL, writer_main, writer);
    }
    if (r != 0) {
        wfs_queue_free(queue);
        free(writer);
        return wfs_error_set(err, r, "the index's writer: %s", strerror(r));
    }
    *ret = writer;
    return 0;
}

void wfs_writer_free(struct wfs_writer *writer)
{
    if (!writer)
        return;
    wfs_queue_end(writer->queue);
    pthread_join(writer->thread, NULL);
    wfs_queue_free(writer->queue);
    free(writer);
}
