/*
 * fp8.c - float8 weights with a scale for each block, row, or the whole: DeepSeek's weight_scale_inv,
 * ComfyUI's scale_weight, weight_scale of several tools.
 *
 * value = float32(code) * float32(scale), rounded once (transformers' Fp8Dequantize; scale_inv multiplies
 * despite its name). Blocks are those of weight_block_size, the last one cut. transformers derives them
 * from the shapes, and so takes others where a weight does not divide: this follows the configuration.
 */
#include <string.h>

#include "mapping/schemes/layout.h"

static bool ends_with(const char *s, const char *end, size_t *ret_stem)
{
    size_t len = strlen(s), end_len = strlen(end);
    *ret_stem = len - end_len;
    return len > end_len && strcmp(s + *ret_stem, end) == 0;
}

/* The weight's own name: "weight" of weight_scale_inv, "gate_up_proj" of gate_up_proj_scale_inv. */
static const char *weight_of(const struct wfs_dequant *d, const char *last)
{
    static const char *const ends[] = {"_scale_inv", "_scale"};
    size_t stem;
    if (strcmp(last, "scale_weight") == 0)
        return "weight";
    for (size_t i = 0; i < WFS_ARRAY_SIZE(ends); i++)
        if (ends_with(last, ends[i], &stem))
            return wfs_arena_strndup(d->mapper->arena, last, stem);
    return NULL;
}

static bool is_float8(enum wfs_dtype dtype)
{
    return wfs_dtype_is_float(dtype) && wfs_dtype_bits(dtype) == 8 && dtype != WFS_F8_E8M0FNU;
}

static const struct wfs_item *codes_of(const struct wfs_dequant *d, const struct wfs_item *scale)
{
    const char *module = wfs_scheme_parent(d, scale->path, 1);
    const char *name = weight_of(d, wfs_scheme_last(scale->path));
    const struct wfs_item *codes = module && name ? wfs_scheme_find(d, module, name) : NULL;
    return codes && is_float8(codes->expr->dtype) ? codes : NULL;
}

static bool is_scale(const struct wfs_dequant *d, const struct wfs_item *item)
{
    bool other = d->method && strcmp(d->method, "compressed-tensors") == 0;
    return !other && codes_of(d, item) != NULL;
}

/* E8M0 may be stored as bytes. */
static int scale_values(const struct wfs_dequant *d, const struct wfs_expr *scale,
                        const struct wfs_expr **ret)
{
    *ret = scale;
    if (scale->dtype == WFS_U8)
        return wfs_expr_bitcast(d->mapper->arena, scale, WFS_F8_E8M0FNU, ret, d->err);
    if (wfs_dtype_is_float(scale->dtype) && wfs_convert_is_exact(scale->dtype, WFS_F32))
        return 0;
    return wfs_error_set(d->err, EINVAL, "%s: scales of %s", d->scheme,
                         wfs_dtype_info(scale->dtype)->name);
}

/* The blocks of the last two axes. */
static int find_blocks(const struct wfs_dequant *d, const struct wfs_expr *codes, uint64_t *block)
{
    struct wfs_value rows = wfs_scheme_config(d, "weight_block_size.0");
    struct wfs_value columns = wfs_scheme_config(d, "weight_block_size.1");
    bool is_given =
        rows.kind == WFS_VALUE_INT && rows.i > 0 && columns.kind == WFS_VALUE_INT && columns.i > 0;
    for (uint32_t i = 0; i < codes->ndim; i++)
        block[i] = 1;
    block[codes->ndim - 2] = is_given ? (uint64_t)rows.i : 128;
    block[codes->ndim - 1] = is_given ? (uint64_t)columns.i : 128;
    if (rows.kind == WFS_VALUE_NONE || is_given)
        return 0;
    return wfs_error_set(d->err, EINVAL, "%s: weight_block_size is no pair of numbers", d->scheme);
}

static int expand(const struct wfs_dequant *d, const struct wfs_item *anchor,
                  const struct wfs_expr *scale, const struct wfs_expr *codes,
                  const struct wfs_expr **ret)
{
    uint64_t block[WFS_MAX_NDIM];
    size_t stem;
    if (!ends_with(wfs_scheme_last(anchor->path), "_scale_inv", &stem) || codes->ndim < 2 ||
        scale->n_elems == 1)
        return wfs_layout_spread(d, scale, codes->ndim, codes->shape, ret);
    int r = find_blocks(d, codes, block);
    return r ? r : wfs_layout_expand(d, scale, codes->ndim, codes->shape, block, ret);
}

static int decode(struct wfs_dequant *d, const struct wfs_item *anchor)
{
    struct wfs_recipe recipe = {0};
    const struct wfs_item *codes = codes_of(d, anchor);
    const char *module = wfs_scheme_parent(d, anchor->path, 1);
    const struct wfs_expr *scale, *scales, *values;
    if (!module || !codes)
        return wfs_error_nomem(d->err, "names");
    int r = scale_values(d, anchor->expr, &scale);
    if (!r)
        r = expand(d, anchor, scale, codes->expr, &scales);
    if (r)
        return r;
    wfs_recipe_input(&recipe, codes->expr);
    wfs_recipe_input(&recipe, scales);
    wfs_recipe_do(&recipe, WFS_FORMULA_MUL);
    r = wfs_recipe_make(d, &recipe, wfs_scheme_open_dtype(d), &values);
    if (r)
        return r;
    wfs_scheme_leave_out(d, module, "input_scale");
    wfs_scheme_leave_out(d, module, "scale_input");
    wfs_scheme_leave_out(d, module, "activation_scale");
    wfs_scheme_leave_out(d, "", "scaled_fp8"); /* ComfyUI's mark of such a file */
    return wfs_scheme_emit(d, module, wfs_scheme_last(codes->path), values, 2,
                           (const struct wfs_item *[]){codes, anchor});
}

const struct wfs_scheme wfs_scheme_fp8 = {"fp8", is_scale, decode};
