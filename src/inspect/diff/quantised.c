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

static bool read_part(const struct wfs_expr *expr, const struct wfs_inspect_run *run, uint64_t n,
                      double *ret)
{
    struct wfs_error err = {0};
    if (!expr || expr->n_elems != n || expr->size_bytes > SIZE_MAX)
        return false;
    struct wfs_hash hash = wfs_expr_hash(expr);
    void *raw wfs_cleanup(wfs_freep) = malloc((size_t)expr->size_bytes + 1);
    return raw &&
           !wfs_cache_read(run->cache, expr, &hash, raw, (size_t)expr->size_bytes, 0, NULL, &err) &&
           !wfs_convert_to_f64(expr->dtype, raw, n, ret, &err);
}

bool wfs_affine_read(const struct wfs_inspect_row *row, const struct wfs_inspect_run *run,
                     struct wfs_affine *ret)
{
    const struct wfs_quantised *q = row->quantised;
    const struct wfs_expr *e = row->expr;
    *ret = (struct wfs_affine){.n = 1, .n_inner = 1};
    if (!q)
        return true;
    if (q->axis >= (int64_t)e->ndim)
        return false;
    if (q->axis >= 0)
        ret->n = e->shape[q->axis];
    for (uint32_t i = (uint32_t)(q->axis + 1); q->axis >= 0 && i < e->ndim; i++)
        ret->n_inner *= e->shape[i];
    ret->scales = calloc((size_t)ret->n + 1, sizeof(double));
    ret->zero_points = calloc((size_t)ret->n + 1, sizeof(double));
    if (!ret->scales || !ret->zero_points)
        return false;
    if (q->axis >= 0)
        return read_part(row->scales, run, ret->n, ret->scales) &&
               read_part(row->zero_points, run, ret->n, ret->zero_points);
    ret->scales[0] = q->scale;
    ret->zero_points[0] = (double)q->zero_point;
    return true;
}

void wfs_affine_apply(const struct wfs_affine *affine, uint64_t at, uint64_t n, double *numbers)
{
    for (uint64_t i = 0; affine->scales && i < n; i++) {
        uint64_t k = (at + i) / affine->n_inner % affine->n;
        numbers[i] = affine->scales[k] * (numbers[i] - affine->zero_points[k]);
    }
}
