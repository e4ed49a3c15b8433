/*
 * torch_quantised.c - torch's own quantised tensors: integers with scale and zero point. Formula:
 * torch.dequantize: (q - zero_point) * scale in float32; per channel the two are tensors of the
 * checkpoint beside it, below its name.
 */
#include "mapping/schemes/layout.h"

static const struct wfs_quantised *quantised_of(const struct wfs_dequant *d,
                                                const struct wfs_item *item)
{
    return item->n_sources == 1 ? d->mapper->catalog->tensors[item->sources[0]].quantised : NULL;
}

static bool is_quantised(const struct wfs_dequant *d, const struct wfs_item *item)
{
    return quantised_of(d, item) != NULL;
}

static int make(const struct wfs_dequant *d, const struct wfs_expr *codes,
                const struct wfs_expr *scales, const struct wfs_expr *zeros,
                const struct wfs_quantised *q, const struct wfs_expr **ret)
{
    struct wfs_recipe recipe = {0};
    wfs_recipe_input(&recipe, codes);
    if (zeros)
        wfs_recipe_input(&recipe, zeros);
    else
        wfs_recipe_const(&recipe, (float)q->zero_point);
    wfs_recipe_do(&recipe, WFS_FORMULA_SUB);
    if (scales)
        wfs_recipe_input(&recipe, scales);
    else
        wfs_recipe_const(&recipe, (float)q->scale);
    wfs_recipe_do(&recipe, WFS_FORMULA_MUL);
    return wfs_recipe_make(d, &recipe, WFS_F32, ret);
}

static int decode(struct wfs_dequant *d, const struct wfs_item *anchor)
{
    const struct wfs_quantised *q = quantised_of(d, anchor);
    const struct wfs_expr *values;
    if (q->axis >= 0)
        return wfs_error_set(d->err, ENOTSUP,
                             "%s: scales for each channel are float64 in torch and not known here",
                             d->scheme);
    int r = make(d, anchor->expr, NULL, NULL, q, &values);
    return r ? r : wfs_scheme_emit(d, "", anchor->path, values, 1, &anchor);
}

const struct wfs_scheme wfs_scheme_torch_quantised = {"torch's quantised tensors", is_quantised,
                                                      decode};
