/*
 * metadata.c - what a source's own metadata says under the names that rules ask config.json for.
 */
#include "mapping/items/metadata.h"

#include <stdio.h>
#include <string.h>

static const char *find_metadata(const struct wfs_catalog *catalog, const char *key)
{
    for (uint32_t i = 0; i < catalog->n_metadata; i++)
        if (strcmp(catalog->metadata[i][0], key) == 0)
            return catalog->metadata[i][1];
    return NULL;
}

/* GGUF's keys behind the architecture's name, under config.json's names, which rules ask for. */
static const char *const gguf_keys[][2] = {
    {"num_attention_heads", "attention.head_count"},
    {"num_key_value_heads", "attention.head_count_kv"},
    {"num_hidden_layers", "block_count"},
    {"gguf_nextn_layers", "nextn_predict_layers"},
    {"hidden_size", "embedding_length"},
    {"head_dim", "attention.key_length"},
    {"v_head_dim", "attention.value_length_mla"},
    {"linear_num_key_heads", "ssm.group_count"},
    {"linear_num_value_heads", "ssm.time_step_rank"},
    {"linear_key_head_dim", "ssm.state_size"},
    {"ssm_groups", "ssm.group_count"},
    {"ssm_inner_size", "ssm.inner_size"},
    {"ssm_state_size", "ssm.state_size"},
};

/* What a GGUF file says under the name that config.json has for it, or NULL. */
static const char *find_gguf_key(const struct wfs_catalog *catalog, const char *path)
{
    const char *architecture = find_metadata(catalog, "general.architecture");
    for (size_t i = 0; architecture && i < WFS_ARRAY_SIZE(gguf_keys); i++) {
        char key[256];
        if (strcmp(gguf_keys[i][0], path) != 0)
            continue;
        int n = snprintf(key, sizeof(key), "%s.%s", architecture, gguf_keys[i][1]);
        return n < (int)sizeof(key) ? find_metadata(catalog, key) : NULL;
    }
    return NULL;
}

const char *wfs_metadata_find(const struct wfs_catalog *catalog, const char *path)
{
    const char *text = find_metadata(catalog, path);
    return text ? text : find_gguf_key(catalog, path);
}
