/*
 * stats.c - statistics of each tensor in one pass, kept in the index. Each chunk has its own,
 * merged in order, so that the sums do not depend on the number of threads.
 */
#include "inspect/inspect.h"

#include <stdlib.h>
#include <string.h>

#include "inspect/norms/numbers.h"
#include "inspect/scan/scan.h"

#define STATS_FACT "stats-2" /* another number whenever what is counted or the chunk size changes */

struct counting {
    const struct wfs_scan_item *items;
    struct wfs_stats **chunks; /* [item][chunk] */
};

static int count_chunk(void *ctx, size_t item, uint64_t chunk, const void *data, size_t len)
{
    struct counting *c = ctx;
    struct wfs_error ignored = {0}; /* only opaque types fail, and they are no items */
    enum wfs_dtype dtype = c->items[item].expr->dtype;
    uint64_t n = (uint64_t)len * 8 / wfs_dtype_bits(dtype);
    return wfs_stats_add(&c->chunks[item][chunk], dtype, data, n, &ignored);
}

static void free_chunks(struct counting *c, size_t n)
{
    for (size_t i = 0; c->chunks && i < n; i++)
        free(c->chunks[i]);
    free(c->chunks);
}

static int count_items(const struct wfs_scan_item *items, size_t n,
                       const struct wfs_inspect_run *run, struct wfs_stats *ret,
                       struct wfs_error *err)
{
    struct counting c = {.items = items, .chunks = calloc(n ? n : 1, sizeof(*c.chunks))};
    int r = c.chunks ? 0 : wfs_error_nomem(err, "statistics");
    for (size_t i = 0; i < n && !r; i++) {
        uint64_t n_chunks = wfs_scan_n_chunks(items[i].expr);
        c.chunks[i] = calloc(n_chunks + 1, sizeof(struct wfs_stats));
        r = c.chunks[i] ? 0 : wfs_error_nomem(err, "statistics");
    }
    struct wfs_scan scan = {.items = items,
                            .n_items = n,
                            .fn = count_chunk,
                            .ctx = &c,
                            .n_threads = run->n_threads,
                            .label = run->progress ? "reading" : NULL};
    if (!r)
        r = wfs_scan_run(&scan, err);
    for (size_t i = 0; i < n && !r; i++) {
        ret[i] = (struct wfs_stats){0};
        for (uint64_t k = 0; k < wfs_scan_n_chunks(items[i].expr); k++)
            wfs_stats_merge(&ret[i], &c.chunks[i][k]);
    }
    free_chunks(&c, n);
    return r;
}

/* Takes from the index what it has. What is left to be counted are items[0..*ret_n), of the rows
 * which[0..*ret_n). */
static void find_known(const struct wfs_inspect_rows *rows, const struct wfs_inspect_run *run,
                       struct wfs_stats *stats, bool *known, struct wfs_scan_item *items,
                       uint32_t *which, size_t *ret_n)
{
    *ret_n = 0;
    for (uint32_t i = 0; i < rows->n; i++) {
        const struct wfs_expr *expr = rows->rows[i].expr;
        struct wfs_hash key = wfs_expr_hash(expr);
        known[i] = wfs_cache_get_fact(run->cache, STATS_FACT, &key, &stats[i], sizeof(stats[i]));
        if (known[i] || wfs_dtype_info(expr->dtype)->kind == WFS_KIND_OPAQUE)
            continue;
        items[*ret_n] = (struct wfs_scan_item){expr, run->cache};
        which[(*ret_n)++] = i;
    }
}

/* Puts each result into the index twice: as it is, and as JSON, which its SQL view `statistics`
 * shows. */
static void keep(struct wfs_cache *cache, const struct wfs_expr *expr,
                 const struct wfs_stats *stats)
{
    struct wfs_hash key = wfs_expr_hash(expr);
    struct wfs_buf json wfs_cleanup(wfs_buf_free) = {0};
    wfs_cache_put_fact(cache, STATS_FACT, &key, stats, sizeof(*stats));
    wfs_stats_add_json(&json, stats);
    if (wfs_buf_ok(&json))
        wfs_cache_put_fact(cache, WFS_STATISTICS_FACT, &key, json.data, json.len);
}

int wfs_inspect_stats(const struct wfs_inspect_rows *rows, const struct wfs_inspect_run *run,
                      bool only_known, struct wfs_stats *ret, bool *ret_known,
                      struct wfs_error *err)
{
    struct wfs_scan_item *items wfs_cleanup(wfs_freep) = calloc(rows->n + 1, sizeof(*items));
    uint32_t *which wfs_cleanup(wfs_freep) = calloc(rows->n + 1, sizeof(*which));
    struct wfs_stats *made wfs_cleanup(wfs_freep) = calloc(rows->n + 1, sizeof(*made));
    if (!items || !which || !made)
        return wfs_error_nomem(err, "statistics");
    size_t n;
    find_known(rows, run, ret, ret_known, items, which, &n);
    if (only_known)
        return 0;
    int r = count_items(items, n, run, made, err);
    for (size_t i = 0; i < n && !r; i++) {
        ret[which[i]] = made[i];
        ret_known[which[i]] = true;
        keep(run->cache, items[i].expr, &made[i]);
        if (i % WFS_SCAN_FACTS_AT_ONCE == 0)
            wfs_cache_flush(run->cache);
    }
    return r;
}
