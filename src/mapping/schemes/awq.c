/*
 * awq.c - AWQ in its GEMM layout: qweight (in, out / 8), qzeros (groups, out / 8), scales (groups, out).
 * Formula: autoawq 0.2.9, dequantize_gemm, compared bit for bit.
 *
 * Nibble k of a word, lowest first, is column 8 * word + (0, 2, 4, 6, 1, 3, 5, 7)[k]. value[i, o] =
 * (q - z) * scales[i / group, o] in the scales' type; the weight is the transpose. The layouts of other
 * kernels (gemv, gemv_fast, marlin) are refused by their names.
 */
#include <string.h>

#include "mapping/schemes/layout.h"

static bool is_awq(const struct wfs_dequant *d, const struct wfs_item *item)
{
    if (strcmp(wfs_scheme_last(item->path), "qweight") != 0 || item->expr->ndim != 2)
        return false;
    if (d->method)
        return strcmp(d->method, "awq") == 0;
    const char *module = wfs_scheme_parent(d, item->path, 1);
    const struct wfs_item *scales = module ? wfs_scheme_find(d, module, "scales") : NULL;
    return scales && scales->expr->ndim == 2 && scales->expr->shape[1] / 8 == item->expr->shape[1];
}

static int check_version(const struct wfs_dequant *d)
{
    struct wfs_value version = wfs_scheme_config(d, "version");
    uint64_t bits;
    if (version.kind == WFS_VALUE_STR && strncasecmp(version.s, "gemm", version.len) != 0)
        return wfs_error_set(d->err, ENOTSUP, "%s: the layout %.*s is not known, gemm is",
                             d->scheme, (int)version.len, version.s);
    int r = wfs_scheme_config_int(d, "bits", 8, 4, &bits);
    if (!r && bits != 4)
        r = wfs_error_set(d->err, ENOTSUP, "%s: codes of %llu bits are not known", d->scheme,
                          (unsigned long long)bits);
    return r;
}

/* Words of (rows, out / 8) as (out, rows). */
static int columns_of(const struct wfs_dequant *d, const struct wfs_expr *words,
                      const struct wfs_expr **ret)
{
    const uint64_t *shape = words->shape;
    const struct wfs_field_axis axes[] = {{3, {{shape[1], 32}, {4, 4}, {2, 16}}},
                                          {1, {{shape[0], (int64_t)(shape[1] * 32)}}}};
    return wfs_expr_fields(d->mapper->arena, words, WFS_U4_PACKED, WFS_U8, 0, 2, axes, ret, d->err);
}

static int values_of(const struct wfs_dequant *d, const struct wfs_expr *words,
                     const struct wfs_expr *zero_words, const struct wfs_expr *group_scales,
                     const struct wfs_expr **ret)
{
    struct wfs_recipe recipe = {0};
    const struct wfs_expr *codes, *zeros, *scales;
    uint64_t group = group_scales->shape[0] ? words->shape[0] / group_scales->shape[0] : 0;
    int r = columns_of(d, words, &codes);
    if (!r)
        r = wfs_scheme_config_int(d, "group_size", UINT32_MAX, group, &group);
    if (!r)
        r = columns_of(d, zero_words, &zeros);
    if (!r)
        r = wfs_layout_expand(d, zeros, 2, codes->shape, (const uint64_t[]){1, group}, &zeros);
    if (!r)
        r = wfs_expr_reverse_axes(d->mapper->arena, group_scales, &scales, d->err);
    if (!r)
        r = wfs_layout_expand(d, scales, 2, codes->shape, (const uint64_t[]){1, group}, &scales);
    if (r)
        return r;
    wfs_recipe_input(&recipe, codes);
    wfs_recipe_input(&recipe, zeros);
    wfs_recipe_do(&recipe, WFS_FORMULA_SUB);
    wfs_recipe_input(&recipe, scales);
    wfs_recipe_do(&recipe, WFS_FORMULA_MUL);
    return wfs_recipe_make(d, &recipe, group_scales->dtype, ret);
}

static int decode(struct wfs_dequant *d, const struct wfs_item *anchor)
{
    const struct wfs_item *zeros = NULL, *scales = NULL;
    const struct wfs_expr *values;
    const char *module = wfs_scheme_parent(d, anchor->path, 1);
    if (!module)
        return wfs_error_nomem(d->err, "names");
    int r = check_version(d);
    if (!r)
        r = wfs_scheme_need(d, module, "qzeros", &zeros);
    if (!r)
        r = wfs_scheme_need(d, module, "scales", &scales);
    if (!r && (anchor->expr->dtype != WFS_I32 || zeros->expr->dtype != WFS_I32 ||
               zeros->expr->ndim != 2 || scales->expr->ndim != 2))
        r = wfs_error_set(d->err, EINVAL, "%s: qweight and qzeros are no int32 of two axes",
                          d->scheme);
    if (!r)
        r = values_of(d, anchor->expr, zeros->expr, scales->expr, &values);
    if (r)
        return r;
    return wfs_scheme_emit(d, module, "weight", values, 3,
                           (const struct wfs_item *[]){anchor, zeros, scales});
}

const struct wfs_scheme wfs_scheme_awq = {"awq", is_awq, decode};
