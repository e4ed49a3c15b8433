/*
 * queue.c - a list, a lock and one condition.
 *
 * One condition serves all (a job came, room was made, a barrier was passed, the end): producers
 * hardly ever wait, and the thread is one. A job counts against the bounds until it is finished,
 * not until it is taken: a block being written is still pinned.
 */
#include "cache/index/queue.h"

#include <pthread.h>
#include <stdlib.h>
#include <time.h>

#define POOL_SHARE 4u /* blocks in the queue may pin one such part of the pool's memory */
#define MAX_SMALL  4096u

struct wfs_queue {
    struct wfs_pool *pool;
    bool waits;
    uint64_t max_block_bytes;
    pthread_mutex_t lock;
    pthread_cond_t changed;
    struct wfs_job *first, **last; /* lock guards this field and all below */
    uint64_t block_bytes;
    unsigned n_small;
    bool ending, stopped;
};

uint64_t wfs_now_ms(void)
{
    struct timespec ts;
    clock_gettime(CLOCK_MONOTONIC, &ts);
    return (uint64_t)ts.tv_sec * 1000 + (uint64_t)ts.tv_nsec / 1000000;
}

struct wfs_queue *wfs_queue_new(struct wfs_pool *pool, bool waits)
{
    struct wfs_queue *queue = calloc(1, sizeof *queue);
    if (!queue)
        return NULL;
    pthread_condattr_t clock;
    pthread_condattr_init(&clock);
    pthread_condattr_setclock(&clock, CLOCK_MONOTONIC);
    pthread_cond_init(&queue->changed, &clock);
    pthread_condattr_destroy(&clock);
    pthread_mutex_init(&queue->lock, NULL);
    queue->pool = pool;
    queue->waits = waits;
    queue->max_block_bytes = pool ? wfs_pool_budget_bytes(pool) / POOL_SHARE : 0;
    queue->last = &queue->first;
    return queue;
}

void wfs_queue_free(struct wfs_queue *queue)
{
    if (!queue)
        return;
    for (struct wfs_job *job = queue->first, *next; job; job = next) {
        next = job->next;
        wfs_job_free(queue, job);
    }
    pthread_cond_destroy(&queue->changed);
    pthread_mutex_destroy(&queue->lock);
    free(queue);
}

struct wfs_job *wfs_job_new(enum wfs_job_kind kind, size_t value_bytes)
{
    struct wfs_job *job = calloc(1, sizeof *job + value_bytes);
    if (!job)
        return NULL;
    job->kind = kind;
    job->size_bytes = value_bytes;
    return job;
}

void wfs_job_free(struct wfs_queue *queue, struct wfs_job *job)
{
    if (job->block)
        wfs_pool_release(queue->pool, job->block);
    free(job->fact_kind);
    free(job);
}

/* ---- producers ----------------------------------------------------------------------------- */

/* Links the job behind the last one. The caller holds the lock. */
static void append(struct wfs_queue *queue, struct wfs_job *job)
{
    job->next = NULL;
    *queue->last = job;
    queue->last = &job->next;
    pthread_cond_broadcast(&queue->changed);
}

bool wfs_queue_put(struct wfs_queue *queue, struct wfs_job *job)
{
    pthread_mutex_lock(&queue->lock);
    bool fits = !queue->stopped && queue->n_small < MAX_SMALL;
    if (fits) {
        queue->n_small++;
        append(queue, job);
    }
    pthread_mutex_unlock(&queue->lock);
    if (!fits)
        wfs_job_free(queue, job);
    return fits;
}

/* Whether a block of this size may join those in the queue. One that is larger than all the queue
 * may hold goes in when no other block is there. The caller holds the lock. */
static bool has_room(const struct wfs_queue *queue, uint64_t size_bytes)
{
    return queue->block_bytes == 0 || queue->block_bytes + size_bytes <= queue->max_block_bytes;
}

bool wfs_queue_put_block(struct wfs_queue *queue, struct wfs_job *job)
{
    uint64_t size_bytes = job->block->size_bytes;
    pthread_mutex_lock(&queue->lock);
    while (queue->waits && !queue->stopped && !has_room(queue, size_bytes))
        pthread_cond_wait(&queue->changed, &queue->lock);
    bool fits = !queue->stopped && has_room(queue, size_bytes);
    if (fits) {
        queue->block_bytes += size_bytes;
        append(queue, job);
    }
    pthread_mutex_unlock(&queue->lock);
    if (!fits)
        wfs_job_free(queue, job);
    return fits;
}

void wfs_queue_flush(struct wfs_queue *queue)
{
    bool done = false;
    struct wfs_job *job = wfs_job_new(WFS_JOB_BARRIER, 0);
    if (!job)
        return;
    job->done = &done;
    pthread_mutex_lock(&queue->lock);
    queue->n_small++;
    append(queue, job);
    while (!done)
        pthread_cond_wait(&queue->changed, &queue->lock);
    pthread_mutex_unlock(&queue->lock);
}

/* ---- the thread ---------------------------------------------------------------------------- */

/* Finds the first job that may begin now: returns the pointer that links it, or NULL. *ret_due_ms
 * is then when the next one may begin, or 0 where there is none. The caller holds the lock. */
static struct wfs_job **find_due(struct wfs_queue *queue, uint64_t *ret_due_ms)
{
    uint64_t now = wfs_now_ms();
    *ret_due_ms = 0;
    for (struct wfs_job **at = &queue->first; *at; at = &(*at)->next) {
        if ((*at)->due_ms <= now || queue->ending)
            return at;
        if (*ret_due_ms == 0 || (*at)->due_ms < *ret_due_ms)
            *ret_due_ms = (*at)->due_ms;
    }
    return NULL;
}

struct wfs_job *wfs_queue_take(struct wfs_queue *queue)
{
    uint64_t due_ms;
    struct wfs_job *job = NULL;
    pthread_mutex_lock(&queue->lock);
    struct wfs_job **at = find_due(queue, &due_ms);
    if (at) {
        job = *at;
        *at = job->next;
        if (!job->next)
            queue->last = at;
    }
    pthread_mutex_unlock(&queue->lock);
    return job;
}

bool wfs_queue_wait(struct wfs_queue *queue)
{
    uint64_t due_ms;
    pthread_mutex_lock(&queue->lock);
    while (!find_due(queue, &due_ms) && !queue->ending) {
        struct timespec until = {.tv_sec = (time_t)(due_ms / 1000),
                                 .tv_nsec = (long)(due_ms % 1000) * 1000000};
        if (due_ms == 0)
            pthread_cond_wait(&queue->changed, &queue->lock);
        else
            pthread_cond_timedwait(&queue->changed, &queue->lock, &until);
    }
    bool more = queue->first != NULL;
    pthread_mutex_unlock(&queue->lock);
    return more;
}

void wfs_queue_finish(struct wfs_queue *queue, struct wfs_job *job)
{
    pthread_mutex_lock(&queue->lock);
    if (job->kind == WFS_JOB_BLOCK)
        queue->block_bytes -= job->block->size_bytes;
    else
        queue->n_small--;
    if (job->done)
        *job->done = true;
    pthread_cond_broadcast(&queue->changed);
    pthread_mutex_unlock(&queue->lock);
    wfs_job_free(queue, job);
}

/* ---- the end ------------------------------------------------------------------------------- */

void wfs_queue_stop(struct wfs_queue *queue)
{
    pthread_mutex_lock(&queue->lock);
    queue->stopped = true;
    pthread_cond_broadcast(&queue->changed);
    pthread_mutex_unlock(&queue->lock);
}

bool wfs_queue_is_stopped(struct wfs_queue *queue)
{
    pthread_mutex_lock(&queue->lock);
    bool stopped = queue->stopped;
    pthread_mutex_unlock(&queue->lock);
    return stopped;
}

void wfs_queue_end(struct wfs_queue *queue)
{
    pthread_mutex_lock(&queue->lock);
    queue->ending = true;
    pthread_cond_broadcast(&queue->changed);
    pthread_mutex_unlock(&queue->lock);
}

bool wfs_queue_is_ending(struct wfs_queue *queue)
{
    pthread_mutex_lock(&queue->lock);
    bool ending = queue->ending;
    pthread_mutex_unlock(&queue->lock);
    return ending;
}
