/*
 * rows.c - digesting and copying rows.
 *
 * The digest chains one hash a row, so it needs no memory for the table's text.
 */
#include "rows.h"

#include <stdlib.h>
#include <string.h>

#define N_STRINGS 6

static void strings_of(const struct wfs_index_row *row, const char *ret_strings[N_STRINGS])
{
    ret_strings[0] = row->view;
    ret_strings[1] = row->name;
    ret_strings[2] = row->dtype;
    ret_strings[3] = row->shape;
    ret_strings[4] = row->operations;
    ret_strings[5] = row->sources;
}

size_t wfs_rows_view_end(const struct wfs_index_row *rows, size_t n, size_t start)
{
    size_t end = start;
    while (end < n && strcmp(rows[end].view, rows[start].view) == 0)
        end++;
    return end;
}

struct wfs_hash wfs_rows_digest(const struct wfs_index_row *rows, size_t n)
{
    struct wfs_hash digest = {{0}};
    struct wfs_buf wfs_cleanup(wfs_buf_free) text = {0};
    for (size_t i = 0; i < n; i++) {
        const char *strings[N_STRINGS];
        strings_of(&rows[i], strings);
        text.len = 0;
        wfs_buf_add(&text, digest.bytes, sizeof digest.bytes);
        for (size_t s = 0; s < N_STRINGS; s++)
            if (strings[s])
                wfs_buf_add(&text, strings[s], strlen(strings[s]) + 1);
            else
                wfs_buf_char(&text, WFS_SEP); /* unlike any text */
        wfs_buf_add(&text, &rows[i].n_elems, sizeof rows[i].n_elems);
        wfs_buf_add(&text, &rows[i].size_bytes, sizeof rows[i].size_bytes);
        wfs_buf_add(&text, rows[i].hash.bytes, sizeof rows[i].hash.bytes);
        if (wfs_buf_ok(&text))
            digest = wfs_hash_bytes(text.data, text.len);
    }
    return digest;
}

static bool total_bytes(const struct wfs_index_row *rows, size_t n, size_t *ret)
{
    size_t total;
    if (__builtin_mul_overflow(n, sizeof rows[0], &total) ||
        __builtin_add_overflow(total, sizeof(struct wfs_rows), &total))
        return false;
    for (size_t i = 0; i < n; i++) {
        const char *strings[N_STRINGS];
        strings_of(&rows[i], strings);
        for (size_t s = 0; s < N_STRINGS; s++)
            if (strings[s] && __builtin_add_overflow(total, strlen(strings[s]) + 1, &total))
                return false;
    }
    *ret = total;
    return true;
}

static const char *put_string(char **at, const char *s)
{
    if (!s)
        return NULL;
    size_t size = strlen(s) + 1;
    char *copy = memcpy(*at, s, size);
    *at += size;
    return copy;
}

struct wfs_rows *wfs_rows_copy(const struct wfs_index_row *rows, size_t n,
                               const struct wfs_hash *digest)
{
    size_t total;
    struct wfs_rows *copy = total_bytes(rows, n, &total) ? malloc(total) : NULL;
    if (!copy)
        return NULL;
    char *at = (char *)(copy->rows + n);
    copy->n = n;
    copy->digest = *digest;
    for (size_t i = 0; i < n; i++) {
        struct wfs_index_row *row = &copy->rows[i];
        *row = rows[i];
        row->view = put_string(&at, row->view);
        row->name = put_string(&at, row->name);
        row->dtype = put_string(&at, row->dtype);
        row->shape = put_string(&at, row->shape);
        row->operations = put_string(&at, row->operations);
        row->sources = put_string(&at, row->sources);
    }
    return copy;
}
