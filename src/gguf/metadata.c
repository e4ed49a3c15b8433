/*
 * metadata.c - the key-value pairs of a view's GGUF files, put together in the converter's order:
 * general.architecture, what is written while tensors are read, general.*, the architecture's keys,
 * general.quantization_version, the tokenizer's.
 */
#include "gguf/metadata.h"

#include <jansson.h>
#include <string.h>

#include "gguf/general/general.h"
#include "gguf/keys/checkpoint.h"
#include "gguf/keys/keys.h"
#include "gguf/kv/settings.h"
#include "gguf/kv/source_keys.h"
#include "gguf/tokenizer/tokenizer.h"

static void put_all(struct wfs_gguf_kv *kv, const struct wfs_gguf_kv *more)
{
    kv->failed |= !wfs_gguf_kv_ok(more);
    for (size_t i = 0; i < more->n; i++)
        wfs_gguf_put_pair(kv, &more->pairs[i]);
}

static int put_tokenizer(const struct wfs_gguf_inputs *inputs, const struct wfs_gguf_keys *keys,
                         struct wfs_gguf_kv *kv, struct wfs_error *err)
{
    struct wfs_keys_config config;
    int r = wfs_keys_config_load(inputs->arena, inputs->catalog, &config, err);
    if (r)
        return r;
    const struct wfs_gguf_tokenizer_inputs in = {
        .catalog = inputs->catalog,
        .config = json_object_get(config.json, "root"),
        .hparams = config.json,
        .arch = keys->arch,
        .class_name = keys->class_name,
        .set = inputs->set,
    };
    return wfs_gguf_tokenizer(kv, &in, err);
}

static int make(const struct wfs_gguf_inputs *inputs, struct wfs_gguf_kv *kv, struct wfs_error *err)
{
    struct wfs_gguf_keys keys;
    int r = wfs_gguf_keys(inputs, &keys, err);
    if (r)
        return r;
    wfs_gguf_put_str(kv, "general.architecture", keys.arch);
    put_all(kv, keys.first);
    r = wfs_gguf_general(kv, inputs, err);
    if (r)
        return r;
    put_all(kv, keys.rest);
    wfs_gguf_put_u32(kv, "general.quantization_version", 2);
    return put_tokenizer(inputs, &keys, kv, err);
}

int wfs_gguf_metadata(const struct wfs_gguf_inputs *inputs, struct wfs_gguf_kv *kv,
                      struct wfs_error *err)
{
    int r = wfs_gguf_is_source(inputs->catalog) ? wfs_gguf_source_keys(inputs->catalog, kv, err)
                                                : make(inputs, kv, err);
    if (!r)
        r = wfs_gguf_put_settings(kv, inputs->set, err);
    if (!r && !wfs_gguf_kv_ok(kv))
        r = wfs_error_nomem(err, "the keys of a GGUF file");
    return r;
}
