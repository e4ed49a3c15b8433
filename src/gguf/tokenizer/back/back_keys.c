/*
 * back_keys.c - see back_keys.h.
 */
#include "gguf/tokenizer/back/back_keys.h"

#include <string.h>

#define PREFIX "tokenizer.ggml."

static const struct wfs_gguf_pair *find(const struct wfs_gguf_kv *kv, const char *name)
{
    char key[96];
    snprintf(key, sizeof(key), PREFIX "%s", name);
    return wfs_gguf_kv_find(kv, key);
}

/* "" where there is no such text. */
static const char *text_of(struct wfs_arena *arena, const struct wfs_gguf_kv *kv, const char *name)
{
    const struct wfs_gguf_pair *pair = find(kv, name);
    struct wfs_gguf_str text;
    size_t pos = 0;
    if (!pair || pair->type != WFS_GGUF_STR || !wfs_gguf_next_text(pair, &pos, &text))
        return "";
    return wfs_arena_strndup(arena, text.ptr, text.len);
}

static int read_tokens(struct wfs_back_keys *k, const struct wfs_gguf_pair *pair,
                       struct wfs_error *err)
{
    struct wfs_gguf_str text;
    size_t pos = 0;
    for (uint32_t i = 0; wfs_gguf_next_text(pair, &pos, &text); i++) {
        if (!wfs_utf8_valid(text.ptr, text.len))
            return wfs_error_set(err, EINVAL, PREFIX "tokens: number %u is not valid UTF-8", i);
        k->v.tokens[i] = text;
        k->v.types[i] = WFS_TOKEN_NORMAL;
        k->v.scores[i] = 0;
    }
    return 0;
}

static int contradiction(struct wfs_error *err, const char *name)
{
    return wfs_error_set(err, EINVAL, PREFIX "%s: not one of each of the tokens", name);
}

static int read_types(struct wfs_back_keys *k, struct wfs_error *err)
{
    const struct wfs_gguf_pair *types = find(k->kv, "token_type"), *scores = find(k->kv, "scores");
    if (types && types->count != k->v.n)
        return contradiction(err, "token_type");
    if (scores && scores->count != k->v.n)
        return contradiction(err, "scores");
    for (uint32_t i = 0; i < k->v.n; i++) {
        int64_t type = WFS_TOKEN_NORMAL;
        double score = 0;
        if (types && !wfs_gguf_int_at(types, i, &type))
            return contradiction(err, "token_type");
        if (scores && !wfs_gguf_float_at(scores, i, &score))
            return contradiction(err, "scores");
        k->v.types[i] = (int32_t)type;
        k->v.scores[i] = (float)score;
    }
    return 0;
}

int wfs_back_keys_read(struct wfs_arena *arena, const struct wfs_gguf_kv *kv,
                       struct wfs_back_keys *ret, struct wfs_error *err)
{
    uint32_t first, second;
    *ret = (struct wfs_back_keys){.kv = kv};
    ret->model = text_of(arena, kv, "model");
    ret->pre = text_of(arena, kv, "pre");
    if (!ret->model || !ret->pre)
        return wfs_error_nomem(err, "a tokenizer");
    const struct wfs_gguf_pair *tokens = find(kv, "tokens");
    if (!tokens || tokens->type != WFS_GGUF_ARRAY || tokens->elem_type != WFS_GGUF_STR ||
        tokens->count > INT32_MAX)
        return wfs_error_set(err, EINVAL, PREFIX "tokens: no list of texts");
    int r = wfs_vocabulary_new(arena, (uint32_t)tokens->count, &ret->v, err);
    if (!r)
        r = read_tokens(ret, tokens, err);
    if (!r)
        r = read_types(ret, err);
    if (r)
        return r;
    r = wfs_text_index_build(&ret->index, ret->v.tokens, ret->v.n, &first, &second);
    if (r == -ENOMEM)
        return wfs_error_nomem(err, "a tokenizer");
    return r ? wfs_error_set(err, EINVAL, PREFIX "tokens: %u and %u are the same text", first,
                             second)
             : 0;
}

void wfs_back_keys_free(struct wfs_back_keys *keys)
{
    wfs_text_index_free(&keys->index);
}

bool wfs_back_flag(const struct wfs_back_keys *keys, const char *name, bool fallback)
{
    const struct wfs_gguf_pair *pair = find(keys->kv, name);
    int64_t v;
    return pair && pair->type == WFS_GGUF_BOOL && wfs_gguf_int_at(pair, 0, &v) ? v != 0 : fallback;
}

uint32_t wfs_back_id(const struct wfs_back_keys *keys, const char *name)
{
    const struct wfs_gguf_pair *pair = find(keys->kv, name);
    int64_t v;
    if (!pair || pair->type == WFS_GGUF_ARRAY || !wfs_gguf_int_at(pair, 0, &v) || v < 0 ||
        v >= keys->v.n)
        return WFS_NO_INDEX;
    return (uint32_t)v;
}

bool wfs_back_is_added(const struct wfs_back_keys *keys, uint32_t id)
{
    int32_t type = keys->v.types[id];
    return type == WFS_TOKEN_CONTROL || type == WFS_TOKEN_USER_DEFINED || type == WFS_TOKEN_UNKNOWN;
}

void wfs_back_string(struct wfs_buf *out, struct wfs_gguf_str text)
{
    wfs_buf_char(out, '"');
    for (size_t i = 0; i < text.len; i++) {
        unsigned char c = (unsigned char)text.ptr[i];
        if (c < 0x20)
            wfs_buf_printf(out, "\\u%04x", c);
        else if (c == '"' || c == '\\')
            wfs_buf_printf(out, "\\%c", c);
        else
            wfs_buf_char(out, (char)c);
    }
    wfs_buf_char(out, '"');
}
