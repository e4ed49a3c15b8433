/*
 * parallel.c - one function over many numbered tasks from a few threads. Tasks are taken in order,
 * so that threads read neighbouring ranges; what they make is put together by number afterwards, so
 * results do not depend on who was fast.
 */
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/base.h"

#define PARALLEL_THREADS_MAX 64

struct job {
    wfs_task_fn fn;
    void *ctx;
    uint64_t n_tasks;
    atomic_uint_fast64_t next;
    atomic_int failed; /* the first failure's -errno */
    pthread_mutex_t lock;
    struct wfs_error err; /* the message of the first failure; guarded by lock */
};

static void *work(void *arg)
{
    struct job *job = arg;
    while (!atomic_load(&job->failed)) {
        uint64_t task = atomic_fetch_add(&job->next, 1);
        if (task >= job->n_tasks)
            break;
        struct wfs_error err = {0};
        int r = job->fn(job->ctx, task, &err);
        if (!r)
            continue;
        pthread_mutex_lock(&job->lock);
        if (!atomic_load(&job->failed)) {
            job->err = err;
            atomic_store(&job->failed, r);
        }
        pthread_mutex_unlock(&job->lock);
    }
    return NULL;
}

static unsigned clamp_threads(unsigned n_threads, uint64_t n_tasks)
{
    long n_cpus = sysconf(_SC_NPROCESSORS_ONLN);
    uint64_t n = n_threads ? n_threads : n_cpus > 0 ? (uint64_t)n_cpus : 1;
    n = wfs_min_u64(wfs_min_u64(n, n_tasks), PARALLEL_THREADS_MAX);
    return n ? (unsigned)n : 1;
}

int wfs_parallel_run(unsigned n_threads, uint64_t n_tasks, wfs_task_fn fn, void *ctx,
                     struct wfs_error *err)
{
    struct job job = {.fn = fn, .ctx = ctx, .n_tasks = n_tasks, .lock = PTHREAD_MUTEX_INITIALIZER};
    pthread_t threads[PARALLEL_THREADS_MAX];
    unsigned want = clamp_threads(n_threads, n_tasks), n = 0;
    while (n + 1 < want && pthread_create(&threads[n], NULL, work, &job) == 0)
        n++;
    work(&job); /* The caller works too, so that all gets done even where no thread can be made. */
    for (unsigned i = 0; i < n; i++)
        pthread_join(threads[i], NULL);
    int r = atomic_load(&job.failed);
    return r ? wfs_error_set(err, job.err.code ? job.err.code : -r, "%s", job.err.message) : 0;
}
