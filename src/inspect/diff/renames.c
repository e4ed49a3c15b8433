/*
 * renames.c - lists of rows of one content, in natural order.
 */
#include "inspect/diff/renames.h"

#include <string.h>

/* Candidates that are looked at for one tensor: a thousand equal biases cost no million looks. */
#define RENAMES_LOOKED_AT 64
#define END_WEIGHT        ((size_t)1 << 16) /* more than a path has components */

/* What must agree for two tensors to be one under two names: shape, type and bytes. Empty tensors
 * have no content to be known by: false. */
static bool make_key(const struct wfs_inspect_row *row, const struct wfs_hash *hash,
                     struct wfs_buf *key)
{
    char hex[33];
    wfs_hash_hex(hash, hex);
    key->len = 0;
    wfs_buf_printf(key, "%s %d ", hex, (int)row->expr->dtype);
    wfs_shape_format(key, row->expr->ndim, row->expr->shape);
    return row->expr->n_elems > 0 && wfs_buf_ok(key);
}

/* Rows come last to first, each put in front of its list. */
static int add_row(struct wfs_renames *r, struct wfs_arena *arena, uint32_t row,
                   struct wfs_buf *key)
{
    uint64_t list;
    if (r->paired_b[row] || !make_key(&r->b->rows[row], &r->hashes_b[row], key))
        return wfs_buf_ok(key) ? 0 : -ENOMEM;
    if (!wfs_strmap_get(&r->by_content, key->data, &list)) {
        char *kept = wfs_arena_strdup(arena, key->data);
        list = r->n_lists;
        if (!kept || wfs_strmap_add(&r->by_content, kept, list))
            return -ENOMEM;
        r->lists[r->n_lists++] = WFS_NO_INDEX;
    }
    r->next[row] = r->lists[list];
    r->lists[list] = row;
    return 0;
}

int wfs_renames_init(struct wfs_renames *r, struct wfs_arena *arena, struct wfs_error *err)
{
    struct wfs_buf key wfs_cleanup(wfs_buf_free) = {0};
    r->lists = wfs_arena_array(arena, (size_t)r->b->n + 1, sizeof(*r->lists));
    r->next = wfs_arena_array(arena, (size_t)r->b->n + 1, sizeof(*r->next));
    int failed = r->lists && r->next ? 0 : -ENOMEM;
    for (uint32_t row = r->b->n; row-- > 0 && !failed;)
        failed = add_row(r, arena, row, &key);
    return failed ? wfs_error_nomem(err, "renamed tensors") : 0;
}

void wfs_renames_free(struct wfs_renames *r)
{
    wfs_strmap_free(&r->by_content);
}

/* Components that two paths have in common at their ends, which say what a tensor is, above those
 * at their beginnings, which say where. */
static size_t likeness(const char *a, const char *b)
{
    size_t n = strlen(a), m = strlen(b), at_end = 0, at_start = 0, i;
    for (i = 0; i < n && i < m && a[n - 1 - i] == b[m - 1 - i]; i++)
        at_end += a[n - 1 - i] == WFS_SEP;
    at_end +=
        (i == n && (i == m || b[m - 1 - i] == WFS_SEP)) || (i == m && a[n - 1 - i] == WFS_SEP);
    for (i = 0; a[i] && a[i] == b[i]; i++)
        at_start += a[i] == WFS_SEP;
    return at_end * END_WEIGHT + at_start;
}

uint32_t wfs_renames_take(struct wfs_renames *r, uint32_t i, unsigned n_common)
{
    struct wfs_buf key wfs_cleanup(wfs_buf_free) = {0};
    uint64_t list;
    bool has_key = make_key(&r->a->rows[i], &r->hashes_a[i], &key);
    r->failed = r->failed || !wfs_buf_ok(&key);
    if (!has_key || !wfs_strmap_get(&r->by_content, key.data, &list))
        return WFS_NO_INDEX;
    uint32_t *best = NULL, n = 0;
    size_t most = 0;
    for (uint32_t *link = &r->lists[list]; *link != WFS_NO_INDEX && n < RENAMES_LOOKED_AT;
         link = &r->next[*link], n++) {
        size_t alike = likeness(r->a->rows[i].path, r->b->rows[*link].path);
        if (alike >= n_common * END_WEIGHT && (!best || alike > most)) {
            best = link;
            most = alike;
        }
    }
    if (!best)
        return WFS_NO_INDEX;
    uint32_t taken = *best;
    *best = r->next[taken];
    return taken;
}
