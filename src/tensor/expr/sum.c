/*
 * sum.c - sums of expressions as a source: in float64 and rounded once, integers exactly.
 */
#include "tensor/expr/computed.h"

#include <stdlib.h>

struct sum {
    struct wfs_computed computed;
    uint32_t n;
    const struct wfs_expr *const *in;
};

/* Complex numbers are two components. */
static size_t n_components(enum wfs_dtype dtype)
{
    return wfs_dtype_info(dtype)->kind == WFS_KIND_COMPLEX ? 2 : 1;
}

static enum wfs_dtype component(enum wfs_dtype dtype)
{
    switch (dtype) {
    case WFS_C32:
        return WFS_F16;
    case WFS_C64:
        return WFS_F32;
    case WFS_C128:
        return WFS_F64;
    default:
        return dtype;
    }
}

static uint64_t load_integer(enum wfs_dtype dtype, const uint8_t *in)
{
    uint64_t value = 0;
    for (uint32_t i = wfs_dtype_bits(dtype) / 8; i-- > 0;)
        value = value << 8 | in[i];
    return value;
}

/* Integers wrap as numpy's do; of booleans it is "or". */
static void add_integers(enum wfs_dtype dtype, uint8_t *total, const uint8_t *more, size_t n)
{
    size_t width = wfs_dtype_bits(dtype) / 8;
    for (size_t i = 0; i < n; i++, total += width, more += width) {
        if (dtype == WFS_BOOL)
            *total = *total != 0 || *more != 0;
        else
            wfs_computed_store(dtype, load_integer(dtype, total) + load_integer(dtype, more),
                               total);
    }
}

struct sum_work {
    double *total, *more;
    uint8_t *operand;
};

static int sum_compute(struct wfs_computed *c, uint8_t *out, uint64_t first, size_t n, void *work,
                       struct wfs_error *err)
{
    const struct sum *sum = (const struct sum *)c;
    const struct sum_work *w = work;
    uint64_t off = first * wfs_dtype_bits(c->dtype) / 8;
    size_t len = n * wfs_dtype_bits(c->dtype) / 8, n_values = n * n_components(c->dtype);
    for (uint32_t i = 0; i < sum->n; i++) {
        uint8_t *operand = wfs_computed_is_integer(c->dtype) && i == 0 ? out : w->operand;
        int r = wfs_expr_read(sum->in[i], operand, len, off, err);
        if (r)
            return r;
        if (wfs_computed_is_integer(c->dtype)) {
            if (i > 0)
                add_integers(c->dtype, out, operand, n);
            continue;
        }
        r = wfs_convert_to_f64(c->dtype, operand, n, i == 0 ? w->total : w->more, err);
        if (r)
            return r;
        for (size_t k = 0; i > 0 && k < n_values; k++)
            w->total[k] += w->more[k];
    }
    if (wfs_computed_is_integer(c->dtype))
        return 0;
    return wfs_convert(WFS_F64, w->total, component(c->dtype), out, n_values, err);
}

static int sum_read(struct wfs_bytes *bytes, void *buf, size_t len, uint64_t off,
                    struct wfs_error *err)
{
    struct wfs_computed *c = (struct wfs_computed *)bytes;
    size_t n_values = WFS_CHUNK_ELEMS * n_components(c->dtype);
    size_t chunk_bytes = wfs_computed_chunk_bytes(c->dtype);
    double *work wfs_cleanup(wfs_freep) = malloc(2 * n_values * sizeof(*work) + 2 * chunk_bytes);
    if (!work)
        return wfs_error_nomem(err, "a sum of tensors");
    uint8_t *chunk = (uint8_t *)(work + 2 * n_values);
    struct sum_work w = {work, work + n_values, chunk + chunk_bytes};
    return wfs_computed_read(c, buf, len, off, sum_compute, &w, chunk, err);
}

static int sum_check(struct wfs_bytes *bytes, struct wfs_error *err)
{
    const struct sum *sum = (struct sum *)bytes;
    int r = 0;
    for (uint32_t i = 0; !r && i < sum->n; i++)
        r = wfs_expr_check(sum->in[i], err);
    return r;
}

static const struct wfs_bytes_ops sum_ops = {
    .kind = "sum", .read = sum_read, .free = wfs_computed_stay, .check = sum_check};

static int check_sum(uint32_t n, const struct wfs_expr *const *in, struct wfs_error *err)
{
    if (n == 0)
        return wfs_error_set(err, EINVAL, "sum: of nothing");
    if (wfs_dtype_info(in[0]->dtype)->kind == WFS_KIND_OPAQUE)
        return wfs_error_set(err, EINVAL, "sum: %s has no values",
                             wfs_dtype_info(in[0]->dtype)->name);
    for (uint32_t i = 1; i < n; i++) {
        if (in[i]->dtype != in[0]->dtype)
            return wfs_error_set(err, EINVAL, "sum: operand %u is %s, operand 0 is %s", i,
                                 wfs_dtype_info(in[i]->dtype)->name,
                                 wfs_dtype_info(in[0]->dtype)->name);
        if (!wfs_shape_equal(in[i]->ndim, in[i]->shape, in[0]->ndim, in[0]->shape))
            return wfs_error_set(err, EINVAL, "sum: operand %u has another shape than operand 0",
                                 i);
    }
    return 0;
}

static struct wfs_hash sum_key(uint32_t n, const struct wfs_expr *const *in)
{
    struct wfs_hash hash = wfs_hash_bytes("sum", 3);
    for (uint32_t i = 0; i < n; i++) {
        struct wfs_hash pair[2] = {hash, wfs_expr_hash(in[i])};
        hash = wfs_hash_bytes(pair, sizeof(pair));
    }
    return hash;
}

int wfs_expr_sum(struct wfs_arena *arena, uint32_t n, const struct wfs_expr *const *in,
                 const struct wfs_expr **ret, struct wfs_error *err)
{
    uint32_t depth = 0;
    int r = check_sum(n, in, err);
    if (r)
        return r;
    if (n == 1) {
        *ret = in[0];
        return 0;
    }
    for (uint32_t i = 0; i < n; i++)
        depth = (uint32_t)wfs_max_u64(depth, wfs_computed_depth(in[i]));
    r = wfs_computed_check_depth(depth, err);
    if (r)
        return r;
    struct sum *sum = wfs_arena_alloc(arena, sizeof(*sum));
    const struct wfs_expr *const *operands = wfs_arena_memdup(arena, in, n * sizeof(*in));
    if (!sum || !operands)
        return wfs_error_nomem(err, "a sum of tensors");
    struct wfs_hash key = sum_key(n, in);
    wfs_computed_init(&sum->computed, &sum_ops, "a sum of tensors", in[0]->dtype, in[0]->size_bytes,
                      &key, sizeof(key));
    sum->computed.depth = depth + 1;
    sum->computed.n_operands = sum->n = n;
    sum->computed.operands = sum->in = operands;
    return wfs_expr_contiguous(arena, &sum->computed.base, 0, in[0]->dtype, in[0]->ndim,
                               in[0]->shape, ret, err);
}
