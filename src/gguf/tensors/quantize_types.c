/*
 * quantize_types.c - see quantize_types.h. The rules are those of llama_tensor_get_type and
 * llama_model_quantize_impl (llama.cpp's src/llama-quant.cpp), without an importance matrix.
 *
 * A rule goes by what the tensor is for, by the type of the file and by the tensor's layer: the first
 * and last eighths of the layers and every third between them get more bits. Values and ffn_down count
 * their layers by themselves, in the order of the file.
 */
#include "gguf/tensors/quantize_types.h"

#include <string.h>

struct state {
    const struct wfs_gguf_file_type *type;
    const struct wfs_gguf_quantize_model *model;
    bool has_output, is_falcon;
    int64_t n_values;        /* tensors of attention's values */
    int64_t i_value, i_down; /* those that came so far */
};

static bool is_any_of(enum wfs_gguf_ftype ftype, const enum wfs_gguf_ftype *list, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (list[i] == ftype)
            return true;
    return false;
}

static bool has(const struct wfs_gguf_item *item, const char *text)
{
    return strstr(item->name, text) != NULL;
}

static bool uses_more_bits(int64_t layer, int64_t n_layers)
{
    return layer < n_layers / 8 || layer >= 7 * n_layers / 8 || (layer - n_layers / 8) % 3 == 2;
}

/* ---- which are quantised at all ------------------------------------------------------------- */

/* Parts of names whose tensors stay as they are: gates of experts, small ones, tables of positions. */
static const char *const kept[] = {
    "_norm.weight",
    "ffn_gate_inp.weight",
    "altup",
    "laurel",
    "per_layer_model_proj",
    "ssm_conv1d",
    "shortconv.conv.weight",
    "attn_rel_b.weight",
};

static bool is_quantised(const struct wfs_gguf_item *item)
{
    if (!wfs_gguf_ends_with(item->name, "weight") || wfs_gguf_n_dims(item->expr) < 2 ||
        strcmp(item->name, "position_embd.weight") == 0 ||
        strcmp(item->name, "token_types.weight") == 0)
        return false;
    for (size_t i = 0; i < WFS_ARRAY_SIZE(kept); i++)
        if (has(item, kept[i]))
            return false;
    return true;
}

/* ---- by what a tensor is for ----------------------------------------------------------------- */

static bool is_output(const struct state *s, const struct wfs_gguf_item *item)
{
    return strcmp(item->name, "output.weight") == 0 ||
           (!s->has_output && strcmp(item->name, "token_embd.weight") == 0);
}

static bool is_value(const struct wfs_gguf_item *item)
{
    return has(item, "attn_v.weight") || has(item, "attn_qkv.weight") ||
           has(item, "attn_kv_b.weight");
}

static enum wfs_dtype output_type(const struct state *s, const struct wfs_gguf_item *item)
{
    enum wfs_dtype dtype = s->type->dtype;
    if (s->type->ftype == WFS_GGUF_FTYPE_MXFP4_MOE || s->is_falcon ||
        !wfs_gguf_row_fits(item->expr, dtype))
        return WFS_Q8_0;
    return dtype == WFS_Q8_0 ? WFS_Q8_0 : WFS_Q6_K;
}

static enum wfs_dtype value_type_of_few_experts(const struct state *s)
{
    bool is_grouped = s->model->n_kv_heads && s->model->n_heads / s->model->n_kv_heads >= 4;
    switch (s->type->ftype) {
    case WFS_GGUF_FTYPE_Q2_K:
        return is_grouped ? WFS_Q4_K : WFS_Q3_K;
    case WFS_GGUF_FTYPE_Q3_K_M:
        return s->i_value < 2 ? WFS_Q5_K : WFS_Q4_K;
    case WFS_GGUF_FTYPE_Q3_K_L:
        return WFS_Q5_K;
    case WFS_GGUF_FTYPE_IQ4_NL:
    case WFS_GGUF_FTYPE_IQ4_XS:
        return is_grouped ? WFS_Q5_K : s->type->dtype;
    case WFS_GGUF_FTYPE_Q4_K_M:
    case WFS_GGUF_FTYPE_Q5_K_M:
        return uses_more_bits(s->i_value, s->n_values) ? WFS_Q6_K : s->type->dtype;
    case WFS_GGUF_FTYPE_Q4_K_S:
        return s->i_value < 4 ? WFS_Q5_K : WFS_Q4_K;
    default:
        return s->type->dtype;
    }
}

/* In the 70B models eight heads share one tensor of values: more bits cost little. */
static enum wfs_dtype value_type(struct state *s)
{
    enum wfs_dtype dtype = value_type_of_few_experts(s);
    bool is_70b = s->model->n_layers == 80 && s->model->n_heads != s->model->n_kv_heads;
    s->i_value++;
    if (s->model->n_experts == 8)
        return WFS_Q8_0;
    return is_70b && (dtype == WFS_Q3_K || dtype == WFS_Q4_K) ? WFS_Q5_K : dtype;
}

static enum wfs_dtype falcon_down_type(const struct state *s, int64_t layer, int64_t n_layers)
{
    bool more = uses_more_bits(layer, n_layers);
    switch (s->type->ftype) {
    case WFS_GGUF_FTYPE_Q2_K:
        return WFS_Q3_K;
    case WFS_GGUF_FTYPE_Q3_K_M:
        return layer < n_layers / 16 ? WFS_Q5_K : more ? WFS_Q4_K : WFS_Q3_K;
    case WFS_GGUF_FTYPE_Q3_K_L:
        return WFS_Q4_K;
    case WFS_GGUF_FTYPE_Q4_K_M:
        return layer < n_layers / 16 ? WFS_Q6_K : more ? WFS_Q5_K : WFS_Q4_K;
    case WFS_GGUF_FTYPE_Q5_K_M:
        return more ? WFS_Q6_K : WFS_Q5_K;
    case WFS_GGUF_FTYPE_IQ4_NL:
    case WFS_GGUF_FTYPE_IQ4_XS:
        return layer < n_layers / 8 ? WFS_Q5_K : s->type->dtype;
    default:
        return s->type->dtype;
    }
}

/* Experts of one layer are several tensors: their names tell the layer. */
static enum wfs_dtype down_type(struct state *s, const struct wfs_gguf_item *item)
{
    int64_t n_layers = s->model->n_layers;
    int64_t layer = s->model->n_experts > 1 ? wfs_gguf_layer(item->name) : s->i_down;
    s->i_down++;
    if (s->is_falcon)
        return falcon_down_type(s, layer, n_layers);
    switch (s->type->ftype) {
    case WFS_GGUF_FTYPE_Q2_K:
        return WFS_Q3_K;
    case WFS_GGUF_FTYPE_Q3_K_M:
        return layer < n_layers / 16 ? WFS_Q5_K : WFS_Q4_K;
    case WFS_GGUF_FTYPE_Q3_K_L:
        return WFS_Q5_K;
    case WFS_GGUF_FTYPE_Q4_K_M:
    case WFS_GGUF_FTYPE_Q5_K_M:
        return uses_more_bits(layer, n_layers) ? WFS_Q6_K : s->type->dtype;
    case WFS_GGUF_FTYPE_IQ4_NL:
    case WFS_GGUF_FTYPE_IQ4_XS:
    case WFS_GGUF_FTYPE_Q4_K_S:
        return layer < n_layers / 8 ? WFS_Q5_K : s->type->dtype;
    default:
        return s->type->dtype;
    }
}

static enum wfs_dtype attention_output_type(const struct state *s)
{
    static const enum wfs_gguf_ftype of_eight[] = {
        WFS_GGUF_FTYPE_Q2_K,   WFS_GGUF_FTYPE_Q3_K_S, WFS_GGUF_FTYPE_Q3_K_M, WFS_GGUF_FTYPE_IQ4_NL,
        WFS_GGUF_FTYPE_Q4_K_S, WFS_GGUF_FTYPE_Q4_K_M, WFS_GGUF_FTYPE_IQ4_XS,
    };
    enum wfs_gguf_ftype ftype = s->type->ftype;
    if (s->is_falcon)
        return ftype == WFS_GGUF_FTYPE_Q3_K_L ? WFS_Q4_K : s->type->dtype;
    if (s->model->n_experts == 8)
        return is_any_of(ftype, of_eight, WFS_ARRAY_SIZE(of_eight)) ? WFS_Q5_K : s->type->dtype;
    switch (ftype) {
    case WFS_GGUF_FTYPE_Q2_K:
        return WFS_Q3_K;
    case WFS_GGUF_FTYPE_Q3_K_M:
        return WFS_Q4_K;
    case WFS_GGUF_FTYPE_Q3_K_L:
        return WFS_Q5_K;
    default:
        return s->type->dtype;
    }
}

static enum wfs_dtype wanted_type(struct state *s, const struct wfs_gguf_item *item)
{
    if (!wfs_dtype_is_block(s->type->dtype))
        return s->type->dtype;
    if (is_output(s, item))
        return output_type(s, item);
    if (s->type->ftype == WFS_GGUF_FTYPE_MXFP4_MOE)
        return wfs_gguf_n_dims(item->expr) > 2 ? WFS_MXFP4 : WFS_Q8_0;
    if (strcmp(item->name, "token_embd.weight") == 0 ||
        strcmp(item->name, "per_layer_token_embd.weight") == 0)
        return s->type->dtype;
    if (is_value(item))
        return value_type(s);
    if (has(item, "attn_k.weight") && s->model->n_experts == 8)
        return WFS_Q8_0;
    if (has(item, "ffn_down"))
        return down_type(s, item);
    if (has(item, "attn_output.weight"))
        return attention_output_type(s);
    return s->type->dtype;
}

/* A row that is not whole blocks gets a type of smaller ones. */
static enum wfs_dtype fitting_type(const struct wfs_gguf_item *item, enum wfs_dtype dtype)
{
    static const enum wfs_dtype smaller[][2] = {
        {WFS_Q2_K, WFS_Q4_0}, {WFS_Q3_K, WFS_Q4_0}, {WFS_Q4_K, WFS_Q5_0},
        {WFS_Q5_K, WFS_Q5_1}, {WFS_Q6_K, WFS_Q8_0}, {WFS_IQ4_XS, WFS_IQ4_NL},
    };
    for (size_t i = 0; i < WFS_ARRAY_SIZE(smaller); i++)
        if (smaller[i][0] == dtype && !wfs_gguf_row_fits(item->expr, dtype))
            dtype = smaller[i][1];
    return wfs_gguf_row_fits(item->expr, dtype) ? dtype : WFS_F16;
}

void wfs_gguf_quantize_types(struct wfs_gguf_item *items, uint32_t n,
                             const struct wfs_gguf_file_type *type,
                             const struct wfs_gguf_quantize_model *model)
{
    struct state s = {.type = type, .model = model};
    s.is_falcon = strcmp(model->architecture, "falcon") == 0;
    for (uint32_t i = 0; i < n; i++) {
        s.has_output |= strcmp(items[i].name, "output.weight") == 0;
        s.n_values += is_value(&items[i]);
    }
    for (uint32_t i = 0; i < n; i++)
        if (is_quantised(&items[i]) && wfs_dtype_is_float(items[i].expr->dtype))
            items[i].dtype = fitting_type(&items[i], wanted_type(&s, &items[i]));
}
