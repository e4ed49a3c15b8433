/*
 * rows.h - a view's table on its way into the index, row by row.
 */
#ifndef WEIGHTFS_CACHE_INDEX_ROWS_H
#define WEIGHTFS_CACHE_INDEX_ROWS_H

#include "cache/cache.h"

/* Is called with each row in turn. 0 goes on; anything else ends the walk and is its result. */
typedef int (*wfs_row_fn)(void *ctx, const struct wfs_index_row *row);
/* Calls fn with all rows in order. What describing a row allocates is freed again every so many
 * rows. Returns what fn or the table returned. */
int wfs_rows_each(const struct wfs_index_table *table, wfs_row_fn fn, void *ctx);
/* Adds a row to the digest of those before it. */
void wfs_rows_digest(struct wfs_hash *digest, const struct wfs_index_row *row);

#endif
