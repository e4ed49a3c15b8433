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
    /* the job is not begun before wfs_now_ms() says this; 0: it may begin at once */
    uint64_t due_ms;
    bool *done; /* set to true when the barrier is reached; guarded by the queue's lock */
    /* WFS_JOB_BLOCK */
    struct wfs_block *block; /* The queue holds a pin of its own on the block. */
    bool replace;
    /* WFS_JOB_TOUCH */
    int64_t block_id;
    /* WFS_JOB_TABLE */
    struct wfs_index_table table;
    /* WFS_JOB_FACT: the expression's hash. WFS_JOB_TABLE: the digest of the table's rows. */
    struct wfs_hash hash;
    char *fact_kind;
    size_t size_bytes;
    uint8_t value[];
};

struct wfs_queue;

/* Makes an empty queue; NULL when out of memory. With `waits`, whoever puts a block into a full
 * queue waits until there is room; else the block is refused. The pool holds the blocks; it may be
 * NULL where no block is ever put. */
struct wfs_queue *wfs_queue_new(struct wfs_pool *pool, bool waits);
/* Frees the queue and all jobs that are still in it. */
void wfs_queue_free(struct wfs_queue *queue);
struct wfs_job *wfs_job_new(enum wfs_job_kind kind, size_t value_bytes); /* NULL: no memory */
/* Frees a job and gives back its pin of the block. */
void wfs_job_free(struct wfs_queue *queue, struct wfs_job *job);

/* Put a job at the end of the queue. The queue owns the job from now on, even where it refuses it
 * and returns false. */
bool wfs_queue_put(struct wfs_queue *queue, struct wfs_job *job);
bool wfs_queue_put_block(struct wfs_queue *queue, struct wfs_job *job);
/* Returns when everything that was queued before this call has been done. */
void wfs_queue_flush(struct wfs_queue *queue);

/* Called by the writer's thread: takes the first job that may begin now out of the queue; NULL
 * where there is none. */
struct wfs_job *wfs_queue_take(struct wfs_queue *queue);
/* Called by the writer's thread: waits until a job may begin, and returns true. Returns false when
 * wfs_queue_end was called and the queue is empty. */
bool wfs_queue_wait(struct wfs_queue *queue);
/* Called by the writer's thread when it has done a job: frees it, and wakes whoever waits for it or
 * for the room that it took. */
void wfs_queue_finish(struct wfs_queue *queue, struct wfs_job *job);

/* From now on the queue refuses every job, and wakes whoever waits for room in it. */
void wfs_queue_stop(struct wfs_queue *queue);
bool wfs_queue_is_stopped(struct wfs_queue *queue);
/* The mount ends: jobs that were to begin later may begin now, and wfs_queue_wait returns false as
 * soon as the queue is empty. */
void wfs_queue_end(struct wfs_queue *queue);
bool wfs_queue_is_ending(struct wfs_queue *queue);

uint64_t wfs_now_ms(void); /* milliseconds of a clock that never goes back */

#endif
