/*
 * converter_types.c - see converter_types.h. The rules are those of ModelBase.prepare_tensors in
 * llama.cpp's convert_hf_to_gguf.py and of its classes' tensor_force_quant.
 */
#include "gguf/tensors/converter_types.h"

#include <string.h>

/* Matrices that stay F32: small ones, and those that the graph adds. Behind "blk.N." or as they are. */
static const char *const always_f32[] = {
    "ffn_gate_inp.weight",       "ffn_gate_inp_shexp.weight", "position_embd.weight",
    "token_types.weight",        "ssm_conv1d.weight",         "shortconv.conv.weight",
    "altup_correct_coef.weight", "altup_predict_coef.weight",
};

static bool is_always_f32(const struct wfs_gguf_item *item)
{
    const char *name = item->name;
    if (item->expr->ndim <= 1 || wfs_gguf_ends_with(name, "_norm.weight") ||
        !wfs_gguf_ends_with(name, ".weight"))
        return true;
    if (wfs_gguf_layer(name) >= 0)
        name = strchr(name + strlen("blk."), '.') + 1;
    for (size_t i = 0; i < WFS_ARRAY_SIZE(always_f32); i++)
        if (strcmp(name, always_f32[i]) == 0)
            return true;
    return false;
}

void wfs_gguf_converter_type(struct wfs_gguf_item *item, enum wfs_dtype dtype)
{
    if (wfs_dtype_is_block(item->expr->dtype))
        item->dtype = item->expr->dtype;
    else if (is_always_f32(item))
        item->dtype = WFS_F32;
    else
        item->dtype = wfs_gguf_row_fits(item->expr, dtype) ? dtype : WFS_F16;
}
