/*
 * fills.c - targets that need no source: repeated, counted and sinusoidal values, numbers of
 * config.json, and the frequencies that Llama 3 stretches.
 */
#include "rules/operations/fills.h"

#include <math.h>
#include <stdlib.h>

#include "base/elementary.h"
#include "rules/operations/call.h"

/* The dtype, which may be that of the tensor beside it, and the sizes from argument `first` on. */
static int dtype_and_shape(struct wfs_op_call *call, uint32_t first, enum wfs_dtype *ret_dtype,
                           uint64_t *shape)
{
    const struct wfs_op *op = call->op;
    if (op->dtype_like && !call->n_in)
        return wfs_op_error(call->err, op, "`like` needs a `for` pattern");
    if (op->n_args - first > WFS_MAX_NDIM)
        return wfs_op_error(call->err, op, "more than %d axes", WFS_MAX_NDIM);
    *ret_dtype = op->dtype_like ? call->in[0]->dtype : op->dtype;
    int r = 0;
    for (uint32_t i = first; !r && i < op->n_args; i++)
        r = wfs_op_size(call, i, &shape[i - first]);
    return r;
}

static int fill_with(struct wfs_op_call *call, uint32_t first, double value)
{
    uint64_t shape[WFS_MAX_NDIM];
    enum wfs_dtype dtype;
    int r = dtype_and_shape(call, first, &dtype, shape);
    return r ? r
             : wfs_expr_fill(call->arena, dtype, call->op->n_args - first, shape, value, &call->ret,
                             call->err);
}

static int apply_zeros(struct wfs_op_call *call)
{
    return fill_with(call, 0, 0);
}

static int apply_ones(struct wfs_op_call *call)
{
    return fill_with(call, 0, 1);
}

static int apply_full(struct wfs_op_call *call)
{
    double value;
    int r = call->real(call->scope, call->op->args[0], &value);
    return r ? r : fill_with(call, 1, value);
}

static int apply_arange(struct wfs_op_call *call)
{
    uint64_t shape[WFS_MAX_NDIM];
    enum wfs_dtype dtype;
    int r = dtype_and_shape(call, 0, &dtype, shape);
    return r ? r
             : wfs_expr_arange(call->arena, dtype, call->op->n_args, shape, 0, 1, &call->ret,
                               call->err);
}

#define SINUSOID_MAX_BYTES (UINT64_C(64) << 20)

/* A table of float32 as a tensor of the dtype; it is copied. */
static int make_table(struct wfs_op_call *call, enum wfs_dtype dtype, uint32_t ndim,
                      const uint64_t *shape, const float *table, size_t n)
{
    struct wfs_bytes *bytes;
    struct wfs_elem_op cast = {WFS_ELEM_CAST, dtype, 0};
    const char *name = call->op->operation->name;
    int r = wfs_bytes_from_memory(name, table, n * sizeof(float), &bytes, call->err);
    if (r)
        return r;
    if (wfs_arena_on_free(call->arena, wfs_bytes_unref_void, bytes))
        return wfs_error_nomem(call->err, name);
    r = wfs_expr_contiguous(call->arena, bytes, 0, WFS_F32, ndim, shape, &call->ret, call->err);
    if (!r && dtype != WFS_F32)
        r = wfs_expr_elementwise(call->arena, call->ret, &cast, &call->ret, call->err);
    return r;
}

/* Positions as "Attention is all you need" has them and transformers' sinusoidal embeddings keep
 * them: sines in the first half of a row, cosines in the second. */
static int make_sinusoid(struct wfs_op_call *call, enum wfs_dtype dtype, uint64_t n, uint64_t width)
{
    struct wfs_error *err = call->err;
    uint64_t n_elems = 0, shape[2] = {n, width}, half = (width + 1) / 2;
    if (!wfs_mul_u64(n, width, &n_elems) || n_elems > SINUSOID_MAX_BYTES / sizeof(float))
        return wfs_op_error(err, call->op, "a table beyond 64 MiB");
    float *table = malloc((size_t)n_elems * sizeof(float) + 1);
    if (!table)
        return wfs_error_nomem(err, "sinusoid");
    for (uint64_t i = 0; i < n; i++)
        for (uint64_t j = 0; j < width; j++) {
            uint64_t k = j < half ? j : j - half;
            double angle = (double)i / pow(10000, 2.0 * (double)k / (double)width);
            table[i * width + j] = (float)(j < half ? sin(angle) : cos(angle));
        }
    int r = make_table(call, dtype, 2, shape, table, (size_t)n_elems);
    free(table);
    return r;
}

static int apply_sinusoid(struct wfs_op_call *call)
{
    uint64_t shape[WFS_MAX_NDIM];
    enum wfs_dtype dtype;
    int r = dtype_and_shape(call, 0, &dtype, shape);
    return r ? r : make_sinusoid(call, dtype, shape[0], shape[1]);
}

/* numbers(dtype, config.x): one axis. */
static int apply_numbers(struct wfs_op_call *call)
{
    const double *list;
    enum wfs_dtype dtype;
    size_t n;
    int r = dtype_and_shape(call, call->op->n_args, &dtype, NULL);
    if (!r)
        r = call->numbers(call->scope, call->op->args[0], &list, &n);
    if (r)
        return r;
    float *table = malloc(n * sizeof(*table) + 1);
    if (!table)
        return wfs_error_nomem(call->err, "numbers");
    for (size_t i = 0; i < n; i++)
        table[i] = (float)list[i];
    uint64_t shape[1] = {n};
    r = make_table(call, dtype, 1, shape, table, n);
    free(table);
    return r;
}

/* What rope_freqs is made from, as float32: the reference computes in it. */
struct stretch {
    float theta, factor, low, high, length;
};

/* By how much Llama 3.1's scaling divides frequency i of n: 1 for short wave lengths, `factor` for
 * long ones, something between for those between (transformers' _compute_llama3_parameters, as
 * llama.cpp's converter writes it). */
static float stretch_of(const struct stretch *s, uint64_t i, uint64_t n)
{
    const float two_pi = 0x1.921fb6p+2f;
    float wave_length = two_pi / (1.0f / wfs_powf(s->theta, (float)(2 * i) / (float)(2 * n)));
    if (wave_length < s->length / s->high)
        return 1;
    if (wave_length > s->length / s->low)
        return s->factor;
    float smooth = (s->length / wave_length - s->low) / (s->high - s->low);
    return 1.0f / ((1.0f - smooth) / s->factor + smooth);
}

static int stretch_arguments(struct wfs_op_call *call, uint64_t *ret_n, struct stretch *ret)
{
    double x[5] = {0};
    int r = wfs_op_size(call, 0, ret_n);
    for (uint32_t i = 0; !r && i < WFS_ARRAY_SIZE(x); i++)
        r = call->real(call->scope, call->op->args[i + 1], &x[i]);
    *ret = (struct stretch){(float)x[0], (float)x[1], (float)x[2], (float)x[3], (float)x[4]};
    if (!r && (*ret_n > SINUSOID_MAX_BYTES / sizeof(float) || !(x[0] > 0) || !(x[1] > 0) ||
               !(x[2] > 0) || !(x[3] > x[2]) || !(x[4] > 0)))
        r = wfs_op_error(call->err, call->op, "expected numbers above 0, high above low");
    return r;
}

static int apply_rope_freqs(struct wfs_op_call *call)
{
    struct stretch stretch;
    enum wfs_dtype dtype;
    uint64_t shape[1] = {0};
    int r = dtype_and_shape(call, call->op->n_args, &dtype, NULL);
    if (!r)
        r = stretch_arguments(call, &shape[0], &stretch);
    if (r)
        return r;
    size_t n = (size_t)shape[0];
    float *table = malloc(n * sizeof(*table) + 1);
    if (!table)
        return wfs_error_nomem(call->err, "rope_freqs");
    for (size_t i = 0; i < n; i++)
        table[i] = stretch_of(&stretch, i, n);
    r = make_table(call, dtype, 1, shape, table, n);
    free(table);
    return r;
}

static const struct wfs_operation zeros = {.name = "zeros",
                                           .usage = "zeros(dtype, size, ...)",
                                           .class = WFS_OP_FILL,
                                           .min_args = 0,
                                           .max_args = WFS_OP_MAX_ARGS,
                                           .takes_dtype = true,
                                           .apply = apply_zeros};
static const struct wfs_operation ones = {.name = "ones",
                                          .usage = "ones(dtype, size, ...)",
                                          .class = WFS_OP_FILL,
                                          .min_args = 0,
                                          .max_args = WFS_OP_MAX_ARGS,
                                          .takes_dtype = true,
                                          .apply = apply_ones};
static const struct wfs_operation full = {.name = "full",
                                          .usage = "full(dtype, value, size, ...)",
                                          .class = WFS_OP_FILL,
                                          .min_args = 1,
                                          .max_args = WFS_OP_MAX_ARGS,
                                          .takes_dtype = true,
                                          .apply = apply_full};
static const struct wfs_operation arange = {.name = "arange",
                                            .usage = "arange(dtype, size, ...)",
                                            .class = WFS_OP_FILL,
                                            .min_args = 0,
                                            .max_args = WFS_OP_MAX_ARGS,
                                            .takes_dtype = true,
                                            .apply = apply_arange};
static const struct wfs_operation sinusoid = {.name = "sinusoid",
                                              .usage = "sinusoid(dtype, n, width)",
                                              .class = WFS_OP_FILL,
                                              .min_args = 2,
                                              .max_args = 2,
                                              .takes_dtype = true,
                                              .apply = apply_sinusoid};
static const struct wfs_operation numbers = {.name = "numbers",
                                             .usage = "numbers(dtype, config.x)",
                                             .class = WFS_OP_FILL,
                                             .min_args = 1,
                                             .max_args = 1,
                                             .takes_dtype = true,
                                             .apply = apply_numbers};
static const struct wfs_operation rope_freqs = {
    .name = "rope_freqs",
    .usage = "rope_freqs(dtype, n, theta, factor, low, high, length)",
    .class = WFS_OP_FILL,
    .min_args = 6,
    .max_args = 6,
    .takes_dtype = true,
    .apply = apply_rope_freqs};
const struct wfs_operation *const wfs_fills_operations[] = {
    &zeros, &ones, &full, &arange, &sinusoid, &numbers, &rope_freqs, NULL};
