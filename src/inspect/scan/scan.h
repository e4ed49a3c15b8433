/*
 * scan.h - passes every byte of many expressions through a function, in parallel, in
 * chunks, in bounded memory. Chunks are numbered: what a function makes of them is put together by
 * number, so results do not depend on scheduling.
 */
#ifndef WEIGHTFS_INSPECT_SCAN_SCAN_H
#define WEIGHTFS_INSPECT_SCAN_SCAN_H

#include "cache/cache.h"

/* A multiple of 3 x 16, so that no element of any type is cut (6-bit types: 4 elements in 3 bytes),
 * small enough to stay in the cache between reading and counting. */
#define WFS_SCAN_CHUNK_BYTES ((size_t)3 << 18)

/* After so many facts, wait until the index has written them (wfs_cache_flush). */
#define WFS_SCAN_FACTS_AT_ONCE 1024

struct wfs_scan_item {
    const struct wfs_expr *expr;
    struct wfs_cache *cache; /* of the expression's checkpoint; may be NULL */
};
/* What is done with chunk number `chunk` of item `item`: bytes [off, off + len) of its expression.
 * Where the source is mapped and was truncated, a SIGBUS handler jumps out of this function: it
 * must hold no lock and own no memory. */
typedef int (*wfs_scan_fn)(void *ctx, size_t item, uint64_t chunk, const void *data, size_t len);

struct wfs_scan {
    const struct wfs_scan_item *items;
    size_t n_items;
    wfs_scan_fn fn;
    void *ctx;
    unsigned n_threads; /* 0: one a processor */
    const char *label;  /* of the progress bar; NULL: none */
};
/* How many chunks an expression has. */
uint64_t wfs_scan_n_chunks(const struct wfs_expr *expr);
int wfs_scan_run(const struct wfs_scan *scan, struct wfs_error *err);

#endif
