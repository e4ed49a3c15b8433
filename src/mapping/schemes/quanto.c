/*
 * quanto.c - optimum-quanto's 8-bit weights: P.weight._data (int8 or float8) and P.weight._scale. Formula:
 * optimum-quanto 0.2.7, qint8, compared bit for bit: value = q * scale in the scale's type.
 */
#include <string.h>

#include "mapping/schemes/layout.h"

static bool is_data(const struct wfs_dequant *d, const struct wfs_item *item)
{
    const char *weight = wfs_scheme_parent(d, item->path, 1);
    return strcmp(wfs_scheme_last(item->path), "_data") == 0 && weight && weight[0] &&
           wfs_scheme_find(d, weight, "_scale");
}

static int decode(struct wfs_dequant *d, const struct wfs_item *anchor)
{
    struct wfs_recipe recipe = {0};
    const struct wfs_item *scale = NULL;
    const struct wfs_expr *codes = anchor->expr, *scales, *values;
    const char *weight = wfs_scheme_parent(d, anchor->path, 1);
    const char *module = wfs_scheme_parent(d, anchor->path, 2);
    if (!weight || !module)
        return wfs_error_nomem(d->err, "names");
    int r = wfs_scheme_need(d, weight, "_scale", &scale);
    if (!r && codes->dtype != WFS_I8 && codes->dtype != WFS_F8_E4M3FN &&
        codes->dtype != WFS_F8_E5M2)
        r = wfs_error_set(d->err, ENOTSUP, "%s: codes of %s are not known", d->scheme,
                          wfs_dtype_info(codes->dtype)->name);
    if (!r)
        r = wfs_layout_spread(d, scale->expr, codes->ndim, codes->shape, &scales);
    if (r)
        return r;
    wfs_recipe_input(&recipe, codes);
    wfs_recipe_round(&recipe, scale->expr->dtype);
    wfs_recipe_input(&recipe, scales);
    wfs_recipe_do(&recipe, WFS_FORMULA_MUL);
    r = wfs_recipe_make(d, &recipe, scale->expr->dtype, &values);
    if (r)
        return r;
    wfs_scheme_leave_out(d, module, "input_scale");
    wfs_scheme_leave_out(d, module, "output_scale");
    return wfs_scheme_emit(d, weight, "", values, 2, (const struct wfs_item *[]){anchor, scale});
}

const struct wfs_scheme wfs_scheme_quanto = {"quanto", is_data, decode};
