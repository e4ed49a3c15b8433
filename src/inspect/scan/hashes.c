/*
 * hashes.c - a hash of each tensor's row-major bytes: of the hashes of its chunks, so that one
 * large tensor is hashed by several threads. Kept in the index, so that a second diff reads
 * nothing.
 */
#include "inspect/inspect.h"

#include <stdlib.h>

#include "inspect/scan/scan.h"

/* part of the fact's kind: must change whenever the chunk size does */
#define HASH_FACT "content-1"

struct hashing {
    struct wfs_hash **chunks; /* [item][chunk] */
};

static int hash_chunk(void *ctx, size_t item, uint64_t chunk, const void *data, size_t len)
{
    struct hashing *h = ctx;
    h->chunks[item][chunk] = wfs_hash_bytes(data, len);
    return 0;
}

static void free_chunks(struct hashing *h, size_t n)
{
    for (size_t i = 0; h->chunks && i < n; i++)
        free(h->chunks[i]);
    free(h->chunks);
}

/* Hashes items[0..n). */
static int hash_items(const struct wfs_scan_item *items, size_t n,
                      const struct wfs_inspect_run *run, struct wfs_hash *ret,
                      struct wfs_error *err)
{
    struct hashing h = {.chunks = calloc(n ? n : 1, sizeof(*h.chunks))};
    int r = h.chunks ? 0 : wfs_error_nomem(err, "hashes");
    for (size_t i = 0; i < n && !r; i++) {
        h.chunks[i] = calloc(wfs_scan_n_chunks(items[i].expr) + 1, sizeof(struct wfs_hash));
        r = h.chunks[i] ? 0 : wfs_error_nomem(err, "hashes");
    }
    struct wfs_scan scan = {.items = items,
                            .n_items = n,
                            .fn = hash_chunk,
                            .ctx = &h,
                            .n_threads = run->n_threads,
                            .label = run->progress ? "hashing" : NULL};
    if (!r)
        r = wfs_scan_run(&scan, err);
    for (size_t i = 0; i < n && !r; i++)
        ret[i] =
            wfs_hash_bytes(h.chunks[i], wfs_scan_n_chunks(items[i].expr) * sizeof(struct wfs_hash));
    free_chunks(&h, n);
    return r;
}

int wfs_inspect_hashes(const struct wfs_inspect_rows *rows, const struct wfs_inspect_run *run,
                       struct wfs_hash *ret, struct wfs_error *err)
{
    struct wfs_scan_item *items wfs_cleanup(wfs_freep) = calloc(rows->n + 1, sizeof(*items));
    uint32_t *which wfs_cleanup(wfs_freep) = calloc(rows->n + 1, sizeof(*which));
    struct wfs_hash *keys wfs_cleanup(wfs_freep) = calloc(rows->n + 1, sizeof(*keys));
    struct wfs_hash *made wfs_cleanup(wfs_freep) = calloc(rows->n + 1, sizeof(*made));
    if (!items || !which || !keys || !made)
        return wfs_error_nomem(err, "hashes");
    size_t n = 0;
    for (uint32_t i = 0; i < rows->n; i++) {
        keys[i] = wfs_expr_hash(rows->rows[i].expr);
        if (wfs_cache_get_fact(run->cache, HASH_FACT, &keys[i], &ret[i], sizeof(ret[i])))
            continue;
        items[n] = (struct wfs_scan_item){rows->rows[i].expr, run->cache};
        which[n++] = i;
    }
    int r = hash_items(items, n, run, made, err);
    for (size_t i = 0; i < n && !r; i++) {
        ret[which[i]] = made[i];
        wfs_cache_put_fact(run->cache, HASH_FACT, &keys[which[i]], &made[i], sizeof(made[i]));
        if (i % WFS_SCAN_FACTS_AT_ONCE == 0)
            wfs_cache_flush(run->cache);
    }
    return r;
}
