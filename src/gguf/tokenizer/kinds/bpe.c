/*
 * bpe.c - see bpe.h.
 */
#include "gguf/tokenizer/kinds/bpe.h"

#include <stdlib.h>
#include <string.h>

#include "gguf/tokenizer/pre/pre.h"
#include "gguf/tokenizer/special/added.h"
#include "gguf/tokenizer/special/special.h"

/* ---- tokens -------------------------------------------------------------------------------- */

static int out_of_range(const struct wfs_tokenizer_files *files, struct wfs_gguf_str token,
                        uint64_t id, struct wfs_error *err)
{
    return wfs_error_set(err, EINVAL,
                         WFS_TOKENIZER_JSON
                         ": the token '%.64s' has the id %llu, but config.json's vocab_size is %u",
                         token.ptr, (unsigned long long)id, files->vocab_size);
}

static int place_added(const struct wfs_tokenizer_files *files, const json_t *added,
                       struct wfs_vocabulary *v, struct wfs_error *err)
{
    struct wfs_gguf_str text = wfs_json_text(json_object_get(added, "content"));
    uint64_t id = (uint64_t)json_integer_value(json_object_get(added, "id"));
    if (id >= v->n)
        return out_of_range(files, text, id, err);
    if (v->types[id] == WFS_TOKEN_CONTROL || v->types[id] == WFS_TOKEN_USER_DEFINED)
        return wfs_error_set(err, EINVAL, WFS_TOKENIZER_JSON ": two added tokens have the id %llu",
                             (unsigned long long)id);
    bool is_control = wfs_added_is_control(added);
    if (!is_control)
        text = wfs_token_blanks(files->arena, text);
    if (!text.ptr)
        return wfs_error_nomem(err, "a token");
    v->tokens[id] = text;
    v->types[id] = is_control ? WFS_TOKEN_CONTROL : WFS_TOKEN_USER_DEFINED;
    return 0;
}

int wfs_bpe_vocabulary(const struct wfs_tokenizer_files *files, struct wfs_vocabulary *ret,
                       struct wfs_error *err)
{
    const struct wfs_tokenizer_json *tj = &files->json;
    int r = wfs_vocabulary_new(files->arena, files->vocab_size, ret, err);
    for (uint32_t i = 0; !r && i < tj->n_tokens; i++) {
        if (tj->ids[i] >= ret->n)
            return out_of_range(files, tj->tokens[i], tj->ids[i], err);
        ret->tokens[tj->ids[i]] = tj->tokens[i];
        ret->types[tj->ids[i]] = WFS_TOKEN_NORMAL;
    }
    for (size_t i = 0; !r && i < json_array_size(tj->added_tokens); i++)
        r = place_added(files, json_array_get(tj->added_tokens, i), ret, err);
    return r;
}

/* ---- merges -------------------------------------------------------------------------------- */

/* A blank inside a token of a merge becomes U+0120, since one blank parts the two. */
static struct wfs_gguf_str merge_text(struct wfs_arena *arena, const struct wfs_merge *merge)
{
    size_t len = (size_t)merge->left_len + 1 + merge->right_len, n = 0;
    if (!merge->has_space)
        return (struct wfs_gguf_str){merge->text, len};
    char *out = wfs_arena_alloc(arena, 2 * len);
    for (size_t i = 0; out && i < len; i++) {
        bool is_inside = merge->text[i] == ' ' && i != merge->left_len;
        if (is_inside)
            out[n++] = '\xc4';
        out[n++] = is_inside ? '\xa0' : merge->text[i];
    }
    return (struct wfs_gguf_str){out, n};
}

static int put_merges(struct wfs_gguf_kv *kv, const struct wfs_tokenizer_files *files,
                      struct wfs_error *err)
{
    const struct wfs_tokenizer_json *tj = &files->json;
    if (!tj->n_merges)
        return 0;
    wfs_cleanup(wfs_freep) struct wfs_gguf_str *texts = calloc(tj->n_merges, sizeof(*texts));
    if (!texts)
        return wfs_error_nomem(err, "merges");
    for (uint32_t i = 0; i < tj->n_merges; i++) {
        texts[i] = merge_text(files->arena, &tj->merges[i]);
        if (!texts[i].ptr)
            return wfs_error_nomem(err, "merges");
    }
    wfs_gguf_put_array(kv, "tokenizer.ggml.merges", WFS_GGUF_STR, tj->n_merges, texts);
    return 0;
}

/* ---- architectures ------------------------------------------------------------------------- */

/* GLM's converters name tokens of control themselves; what a config said already stays. */
struct own_token {
    enum wfs_special kind;
    const char *content;
};
static const struct own_token glm4[] = {{WFS_SPECIAL_EOS, "<|endoftext|>"},
                                        {WFS_SPECIAL_EOT, "<|user|>"},
                                        {WFS_SPECIAL_UNK, "<|endoftext|>"},
                                        {WFS_SPECIAL_BOS, "<|endoftext|>"}};
static const struct own_token glm4moe[] = {{WFS_SPECIAL_BOS, "[gMASK]"},
                                           {WFS_SPECIAL_EOT, "<|user|>"},
                                           {WFS_SPECIAL_UNK, "<|endoftext|>"},
                                           {WFS_SPECIAL_EOM, "<|observation|>"}};
static const struct own_token chatglm[] = {{WFS_SPECIAL_EOS, "<|endoftext|>"},
                                           {WFS_SPECIAL_EOT, "<|user|>"},
                                           {WFS_SPECIAL_UNK, "<|endoftext|>"}};

static int add_own(const struct wfs_tokenizer_files *files, const struct own_token *own, size_t n,
                   struct wfs_special_tokens *tokens, struct wfs_error *err)
{
    for (size_t i = 0; i < n; i++) {
        const json_t *added =
            wfs_added_find(files->json.added_tokens, wfs_gguf_text(own[i].content));
        if (!added)
            return wfs_error_set(err, EINVAL,
                                 WFS_TOKENIZER_JSON ": no added token '%s', which every GLM has",
                                 own[i].content);
        wfs_special_default(&tokens->ids, own[i].kind,
                            json_integer_value(json_object_get(added, "id")));
    }
    return 0;
}

static int add_own_tokens(const struct wfs_tokenizer_files *files,
                          struct wfs_special_tokens *tokens, struct wfs_error *err)
{
    if (WFS_IS_ARCH(files, "glm4"))
        return add_own(files, glm4, WFS_ARRAY_SIZE(glm4), tokens, err);
    if (WFS_IS_ARCH(files, "glm4moe") ||
        strcmp(files->in->class_name, "Glm4MoeLiteForCausalLM") == 0)
        return add_own(files, glm4moe, WFS_ARRAY_SIZE(glm4moe), tokens, err);
    if (WFS_IS_ARCH(files, "chatglm"))
        return add_own(files, chatglm, WFS_ARRAY_SIZE(chatglm), tokens, err);
    return 0;
}

int wfs_bpe_put(struct wfs_gguf_kv *kv, const struct wfs_tokenizer_files *files,
                struct wfs_error *err)
{
    struct wfs_vocabulary v;
    struct wfs_special_tokens tokens;
    const char *pre;
    int r = wfs_pre_tokenizer_name(files, &pre, err);
    if (!r)
        r = wfs_bpe_vocabulary(files, &v, err);
    if (!r)
        r = wfs_special_read(files, 0, &tokens, err);
    if (!r)
        r = add_own_tokens(files, &tokens, err);
    if (r)
        return r;
    wfs_vocabulary_put(kv, "gpt2", pre, &v, false);
    r = put_merges(kv, files, err);
    return r ? r : wfs_special_put(kv, files, &tokens, err);
}
