/*
 * spm.c - see spm.h.
 */
#include "gguf/tokenizer/kinds/spm.h"

#include <stdlib.h>
#include <string.h>

#include "gguf/tokenizer/special/added.h"
#include "gguf/tokenizer/special/special.h"

#define ADDED_SCORE      (-1000.0f)
#define ADD_SPACE_PREFIX "tokenizer.ggml.add_space_prefix"

int wfs_spm_read(const struct wfs_tokenizer_files *files, const char *name,
                 struct wfs_sentencepiece *ret, struct wfs_error *err)
{
    struct wfs_gguf_str file;
    int r = wfs_side_read(files->arena, files->in->catalog, name, &file, err);
    if (!r && !file.ptr)
        r = wfs_error_set(err, EINVAL, "%s: not there, and the tokenizer's keys need it", name);
    return r ? r : wfs_sentencepiece_parse(name, file, ret, err);
}

/* A piece that a user defined is a normal one for the converter. */
static int32_t type_of(uint8_t piece_type)
{
    static const int32_t types[] = {
        [WFS_PIECE_NORMAL] = WFS_TOKEN_NORMAL,   [WFS_PIECE_UNKNOWN] = WFS_TOKEN_UNKNOWN,
        [WFS_PIECE_CONTROL] = WFS_TOKEN_CONTROL, [WFS_PIECE_USER_DEFINED] = WFS_TOKEN_NORMAL,
        [WFS_PIECE_UNUSED] = WFS_TOKEN_UNUSED,   [WFS_PIECE_BYTE] = WFS_TOKEN_BYTE,
    };
    return types[piece_type];
}

int wfs_spm_vocabulary(const struct wfs_tokenizer_files *files, const char *name,
                       const struct wfs_sentencepiece *sp, uint32_t n, struct wfs_vocabulary *ret,
                       struct wfs_error *err)
{
    if (sp->n_pieces > n)
        return wfs_error_set(err, EINVAL, "%s: %u pieces, but config.json's vocab_size is %u", name,
                             sp->n_pieces, n);
    int r = wfs_vocabulary_new(files->arena, n, ret, err);
    for (uint32_t i = 0; !r && i < sp->n_pieces; i++) {
        ret->tokens[i] = sp->pieces[i];
        ret->scores[i] = sp->scores[i];
        ret->types[i] = type_of(sp->types[i]);
    }
    return r;
}

/* ---- added tokens -------------------------------------------------------------------------- */

static void place(struct wfs_vocabulary *v, uint64_t id, struct wfs_gguf_str text, int32_t type)
{
    v->tokens[id] = text;
    v->scores[id] = ADDED_SCORE;
    v->types[id] = type;
}

/* added_tokens.json: {text: id}. Ids that the model has no row for are left out, as in the converter. */
static int place_added(const struct wfs_tokenizer_files *files, struct wfs_vocabulary *v,
                       struct wfs_error *err)
{
    static const char name[] = "added_tokens.json";
    json_t *root = NULL, *id;
    const char *text;
    size_t len;
    int r = wfs_side_json(files->arena, files->in->catalog, name, &root, err);
    if (r)
        return r;
    json_object_keylen_foreach(root, text, len, id)
    {
        if (!json_is_integer(id) || json_integer_value(id) < 0)
            return wfs_error_set(err, EINVAL, "%s: '%.64s' has no id", name, text);
        if (json_integer_value(id) < v->n)
            place(v, (uint64_t)json_integer_value(id), (struct wfs_gguf_str){text, len},
                  WFS_TOKEN_USER_DEFINED);
    }
    return 0;
}

static int id_of_key(const char *key, uint64_t *ret, struct wfs_error *err)
{
    char *end;
    errno = 0;
    *ret = strtoull(key, &end, 10);
    if (errno || end == key || *end || *key < '0' || *key > '9')
        return wfs_error_set(err, EINVAL,
                             WFS_TOKENIZER_CONFIG ": added_tokens_decoder: '%.64s' is no id", key);
    return 0;
}

/* One entry of tokenizer_config.json's added_tokens_decoder: {"content": text, "special": truth}. */
static int place_decoder_entry(const struct wfs_tokenizer_files *files, struct wfs_vocabulary *v,
                               const char *key, const json_t *entry, struct wfs_error *err)
{
    uint64_t id;
    int r = id_of_key(key, &id, err);
    struct wfs_gguf_str text = wfs_json_text(json_object_get(entry, "content"));
    if (!r && !text.ptr)
        r = wfs_error_set(err, EINVAL,
                          WFS_TOKENIZER_CONFIG ": added_tokens_decoder: %.64s has no content", key);
    if (r || id >= v->n)
        return r;
    bool is_phi = WFS_IS_ARCH(files, "phi3", "phimoe");
    bool is_control = json_is_true(json_object_get(entry, "special")) ||
                      (!is_phi && wfs_token_looks_special(text));
    if (!is_control && !is_phi)
        text = wfs_token_blanks(files->arena, text);
    if (!text.ptr)
        return wfs_error_nomem(err, "a token");
    place(v, id, text, is_control ? WFS_TOKEN_CONTROL : WFS_TOKEN_USER_DEFINED);
    return 0;
}

static int place_decoder(const struct wfs_tokenizer_files *files, struct wfs_vocabulary *v,
                         struct wfs_error *err)
{
    const char *key;
    json_t *entry;
    json_object_foreach(json_object_get(files->config, "added_tokens_decoder"), key, entry)
    {
        int r = place_decoder_entry(files, v, key, entry, err);
        if (r)
            return r;
    }
    return 0;
}

/* ---- architectures ------------------------------------------------------------------------- */

/* internlm2: the piece of one NUL becomes a dragon, and "[UNUSED" begins what is not used. */
static void mark_internlm2(struct wfs_vocabulary *v)
{
    bool has_dragon = false;
    for (uint32_t i = 0; i < v->n; i++) {
        if (!has_dragon && v->tokens[i].len == 1 && v->tokens[i].ptr[0] == '\0') {
            v->tokens[i] = wfs_gguf_text("\xf0\x9f\x90\x89");
            has_dragon = true;
        }
        if (wfs_text_begins(v->tokens[i], "[UNUSED"))
            v->types[i] = WFS_TOKEN_UNUSED;
    }
}

/* internlm2: a chat model ends with <|im_end|>. */
static void end_internlm2(const struct wfs_tokenizer_files *files,
                          struct wfs_special_tokens *tokens)
{
    const char *key;
    json_t *entry;
    json_object_foreach(json_object_get(files->config, "added_tokens_decoder"), key, entry)
    {
        const char *content = json_string_value(json_object_get(entry, "content"));
        if (content && strcmp(content, "<|im_end|>") == 0)
            wfs_special_set(&tokens->ids, WFS_SPECIAL_EOS, strtoll(key, NULL, 10));
    }
}

static void put_own_keys(struct wfs_gguf_kv *kv, const struct wfs_tokenizer_files *files)
{
    const json_t *prefix = json_object_get(files->config, "add_prefix_space");
    if (WFS_IS_ARCH(files, "gemma"))
        wfs_gguf_put_u32(kv, "tokenizer.ggml.eot_token_id", 107);
    if (WFS_IS_ARCH(files, "gemma", "gemma2", "gemma3", "gemma3n"))
        wfs_gguf_put_bool(kv, ADD_SPACE_PREFIX, false);
    if (WFS_IS_ARCH(files, "nemotron")) {
        wfs_gguf_put_u32(kv, "tokenizer.ggml.padding_token_id", 0);
        wfs_gguf_put_u32(kv, "tokenizer.ggml.unknown_token_id", 1);
    }
    if (WFS_IS_ARCH(files, "ernie4_5", "ernie4_5-moe") && json_is_boolean(prefix))
        wfs_gguf_put_bool(kv, ADD_SPACE_PREFIX, json_is_true(prefix));
}

static int make(const struct wfs_tokenizer_files *files, struct wfs_sentencepiece *sp,
                struct wfs_vocabulary *v, struct wfs_error *err)
{
    int r = wfs_spm_read(files, WFS_TOKENIZER_MODEL, sp, err);
    if (!r)
        r = wfs_spm_vocabulary(files, WFS_TOKENIZER_MODEL, sp, files->vocab_size, v, err);
    if (!r)
        r = place_added(files, v, err);
    if (!r)
        r = place_decoder(files, v, err);
    return r;
}

int wfs_spm_put(struct wfs_gguf_kv *kv, const struct wfs_tokenizer_files *files,
                struct wfs_error *err)
{
    wfs_cleanup(wfs_sentencepiece_free) struct wfs_sentencepiece sp = {0};
    struct wfs_vocabulary v;
    struct wfs_special_tokens tokens;
    bool is_internlm2 = WFS_IS_ARCH(files, "internlm2");
    int r = make(files, &sp, &v, err);
    if (!r)
        r = wfs_special_read(files, files->vocab_size, &tokens, err);
    if (r)
        return r;
    if (is_internlm2)
        mark_internlm2(&v);
    wfs_vocabulary_put(kv, "llama", "default", &v, true);
    if (is_internlm2) {
        wfs_gguf_put_bool(kv, ADD_SPACE_PREFIX, sp.adds_dummy_prefix);
        end_internlm2(files, &tokens);
    }
    r = wfs_special_put(kv, files, &tokens, err);
    if (!r)
        put_own_keys(kv, files);
    return r;
}
