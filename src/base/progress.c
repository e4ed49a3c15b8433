/*
 * progress.c - a bar on stderr for long work, where stderr is a terminal and nowhere else.
 */
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/base.h"

#define PROGRESS_INTERVAL_NS 100000000LL
#define PROGRESS_BAR_CELLS   30

struct wfs_progress {
    char label[64];
    uint64_t total;
    atomic_uint_fast64_t done;
    atomic_int_fast64_t next_ns; /* when the bar is drawn again */
    int64_t start_ns;
};

static int64_t now_ns(void)
{
    struct timespec ts;
    clock_gettime(CLOCK_MONOTONIC, &ts);
    return ts.tv_sec * 1000000000LL + ts.tv_nsec;
}

struct wfs_progress *wfs_progress_new(const char *label, uint64_t total_bytes)
{
    if (!isatty(STDERR_FILENO))
        return NULL;
    struct wfs_progress *p = calloc(1, sizeof(*p));
    if (!p)
        return NULL;
    snprintf(p->label, sizeof(p->label), "%s", label);
    p->total = total_bytes;
    p->start_ns = now_ns();
    return p;
}

static void draw(struct wfs_progress *p, uint64_t done, int64_t now)
{
    double part = p->total ? (double)done / (double)p->total : 1;
    double seconds = (double)(now - p->start_ns) / 1e9;
    int cells = (int)(part * PROGRESS_BAR_CELLS);
    char bar[PROGRESS_BAR_CELLS + 1];
    memset(bar, ' ', PROGRESS_BAR_CELLS);
    memset(bar, '#', (size_t)(cells > PROGRESS_BAR_CELLS ? PROGRESS_BAR_CELLS : cells));
    bar[PROGRESS_BAR_CELLS] = '\0';
    fprintf(stderr, "\r%s [%s] %3.0f%% %.1f MB/s\033[K", p->label, bar, part * 100,
            seconds > 0 ? (double)done / 1e6 / seconds : 0);
    fflush(stderr);
}

void wfs_progress_add(struct wfs_progress *progress, uint64_t n_bytes)
{
    if (!progress)
        return;
    uint64_t done = atomic_fetch_add(&progress->done, n_bytes) + n_bytes;
    int64_t now = now_ns(), next = atomic_load(&progress->next_ns);
    if (now < next ||
        !atomic_compare_exchange_strong(&progress->next_ns, &next, now + PROGRESS_INTERVAL_NS))
        return;
    draw(progress, done, now);
}

void wfs_progress_free(struct wfs_progress *progress)
{
    if (!progress)
        return;
    fprintf(stderr, "\r\033[K");
    fflush(stderr);
    free(progress);
}
