/*
 * writer.c - the queue, the thread and its transactions.
 *
 * A transaction is opened by the first job and committed as soon as the queue is empty or enough
 * has gone into it: the write lock is never held while waiting. Where another program holds it,
 * BEGIN is tried again with growing pauses, up to LOCK_WAIT_MS; then the job is lost, and later
 * ones are tried once each until the lock can be had again, so that a stuck program does not hold
 * up the queue (nor, with cache=always, the readers behind it). A full disk or a damaged file ends
 * the writing for this mount, with one warning.
 */
#include "writer.h"

#include <pthread.h>
#include <sqlite3.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "db.h"
#include "files.h"
#include "rows.h"
#include "store.h"

#define QUEUE_POOL_SHARE  4u /* queued blocks may pin this part of the pool */
#define MAX_SMALL_JOBS    4096u
#define MAX_FACT_BYTES    65536u
#define COMMIT_BYTES      (UINT64_C(16) << 20)
#define COMMIT_AFTER_MS   100u
#define LOCK_WAIT_MS      2000u
#define LOCK_PAUSE_MAX_MS 4u /* shorter than: */
#define YIELD_MS          6u /* a busy writer lets others at the lock this long */
#define EVICT_BATCH       32u
#define VACUUM_PAGES      512u

enum job_kind { JOB_IDENTITY, JOB_SHRINK, JOB_BLOCK, JOB_TOUCH, JOB_FACT, JOB_ROWS, JOB_BARRIER };

struct job {
    enum job_kind kind;
    struct job *next;
    struct wfs_block *block; /* pinned */
    bool replace;
    int64_t block_id;
    struct wfs_rows *rows;
    bool *done; /* of a barrier; guarded by the writer's lock */
    struct wfs_hash hash;
    char *fact_kind;
    size_t size_bytes;
    uint8_t value[];
};

struct wfs_writer {
    struct wfs_index *index;
    struct wfs_pool *pool;
    struct wfs_cache_options options; /* strings are borrowed: see cache.h */
    bool waits;
    uint64_t max_block_bytes;
    pthread_t thread;
    atomic_uint_fast64_t n_lost;

    pthread_mutex_t lock;
    pthread_cond_t changed;    /* a job came, room was made, a barrier was passed, or the end */
    struct job *first, **last; /* guarded by lock, as are: */
    uint64_t block_bytes;
    unsigned n_small;
    bool ending, stopped;

    /* The thread's own. */
    struct wfs_store *store;
    bool in_transaction, was_locked;
    uint64_t bytes_in, n_blocks_in, begun_ms; /* of the open transaction */
};

/* ---- transactions ------------------------------------------------------------------------------
 */

static void lose(struct wfs_writer *writer, uint64_t n_blocks)
{
    atomic_fetch_add_explicit(&writer->n_lost, n_blocks, memory_order_relaxed);
}

/* Nothing more is written; producers that wait are let go. */
static void stop(struct wfs_writer *writer)
{
    pthread_mutex_lock(&writer->lock);
    writer->stopped = true;
    pthread_cond_broadcast(&writer->changed);
    pthread_mutex_unlock(&writer->lock);
}

static int when_unlocked(struct wfs_writer *writer, int (*fn)(struct wfs_store *))
{
    unsigned limit_ms = writer->was_locked ? 0 : LOCK_WAIT_MS;
    int rc = fn(writer->store);
    for (unsigned waited = 0, pause = 1; wfs_db_is_busy(rc) && waited < limit_ms;) {
        wfs_sleep_ms(pause);
        waited += pause;
        pause = pause < LOCK_PAUSE_MAX_MS ? pause * 2 : pause;
        rc = fn(writer->store);
    }
    writer->was_locked = wfs_db_is_busy(rc);
    return rc;
}

/* Rolls back; whatever was in the transaction is lost. */
static void give_up(struct wfs_writer *writer, int rc)
{
    wfs_index_report_sqlite(writer->index, rc, wfs_store_message(writer->store));
    wfs_store_rollback(writer->store);
    lose(writer, writer->n_blocks_in);
    writer->in_transaction = false;
    if (!wfs_db_is_busy(rc))
        stop(writer);
}

static uint64_t now_ms(void)
{
    struct timespec ts;
    clock_gettime(CLOCK_MONOTONIC, &ts);
    return (uint64_t)ts.tv_sec * 1000 + (uint64_t)ts.tv_nsec / 1000000;
}

static bool begin(struct wfs_writer *writer)
{
    if (writer->in_transaction)
        return true;
    writer->bytes_in = writer->n_blocks_in = 0;
    int rc = when_unlocked(writer, wfs_store_begin);
    writer->begun_ms = now_ms();
    if (rc != SQLITE_OK)
        give_up(writer, rc);
    else
        writer->in_transaction = true;
    return writer->in_transaction;
}

static void commit(struct wfs_writer *writer)
{
    if (!writer->in_transaction)
        return;
    int rc = when_unlocked(writer, wfs_store_commit);
    if (rc != SQLITE_OK)
        give_up(writer, rc);
    writer->in_transaction = false;
}

/* ---- jobs
 * ----------------------------------------------------------------------------------------- */

static bool is_ending(struct wfs_writer *writer)
{
    pthread_mutex_lock(&writer->lock);
    bool ending = writer->ending;
    pthread_mutex_unlock(&writer->lock);
    return ending;
}

/* Down to the limit, in transactions small enough for others to get between. An unmount does not
 * wait for it: the next mount goes on. */
static int shrink(struct wfs_writer *writer)
{
    uint64_t limit = wfs_index_limit_bytes(writer->index);
    enum wfs_evicted evicted = WFS_EVICTED_SOME;
    bool evicted_any = false, vacuumed = false;
    while (evicted == WFS_EVICTED_SOME || (evicted_any && !vacuumed)) {
        if (is_ending(writer) || !begin(writer))
            return SQLITE_OK;
        int rc = evicted == WFS_EVICTED_SOME
                     ? wfs_store_evict(writer->store, 0, limit, EVICT_BATCH, &evicted)
                     : wfs_store_vacuum(writer->store, VACUUM_PAGES, &vacuumed);
        if (rc != SQLITE_OK)
            return rc;
        evicted_any = evicted_any || evicted != WFS_EVICTED_NOTHING;
        commit(writer);
    }
    return SQLITE_OK;
}

static int store_block(struct wfs_writer *writer, const struct job *job)
{
    bool stored = false;
    int rc = wfs_store_block(writer->store, job->block, job->replace, &stored);
    writer->bytes_in += stored ? job->block->size_bytes : 0;
    writer->n_blocks_in += stored;
    if (rc != SQLITE_OK)
        lose(writer, 1);
    return rc;
}

static int run_job(struct wfs_writer *writer, const struct job *job)
{
    switch (job->kind) {
    case JOB_IDENTITY:
        return wfs_store_identity(writer->store, &writer->options);
    case JOB_SHRINK:
        return shrink(writer);
    case JOB_BLOCK:
        return store_block(writer, job);
    case JOB_TOUCH:
        return wfs_store_touch(writer->store, job->block_id);
    case JOB_FACT:
        return wfs_store_fact(writer->store, job->fact_kind, &job->hash, job->value,
                              job->size_bytes);
    case JOB_ROWS:
        return wfs_store_rows(writer->store, job->rows);
    case JOB_BARRIER:
        break;
    }
    return SQLITE_OK;
}

static void job_free(struct wfs_writer *writer, struct job *job)
{
    if (job->block)
        wfs_pool_release(writer->pool, job->block);
    free(job->rows);
    free(job->fact_kind);
    free(job);
}

static bool is_stopped(struct wfs_writer *writer)
{
    pthread_mutex_lock(&writer->lock);
    bool stopped = writer->stopped;
    pthread_mutex_unlock(&writer->lock);
    return stopped || !wfs_index_is_usable(writer->index);
}

static void do_job(struct wfs_writer *writer, const struct job *job)
{
    if (job->kind == JOB_BARRIER) {
        commit(writer);
        return;
    }
    if (is_stopped(writer) || !begin(writer)) {
        lose(writer, job->kind == JOB_BLOCK);
        return;
    }
    int rc = run_job(writer, job);
    if (rc != SQLITE_OK)
        give_up(writer, rc);
    if (writer->in_transaction &&
        (writer->bytes_in >= COMMIT_BYTES || now_ms() - writer->begun_ms >= COMMIT_AFTER_MS)) {
        commit(writer);
        wfs_sleep_ms(YIELD_MS);
    }
}

/* ---- the thread
 * -------------------------------------------------------------------------------------- */

/* The next job, or NULL at the end. The transaction is not kept open while waiting. */
static struct job *next_job(struct wfs_writer *writer)
{
    pthread_mutex_lock(&writer->lock);
    while (!writer->first) {
        if (writer->in_transaction) {
            pthread_mutex_unlock(&writer->lock);
            commit(writer);
            pthread_mutex_lock(&writer->lock);
        } else if (writer->ending) {
            break;
        } else {
            pthread_cond_wait(&writer->changed, &writer->lock);
        }
    }
    struct job *job = writer->first;
    if (job) {
        writer->first = job->next;
        if (!writer->first)
            writer->last = &writer->first;
    }
    pthread_mutex_unlock(&writer->lock);
    return job;
}

static void finish_job(struct wfs_writer *writer, struct job *job)
{
    pthread_mutex_lock(&writer->lock);
    if (job->kind == JOB_BLOCK)
        writer->block_bytes -= job->block->size_bytes;
    else
        writer->n_small--;
    if (job->done)
        *job->done = true;
    pthread_cond_broadcast(&writer->changed);
    pthread_mutex_unlock(&writer->lock);
    job_free(writer, job);
}

static void *writer_main(void *arg)
{
    struct wfs_writer *writer = arg;
    int rc = wfs_store_open(wfs_index_path(writer->index), wfs_index_limit_bytes(writer->index),
                            &writer->store);
    if (rc != SQLITE_OK) {
        wfs_index_report_sqlite(writer->index, rc, sqlite3_errstr(rc));
        stop(writer);
    } else if (!writer->options.index_path) {
        wfs_index_evict_others(wfs_index_path(writer->index), wfs_index_limit_bytes(writer->index));
    }
    for (struct job *job; (job = next_job(writer));) {
        do_job(writer, job);
        finish_job(writer, job);
    }
    wfs_store_close(writer->store);
    return NULL;
}

/* ---- the queue
 * ------------------------------------------------------------------------------------------ */

/* The lock is held. */
static void append(struct wfs_writer *writer, struct job *job)
{
    job->next = NULL;
    *writer->last = job;
    writer->last = &job->next;
    pthread_cond_broadcast(&writer->changed);
}

/* Facts, rows, uses: small, and dropped when far too many wait. */
static bool put_small(struct wfs_writer *writer, struct job *job)
{
    pthread_mutex_lock(&writer->lock);
    bool fits = !writer->stopped && writer->n_small < MAX_SMALL_JOBS;
    if (fits) {
        writer->n_small++;
        append(writer, job);
    }
    pthread_mutex_unlock(&writer->lock);
    if (!fits)
        job_free(writer, job);
    return fits;
}

static bool put_kind(struct wfs_writer *writer, enum job_kind kind)
{
    struct job *job = calloc(1, sizeof *job);
    if (job)
        job->kind = kind;
    return job && put_small(writer, job);
}

bool wfs_writer_put_block(struct wfs_writer *writer, struct wfs_block *block, bool replace)
{
    struct job *job = calloc(1, sizeof *job);
    if (!job)
        return false;
    job->kind = JOB_BLOCK;
    job->replace = replace;
    job->block = block;
    wfs_pool_pin(writer->pool, block);
    pthread_mutex_lock(&writer->lock);
    /* A block larger than the whole share goes alone. */
    while (writer->waits && !writer->stopped && writer->block_bytes > 0 &&
           writer->block_bytes + block->size_bytes > writer->max_block_bytes)
        pthread_cond_wait(&writer->changed, &writer->lock);
    bool fits =
        !writer->stopped && (writer->block_bytes == 0 ||
                             writer->block_bytes + block->size_bytes <= writer->max_block_bytes);
    if (fits) {
        writer->block_bytes += block->size_bytes;
        append(writer, job);
    }
    pthread_mutex_unlock(&writer->lock);
    if (!fits)
        job_free(writer, job);
    return fits;
}

void wfs_writer_touch(struct wfs_writer *writer, int64_t block_id)
{
    struct job *job = calloc(1, sizeof *job);
    if (!job)
        return;
    job->kind = JOB_TOUCH;
    job->block_id = block_id;
    put_small(writer, job);
}

void wfs_writer_put_fact(struct wfs_writer *writer, const char *kind, const struct wfs_hash *hash,
                         const void *buf, size_t size_bytes)
{
    struct job *job = size_bytes <= MAX_FACT_BYTES ? calloc(1, sizeof *job + size_bytes) : NULL;
    if (!job)
        return;
    job->kind = JOB_FACT;
    job->hash = *hash;
    job->size_bytes = size_bytes;
    memcpy(job->value, buf, size_bytes);
    job->fact_kind = strdup(kind);
    if (job->fact_kind)
        put_small(writer, job);
    else
        free(job);
}

void wfs_writer_put_rows(struct wfs_writer *writer, const struct wfs_index_row *rows, size_t n,
                         const struct wfs_hash *digest)
{
    struct job *job = calloc(1, sizeof *job);
    struct wfs_rows *copy = job ? wfs_rows_copy(rows, n, digest) : NULL;
    if (!copy) {
        free(job);
        return;
    }
    job->kind = JOB_ROWS;
    job->rows = copy;
    put_small(writer, job);
}

void wfs_writer_flush(struct wfs_writer *writer)
{
    bool done = false;
    struct job *job = calloc(1, sizeof *job);
    if (!job)
        return;
    job->kind = JOB_BARRIER;
    job->done = &done;
    pthread_mutex_lock(&writer->lock);
    writer->n_small++;
    append(writer, job);
    while (!done)
        pthread_cond_wait(&writer->changed, &writer->lock);
    pthread_mutex_unlock(&writer->lock);
}

uint64_t wfs_writer_n_lost(const struct wfs_writer *writer)
{
    return atomic_load_explicit(&writer->n_lost, memory_order_relaxed);
}

/* ---- life
 * ---------------------------------------------------------------------------------------------------
 */

int wfs_writer_new(struct wfs_index *index, struct wfs_pool *pool,
                   const struct wfs_cache_options *options, struct wfs_writer **ret,
                   struct wfs_error *err)
{
    struct wfs_writer *writer = calloc(1, sizeof *writer);
    if (!writer)
        return wfs_error_nomem(err, "the index's writer");
    writer->index = index;
    writer->pool = pool;
    writer->options = *options;
    writer->waits = options->mode == WFS_CACHE_ALWAYS;
    writer->max_block_bytes = pool ? wfs_pool_budget_bytes(pool) / QUEUE_POOL_SHARE : 0;
    writer->last = &writer->first;
    pthread_mutex_init(&writer->lock, NULL);
    pthread_cond_init(&writer->changed, NULL);
    put_kind(writer, JOB_IDENTITY);
    put_kind(writer, JOB_SHRINK);
    int rc = pthread_create(&writer->thread, NULL, writer_main, writer);
    if (rc != 0) {
        writer->ending = writer->stopped = true;
        for (struct job *job; (job = next_job(writer));)
            job_free(writer, job);
        pthread_cond_destroy(&writer->changed);
        pthread_mutex_destroy(&writer->lock);
        free(writer);
        return wfs_error_set(err, rc, "the index's writer: %s", strerror(rc));
    }
    *ret = writer;
    return 0;
}

void wfs_writer_free(struct wfs_writer *writer)
{
    if (!writer)
        return;
    pthread_mutex_lock(&writer->lock);
    writer->ending = true;
    pthread_cond_broadcast(&writer->changed);
    pthread_mutex_unlock(&writer->lock);
    pthread_join(writer->thread, NULL);
    pthread_cond_destroy(&writer->changed);
    pthread_mutex_destroy(&writer->lock);
    free(writer);
}
