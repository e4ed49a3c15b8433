/*
 * rows.h - the tensor tables' rows on their way to the writer.
 */
#ifndef WEIGHTFS_CACHE_ROWS_H
#define WEIGHTFS_CACHE_ROWS_H

#include "weightfs/cache.h"

/* One view's rows, copied into one allocation. */
struct wfs_rows {
    size_t n;
    struct wfs_hash digest;
    struct wfs_index_row rows[];
};

/* The end of the run of rows from `start` that have its view. */
size_t wfs_rows_view_end(const struct wfs_index_row *rows, size_t n, size_t start);
/* Over every field of every row. */
struct wfs_hash wfs_rows_digest(const struct wfs_index_row *rows, size_t n);
/* free() it; NULL when out of memory. */
struct wfs_rows *wfs_rows_copy(const struct wfs_index_row *rows, size_t n,
                               const struct wfs_hash *digest);

#endif
