/*
 * hqq.c - HQQ along axis 1: W_q with scale, zero, shape, nbits, packing, group_size as tensors. Formula:
 * hqq 0.2.8, HQQLinear.dequantize, compared bit for bit.
 *
 * Codes form (n, group), n = elements / group. They are packed along axis 0 in parts, not
 * neighbours: of 4bit_u8 the first half of the rows is in the high nibbles; of 2bit_u8 the quarters begin
 * at the highest bits; of 3bit_32 the tenths, in 32-bit words from bit 27 down. value = (q - zero) * scale in
 * the scale's type, each operation rounded; then the weight's shape.
 */
#include <string.h>

#include "mapping/schemes/layout.h"

struct hqq {
    const struct wfs_item *codes, *scale, *zero, *shape, *nbits;
    int64_t bits;
    uint64_t rows, group, ndim, dims[8];
};

static bool is_codes(const struct wfs_dequant *d, const struct wfs_item *item)
{
    (void)d;
    return strcmp(wfs_scheme_last(item->path), "W_q") == 0;
}

static int find_parts(const struct wfs_dequant *d, const char *module,
                      const struct wfs_item *anchor, struct hqq *h)
{
    h->codes = anchor;
    int r = wfs_scheme_need(d, module, "scale", &h->scale);
    if (!r)
        r = wfs_scheme_need(d, module, "zero", &h->zero);
    if (!r)
        r = wfs_scheme_need(d, module, "shape", &h->shape);
    if (!r)
        r = wfs_scheme_need(d, module, "nbits", &h->nbits);
    return r;
}

/* The packing is told by the number of bits; where it is written down, too, it must be that one. */
static int check_packing(const struct wfs_dequant *d, const char *module, const struct hqq *h)
{
    static const char *const names[] = {
        [2] = "2bit_u8", [3] = "3bit_32", [4] = "4bit_u8", [8] = "8bit_u8"};
    const char *want = (size_t)h->bits < WFS_ARRAY_SIZE(names) ? names[h->bits] : NULL, *text;
    const struct wfs_item *packing = wfs_scheme_find(d, module, "packing");
    if (!want || h->codes->expr->dtype != (h->bits == 3 ? WFS_I32 : WFS_U8) ||
        h->codes->expr->ndim != 2)
        return wfs_error_set(d->err, ENOTSUP, "%s: codes of %lld bits in %s are not known",
                             d->scheme, (long long)h->bits,
                             wfs_dtype_info(h->codes->expr->dtype)->name);
    int r = packing ? wfs_scheme_read_text(d, packing, &text) : 0;
    if (!r && packing && strcmp(text, want) != 0)
        r = wfs_error_set(d->err, ENOTSUP, "%s: the packing %s is not known", d->scheme, text);
    return r;
}

static int read_sizes(const struct wfs_dequant *d, const char *module, struct hqq *h)
{
    int64_t dims[8], axis = 1;
    const struct wfs_item *axis_item = wfs_scheme_find(d, module, "axis");
    uint64_t n = 1;
    h->ndim = h->shape->expr->n_elems;
    int r = h->ndim <= 8 ? wfs_scheme_read_ints(d, h->shape, (uint32_t)h->ndim, dims) : -EINVAL;
    if (!r)
        r = wfs_scheme_read_ints(d, h->nbits, 1, &h->bits);
    if (!r && axis_item)
        r = wfs_scheme_read_ints(d, axis_item, 1, &axis);
    if (!r && axis != 1)
        r = wfs_error_set(d->err, ENOTSUP, "%s: groups along axis %lld are not known", d->scheme,
                          (long long)axis);
    for (uint64_t i = 0; !r && i < h->ndim; i++) {
        h->dims[i] = (uint64_t)dims[i];
        if (dims[i] <= 0 || !wfs_mul_u64(n, h->dims[i], &n))
            r = wfs_error_set(d->err, EINVAL, "%s: its shape is none", d->scheme);
    }
    if (r)
        return r == -EINVAL ? wfs_error_set(d->err, EINVAL, "%s: its shape is none", d->scheme) : r;
    h->rows = h->scale->expr->n_elems;
    h->group = h->rows ? n / h->rows : 0;
    if (h->rows == 0 || n % h->rows != 0)
        return wfs_error_set(d->err, EINVAL, "%s: %llu scales do not divide %llu elements",
                             d->scheme, (unsigned long long)h->rows, (unsigned long long)n);
    return check_packing(d, module, h);
}

/* (rows, group), part by part from the highest bits down. */
static int codes_of(const struct wfs_dequant *d, const struct hqq *h, const struct wfs_expr **ret)
{
    struct wfs_arena *arena = d->mapper->arena;
    const struct wfs_expr *words = h->codes->expr, *parts[10], *all;
    uint32_t word = wfs_dtype_bits(words->dtype), bits = (uint32_t)h->bits;
    uint32_t n_parts = word / bits, top = n_parts * bits;
    const struct wfs_field_axis axes[] = {
        {1, {{words->shape[0], (int64_t)(words->shape[1] * word)}}},
        {1, {{words->shape[1], word}}}};
    int r = 0;
    for (uint32_t i = 0; !r && i < n_parts; i++)
        r = wfs_expr_fields(arena, words, wfs_layout_field(bits), WFS_U8, top - (i + 1) * bits, 2,
                            axes, &parts[i], d->err);
    if (!r)
        r = wfs_expr_concat(arena, n_parts, parts, 0, &all, d->err);
    if (!r && (all->shape[0] < h->rows || all->shape[1] != h->group))
        r = wfs_error_set(d->err, EINVAL, "%s: codes for %llu groups of %llu, not %llu of %llu",
                          d->scheme, (unsigned long long)all->shape[0],
                          (unsigned long long)all->shape[1], (unsigned long long)h->rows,
                          (unsigned long long)h->group);
    return r ? r : wfs_expr_slice(arena, all, 0, 0, h->rows, 1, ret, d->err);
}

/* One number for each group. */
static int of_groups(const struct wfs_dequant *d, const struct hqq *h, const struct wfs_item *item,
                     const struct wfs_expr **ret)
{
    const uint64_t shape[] = {h->rows, h->group}, column[] = {h->rows, 1};
    const struct wfs_expr *e;
    int r = wfs_expr_reshape(d->mapper->arena, item->expr, 2, column, &e, d->err);
    return r ? r : wfs_layout_spread(d, e, 2, shape, ret);
}

static int values_of(const struct wfs_dequant *d, const struct hqq *h, const struct wfs_expr **ret)
{
    struct wfs_recipe recipe = {0};
    enum wfs_dtype dtype = h->scale->expr->dtype;
    const struct wfs_expr *codes, *zeros, *scales, *values;
    int r = codes_of(d, h, &codes);
    if (!r)
        r = of_groups(d, h, h->zero, &zeros);
    if (!r)
        r = of_groups(d, h, h->scale, &scales);
    if (r)
        return r;
    wfs_recipe_input(&recipe, codes);
    wfs_recipe_input(&recipe, zeros);
    wfs_recipe_do(&recipe, WFS_FORMULA_SUB);
    wfs_recipe_round(&recipe, dtype);
    wfs_recipe_input(&recipe, scales);
    wfs_recipe_do(&recipe, WFS_FORMULA_MUL);
    r = wfs_recipe_make(d, &recipe, dtype, &values);
    return r ? r
             : wfs_expr_reshape(d->mapper->arena, values, (uint32_t)h->ndim, h->dims, ret, d->err);
}

static int decode(struct wfs_dequant *d, const struct wfs_item *anchor)
{
    static const char *const beside[] = {"axis",
                                         "packing",
                                         "group_size",
                                         "view_as_float",
                                         "offload_meta",
                                         "channel_wise",
                                         "optimize",
                                         "round_zero",
                                         "compute_dtype",
                                         "quant_scale",
                                         "quant_zero",
                                         "unpack_view_dtype",
                                         "encoded_state_dict",
                                         "stores_quant_config"};
    struct hqq h;
    const struct wfs_expr *values;
    const char *module = wfs_scheme_parent(d, anchor->path, 1);
    if (!module)
        return wfs_error_nomem(d->err, "names");
    int r = find_parts(d, module, anchor, &h);
    if (!r)
        r = read_sizes(d, module, &h);
    if (!r)
        r = values_of(d, &h, &values);
    if (r)
        return r;
    for (size_t i = 0; i < WFS_ARRAY_SIZE(beside); i++)
        wfs_scheme_leave_out(d, module, beside[i]);
    const struct wfs_item *parts[] = {h.codes, h.scale, h.zero, h.shape, h.nbits};
    return wfs_scheme_emit(d, module, "weight", values, 5, parts);
}

const struct wfs_scheme wfs_scheme_hqq = {"hqq", is_codes, decode};
