/*
 * mxfp4.c - gpt-oss' experts: X_blocks (experts, rows, columns / 32, 16) and X_scales (experts, rows,
 * columns / 32), both uint8. Formula: transformers' convert_moe_packed_tensors, compared bit for bit.
 *
 * value = bfloat16(e2m1 * 2^(scale - 127)), low nibble first; scale 255 is 2^128 as the loader has it,
 * so that it gives infinities and no NaN. The result is turned round, (experts, columns, rows), and called X: so
 * transformers stores the model that is not quantised.
 */
#include <string.h>

#include "mapping/schemes/layout.h"

#define BLOCKS "_blocks"
#define BLOCK  32

static bool is_blocks(const struct wfs_dequant *d, const struct wfs_item *item)
{
    const char *last = wfs_scheme_last(item->path);
    size_t len = strlen(last), end = strlen(BLOCKS);
    (void)d;
    return len > end && strcmp(last + len - end, BLOCKS) == 0 && item->expr->dtype == WFS_U8 &&
           item->expr->ndim == 4 && item->expr->shape[3] == BLOCK / 2;
}

static int values_of(const struct wfs_dequant *d, const struct wfs_expr *blocks,
                     const struct wfs_expr *block_scales, const struct wfs_expr **ret)
{
    struct wfs_recipe recipe = {0};
    const uint64_t *n = blocks->shape;
    const uint64_t rows[] = {n[0], n[1], n[2] * n[3]}, block[] = {1, 1, BLOCK};
    const struct wfs_expr *words, *codes, *scales, *values;
    int r = wfs_expr_reshape(d->mapper->arena, blocks, 3, rows, &words, d->err);
    if (!r)
        r = wfs_layout_dense(d, words, WFS_F4_E2M1, WFS_BF16, n[2] * BLOCK, &codes);
    if (!r)
        r = wfs_layout_expand(d, block_scales, 3, codes->shape, block, &scales);
    if (r)
        return r;
    wfs_recipe_input(&recipe, codes);
    wfs_recipe_input(&recipe, scales);
    wfs_recipe_const(&recipe, 127);
    wfs_recipe_do(&recipe, WFS_FORMULA_SUB);
    wfs_recipe_do(&recipe, WFS_FORMULA_SCALB);
    r = wfs_recipe_make(d, &recipe, WFS_BF16, &values);
    return r ? r
             : wfs_expr_permute(d->mapper->arena, values, (const uint32_t[]){0, 2, 1}, ret, d->err);
}

static int decode(struct wfs_dequant *d, const struct wfs_item *anchor)
{
    const char *last = wfs_scheme_last(anchor->path);
    const struct wfs_item *scales = NULL;
    const struct wfs_expr *values;
    const char *module = wfs_scheme_parent(d, anchor->path, 1);
    const char *stem = wfs_arena_strndup(d->mapper->arena, last, strlen(last) - strlen(BLOCKS));
    const char *name = stem ? wfs_arena_printf(d->mapper->arena, "%s_scales", stem) : NULL;
    if (!module || !name)
        return wfs_error_nomem(d->err, "names");
    int r = wfs_scheme_need(d, module, name, &scales);
    if (!r && scales->expr->dtype != WFS_U8)
        r = wfs_error_set(d->err, EINVAL, "%s: %s is no uint8", d->scheme, name);
    if (!r)
        r = values_of(d, anchor->expr, scales->expr, &values);
    if (r)
        return r;
    return wfs_scheme_emit(d, module, stem, values, 2, (const struct wfs_item *[]){anchor, scales});
}

const struct wfs_scheme wfs_scheme_mxfp4 = {"mxfp4", is_blocks, decode};
