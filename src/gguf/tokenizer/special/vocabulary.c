/*
 * vocabulary.c - see vocabulary.h.
 */
#include "gguf/tokenizer/special/vocabulary.h"

#include <string.h>

int wfs_vocabulary_new(struct wfs_arena *arena, uint32_t n, struct wfs_vocabulary *ret,
                       struct wfs_error *err)
{
    struct wfs_vocabulary v = {.arena = arena, .n = n};
    v.tokens = wfs_arena_array(arena, n, sizeof(*v.tokens));
    v.scores = wfs_arena_array(arena, n, sizeof(*v.scores));
    v.types = wfs_arena_array(arena, n, sizeof(*v.types));
    bool failed = n && (!v.tokens || !v.scores || !v.types);
    for (uint32_t i = 0; i < n && !failed; i++) {
        char *name = wfs_arena_printf(arena, "[PAD%u]", i);
        failed = !name;
        v.tokens[i] = (struct wfs_gguf_str){name, name ? strlen(name) : 0};
        v.scores[i] = -10000.0f;
        v.types[i] = WFS_TOKEN_UNUSED;
    }
    if (failed)
        return wfs_error_nomem(err, "a vocabulary");
    *ret = v;
    return 0;
}

void wfs_vocabulary_put(struct wfs_gguf_kv *kv, const char *model, const char *pre,
                        const struct wfs_vocabulary *vocabulary, bool has_scores)
{
    wfs_gguf_put_str(kv, "tokenizer.ggml.model", model);
    wfs_gguf_put_str(kv, "tokenizer.ggml.pre", pre);
    wfs_gguf_put_array(kv, "tokenizer.ggml.tokens", WFS_GGUF_STR, vocabulary->n,
                       vocabulary->tokens);
    if (has_scores)
        wfs_gguf_put_array(kv, "tokenizer.ggml.scores", WFS_GGUF_F32, vocabulary->n,
                           vocabulary->scores);
    wfs_gguf_put_array(kv, "tokenizer.ggml.token_type", WFS_GGUF_I32, vocabulary->n,
                       vocabulary->types);
}
