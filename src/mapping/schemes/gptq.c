/*
 * gptq.c - GPTQ: qweight (in * bits / 32, out), qzeros, scales (groups, out), g_idx (in). Formula:
 * GPTQModel 7.7, dequantize_weight, compared bit for bit.
 *
 * Word r of a column holds the codes of rows r * 32 / bits on, lowest bits first; qzeros the same along
 * a row. value[i, o] = scales[g, o] * (q - z) in the scales' type, g = g_idx[i]. A "gptq" file (v1) keeps
 * z - 1, in each field's own width; "gptq_v2" keeps z. The weight is the transpose.
 */
#include <string.h>

#include "mapping/schemes/layout.h"

struct gptq {
    const struct wfs_item *codes, *zeros, *scales, *groups;
    uint64_t bits, in, out, n_groups, group_size;
    bool is_v1;
};

static bool is_gptq(const struct wfs_dequant *d, const struct wfs_item *item)
{
    if (strcmp(wfs_scheme_last(item->path), "qweight") != 0 || item->expr->ndim != 2)
        return false;
    if (d->method)
        return strncmp(d->method, "gptq", 4) == 0;
    const char *module = wfs_scheme_parent(d, item->path, 1);
    const struct wfs_item *scales = module ? wfs_scheme_find(d, module, "scales") : NULL;
    return scales && scales->expr->ndim == 2 && scales->expr->shape[1] == item->expr->shape[1];
}

static int find_parts(const struct wfs_dequant *d, const char *module,
                      const struct wfs_item *anchor, struct gptq *g)
{
    g->codes = anchor;
    int r = wfs_scheme_need(d, module, "qzeros", &g->zeros);
    if (!r)
        r = wfs_scheme_need(d, module, "scales", &g->scales);
    g->groups = wfs_scheme_find(d, module, "g_idx");
    if (!r && (g->codes->expr->dtype != WFS_I32 || g->zeros->expr->dtype != WFS_I32 ||
               g->zeros->expr->ndim != 2 || g->scales->expr->ndim != 2))
        r = wfs_error_set(d->err, EINVAL, "%s: qweight and qzeros are no int32 of two axes",
                          d->scheme);
    return r;
}

/* A column of zeros is as wide as one of scales. */
static int find_sizes(const struct wfs_dequant *d, struct gptq *g)
{
    const uint64_t *codes = g->codes->expr->shape, *zeros = g->zeros->expr->shape;
    g->out = codes[1];
    g->n_groups = g->scales->expr->shape[0];
    int r = wfs_scheme_config_int(d, "bits", 8, g->out ? zeros[1] * 32 / g->out : 0, &g->bits);
    if (r)
        return r;
    if (g->bits != 2 && g->bits != 4 && g->bits != 8)
        return wfs_error_set(d->err, ENOTSUP, "%s: codes of %llu bits are not known", d->scheme,
                             (unsigned long long)g->bits);
    g->in = codes[0] * (32 / g->bits);
    g->group_size = g->n_groups ? g->in / g->n_groups + (g->in % g->n_groups != 0) : 0;
    uint64_t wanted;
    struct wfs_value size = wfs_scheme_config(d, "group_size");
    r = size.kind == WFS_VALUE_INT && size.i < 0
            ? 0
            : wfs_scheme_config_int(d, "group_size", UINT32_MAX, g->group_size, &wanted);
    if (!r && size.kind == WFS_VALUE_INT && size.i > 0)
        g->group_size = wanted;
    if (!r && (g->out % (32 / g->bits) != 0 || zeros[0] != g->n_groups ||
               zeros[1] * (32 / g->bits) != g->out || g->scales->expr->shape[1] != g->out ||
               g->group_size == 0))
        r = wfs_error_set(
            d->err, EINVAL,
            "%s: scales and zero points do not fit codes of %llu bits for %llu columns", d->scheme,
            (unsigned long long)g->bits, (unsigned long long)g->out);
    return r;
}

/* Which of the two files it is cannot be seen. */
static int find_version(const struct wfs_dequant *d, struct gptq *g)
{
    bool is_v2 = wfs_scheme_config_is(d, "checkpoint_format", "gptq_v2") ||
                 wfs_scheme_config_is(d, "format", "gptq_v2") ||
                 (d->method && strcmp(d->method, "gptq_v2") == 0);
    g->is_v1 = !is_v2;
    if (d->method || is_v2)
        return 0;
    return wfs_error_set(
        d->err, EINVAL,
        "%s: nothing says whether its zero points are those of gptq or of gptq_v2, which "
        "differ by one: -o set=quant=gptq or -o set=quant=gptq_v2 does",
        d->scheme);
}

/* (out, in) */
static int codes_of(const struct wfs_dequant *d, const struct gptq *g, const struct wfs_expr **ret)
{
    int64_t row = (int64_t)(g->out * 32), bits = (int64_t)g->bits;
    uint64_t per_word = 32 / g->bits;
    const struct wfs_field_axis axes[] = {{1, {{g->out, 32}}},
                                          {2, {{g->in / per_word, row}, {per_word, bits}}}};
    return wfs_expr_fields(d->mapper->arena, g->codes->expr, wfs_layout_field((uint32_t)g->bits),
                           WFS_U8, 0, 2, axes, ret, d->err);
}

/* (groups, out) becomes (out, in): each input's own group. */
static int of_inputs(const struct wfs_dequant *d, const struct gptq *g, const struct wfs_expr *in,
                     const struct wfs_expr **ret)
{
    const uint64_t shape[] = {g->in, g->out}, block[] = {g->group_size, 1};
    const struct wfs_expr *e;
    if (g->groups && g->groups->expr->n_elems != g->in)
        return wfs_error_set(d->err, EINVAL, "%s: g_idx has %llu numbers for %llu inputs",
                             d->scheme, (unsigned long long)g->groups->expr->n_elems,
                             (unsigned long long)g->in);
    int r = g->groups ? wfs_expr_take(d->mapper->arena, in, g->groups->expr, &e, d->err)
                      : wfs_layout_expand(d, in, 2, shape, block, &e);
    return r ? r : wfs_expr_reverse_axes(d->mapper->arena, e, ret, d->err);
}

static int zeros_of(const struct wfs_dequant *d, const struct gptq *g, const struct wfs_expr **ret)
{
    const struct wfs_expr *zeros;
    int r = wfs_layout_dense(d, g->zeros->expr, wfs_layout_field((uint32_t)g->bits), WFS_U8, g->out,
                             &zeros);
    return r ? r : of_inputs(d, g, zeros, ret);
}

static int values_of(const struct wfs_dequant *d, const struct gptq *g, const struct wfs_expr **ret)
{
    struct wfs_recipe recipe = {0};
    enum wfs_dtype dtype = g->scales->expr->dtype;
    const struct wfs_expr *codes, *zeros, *scales;
    int r = codes_of(d, g, &codes);
    if (!r)
        r = zeros_of(d, g, &zeros);
    if (!r)
        r = of_inputs(d, g, g->scales->expr, &scales);
    if (r)
        return r;
    wfs_recipe_input(&recipe, codes);
    wfs_recipe_input(&recipe, zeros);
    if (g->is_v1) {
        wfs_recipe_const(&recipe, 1);
        wfs_recipe_do(&recipe, WFS_FORMULA_ADD);
        wfs_recipe_const(&recipe, (float)(1u << g->bits));
        wfs_recipe_do(&recipe, WFS_FORMULA_MOD);
    }
    wfs_recipe_do(&recipe, WFS_FORMULA_SUB);
    wfs_recipe_round(&recipe, dtype);
    wfs_recipe_input(&recipe, scales);
    wfs_recipe_do(&recipe, WFS_FORMULA_MUL);
    return wfs_recipe_make(d, &recipe, dtype, ret);
}

static int decode(struct wfs_dequant *d, const struct wfs_item *anchor)
{
    struct gptq g;
    const struct wfs_expr *values;
    const char *module = wfs_scheme_parent(d, anchor->path, 1);
    if (!module)
        return wfs_error_nomem(d->err, "names");
    int r = find_parts(d, module, anchor, &g);
    if (!r)
        r = find_sizes(d, &g);
    if (!r)
        r = find_version(d, &g);
    if (!r)
        r = values_of(d, &g, &values);
    if (r)
        return r;
    const struct wfs_item *parts[] = {g.codes, g.zeros, g.scales, g.groups};
    return wfs_scheme_emit(d, module, "weight", values, g.groups ? 4 : 3, parts);
}

const struct wfs_scheme wfs_scheme_gptq = {"gptq", is_gptq, decode};
