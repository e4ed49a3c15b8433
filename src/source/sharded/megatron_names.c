/*
 * megatron_names.c - what the names of Megatron-LM's parameters say: the axis along which tensor
 * parallelism cuts them, and the layer they belong to.
 */
#include "source/sharded/megatron_names.h"

#include <fnmatch.h>
#include <string.h>

static const struct {
    const char *pattern;
    int32_t axis;
} known_names[] = {
    {"*query_key_value.weight", 0},
    {"*query_key_value.bias", 0},
    {"*dense_h_to_4h.weight", 0},
    {"*dense_h_to_4h.bias", 0},
    {"*linear_qkv.weight", 0},
    {"*linear_qkv.bias", 0},
    {"*linear_fc1.weight", 0},
    {"*linear_fc1.bias", 0},
    {"*word_embeddings.weight", 0},
    {"*word_embeddings_for_head.weight", 0},
    {"*output_layer.weight", 0},
    {"*output_layer.bias", 0},
    {"*lm_head.bias", 0},
    {"*attention.dense.weight", 1},
    {"*dense_4h_to_h.weight", 1},
    {"*linear_proj.weight", 1},
    {"*linear_fc2.weight", 1},
    {"*position_embeddings.weight", -1},
    {"*tokentype_embeddings.weight", -1},
};

bool wfs_megatron_axis(const struct wfs_tensor *t, int32_t *ret)
{
    for (size_t i = 0; i < WFS_ARRAY_SIZE(known_names); i++) {
        if (fnmatch(known_names[i].pattern, t->name, 0) != 0)
            continue;
        *ret = known_names[i].axis;
        return true;
    }
    *ret = -1;
    return t->expr->ndim < 2;
}

bool wfs_megatron_may_be_gated(const char *name)
{
    static const char *const names[] = {"*dense_h_to_4h.weight", "*dense_h_to_4h.bias",
                                        "*linear_fc1.weight", "*linear_fc1.bias"};
    for (size_t i = 0; i < WFS_ARRAY_SIZE(names); i++)
        if (fnmatch(names[i], name, 0) == 0)
            return true;
    return false;
}

const char *wfs_megatron_layer(const char *path, size_t *ret_len)
{
    bool after_layers = false;
    for (size_t i = 0; i < wfs_path_n_components(path); i++) {
        size_t len;
        const char *part = wfs_path_component(path, i, &len);
        *ret_len = len;
        if (after_layers && len > 0 && len < 8 && strspn(part, "0123456789") >= len)
            return part;
        after_layers = len == 6 && memcmp(part, "layers", 6) == 0;
    }
    return NULL;
}
