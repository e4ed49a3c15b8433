/*
 * mlx.c - MLX's own quantised weights: weight (uint32), scales and, of the affine mode, biases. Formulas:
 * mlx.core.dequantize of MLX 0.32 on the CPU, compared bit for bit.
 *
 * Codes are dense: code i of a row at its bits * i, little endian, across words where it must. Affine (2 to 8
 * bits): value = round(round(q * scale) + bias) in the scales' type. mxfp4 and nvfp4: e2m1 * scale, the scale
 * E8M0 or E4M3, in the model's type; mxfp8: e4m3 * E8M0. Bits and group follow from config.json's `quantization`,
 * a module's own entry first, and must fit the shapes.
 */
#include <string.h>

#include "mapping/schemes/layout.h"

struct mlx {
    const struct wfs_item *codes, *scales, *biases;
    const char *module;
    uint64_t bits, group, columns;
};

static bool is_codes(const struct wfs_dequant *d, const struct wfs_item *item)
{
    if (item->expr->dtype != WFS_U32 || strcmp(wfs_scheme_last(item->path), "weight") != 0)
        return false;
    const char *module = wfs_scheme_parent(d, item->path, 1);
    return module && wfs_scheme_find(d, module, "scales");
}

/* quantization.MODULE.KEY, or quantization.KEY. */
static struct wfs_value setting(const struct wfs_dequant *d, const char *module, const char *key)
{
    const char *own =
        wfs_arena_printf(d->mapper->arena, "%s.%s", wfs_dotted(d->mapper->arena, module), key);
    struct wfs_value value = {.kind = WFS_VALUE_NONE};
    if (own)
        value = wfs_scheme_config(d, own);
    return value.kind != WFS_VALUE_NONE ? value : wfs_scheme_config(d, key);
}

static int find_sizes(const struct wfs_dequant *d, struct mlx *m)
{
    const struct wfs_expr *codes = m->codes->expr, *scales = m->scales->expr;
    struct wfs_value bits = setting(d, m->module, "bits");
    struct wfs_value group = setting(d, m->module, "group_size");
    if (codes->ndim == 0 || codes->ndim != scales->ndim || bits.kind != WFS_VALUE_INT ||
        group.kind != WFS_VALUE_INT || bits.i < 1 || bits.i > 8 || group.i < 1)
        return wfs_error_set(d->err, EINVAL,
                             "%s: `quantization` of %s gives no bits and group_size", d->scheme,
                             wfs_config_name(d->mapper->config));
    m->bits = (uint64_t)bits.i;
    m->group = (uint64_t)group.i;
    if (!wfs_mul_u64(scales->shape[scales->ndim - 1], m->group, &m->columns) ||
        codes->shape[codes->ndim - 1] * 32 / m->bits != m->columns ||
        codes->shape[codes->ndim - 1] * 32 % m->bits != 0)
        return wfs_error_set(
            d->err, EINVAL,
            "%s: rows of %llu words and %llu scales are not codes of %llu bits in groups "
            "of %llu",
            d->scheme, (unsigned long long)codes->shape[codes->ndim - 1],
            (unsigned long long)scales->shape[scales->ndim - 1], (unsigned long long)m->bits,
            (unsigned long long)m->group);
    return 0;
}

static int spread(const struct wfs_dequant *d, const struct mlx *m, const struct wfs_expr *in,
                  const struct wfs_expr *codes, const struct wfs_expr **ret)
{
    uint64_t block[WFS_MAX_NDIM];
    for (uint32_t i = 0; i < codes->ndim; i++)
        block[i] = i + 1 < codes->ndim ? 1 : m->group;
    return wfs_layout_expand(d, in, codes->ndim, codes->shape, block, ret);
}

static int affine(const struct wfs_dequant *d, const struct mlx *m, const struct wfs_expr **ret)
{
    struct wfs_recipe recipe = {0};
    enum wfs_dtype dtype = m->scales->expr->dtype;
    const struct wfs_expr *codes, *scales, *biases;
    int r = wfs_layout_dense(d, m->codes->expr, wfs_layout_field((uint32_t)m->bits), WFS_U8,
                             m->columns, &codes);
    if (!r)
        r = spread(d, m, m->scales->expr, codes, &scales);
    if (!r)
        r = spread(d, m, m->biases->expr, codes, &biases);
    if (r)
        return r;
    wfs_recipe_input(&recipe, codes);
    wfs_recipe_input(&recipe, scales);
    wfs_recipe_do(&recipe, WFS_FORMULA_MUL);
    wfs_recipe_round(&recipe, dtype);
    wfs_recipe_input(&recipe, biases);
    wfs_recipe_do(&recipe, WFS_FORMULA_ADD);
    return wfs_recipe_make(d, &recipe, dtype, ret);
}

static bool is_mode(struct wfs_value mode, const char *name)
{
    return mode.kind == WFS_VALUE_STR && mode.len == strlen(name) &&
           memcmp(mode.s, name, mode.len) == 0;
}

/* nvfp4's scales are E4M3, the others' powers of two. The scale is rounded to the model's type first. */
static int floating(const struct wfs_dequant *d, const struct mlx *m, const struct wfs_expr **ret)
{
    struct wfs_recipe recipe = {0};
    struct wfs_value mode = setting(d, m->module, "mode");
    enum wfs_dtype dtype = wfs_scheme_open_dtype(d);
    bool is_nv = is_mode(mode, "nvfp4"), is_8 = is_mode(mode, "mxfp8");
    const struct wfs_expr *codes, *scale, *scales;
    if ((!is_nv && !is_8 && !is_mode(mode, "mxfp4")) || m->scales->expr->dtype != WFS_U8 ||
        m->bits != (is_8 ? 8 : 4))
        return wfs_error_set(d->err, ENOTSUP, "%s: neither biases nor a mode that is known",
                             d->scheme);
    int r = wfs_layout_dense(d, m->codes->expr, is_8 ? WFS_F8_E4M3FN : WFS_F4_E2M1,
                             is_8 ? WFS_F8_E4M3FN : WFS_BF16, m->columns, &codes);
    if (!r)
        r = wfs_expr_bitcast(d->mapper->arena, m->scales->expr,
                             is_nv ? WFS_F8_E4M3FN : WFS_F8_E8M0FNU, &scale, d->err);
    if (!r)
        r = spread(d, m, scale, codes, &scales);
    if (r)
        return r;
    wfs_recipe_input(&recipe, codes);
    wfs_recipe_input(&recipe, scales);
    wfs_recipe_round(&recipe, dtype);
    wfs_recipe_do(&recipe, WFS_FORMULA_MUL);
    return wfs_recipe_make(d, &recipe, dtype, ret);
}

static int decode(struct wfs_dequant *d, const struct wfs_item *anchor)
{
    struct mlx m = {.codes = anchor, .module = wfs_scheme_parent(d, anchor->path, 1)};
    const struct wfs_expr *values;
    if (!m.module)
        return wfs_error_nomem(d->err, "names");
    int r = wfs_scheme_need(d, m.module, "scales", &m.scales);
    m.biases = wfs_scheme_find(d, m.module, "biases");
    if (!r)
        r = find_sizes(d, &m);
    if (!r)
        r = m.biases ? affine(d, &m, &values) : floating(d, &m, &values);
    if (r)
        return r;
    return wfs_scheme_emit(d, m.module, "weight", values, m.biases ? 3 : 2,
                           (const struct wfs_item *[]){anchor, m.scales, m.biases});
}

const struct wfs_scheme wfs_scheme_mlx = {"mlx", is_codes, decode};
