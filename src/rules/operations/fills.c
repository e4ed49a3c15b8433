/*
 * fills.c - targets that need no source: repeated, counted and sinusoidal values.
 */
#include "rules/operations/fills.h"

#include <math.h>
#include <stdlib.h>

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

/* Positions as "Attention is all you need" has them and transformers' sinusoidal embeddings keep
 * them: sines in the first half of a row, cosines in the second. */
static int make_sinusoid(struct wfs_op_call *call, enum wfs_dtype dtype, uint64_t n, uint64_t width)
{
    struct wfs_arena *arena = call->arena;
    struct wfs_error *err = call->err;
    uint64_t n_elems = 0, shape[2] = {n, width}, half = (width + 1) / 2;
    struct wfs_bytes *bytes;
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
    int r = wfs_bytes_from_memory("sinusoid", table, (size_t)n_elems * sizeof(float), &bytes, err);
    free(table);
    if (r)
        return r;
    if (wfs_arena_on_free(arena, wfs_bytes_unref_void, bytes))
        return wfs_error_nomem(err, "sinusoid");
    r = wfs_expr_contiguous(arena, bytes, 0, WFS_F32, 2, shape, &call->ret, err);
    struct wfs_elem_op cast = {WFS_ELEM_CAST, dtype, 0};
    if (!r && dtype != WFS_F32)
        r = wfs_expr_elementwise(arena, call->ret, &cast, &call->ret, err);
    return r;
}

static int apply_sinusoid(struct wfs_op_call *call)
{
    uint64_t shape[WFS_MAX_NDIM];
    enum wfs_dtype dtype;
    int r = dtype_and_shape(call, 0, &dtype, shape);
    return r ? r : make_sinusoid(call, dtype, shape[0], shape[1]);
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
const struct wfs_operation *const wfs_fills_operations[] = {&zeros,  &ones,     &full,
                                                            &arange, &sinusoid, NULL};
