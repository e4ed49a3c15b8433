/*
 * wordpiece.c - see wordpiece.h. "##" before the rest of a word goes, and U+2581 comes before its
 * beginning: "phantom spaces", as llama.cpp's WordPiece has them.
 */
#include "gguf/tokenizer/kinds/wordpiece.h"

#include <string.h>

#include "gguf/tokenizer/kinds/bpe.h"
#include "gguf/tokenizer/pre/pre.h"
#include "gguf/tokenizer/special/special.h"

#define BLANK "\xe2\x96\x81" /* U+2581 */

static struct wfs_gguf_str turn(struct wfs_arena *arena, struct wfs_gguf_str token)
{
    if (wfs_text_begins(token, "##"))
        return (struct wfs_gguf_str){token.ptr + 2, token.len - 2};
    size_t step = strlen(BLANK);
    char *out = wfs_arena_alloc(arena, step + token.len);
    if (out) {
        memcpy(out, BLANK, step);
        memcpy(out + step, token.ptr, token.len);
    }
    return (struct wfs_gguf_str){out, step + token.len};
}

int wfs_wordpiece_put(struct wfs_gguf_kv *kv, const struct wfs_tokenizer_files *files,
                      struct wfs_error *err)
{
    struct wfs_vocabulary v = {0};
    struct wfs_special_tokens tokens;
    uint32_t n_types = 0;
    const char *pre;
    int r = wfs_tokenizer_number(files, "type_vocab_size", 1, &n_types, err);
    if (!r)
        r = wfs_pre_tokenizer_name(files, &pre, err);
    if (!r)
        r = wfs_bpe_vocabulary(files, &v, err);
    if (!r)
        r = wfs_special_read(files, files->vocab_size, &tokens, err);
    for (uint32_t i = 0; !r && i < v.n; i++) {
        if (v.types[i] != WFS_TOKEN_CONTROL)
            v.tokens[i] = turn(files->arena, v.tokens[i]);
        if (!v.tokens[i].ptr)
            r = wfs_error_nomem(err, "a token");
    }
    if (r)
        return r;
    wfs_gguf_put_u32(kv, "tokenizer.ggml.token_type_count", n_types);
    wfs_vocabulary_put(kv, "bert", pre, &v, false);
    return wfs_special_put(kv, files, &tokens, err);
}
