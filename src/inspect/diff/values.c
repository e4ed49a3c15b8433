/*
 * values.c - two tensors read side by side, a stretch of elements at a time, compared in
 * float64, or in long double where a 64-bit integer is among them, since float64 would take 2^53
 * and 2^53 + 1 for one number. Sums are kept by stretch and added in order, so the result does not
 * depend on threads.
 */
#include "inspect/diff/values.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "inspect/diff/quantised.h"

/* A multiple of 4, so that 6-bit types start on bytes. */
#define DIFF_STRETCH_ELEMS ((uint64_t)1 << 14)
#define DIFF_ELEM_BYTES    16 /* of the widest element, raw or as numbers */

struct stretch {
    double max_abs, max_rel, dot, squares_a, squares_b;
    uint64_t n_different;
};

struct comparison {
    const struct wfs_expr *a, *b;
    struct wfs_cache *cache_a, *cache_b;
    struct wfs_hash hash_a, hash_b;
    struct wfs_affine affine_a, affine_b;
    enum { AS_DOUBLE, AS_LONG, AS_COMPLEX } numbers;
    struct stretch *stretches;
};

/* ---- numbers ------------------------------------------------------------------------------- */

static bool is_wide_integer(enum wfs_dtype dtype)
{
    return dtype == WFS_I64 || dtype == WFS_U64;
}

/* Widens n doubles to long doubles in place, which has to begin with the last. */
static void widen(void *numbers, uint64_t n)
{
    const double *in = numbers;
    long double *out = numbers;
    for (uint64_t i = n; i-- > 0;) {
        double x = in[i];
        out[i] = x;
    }
}

static int to_long(enum wfs_dtype dtype, const void *raw, uint64_t n, void *numbers,
                   struct wfs_error *err)
{
    long double *out = numbers;
    const int64_t *ints = raw;
    const uint64_t *uints = raw;
    if (is_wide_integer(dtype)) {
        for (uint64_t i = 0; i < n; i++)
            out[i] = dtype == WFS_I64 ? (long double)ints[i] : (long double)uints[i];
        return 0;
    }
    int r = wfs_convert_to_f64(dtype, raw, n, numbers, err);
    if (!r)
        widen(numbers, n);
    return r;
}

/* Elements [at, at + n) as numbers; complex types give 2 n doubles. */
static int read_numbers(const struct comparison *c, bool is_b, uint64_t at, uint64_t n, void *raw,
                        void *numbers, struct wfs_error *err)
{
    const struct wfs_expr *expr = is_b ? c->b : c->a;
    uint32_t bits = wfs_dtype_bits(expr->dtype);
    size_t len = (size_t)((n * bits + 7) / 8);
    int r = wfs_cache_read(is_b ? c->cache_b : c->cache_a, expr, is_b ? &c->hash_b : &c->hash_a,
                           raw, len, at * bits / 8, NULL, err);
    if (r)
        return r;
    if (c->numbers == AS_LONG)
        return to_long(expr->dtype, raw, n, numbers, err);
    r = wfs_convert_to_f64(expr->dtype, raw, n, numbers, err);
    if (!r)
        wfs_affine_apply(is_b ? &c->affine_b : &c->affine_a, at, n, numbers);
    return r;
}

/* ---- one stretch --------------------------------------------------------------------------- */

/* d is |a - b|, NaN where a side is NaN or both are infinities of different signs. */
static void add_distance(struct stretch *s, double d, double scale)
{
    if (d == 0)
        return;
    d = isnan(d) ? INFINITY : d;
    s->n_different++;
    s->max_abs = fmax(s->max_abs, d);
    s->max_rel = fmax(s->max_rel, isinf(d) ? INFINITY : d / scale);
}

static void compare_doubles(struct stretch *s, const double *x, const double *y, uint64_t n)
{
    for (uint64_t i = 0; i < n; i++) {
        bool same = x[i] == y[i] || (isnan(x[i]) && isnan(y[i]));
        s->dot += x[i] * y[i];
        s->squares_a += x[i] * x[i];
        s->squares_b += y[i] * y[i];
        add_distance(s, same ? 0 : fabs(x[i] - y[i]), fmax(fabs(x[i]), fabs(y[i])));
    }
}

static void compare_longs(struct stretch *s, const long double *x, const long double *y, uint64_t n)
{
    for (uint64_t i = 0; i < n; i++) {
        bool same = x[i] == y[i] || (isnan(x[i]) && isnan(y[i]));
        s->dot += (double)(x[i] * y[i]);
        s->squares_a += (double)(x[i] * x[i]);
        s->squares_b += (double)(y[i] * y[i]);
        add_distance(s, same ? 0 : (double)fabsl(x[i] - y[i]),
                     (double)fmaxl(fabsl(x[i]), fabsl(y[i])));
    }
}

/* Pairs (re, im); the angle is that of two vectors of twice as many real numbers. */
static void compare_complex(struct stretch *s, const double *x, const double *y, uint64_t n)
{
    for (uint64_t i = 0; i < 2 * n; i += 2) {
        bool same = (x[i] == y[i] || (isnan(x[i]) && isnan(y[i]))) &&
                    (x[i + 1] == y[i + 1] || (isnan(x[i + 1]) && isnan(y[i + 1])));
        s->dot += x[i] * y[i] + x[i + 1] * y[i + 1];
        s->squares_a += x[i] * x[i] + x[i + 1] * x[i + 1];
        s->squares_b += y[i] * y[i] + y[i + 1] * y[i + 1];
        add_distance(s, same ? 0 : hypot(x[i] - y[i], x[i + 1] - y[i + 1]),
                     fmax(hypot(x[i], x[i + 1]), hypot(y[i], y[i + 1])));
    }
}

static int do_stretch(void *ctx, uint64_t task, struct wfs_error *err)
{
    struct comparison *c = ctx;
    struct stretch *s = &c->stretches[task];
    uint64_t at = task * DIFF_STRETCH_ELEMS;
    uint64_t n = wfs_min_u64(DIFF_STRETCH_ELEMS, c->a->n_elems - at);
    size_t part = DIFF_STRETCH_ELEMS * DIFF_ELEM_BYTES;
    uint8_t *buf wfs_cleanup(wfs_freep) = malloc(3 * part);
    if (!buf)
        return wfs_error_nomem(err, "comparing tensors");
    void *x = buf, *y = buf + part, *raw = buf + 2 * part;
    int r = read_numbers(c, false, at, n, raw, x, err);
    if (!r)
        r = read_numbers(c, true, at, n, raw, y, err);
    if (r)
        return r;
    if (c->numbers == AS_LONG)
        compare_longs(s, x, y, n);
    else if (c->numbers == AS_COMPLEX)
        compare_complex(s, x, y, n);
    else
        compare_doubles(s, x, y, n);
    return 0;
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
    entry->cosine = scale > 0 && isfinite(scale) ? dot / scale : NAN;
    entry->has_values = true;
}

static bool are_comparable(enum wfs_dtype a, enum wfs_dtype b)
{
    enum wfs_dtype_kind x = wfs_dtype_info(a)->kind, y = wfs_dtype_info(b)->kind;
    return x != WFS_KIND_OPAQUE && y != WFS_KIND_OPAQUE &&
           (x == WFS_KIND_COMPLEX) == (y == WFS_KIND_COMPLEX);
}

static void free_comparison(struct comparison *c)
{
    wfs_affine_free(&c->affine_a);
    wfs_affine_free(&c->affine_b);
    free(c->stretches);
}

int wfs_diff_values(struct wfs_diff_entry *entry, const struct wfs_inspect_run *run_a,
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
    if (wfs_dtype_info(a->dtype)->kind == WFS_KIND_COMPLEX)
        c.numbers = AS_COMPLEX;
    else if ((is_wide_integer(a->dtype) || is_wide_integer(b->dtype)) && !entry->a->quantised &&
             !entry->b->quantised)
        c.numbers = AS_LONG;
    bool knows_a = false, knows_b = false;
    int r = wfs_affine_read(entry->a, run_a, &c.affine_a, &knows_a, err);
    if (!r)
        r = wfs_affine_read(entry->b, run_b, &c.affine_b, &knows_b, err);
    if (r || !knows_a || !knows_b) {
        free_comparison(&c);
        return r;
    }
    uint64_t n = (a->n_elems + DIFF_STRETCH_ELEMS - 1) / DIFF_STRETCH_ELEMS;
    c.stretches = calloc(n + 1, sizeof(*c.stretches));
    r = c.stretches ? 0 : wfs_error_nomem(err, "comparing tensors");
    if (!r)
        r = wfs_parallel_run(run_a->n_threads, n, do_stretch, &c, err);
    if (!r)
        sum_up(&c, n, entry);
    free_comparison(&c);
    return r;
}
