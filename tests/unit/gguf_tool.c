/*
 * gguf_tool.c - the tokenizer keys of a checkpoint, for tests/cli/test_gguf_tokenizer.py:
 * gguf_tool OUT SOURCE ARCH CLASS [NAME=VALUE ...] writes them to OUT as a GGUF header has them; where OUT
 * is a folder, the tokenizer.json and tokenizer_config.json that are made of them.
 */
#include <jansson.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "gguf/tokenizer/back/back.h"
#include "gguf/tokenizer/tokenizer.h"
#include "mapping/items/config.h"
#include "mapping/items/json.h"

/* The language model's part over the root, as far as the tokenizer asks. */
static json_t *merge(const json_t *config)
{
    static const char *const parts[] = {"llm_config", "lm_config", "language_config",
                                        "text_config"};
    json_t *merged = json_copy((json_t *)config);
    for (size_t i = 0; merged && i < WFS_ARRAY_SIZE(parts); i++)
        if (json_is_object(json_object_get(config, parts[i])))
            json_object_update(merged, json_object_get(config, parts[i]));
    return merged;
}

static int write_file(const char *path, const struct wfs_buf *text, struct wfs_error *err)
{
    wfs_cleanup(wfs_fclosep) FILE *f = fopen(path, "wb");
    if (!f || fwrite(text->data, 1, text->len, f) != text->len)
        return wfs_error_set(err, EIO, "%s: not written", path);
    return 0;
}

static int write_back(const char *folder, const struct wfs_gguf_kv *kv, struct wfs_error *err)
{
    wfs_cleanup(wfs_buf_free) struct wfs_buf json = {0}, config = {0};
    char path[4096];
    int r = wfs_tokenizer_back_json(kv, &json, err);
    if (!r)
        r = wfs_tokenizer_back_config(kv, &config, err);
    snprintf(path, sizeof(path), "%s/tokenizer.json", folder);
    if (!r)
        r = write_file(path, &json, err);
    snprintf(path, sizeof(path), "%s/tokenizer_config.json", folder);
    return r ? r : write_file(path, &config, err);
}

static int write_keys(const char *out, const struct wfs_gguf_tokenizer_inputs *in,
                      struct wfs_error *err)
{
    wfs_cleanup(wfs_arena_freep) struct wfs_arena *arena = wfs_arena_new();
    wfs_cleanup(wfs_buf_free) struct wfs_buf buf = {0};
    struct wfs_gguf_kv *kv = arena ? wfs_gguf_kv_new(arena) : NULL;
    struct stat st;
    if (!kv)
        return wfs_error_nomem(err, "keys");
    int r = wfs_gguf_tokenizer(kv, in, err);
    if (!r && stat(out, &st) == 0 && S_ISDIR(st.st_mode))
        return write_back(out, kv, err);
    if (!r)
        r = wfs_gguf_kv_encode(kv, &buf);
    return r ? r : write_file(out, &buf, err);
}

int main(int argc, char **argv)
{
    struct wfs_source_options options = {0};
    struct wfs_error err = {0};
    wfs_cleanup(wfs_catalog_freep) struct wfs_catalog *catalog = NULL;
    if (argc < 5)
        return 2;
    int r = wfs_catalog_open(argv[2], &options, &catalog, &err);
    json_t *config = NULL;
    if (!r)
        r = wfs_json_load(catalog->config_path, WFS_CONFIG_MAX_BYTES, &config, &err);
    json_t *hparams = config ? merge(config) : NULL;
    struct wfs_gguf_tokenizer_inputs in = {.catalog = catalog,
                                           .config = config,
                                           .hparams = hparams,
                                           .arch = argv[3],
                                           .class_name = argv[4],
                                           .set = (const char *const *)argv + 5};
    if (!r && !hparams)
        r = wfs_error_set(&err, EINVAL, "config.json: not read");
    if (!r)
        r = write_keys(argv[1], &in, &err);
    if (r)
        fprintf(stderr, "%s\n", err.message);
    json_decref(config);
    json_decref(hparams);
    return r ? 1 : 0;
}
