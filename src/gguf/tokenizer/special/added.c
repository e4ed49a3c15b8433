/*
 * added.c - see added.h. The converter is llama.cpp's convert_hf_to_gguf.py.
 */
#include "gguf/tokenizer/special/added.h"

#include <string.h>

#define BLANK "\xe2\x96\x81" /* U+2581, SentencePiece's blank */

bool wfs_token_looks_special(struct wfs_gguf_str token)
{
    static const char *const whole[] = {"<pad>", "<mask>", "<2mass>", "[@BOS@]"};
    static const char *const around[][2] = {
        {"<|", "|>"}, {"<\xef\xbd\x9c", "\xef\xbd\x9c>"}, {"<unused", ">"}};
    for (size_t i = 0; i < WFS_ARRAY_SIZE(whole); i++)
        if (wfs_text_is(token, whole[i]))
            return true;
    for (size_t i = 0; i < WFS_ARRAY_SIZE(around); i++)
        if (wfs_text_begins(token, around[i][0]) && wfs_text_ends(token, around[i][1]))
            return true;
    return false;
}

struct wfs_gguf_str wfs_token_blanks(struct wfs_arena *arena, struct wfs_gguf_str token)
{
    size_t n = 0, step = strlen(BLANK);
    char *out = wfs_arena_alloc(arena, token.len + 1);
    for (size_t i = 0; out && i < token.len;) {
        bool is_blank = token.len - i >= step && memcmp(token.ptr + i, BLANK, step) == 0;
        out[n++] = is_blank ? ' ' : token.ptr[i];
        i += is_blank ? step : 1;
    }
    return (struct wfs_gguf_str){out, n};
}

struct wfs_gguf_str wfs_json_text(const json_t *value)
{
    return (struct wfs_gguf_str){json_string_value(value), json_string_length(value)};
}

const json_t *wfs_added_find(const json_t *added_tokens, struct wfs_gguf_str content)
{
    for (size_t i = 0; i < json_array_size(added_tokens); i++) {
        const json_t *token = json_array_get(added_tokens, i);
        struct wfs_gguf_str text = wfs_json_text(json_object_get(token, "content"));
        if (text.len == content.len && memcmp(text.ptr, content.ptr, text.len) == 0)
            return token;
    }
    return NULL;
}

bool wfs_added_is_control(const json_t *added_token)
{
    return json_is_true(json_object_get(added_token, "special")) ||
           wfs_token_looks_special(wfs_json_text(json_object_get(added_token, "content")));
}
