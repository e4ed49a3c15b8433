/*
 * rows.c - walking a table and digesting rows.
 *
 * The digest chains one hash a row, and scratch is given back every few rows, so a table of a
 * hundred thousand tensors needs no memory of its size.
 */
#include "cache/index/rows.h"

#include <string.h>

#define ROWS_A_SCRATCH 256u

static int walk_some(const struct wfs_index_table *table, size_t first, size_t end, wfs_row_fn fn,
                     void *ctx)
{
    struct wfs_arena *scratch wfs_cleanup(wfs_arena_freep) = wfs_arena_new();
    if (!scratch)
        return -ENOMEM;
    for (size_t i = first; i < end; i++) {
        struct wfs_index_row row = {0};
        int r = table->row(table->ctx, i, scratch, &row);
        if (r == 0)
            r = fn(ctx, &row);
        if (r != 0)
            return r;
    }
    return 0;
}

int wfs_rows_each(const struct wfs_index_table *table, wfs_row_fn fn, void *ctx)
{
    int r = 0;
    for (size_t i = 0; i < table->n_rows && r == 0; i += ROWS_A_SCRATCH)
        r = walk_some(table, i, (size_t)wfs_min_u64(table->n_rows, i + ROWS_A_SCRATCH), fn, ctx);
    return r;
}

static void add_text(struct wfs_buf *out, const char *text)
{
    if (text)
        wfs_buf_add(out, text, strlen(text) + 1);
    else
        /* A missing text is marked by a byte that no text begins with. */
        wfs_buf_char(out, WFS_SEP);
}

void wfs_rows_digest(struct wfs_hash *digest, const struct wfs_index_row *row)
{
    struct wfs_buf wfs_cleanup(wfs_buf_free) text = {0};
    wfs_buf_add(&text, digest->bytes, sizeof digest->bytes);
    add_text(&text, row->name);
    add_text(&text, row->dtype);
    add_text(&text, row->shape);
    add_text(&text, row->operations);
    add_text(&text, row->sources);
    wfs_buf_add(&text, &row->n_elems, sizeof row->n_elems);
    wfs_buf_add(&text, &row->size_bytes, sizeof row->size_bytes);
    wfs_buf_add(&text, row->hash.bytes, sizeof row->hash.bytes);
    if (wfs_buf_ok(&text))
        *digest = wfs_hash_bytes(text.data, text.len);
}
