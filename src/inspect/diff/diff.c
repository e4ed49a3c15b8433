/*
 * diff.c - two sets of rows: paired by name, then by content. Equal hashes settle most; only
 * tensors that differ are read again, side by side, and that once: hashes and distances are kept.
 */
#include "inspect/inspect.h"

#include <stdlib.h>
#include <string.h>

#include "inspect/diff/quantised.h"
#include "inspect/diff/values.h"
#include "inspect/rows/names.h"
#include "inspect/diff/renames.h"

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
    struct wfs_names_side names;
    struct wfs_hash *hashes;
    bool *paired;
};

struct pairing {
    struct side a, b;
    struct wfs_arena *arena;
    struct wfs_diff_entry *entries;
    uint32_t n;
};

/* ---- sides --------------------------------------------------------------------------------- */

static int side_init(struct side *side, struct wfs_arena *arena, struct wfs_error *err)
{
    uint32_t n = side->rows->n;
    const char **names = wfs_arena_array(arena, n + 1, sizeof(*names));
    side->hashes = wfs_arena_array(arena, n + 1, sizeof(*side->hashes));
    side->paired = wfs_arena_array(arena, n + 1, sizeof(*side->paired));
    if (!names || !side->hashes || !side->paired)
        return wfs_error_nomem(err, "a difference");
    for (uint32_t i = 0; i < n; i++)
        names[i] = side->rows->rows[i].dotted;
    side->names = (struct wfs_names_side){.n = n, .names = names};
    int r = wfs_inspect_hashes(side->rows, side->run, side->hashes, err);
    return r ? r : wfs_quantised_add_to_hashes(side->rows, side->run, side->hashes, err);
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

static void pair(struct pairing *p, enum wfs_diff_kind kind, uint32_t i, uint32_t j)
{
    p->a.paired[i] = p->b.paired[j] = true;
    p->entries[p->n++] =
        (struct wfs_diff_entry){.kind = kind, .a = &p->a.rows->rows[i], .b = &p->b.rows->rows[j]};
}

static void pair_by_name(struct pairing *p)
{
    for (uint32_t i = 0; i < p->a.rows->n; i++) {
        uint64_t j;
        if (wfs_strmap_get(&p->b.names.index, p->a.names.keys[i], &j))
            pair(p, compare(p, i, (uint32_t)j), i, (uint32_t)j);
    }
}

static int pair_by_content(struct pairing *p, struct wfs_error *err)
{
    struct wfs_renames renames = {.a = p->a.rows,
                                  .b = p->b.rows,
                                  .hashes_a = p->a.hashes,
                                  .hashes_b = p->b.hashes,
                                  .paired_b = p->b.paired};
    int r = wfs_renames_init(&renames, p->arena, err);
    for (unsigned n_common = WFS_RENAMES_COMMON_MAX + 1; n_common-- > 0 && !r;) {
        for (uint32_t i = 0; i < p->a.rows->n; i++) {
            uint32_t j = p->a.paired[i] ? WFS_NO_INDEX : wfs_renames_take(&renames, i, n_common);
            if (j != WFS_NO_INDEX)
                pair(p, WFS_DIFF_RENAMED, i, j);
        }
    }
    wfs_renames_free(&renames);
    return renames.failed && !r ? wfs_error_nomem(err, "renamed tensors") : r;
}

static void add_unpaired(struct pairing *p)
{
    for (uint32_t i = 0; i < p->a.rows->n; i++)
        if (!p->a.paired[i])
            p->entries[p->n++] =
                (struct wfs_diff_entry){.kind = WFS_DIFF_ONLY_A, .a = &p->a.rows->rows[i]};
    for (uint32_t j = 0; j < p->b.rows->n; j++)
        if (!p->b.paired[j])
            p->entries[p->n++] =
                (struct wfs_diff_entry){.kind = WFS_DIFF_ONLY_B, .b = &p->b.rows->rows[j]};
}

static int by_name(const void *x, const void *y)
{
    const struct wfs_diff_entry *a = x, *b = y;
    return wfs_natural_cmp((a->a ? a->a : a->b)->path, (b->a ? b->a : b->b)->path);
}

/* ---- values -------------------------------------------------------------------------------- */

/* How far two contents of given types are apart, kept in A's index. */
struct apart {
    double max_abs, max_rel, cosine;
    uint64_t n_different;
};
#define APART_FACT "diff-1"

static struct wfs_hash apart_key(const struct pairing *p, const struct wfs_diff_entry *e)
{
    struct {
        struct wfs_hash a, b;
        uint32_t dtype_a, dtype_b;
    } key = {p->a.hashes[e->a - p->a.rows->rows], p->b.hashes[e->b - p->b.rows->rows],
             e->a->expr->dtype, e->b->expr->dtype};
    return wfs_hash_bytes(&key, sizeof(key));
}

static int compare_values(struct pairing *p, struct wfs_diff_entry *e, struct wfs_error *err)
{
    struct wfs_cache *cache = p->a.run->cache;
    struct wfs_hash key = apart_key(p, e);
    struct apart apart;
    if (wfs_cache_get_fact(cache, APART_FACT, &key, &apart, sizeof(apart))) {
        e->max_abs = apart.max_abs;
        e->max_rel = apart.max_rel;
        e->cosine = apart.cosine;
        e->n_different = apart.n_different;
        e->has_values = true;
        return 0;
    }
    int r = wfs_diff_values(e, p->a.run, p->b.run, err);
    if (!r && e->has_values) {
        apart = (struct apart){e->max_abs, e->max_rel, e->cosine, e->n_different};
        wfs_cache_put_fact(cache, APART_FACT, &key, &apart, sizeof(apart));
    }
    return r;
}

static int compare_all_values(struct pairing *p, struct wfs_error *err)
{
    int r = 0;
    for (uint32_t i = 0; i < p->n && !r; i++)
        if (p->entries[i].kind == WFS_DIFF_CHANGED || p->entries[i].kind == WFS_DIFF_DTYPE)
            r = compare_values(p, &p->entries[i], err);
    return r;
}

/* ---- all of it ----------------------------------------------------------------------------- */

static int make_diff(struct pairing *p, struct wfs_error *err)
{
    int r = side_init(&p->a, p->arena, err);
    if (!r)
        r = side_init(&p->b, p->arena, err);
    if (!r)
        r = wfs_names_pair(p->arena, &p->a.names, &p->b.names, err);
    size_t n = (size_t)p->a.rows->n + p->b.rows->n;
    if (!r && !(p->entries = wfs_arena_array(p->arena, n + 1, sizeof(*p->entries))))
        r = wfs_error_nomem(err, "a difference");
    if (r)
        return r;
    pair_by_name(p);
    r = pair_by_content(p, err);
    if (r)
        return r;
    add_unpaired(p);
    qsort(p->entries, p->n, sizeof(*p->entries), by_name);
    return compare_all_values(p, err);
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
    wfs_names_free(&p.a.names);
    wfs_names_free(&p.b.names);
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
