/*
 * torchao.c - torchao's tensors as transformers writes them to safetensors: X_qdata, X_scale and
 * X_zero_point beside each other. Formula: torchao 0.18, Int8Tensor and Float8Tensor, compared bit for bit:
 * value = cast((float32(q) - zero) * scale, dtype); the dtype is in the file's metadata, under the weight's name.
 */
#include <jansson.h>
#include <string.h>

#include "mapping/schemes/layout.h"

#define QDATA "_weight_qdata"

static bool is_qdata(const struct wfs_dequant *d, const struct wfs_item *item)
{
    (void)d;
    return strcmp(wfs_scheme_last(item->path), QDATA) == 0;
}

static const char *metadata_of(const struct wfs_dequant *d, const char *key)
{
    const struct wfs_catalog *catalog = d->mapper->catalog;
    for (uint32_t i = 0; i < catalog->n_metadata; i++)
        if (strcmp(catalog->metadata[i][0], key) == 0)
            return catalog->metadata[i][1];
    return NULL;
}

static bool class_is_known(const json_t *json)
{
    const char *type = json_string_value(json_object_get(json, "_type"));
    return type && (strcmp(type, "Int8Tensor") == 0 || strcmp(type, "Float8Tensor") == 0);
}

/* {"_type": "Int8Tensor", "_data": {"dtype": {"_data": "bfloat16"}, ...}} */
static int read_class(const struct wfs_dequant *d, const char *module, enum wfs_dtype *ret)
{
    const char *key = wfs_arena_printf(d->mapper->arena, "%s%sweight",
                                       wfs_dotted(d->mapper->arena, module), module[0] ? "." : "");
    const char *text = key ? metadata_of(d, key) : NULL;
    json_t *json = text ? json_loads(text, 0, NULL) : NULL;
    const json_t *data = json_object_get(json, "_data");
    const char *dtype = json_string_value(json_object_get(json_object_get(data, "dtype"), "_data"));
    bool ok = json && class_is_known(json) && dtype && wfs_dtype_by_name(dtype, ret) &&
              wfs_dtype_is_float(*ret) && wfs_dtype_bits(*ret) >= 16;
    json_decref(json);
    if (ok)
        return 0;
    return wfs_error_set(
        d->err, ENOTSUP,
        "%s: the file's metadata names no Int8Tensor or Float8Tensor with a dtype for %s",
        d->scheme, key ? key : "it");
}

static int decode(struct wfs_dequant *d, const struct wfs_item *anchor)
{
    struct wfs_recipe recipe = {0};
    enum wfs_dtype dtype = WFS_BF16;
    const struct wfs_item *scale = NULL, *zeros;
    const struct wfs_expr *codes = anchor->expr, *scales, *zero_points = NULL, *values;
    const char *module = wfs_scheme_parent(d, anchor->path, 1);
    if (!module)
        return wfs_error_nomem(d->err, "names");
    int r = wfs_scheme_need(d, module, "_weight_scale", &scale);
    zeros = wfs_scheme_find(d, module, "_weight_zero_point");
    if (!r)
        r = read_class(d, module, &dtype);
    if (!r)
        r = wfs_layout_spread(d, scale->expr, codes->ndim, codes->shape, &scales);
    if (!r && zeros)
        r = wfs_layout_spread(d, zeros->expr, codes->ndim, codes->shape, &zero_points);
    if (r)
        return r;
    wfs_recipe_input(&recipe, codes);
    if (zeros) {
        wfs_recipe_input(&recipe, zero_points);
        wfs_recipe_do(&recipe, WFS_FORMULA_SUB);
    }
    wfs_recipe_input(&recipe, scales);
    wfs_recipe_do(&recipe, WFS_FORMULA_MUL);
    r = wfs_recipe_make(d, &recipe, dtype, &values);
    return r ? r
             : wfs_scheme_emit(d, module, "weight", values, zeros ? 3 : 2,
                               (const struct wfs_item *[]){anchor, scale, zeros});
}

const struct wfs_scheme wfs_scheme_torchao = {"torchao", is_qdata, decode};
