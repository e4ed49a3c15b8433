/*
 * scan.c - reading whole checkpoints. A tensor that lies in one run of a file is looked at where it
 * is mapped, without a copy, under the guard; anything else is read into a few reused buffers.
 */
#include "inspect/scan/scan.h"

#include <pthread.h>
#include <stdlib.h>

#define SCAN_BUFFERS_MAX 64 /* also the most threads there are */

struct run {
    const struct wfs_scan *scan;
    uint64_t *first;         /* [n_items + 1]: number of the item's first chunk */
    struct wfs_hash *hashes; /* the hashes of the expressions, by which the cache knows them */
    struct wfs_progress *progress;
    pthread_mutex_t lock; /* guards the free buffers */
    void *buffers[SCAN_BUFFERS_MAX];
    size_t n_buffers;
};

uint64_t wfs_scan_n_chunks(const struct wfs_expr *expr)
{
    return (expr->size_bytes + WFS_SCAN_CHUNK_BYTES - 1) / WFS_SCAN_CHUNK_BYTES;
}

/* The item that a chunk number belongs to: the last whose first chunk is not after it. */
static size_t item_of(const struct run *run, uint64_t task)
{
    size_t low = 0, high = run->scan->n_items;
    while (high - low > 1) {
        size_t mid = low + (high - low) / 2;
        if (run->first[mid] <= task)
            low = mid;
        else
            high = mid;
    }
    return low;
}

static void *take_buffer(struct run *run)
{
    pthread_mutex_lock(&run->lock);
    void *buf = run->n_buffers ? run->buffers[--run->n_buffers] : NULL;
    pthread_mutex_unlock(&run->lock);
    return buf ? buf : aligned_alloc(4096, WFS_SCAN_CHUNK_BYTES);
}

static void give_buffer(struct run *run, void *buf)
{
    pthread_mutex_lock(&run->lock);
    if (run->n_buffers < SCAN_BUFFERS_MAX) {
        run->buffers[run->n_buffers++] = buf;
        buf = NULL;
    }
    pthread_mutex_unlock(&run->lock);
    free(buf);
}

struct chunk {
    struct run *run;
    size_t item;
    uint64_t number, off;
    size_t len;
    const void *data;
};

static int call(void *ctx)
{
    struct chunk *c = ctx;
    const struct wfs_scan *scan = c->run->scan;
    return scan->fn(scan->ctx, c->item, c->number, c->data, c->len);
}

/* -ENOTSUP where the chunk does not lie in one mappable run. */
static int look_at_mapped(struct chunk *c, struct wfs_error *err)
{
    struct wfs_bytes *bytes;
    struct wfs_window window;
    uint64_t off;
    if (!wfs_expr_is_run(c->run->scan->items[c->item].expr, &bytes, &off))
        return -ENOTSUP;
    int r = wfs_bytes_map(bytes, off + c->off, c->len, &window, err);
    if (r)
        return r;
    c->data = window.data;
    r = wfs_guarded(call, c, bytes->name, err);
    wfs_window_release(&window);
    return r ? r : wfs_bytes_check(bytes, err);
}

static int look_at_read(struct chunk *c, struct wfs_error *err)
{
    const struct wfs_scan_item *item = &c->run->scan->items[c->item];
    void *buf = take_buffer(c->run);
    if (!buf)
        return wfs_error_nomem(err, "reading a tensor");
    int r = wfs_cache_read(item->cache, item->expr, &c->run->hashes[c->item], buf, c->len, c->off,
                           NULL, err);
    c->data = buf;
    if (!r)
        r = call(c);
    give_buffer(c->run, buf);
    return r;
}

static int do_chunk(void *ctx, uint64_t task, struct wfs_error *err)
{
    struct run *run = ctx;
    size_t item = item_of(run, task);
    uint64_t number = task - run->first[item], off = number * WFS_SCAN_CHUNK_BYTES;
    uint64_t left = run->scan->items[item].expr->size_bytes - off;
    struct chunk c = {.run = run,
                      .item = item,
                      .number = number,
                      .off = off,
                      .len = (size_t)wfs_min_u64(left, WFS_SCAN_CHUNK_BYTES)};
    int r = look_at_mapped(&c, err);
    if (r == -ENOTSUP)
        r = look_at_read(&c, err);
    wfs_progress_add(run->progress, c.len);
    return r;
}

/* Numbers the chunks of all items. An item without bytes has none. */
static uint64_t number_chunks(struct run *run, uint64_t *ret_bytes)
{
    uint64_t n = 0;
    *ret_bytes = 0;
    for (size_t i = 0; i < run->scan->n_items; i++) {
        const struct wfs_expr *expr = run->scan->items[i].expr;
        run->first[i] = n;
        run->hashes[i] = wfs_expr_hash(expr);
        n += wfs_scan_n_chunks(expr);
        *ret_bytes += expr->size_bytes;
    }
    run->first[run->scan->n_items] = n;
    return n;
}

int wfs_scan_run(const struct wfs_scan *scan, struct wfs_error *err)
{
    struct run run = {.scan = scan, .lock = PTHREAD_MUTEX_INITIALIZER};
    run.first = calloc(scan->n_items + 1, sizeof(*run.first));
    run.hashes = calloc(scan->n_items + 1, sizeof(*run.hashes));
    int r = run.first && run.hashes ? 0 : wfs_error_nomem(err, "reading a checkpoint");
    if (!r) {
        uint64_t n_bytes, n_chunks = number_chunks(&run, &n_bytes);
        run.progress = scan->label ? wfs_progress_new(scan->label, n_bytes) : NULL;
        r = wfs_parallel_run(scan->n_threads, n_chunks, do_chunk, &run, err);
        wfs_progress_free(run.progress);
    }
    for (size_t i = 0; i < run.n_buffers; i++)
        free(run.buffers[i]);
    free(run.first);
    free(run.hashes);
    return r;
}
