/*
 * ggml.c - GGUF's block types: the decoders of src/tensor/codes, bit for bit ggml's. The values are
 * float32.
 */
#include "mapping/schemes/scheme.h"

static bool is_blocks(const struct wfs_dequant *d, const struct wfs_item *item)
{
    (void)d;
    return wfs_dtype_is_block(item->expr->dtype);
}

static int decode(struct wfs_dequant *d, const struct wfs_item *anchor)
{
    const struct wfs_expr *values;
    int r = wfs_expr_decode(d->mapper->arena, anchor->expr, WFS_F32, &values, d->err);
    return r ? r : wfs_scheme_emit(d, "", anchor->path, values, 1, &anchor);
}

const struct wfs_scheme wfs_scheme_ggml = {"ggml", is_blocks, decode};
