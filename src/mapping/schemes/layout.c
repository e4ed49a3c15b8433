/*
 * layout.c - fields and blocks of quantised weights as expressions.
 */
#include "mapping/schemes/layout.h"

enum wfs_dtype wfs_layout_field(uint32_t bits)
{
    return bits == 8 ? WFS_U8 : (enum wfs_dtype)(WFS_U1_PACKED + bits - 1);
}

static int refuse(const struct wfs_dequant *d, const struct wfs_expr *in, uint32_t ndim,
                  const uint64_t *shape, const uint64_t *block)
{
    wfs_cleanup(wfs_buf_free) struct wfs_buf text = {0};
    wfs_shape_format(&text, in->ndim, in->shape);
    wfs_buf_str(&text, " numbers for a weight of ");
    wfs_shape_format(&text, ndim, shape);
    if (block) {
        wfs_buf_str(&text, " in blocks of ");
        wfs_shape_format(&text, ndim, block);
    }
    return wfs_error_set(d->err, EINVAL, "%s: %s", d->scheme,
                         wfs_buf_ok(&text) && text.data ? text.data : "shapes");
}

int wfs_layout_expand(const struct wfs_dequant *d, const struct wfs_expr *in, uint32_t ndim,
                      const uint64_t *shape, const uint64_t *block, const struct wfs_expr **ret)
{
    struct wfs_arena *arena = d->mapper->arena;
    const struct wfs_expr *e = in;
    bool fits = in->ndim == ndim;
    for (uint32_t i = 0; fits && i < ndim; i++)
        fits = block[i] > 0 && in->shape[i] == shape[i] / block[i] + (shape[i] % block[i] != 0);
    if (!fits)
        return refuse(d, in, ndim, shape, block);
    int r = 0;
    for (uint32_t i = 0; !r && i < ndim; i++) {
        if (block[i] > 1)
            r = wfs_expr_repeat(arena, e, i, block[i], &e, d->err);
        if (!r && e->shape[i] != shape[i])
            r = wfs_expr_slice(arena, e, i, 0, shape[i], 1, &e, d->err);
    }
    if (!r)
        *ret = e;
    return r;
}

int wfs_layout_spread(const struct wfs_dequant *d, const struct wfs_expr *in, uint32_t ndim,
                      const uint64_t *shape, const struct wfs_expr **ret)
{
    uint64_t block[WFS_MAX_NDIM], ones[WFS_MAX_NDIM];
    const struct wfs_expr *e = in;
    int r = 0;
    for (uint32_t i = 0; i < ndim; i++)
        ones[i] = 1;
    if (in->n_elems == 1 && in->ndim != ndim)
        r = wfs_expr_reshape(d->mapper->arena, in, ndim, ones, &e, d->err);
    else if (in->ndim == 1 && ndim >= 1 && in->shape[0] == shape[0]) { /* one for each row */
        ones[0] = shape[0];
        r = wfs_expr_reshape(d->mapper->arena, in, ndim, ones, &e, d->err);
    }
    if (r)
        return r;
    if (e->ndim != ndim)
        return refuse(d, in, ndim, shape, NULL);
    for (uint32_t i = 0; i < ndim; i++) {
        if (e->shape[i] == 0 || shape[i] % e->shape[i] != 0 ||
            (i + 1 < ndim && e->shape[i] != 1 && e->shape[i] != shape[i]))
            return refuse(d, in, ndim, shape, NULL);
        block[i] = shape[i] / e->shape[i];
    }
    return wfs_layout_expand(d, e, ndim, shape, block, ret);
}

int wfs_layout_dense(const struct wfs_dequant *d, const struct wfs_expr *words,
                     enum wfs_dtype field, enum wfs_dtype as, uint64_t n_last,
                     const struct wfs_expr **ret)
{
    struct wfs_field_axis axes[WFS_MAX_NDIM];
    uint32_t ndim = words->ndim, bits = wfs_dtype_bits(field);
    uint64_t word_bits = wfs_dtype_bits(words->dtype), row_bits, need;
    if (ndim == 0 || !wfs_mul_u64(words->shape[ndim - 1], word_bits, &row_bits) ||
        !wfs_mul_u64(n_last, bits, &need) || need > row_bits || row_bits > INT64_MAX)
        return wfs_error_set(d->err, EINVAL, "%s: rows of %llu codes of %u bits do not fit",
                             d->scheme, (unsigned long long)n_last, bits);
    axes[ndim - 1] = (struct wfs_field_axis){1, {{n_last, bits}}};
    for (uint32_t i = ndim - 1; i-- > 0;) {
        axes[i] = (struct wfs_field_axis){1, {{words->shape[i], (int64_t)row_bits}}};
        if (!wfs_mul_u64(row_bits, words->shape[i], &row_bits) || row_bits > INT64_MAX)
            return wfs_error_set(d->err, EINVAL, "%s: codes beyond 64 bits", d->scheme);
    }
    return wfs_expr_fields(d->mapper->arena, words, field, as, 0, ndim, axes, ret, d->err);
}
