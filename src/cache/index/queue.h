/*
 * queue.h - the writer's jobs, from many producers to its one thread. Blocks are bounded by the
 * bytes they pin, everything else by its number.
 */
#ifndef WEIGHTFS_CACHE_INDEX_QUEUE_H
#define WEIGHTFS_CACHE_INDEX_QUEUE_H

#include "cache/pool/pool.h"
#include "cache/cache.h"

enum wfs_job_kind {
    WFS_JOB_IDENTITY,
    WFS_JOB_SHRINK,
    WFS_JOB_BLOCK,
    WFS_JOB_TOUCH,
    WFS_JOB_FACT,
    WFS_JOB_TABLE,
    WFS_JOB_BARRIER,
};

struct wfs_job {
    enum wfs_job_kind kind;
    struct wfs_job *next;
    uint64_t due_ms; /* not before, by wfs_now_ms(); 0: at once */
    bool *done;      /* of a barrier; guarded by the queue's lock */
    /* WFS_JOB_BLOCK */
    struct wfs_block *block; /* pinned */
    bool replace;
    /* WFS_JOB_TOUCH */
    int64_t block_id;
    /* WFS_JOB_TABLE */
    struct wfs_index_table table;
    /* WFS_JOB_FACT; a table's digest */
    struct wfs_hash hash;
    char *fact_kind;
    size_t size_bytes;
    uint8_t value[];
};

struct wfs_queue;

/* NULL when out of memory. `waits`: a full queue makes who puts a block wait, else it is refused.
 * The pool holds the blocks; NULL: none is ever put. */
struct wfs_queue *wfs_queue_new(struct wfs_pool *pool, bool waits);
/* Frees what is still queued. */
void wfs_queue_free(struct wfs_queue *queue);
struct wfs_job *wfs_job_new(enum wfs_job_kind kind, size_t value_bytes); /* NULL: no memory */
/* Unpins the job's block. */
void wfs_job_free(struct wfs_queue *queue, struct wfs_job *job);

/* Both take the job, whatever comes of it; false: it was refused. */
bool wfs_queue_put(struct wfs_queue *queue, struct wfs_job *job);
bool wfs_queue_put_block(struct wfs_queue *queue, struct wfs_job *job);
/* Returns when all that was queued before was finished. */
void wfs_queue_flush(struct wfs_queue *queue);

/* For the thread: the first job that is due, or NULL. */
struct wfs_job *wfs_queue_take(struct wfs_queue *queue);
/* Waits until one may be; false at the end. */
bool wfs_queue_wait(struct wfs_queue *queue);
/* The job was done: frees it and lets go who waited for it. */
void wfs_queue_finish(struct wfs_queue *queue, struct wfs_job *job);

/* Nothing more is taken in; who waits is let go. */
void wfs_queue_stop(struct wfs_queue *queue);
bool wfs_queue_is_stopped(struct wfs_queue *queue);
/* No job waits for its time any more; wfs_queue_wait is false once the queue is empty. */
void wfs_queue_end(struct wfs_queue *queue);
bool wfs_queue_is_ending(struct wfs_queue *queue);

uint64_t wfs_now_ms(void); /* monotonic */

#endif
