/*
 * fuzz_tokenizer.c - tokenizer files, and what their keys give back: the first byte says which ('m': a SentencePiece model; else a
 * tokenizer.json, and behind its first NUL a tokenizer_config.json).
 */
#include <stdlib.h>
#include <string.h>

#include "gguf/tokenizer/back/back.h"
#include "gguf/tokenizer/kinds/bpe.h"
#include "gguf/tokenizer/pre/pre.h"
#include "gguf/tokenizer/read/sentencepiece.h"
#include "gguf/tokenizer/special/special.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void fuzz_model(struct wfs_gguf_str file)
{
    wfs_cleanup(wfs_sentencepiece_free) struct wfs_sentencepiece sp = {0};
    struct wfs_error err = {0};
    if (wfs_sentencepiece_parse("fuzz", file, &sp, &err))
        return;
    for (uint32_t i = 0; i < sp.n_pieces; i++)
        if (sp.pieces[i].ptr < file.ptr || sp.pieces[i].len > file.len)
            abort();
}

/* Keys as they are, for each of llama.cpp's models. */
static void run_back(struct wfs_gguf_kv *kv)
{
    static const char *const models[] = {"llama", "bert", "t5", "gpt2"};
    for (size_t i = 0; i < WFS_ARRAY_SIZE(models); i++) {
        wfs_cleanup(wfs_buf_free) struct wfs_buf out = {0};
        struct wfs_error err = {0};
        wfs_gguf_put_str(kv, "tokenizer.ggml.model", models[i]);
        wfs_gguf_put_str(kv, "tokenizer.ggml.pre", "tekken");
        wfs_tokenizer_back_json(kv, &out, &err);
        wfs_tokenizer_back_config(kv, &out, &err);
    }
}

static void run(struct wfs_tokenizer_files *files)
{
    struct wfs_error err = {0};
    struct wfs_vocabulary v;
    struct wfs_special_tokens tokens;
    const char *pre;
    struct wfs_gguf_kv *kv = wfs_gguf_kv_new(files->arena);
    if (!kv)
        abort();
    wfs_pre_tokenizer_name(files, &pre, &err);
    if (!wfs_bpe_vocabulary(files, &v, &err))
        wfs_vocabulary_put(kv, "gpt2", "x", &v, true);
    if (!wfs_special_read(files, 0, &tokens, &err))
        wfs_special_put(kv, files, &tokens, &err);
    run_back(kv);
}

static void fuzz_json(struct wfs_gguf_str json, struct wfs_gguf_str config)
{
    wfs_cleanup(wfs_arena_freep) struct wfs_arena *arena = wfs_arena_new();
    wfs_cleanup(wfs_bytes_unrefp) struct wfs_bytes *bytes = NULL;
    wfs_cleanup(wfs_tokenizer_files_free) struct wfs_tokenizer_files files = {0};
    struct wfs_catalog catalog = {0};
    struct wfs_gguf_tokenizer_inputs in = {.catalog = &catalog, .arch = "qwen3", .class_name = "X"};
    struct wfs_error err = {0};
    if (!arena || wfs_bytes_from_memory("fuzz", json.ptr, json.len, &bytes, &err))
        abort();
    files = (struct wfs_tokenizer_files){.arena = arena, .in = &in, .vocab_size = 300};
    if (config.len && wfs_side_parse(arena, "fuzz", config, &files.config, &err))
        return;
    if (!json_is_object(files.config))
        files.config = NULL;
    files.has_json = !wfs_tokenizer_json_read(arena, bytes, "fuzz", &files.json, &err);
    if (files.has_json)
        run(&files);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const char *text = (const char *)data;
    if (size && *text == 'm') {
        fuzz_model((struct wfs_gguf_str){text + 1, size - 1});
        return 0;
    }
    const char *end = size ? memchr(text, 0, size) : NULL;
    size_t len = end ? (size_t)(end - text) : size;
    struct wfs_gguf_str config = {"", 0};
    if (end)
        config = (struct wfs_gguf_str){end + 1, size - len - 1};
    fuzz_json((struct wfs_gguf_str){text, len}, config);
    return 0;
}
