/*
 * vocabulary.h - the tokens of a model as GGUF has them: one of each id, with its type.
 */
#ifndef WEIGHTFS_GGUF_TOKENIZER_SPECIAL_VOCABULARY_H
#define WEIGHTFS_GGUF_TOKENIZER_SPECIAL_VOCABULARY_H

#include "gguf/kv/kv.h"

/* llama.cpp's types of tokens. */
enum wfs_token_type {
    WFS_TOKEN_NORMAL = 1,
    WFS_TOKEN_UNKNOWN,
    WFS_TOKEN_CONTROL,
    WFS_TOKEN_USER_DEFINED,
    WFS_TOKEN_UNUSED,
    WFS_TOKEN_BYTE,
};

/* Token number i of a model is tokens[i], with scores[i] (SentencePiece alone) and types[i]. */
struct wfs_vocabulary {
    struct wfs_arena *arena;
    uint32_t n;
    struct wfs_gguf_str *tokens;
    float *scores;
    int32_t *types;
};
/* n tokens "[PAD0]", "[PAD1]", ... that are not used, as models have them whose embedding is larger
 * than their vocabulary. */
int wfs_vocabulary_new(struct wfs_arena *arena, uint32_t n, struct wfs_vocabulary *ret,
                       struct wfs_error *err);
/* tokenizer.ggml.model, .pre, .tokens, .scores (where has_scores) and .token_type. */
void wfs_vocabulary_put(struct wfs_gguf_kv *kv, const char *model, const char *pre,
                        const struct wfs_vocabulary *vocabulary, bool has_scores);

#endif
