/*
 * tokenizer.c - which kind of tokenizer a checkpoint has for llama.cpp, by its architecture and its
 * files, and what architectures add to it; as in llama.cpp's convert_hf_to_gguf.py.
 */
#include "gguf/tokenizer/tokenizer.h"

#include <string.h>

#include "gguf/tokenizer/kinds/bpe.h"
#include "gguf/tokenizer/kinds/spm.h"
#include "gguf/tokenizer/kinds/unigram.h"
#include "gguf/tokenizer/kinds/wordpiece.h"

typedef int (*put_fn)(struct wfs_gguf_kv *kv, const struct wfs_tokenizer_files *files,
                      struct wfs_error *err);

/* RoBERTa: byte-level BPE, and types of tokens. */
static int put_roberta(struct wfs_gguf_kv *kv, const struct wfs_tokenizer_files *files,
                       struct wfs_error *err)
{
    uint32_t n_types;
    int r = wfs_bpe_put(kv, files, err);
    if (!r)
        r = wfs_tokenizer_number(files, "type_vocab_size", 1, &n_types, err);
    if (!r)
        wfs_gguf_put_u32(kv, "tokenizer.ggml.token_type_count", n_types);
    return r;
}

static put_fn bert_kind(const struct wfs_tokenizer_files *files)
{
    const char *name = files->in->class_name;
    if (strncmp(name, "XLMRoberta", 10) == 0)
        return wfs_xlmr_put;
    if (strncmp(name, "Roberta", 7) == 0 && files->has_json)
        return put_roberta;
    return wfs_wordpiece_put;
}

/* These take tokenizer.json, whatever else is there. */
static bool is_always_bpe(const struct wfs_tokenizer_files *files)
{
    return WFS_IS_ARCH(files, "llama4", "phi2", "falcon", "gptneox", "bloom", "mpt", "starcoder",
                       "starcoder2", "olmo", "olmo2", "olmoe", "command-r", "cohere2", "stablelm",
                       "gpt-oss", "lfm2", "lfm2moe", "jais2", "seed_oss", "exaone", "exaone4",
                       "exaone-moe", "minimax-m2", "falcon-h1", "qwen2moe", "qwen3next", "dots1") ||
           (WFS_IS_ARCH(files, "mamba") && files->has_json);
}

static put_fn kind_of(const struct wfs_tokenizer_files *files)
{
    if (WFS_IS_ARCH(files, "bert"))
        return bert_kind(files);
    if (WFS_IS_ARCH(files, "nomic-bert"))
        return wfs_wordpiece_put;
    if (WFS_IS_ARCH(files, "t5", "t5encoder"))
        return wfs_t5_put;
    if (!is_always_bpe(files) && wfs_side_has(files->in->catalog, WFS_TOKENIZER_MODEL))
        return wfs_spm_put;
    return wfs_bpe_put;
}

static int check_files(const struct wfs_tokenizer_files *files, put_fn kind, struct wfs_error *err)
{
    if (files->has_json || kind == wfs_spm_put || kind == wfs_t5_put || kind == wfs_xlmr_put)
        return 0;
    return wfs_error_set(err, EINVAL,
                         WFS_TOKENIZER_JSON ": not there, and the tokenizer's keys of '%s' need it",
                         files->in->arch);
}

/* What stands before the vocabulary. */
static void put_before(struct wfs_gguf_kv *kv, const struct wfs_tokenizer_files *files, put_fn kind)
{
    static const char *const flags[] = {"tokenizer.ggml.add_bos_token",
                                        "tokenizer.ggml.add_eos_token",
                                        "tokenizer.ggml.add_sep_token"};
    const json_t *prefix = json_object_get(files->config, "add_prefix_space");
    if (kind == wfs_spm_put && json_is_boolean(prefix) &&
        WFS_IS_ARCH(files, "granite", "granitemoe", "granitehybrid", "llama", "smollm3", "mistral3",
                    "arcee", "apertus", "afmoe"))
        wfs_gguf_put_bool(kv, "tokenizer.ggml.add_space_prefix", json_is_true(prefix));
    for (size_t i = 0; WFS_IS_ARCH(files, "modern-bert") && i < WFS_ARRAY_SIZE(flags); i++)
        wfs_gguf_put_bool(kv, flags[i], true);
}

/* StarCoder's vocabulary in a Llama's clothes (its size tells it) begins no text with a token. */
static void put_after(struct wfs_gguf_kv *kv, const struct wfs_tokenizer_files *files, put_fn kind)
{
    if (kind == wfs_bpe_put && files->vocab_size == 49152 &&
        WFS_IS_ARCH(files, "granite", "granitemoe", "llama", "smollm3"))
        wfs_gguf_put_bool(kv, "tokenizer.ggml.add_bos_token", false);
}

static void free_files(struct wfs_tokenizer_files *files)
{
    wfs_tokenizer_files_free(files);
}

int wfs_gguf_tokenizer(struct wfs_gguf_kv *kv, const struct wfs_gguf_tokenizer_inputs *in,
                       struct wfs_error *err)
{
    wfs_cleanup(wfs_arena_freep) struct wfs_arena *arena = wfs_arena_new();
    if (!arena)
        return wfs_error_nomem(err, "the tokenizer");
    wfs_cleanup(free_files) struct wfs_tokenizer_files files = {0};
    int r = wfs_tokenizer_files_read(arena, in, &files, err);
    if (r)
        return r;
    put_fn kind = kind_of(&files);
    r = check_files(&files, kind, err);
    if (r)
        return r;
    put_before(kv, &files, kind);
    r = kind(kv, &files, err);
    if (!r)
        put_after(kv, &files, kind);
    if (!r && !wfs_gguf_kv_ok(kv))
        r = wfs_error_nomem(err, "the tokenizer's keys");
    return r;
}
