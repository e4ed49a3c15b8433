/*
 * diff.c - two sets of rows: paired by name, then by content. Equal hashes settle most; only
 * tensors that differ are read again, side by side.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "inspect/diff_values.h"
#include "weightfs/inspect.h"

static const char *const kind_names[WFS_N_DIFF_KINDS] = {"same",  "renamed",   "changed",  "dtype",
                                                         "shape", "only-in-a", "only-in-b"};

const char *wfs_diff_kind_name(enum wfs_diff_kind kind)
{
    return kind_names[kind];
}

void wfs_diff_free(struct wfs_diff *diff)
{
    if (diff)
        wfs_arena_free(diff->arena);
}

void wfs_diff_freep(struct wfs_diff **diff)
{
    wfs_diff_free(*diff);
}

struct side {
    const struct wfs_inspect_rows *rows;
    const struct wfs_inspect_run *run;
    struct wfs_hash *hashes;
    bool *paired;
    struct wfs_strmap by_name;    /* "."-joined name -> row */
    struct wfs_strmap by_content; /* hash, dtype and shape -> an unpaired row */
};

struct pairing {
    struct side a, b;
    struct wfs_arena *arena;
    struct wfs_diff_entry *entries;
    uint32_t n;
};

/* ---- sides ------------------------------------------------------------------------------------
 */

static int side_init(struct side *side, struct wfs_arena *arena, struct wfs_error *err)
{
    uint32_t n = side->rows->n;
    side->hashes = wfs_arena_array(arena, n + 1, sizeof(*side->hashes));
    side->paired = wfs_arena_array(arena, n + 1, sizeof(*side->paired));
    if (!side->hashes || !side->paired)
        return wfs_error_nomem(err, "a difference");
    for (uint32_t i = 0; i < n; i++) {
        const char *name = wfs_path_join_dup(arena, side->rows->rows[i].path, '.');
        if (!name || wfs_strmap_set(&side->by_name, name, i) == -ENOMEM)
            return wfs_error_nomem(err, "a difference");
    }
    return wfs_inspect_hashes(side->rows, side->run, side->hashes, err);
}

static void side_free(struct side *side)
{
    wfs_strmap_free(&side->by_name);
    wfs_strmap_free(&side->by_content);
}

/* What must agree for two tensors to be the same one under two names. Empty tensors have no content
 * to be known by: NULL. */
static char *content_key(struct wfs_arena *arena, const struct side *side, uint32_t i)
{
    const struct wfs_expr *expr = side->rows->rows[i].expr;
    char hex[33];
    wfs_hash_hex(&side->hashes[i], hex);
    struct wfs_buf key wfs_cleanup(wfs_buf_free) = {0};
    wfs_buf_printf(&key, "%s %d ", hex, (int)expr->dtype);
    wfs_shape_format(&key, expr->ndim, expr->shape);
    return expr->n_elems && wfs_buf_ok(&key) ? wfs_arena_strdup(arena, key.data) : NULL;
}

/* ---- pairing -----------------------------------------------------------------------------------
 */

static void add_entry(struct pairing *p, enum wfs_diff_kind kind, const struct wfs_inspect_row *a,
                      const struct wfs_inspect_row *b)
{
    p->entries[p->n++] = (struct wfs_diff_entry){.kind = kind, .a = a, .b = b};
}

static enum wfs_diff_kind compare(const struct pairing *p, uint32_t i, uint32_t j)
{
    const struct wfs_expr *x = p->a.rows->rows[i].expr, *y = p->b.rows->rows[j].expr;
    if (!wfs_shape_equal(x->ndim, x->shape, y->ndim, y->shape))
        return WFS_DIFF_SHAPE;
    if (x->dtype != y->dtype)
        return WFS_DIFF_DTYPE;
    return memcmp(&p->a.hashes[i], &p->b.hashes[j], sizeof(struct wfs_hash)) == 0
               ? WFS_DIFF_SAME
               : WFS_DIFF_CHANGED;
}

static int pair_by_name(struct pairing *p, struct wfs_error *err)
{
    for (uint32_t i = 0; i < p->a.rows->n; i++) {
        struct wfs_buf name wfs_cleanup(wfs_buf_free) = {0};
        uint64_t j;
        wfs_path_join(&name, p->a.rows->rows[i].path, '.');
        if (!wfs_buf_ok(&name))
            return wfs_error_nomem(err, "a difference");
        if (!wfs_strmap_get(&p->b.by_name, name.data ? name.data : "", &j) || p->b.paired[j])
            continue;
        p->a.paired[i] = p->b.paired[j] = true;
        add_entry(p, compare(p, i, (uint32_t)j), &p->a.rows->rows[i], &p->b.rows->rows[j]);
    }
    return 0;
}

/* Of several tensors of one content the first is taken; the others stay alone. */
static int pair_by_content(struct pairing *p, struct wfs_error *err)
{
    for (uint32_t j = 0; j < p->b.rows->n; j++) {
        char *key = p->b.paired[j] ? NULL : content_key(p->arena, &p->b, j);
        if (key && wfs_strmap_add(&p->b.by_content, key, j) == -ENOMEM)
            return wfs_error_nomem(err, "a difference");
    }
    for (uint32_t i = 0; i < p->a.rows->n; i++) {
        uint64_t j;
        char *key = p->a.paired[i] ? NULL : content_key(p->arena, &p->a, i);
        if (!key || !wfs_strmap_get(&p->b.by_content, key, &j) || p->b.paired[j])
            continue;
        p->a.paired[i] = p->b.paired[j] = true;
        add_entry(p, WFS_DIFF_RENAMED, &p->a.rows->rows[i], &p->b.rows->rows[j]);
    }
    return 0;
}

static void add_unpaired(struct pairing *p)
{
    for (uint32_t i = 0; i < p->a.rows->n; i++)
        if (!p->a.paired[i])
            add_entry(p, WFS_DIFF_ONLY_A, &p->a.rows->rows[i], NULL);
    for (uint32_t j = 0; j < p->b.rows->n; j++)
        if (!p->b.paired[j])
            add_entry(p, WFS_DIFF_ONLY_B, NULL, &p->b.rows->rows[j]);
}

static int by_name(const void *x, const void *y)
{
    const struct wfs_diff_entry *a = x, *b = y;
    return wfs_natural_cmp((a->a ? a->a : a->b)->path, (b->a ? b->a : b->b)->path);
}

static int compare_values(struct pairing *p, struct wfs_error *err)
{
    int r = 0;
    for (uint32_t i = 0; i < p->n && !r; i++)
        if (p->entries[i].kind == WFS_DIFF_CHANGED || p->entries[i].kind == WFS_DIFF_DTYPE)
            r = diff_values(&p->entries[i], p->a.run, p->b.run, err);
    return r;
}

static int make_diff(struct pairing *p, struct wfs_error *err)
{
    int r = side_init(&p->a, p->arena, err);
    if (!r)
        r = side_init(&p->b, p->arena, err);
    size_t n = (size_t)p->a.rows->n + p->b.rows->n;
    if (!r && !(p->entries = wfs_arena_array(p->arena, n + 1, sizeof(*p->entries))))
        r = wfs_error_nomem(err, "a difference");
    if (!r)
        r = pair_by_name(p, err);
    if (!r)
        r = pair_by_content(p, err);
    if (r)
        return r;
    add_unpaired(p);
    qsort(p->entries, p->n, sizeof(*p->entries), by_name);
    return compare_values(p, err);
}

int wfs_diff_rows(const struct wfs_inspect_rows *a, const struct wfs_inspect_run *run_a,
                  const struct wfs_inspect_rows *b, const struct wfs_inspect_run *run_b,
                  struct wfs_diff **ret, struct wfs_error *err)
{
    struct wfs_arena *arena wfs_cleanup(wfs_arena_freep) = wfs_arena_new();
    struct wfs_diff *diff = arena ? wfs_arena_alloc(arena, sizeof(*diff)) : NULL;
    if (!diff)
        return wfs_error_nomem(err, "a difference");
    struct pairing p = {
        .a = {.rows = a, .run = run_a}, .b = {.rows = b, .run = run_b}, .arena = arena};
    int r = make_diff(&p, err);
    side_free(&p.a);
    side_free(&p.b);
    if (r)
        return r;
    diff->n = p.n;
    diff->entries = p.entries;
    for (uint32_t i = 0; i < p.n; i++)
        diff->n_by_kind[p.entries[i].kind]++;
    diff->arena = wfs_steal(&arena);
    *ret = diff;
    return 0;
}
