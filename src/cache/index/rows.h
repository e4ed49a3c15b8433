/*
 * rows.h - a view's table on its way into the index, row by row.
 */
#ifndef WEIGHTFS_CACHE_INDEX_ROWS_H
#define WEIGHTFS_CACHE_INDEX_ROWS_H

#include "cache/cache.h"

/* Called with each row; 0 to go on. */
typedef int (*wfs_row_fn)(void *ctx, const struct wfs_index_row *row);
/* All rows in order, with scratch that is given back now and then. fn's failure, or the table's. */
int wfs_rows_each(const struct wfs_index_table *table, wfs_row_fn fn, void *ctx);
/* The hash of everything before and of this row. */
void wfs_rows_digest(struct wfs_hash *digest, const struct wfs_index_row *row);

#endif
