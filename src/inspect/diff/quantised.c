/*
 * quantised.c - see quantised.h. torch computes scale * (q - zero_point) in float32; here it is
 * float64, which orders and compares the same values.
 */
#include "inspect/diff/quantised.h"

#include <stdlib.h>
#include <string.h>

/* ---- content ------------------------------------------------------------------------------- */

/* Hashes of the parts of each row: parts[2 i] of its scales, parts[2 i + 1] of its zero points. */
static int hash_parts(const struct wfs_inspect_rows *rows, const struct wfs_inspect_run *run,
                      struct wfs_hash *parts, struct wfs_error *err)
{
    struct wfs_inspect_row *list wfs_cleanup(wfs_freep) = calloc(2 * rows->n + 1, sizeof(*list));
    struct wfs_hash *made wfs_cleanup(wfs_freep) = calloc(2 * rows->n + 1, sizeof(*made));
    struct wfs_inspect_rows all = {.rows = list};
    if (!list || !made)
        return wfs_error_nomem(err, "hashes");
    for (uint32_t i = 0; i < 2 * rows->n; i++) {
        const struct wfs_inspect_row *row = &rows->rows[i / 2];
        const struct wfs_expr *part = i % 2 ? row->zero_points : row->scales;
        if (part)
            list[all.n++].expr = part;
    }
    int r = wfs_inspect_hashes(&all, run, made, err);
    for (uint32_t i = 0, n = 0; !r && i < 2 * rows->n; i++)
        if (i % 2 ? rows->rows[i / 2].zero_points : rows->rows[i / 2].scales)
            parts[i] = made[n++];
    return r;
}

int wfs_quantised_add_to_hashes(const struct wfs_inspect_rows *rows,
                                const struct wfs_inspect_run *run, struct wfs_hash *hashes,
                                struct wfs_error *err)
{
    bool any = false;
    for (uint32_t i = 0; i < rows->n; i++)
        any |= rows->rows[i].quantised != NULL;
    if (!any)
        return 0;
    struct wfs_hash *parts wfs_cleanup(wfs_freep) = calloc(2 * rows->n + 1, sizeof(*parts));
    if (!parts)
        return wfs_error_nomem(err, "hashes");
    int r = hash_parts(rows, run, parts, err);
    for (uint32_t i = 0; !r && i < rows->n; i++) {
        const struct wfs_quantised *q = rows->rows[i].quantised;
        if (!q)
            continue;
        struct wfs_hash all[4] = {hashes[i], wfs_hash_bytes(q->text, strlen(q->text)), parts[2 * i],
                                  parts[2 * i + 1]};
        hashes[i] = wfs_hash_bytes(all, sizeof(all));
    }
    return r;
}

/* ---- values -------------------------------------------------------------------------------- */

void wfs_affine_free(struct wfs_affine *affine)
{
    free(affine->scales);
    free(affine->zero_points);
    *affine = (struct wfs_affine){0};
}

/* *known becomes false where they cannot be had; what fails for want of memory is an error. */
static int read_part(const struct wfs_expr *expr, const struct wfs_inspect_run *run, uint64_t n,
                     double *ret, bool *known, struct wfs_error *err)
{
    if (!expr || expr->n_elems != n || expr->size_bytes > SIZE_MAX) {
        *known = false;
        return 0;
    }
    struct wfs_hash hash = wfs_expr_hash(expr);
    struct wfs_error ignored = {0};
    void *raw wfs_cleanup(wfs_freep) = malloc((size_t)expr->size_bytes + 1);
    if (!raw)
        return wfs_error_nomem(err, "scales");
    int r =
        wfs_cache_read(run->cache, expr, &hash, raw, (size_t)expr->size_bytes, 0, NULL, &ignored);
    if (!r)
        r = wfs_convert_to_f64(expr->dtype, raw, n, ret, &ignored);
    *known &= r == 0;
    return r == -ENOMEM ? wfs_error_nomem(err, "scales") : 0;
}

static int read_parts(const struct wfs_inspect_row *row, const struct wfs_inspect_run *run,
                      struct wfs_affine *ret, bool *known, struct wfs_error *err)
{
    ret->scales = calloc((size_t)ret->n + 1, sizeof(double));
    ret->zero_points = calloc((size_t)ret->n + 1, sizeof(double));
    if (!ret->scales || !ret->zero_points)
        return wfs_error_nomem(err, "scales");
    if (row->quantised->axis < 0) {
        ret->scales[0] = row->quantised->scale;
        ret->zero_points[0] = (double)row->quantised->zero_point;
        return 0;
    }
    int r = read_part(row->scales, run, ret->n, ret->scales, known, err);
    return r ? r : read_part(row->zero_points, run, ret->n, ret->zero_points, known, err);
}

int wfs_affine_read(const struct wfs_inspect_row *row, const struct wfs_inspect_run *run,
                    struct wfs_affine *ret, bool *ret_known, struct wfs_error *err)
{
    const struct wfs_quantised *q = row->quantised;
    const struct wfs_expr *e = row->expr;
    *ret = (struct wfs_affine){.n = 1, .n_inner = 1};
    *ret_known = !q || q->axis < (int64_t)e->ndim;
    if (!q || !*ret_known)
        return 0;
    if (q->axis >= 0)
        ret->n = e->shape[q->axis];
    for (uint32_t i = (uint32_t)(q->axis + 1); q->axis >= 0 && i < e->ndim; i++)
        ret->n_inner *= e->shape[i];
    return read_parts(row, run, ret, ret_known, err);
}

void wfs_affine_apply(const struct wfs_affine *affine, uint64_t at, uint64_t n, double *numbers)
{
    for (uint64_t i = 0; affine->scales && i < n; i++) {
        uint64_t k = (at + i) / affine->n_inner % affine->n;
        numbers[i] = affine->scales[k] * (numbers[i] - affine->zero_points[k]);
    }
}
