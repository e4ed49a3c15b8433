/*
 * diff_values.c - two tensors read side by side, a stretch of elements at a time, compared in
 * float64. Sums are kept by stretch and added in order, so the result does not depend on threads.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "inspect/diff_values.h"

/* A multiple of 4, so that 6-bit types start on bytes. */
#define DIFF_STRETCH_ELEMS ((uint64_t)1 << 16)

struct stretch {
    double max_abs, max_rel, dot, squares_a, squares_b;
    uint64_t n_different;
};

struct comparison {
    const struct wfs_expr *a, *b;
    struct wfs_cache *cache_a, *cache_b;
    struct wfs_hash hash_a, hash_b;
    struct stretch *stretches;
};

/* Elements [at, at + n) as float64; complex types give 2 n. */
static int read_f64(const struct wfs_expr *expr, struct wfs_cache *cache,
                    const struct wfs_hash *hash, uint64_t at, uint64_t n, void *raw, double *out,
                    struct wfs_error *err)
{
    uint32_t bits = wfs_dtype_bits(expr->dtype);
    size_t len = (size_t)((n * bits + 7) / 8);
    int r = wfs_cache_read(cache, expr, hash, raw, len, at * bits / 8, err);
    return r ? r : wfs_convert_to_f64(expr->dtype, raw, n, out, err);
}

static double distance(double x, double y)
{
    if (x == y || (isnan(x) && isnan(y)))
        return 0;
    double d = fabs(x - y);
    return isnan(d) ? INFINITY : d;
}

static void compare_stretch(struct stretch *s, const double *x, const double *y, uint64_t n)
{
    for (uint64_t i = 0; i < n; i++) {
        double d = distance(x[i], y[i]), scale = fmax(fabs(x[i]), fabs(y[i]));
        s->dot += x[i] * y[i];
        s->squares_a += x[i] * x[i];
        s->squares_b += y[i] * y[i];
        if (d == 0)
            continue;
        s->n_different++;
        s->max_abs = fmax(s->max_abs, d);
        double rel = isinf(d) ? INFINITY : d / scale;
        s->max_rel = fmax(s->max_rel, rel);
    }
}

static int do_stretch(void *ctx, uint64_t task, struct wfs_error *err)
{
    struct comparison *c = ctx;
    uint64_t at = task * DIFF_STRETCH_ELEMS;
    uint64_t n = wfs_min_u64(DIFF_STRETCH_ELEMS, c->a->n_elems - at);
    double *buf wfs_cleanup(wfs_freep) = malloc(DIFF_STRETCH_ELEMS * 6 * sizeof(double));
    if (!buf)
        return wfs_error_nomem(err, "comparing tensors");
    double *x = buf, *y = buf + 2 * DIFF_STRETCH_ELEMS;
    void *raw = buf + 4 * DIFF_STRETCH_ELEMS;
    int r = read_f64(c->a, c->cache_a, &c->hash_a, at, n, raw, x, err);
    if (!r)
        r = read_f64(c->b, c->cache_b, &c->hash_b, at, n, raw, y, err);
    bool is_complex = wfs_dtype_info(c->a->dtype)->kind == WFS_KIND_COMPLEX;
    if (!r)
        compare_stretch(&c->stretches[task], x, y, is_complex ? 2 * n : n);
    return r;
}

static void sum_up(const struct comparison *c, uint64_t n, struct wfs_diff_entry *entry)
{
    double dot = 0, squares_a = 0, squares_b = 0;
    for (uint64_t i = 0; i < n; i++) {
        const struct stretch *s = &c->stretches[i];
        entry->max_abs = fmax(entry->max_abs, s->max_abs);
        entry->max_rel = fmax(entry->max_rel, s->max_rel);
        entry->n_different += s->n_different;
        dot += s->dot;
        squares_a += s->squares_a;
        squares_b += s->squares_b;
    }
    double scale = sqrt(squares_a) * sqrt(squares_b);
    entry->cosine = scale > 0 ? dot / scale : NAN;
    entry->has_values = true;
}

static bool are_comparable(enum wfs_dtype a, enum wfs_dtype b)
{
    enum wfs_dtype_kind x = wfs_dtype_info(a)->kind, y = wfs_dtype_info(b)->kind;
    return x != WFS_KIND_OPAQUE && y != WFS_KIND_OPAQUE &&
           (x == WFS_KIND_COMPLEX) == (y == WFS_KIND_COMPLEX);
}

int diff_values(struct wfs_diff_entry *entry, const struct wfs_inspect_run *run_a,
                const struct wfs_inspect_run *run_b, struct wfs_error *err)
{
    const struct wfs_expr *a = entry->a->expr, *b = entry->b->expr;
    if (!are_comparable(a->dtype, b->dtype))
        return 0;
    struct comparison c = {.a = a,
                           .b = b,
                           .cache_a = run_a->cache,
                           .cache_b = run_b->cache,
                           .hash_a = wfs_expr_hash(a),
                           .hash_b = wfs_expr_hash(b)};
    uint64_t n = (a->n_elems + DIFF_STRETCH_ELEMS - 1) / DIFF_STRETCH_ELEMS;
    c.stretches = calloc(n + 1, sizeof(*c.stretches));
    if (!c.stretches)
        return wfs_error_nomem(err, "comparing tensors");
    int r = wfs_parallel_run(run_a->n_threads, n, do_stretch, &c, err);
    if (!r)
        sum_up(&c, n, entry);
    free(c.stretches);
    return r;
}
