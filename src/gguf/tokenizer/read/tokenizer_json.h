/*
 * tokenizer_json.h - the tokenizer.json of the library `tokenizers`. It is read in one pass: the
 * vocabulary and the merges, which may be 250,000 entries each, as texts; the rest as JSON values.
 *
 * Refused: what is no JSON, a text twice or an id twice in the vocabulary, merges that are neither
 * "A B" nor ["A", "B"], a member twice, values nested deeper than WFS_JSON_MAX_DEPTH.
 */
#ifndef WEIGHTFS_GGUF_TOKENIZER_READ_TOKENIZER_JSON_H
#define WEIGHTFS_GGUF_TOKENIZER_READ_TOKENIZER_JSON_H

#include <jansson.h>

#include "bytes/bytes.h"
#include "gguf/tokenizer/read/texts.h"

/* Two tokens that become one. */
struct wfs_merge {
    const char *text; /* left, one space, right */
    uint32_t left_len, right_len;
    bool has_space; /* in one of the two: it came as a pair */
};

struct wfs_tokenizer_json {
    const char *name;  /* for messages */
    const char *model; /* "BPE", "WordPiece", "Unigram", "WordLevel"; "" where it does not say */
    /* In the file's order. None of a Unigram model, whose pieces are elsewhere. */
    uint32_t n_tokens;
    struct wfs_gguf_str *tokens;
    uint32_t *ids; /* of each token; unique */
    uint32_t n_merges;
    struct wfs_merge *merges;
    json_t *settings; /* the other members of "model": an object */
    /* NULL where the file has none, or null. */
    json_t *added_tokens, *normalizer, *pre_tokenizer, *post_processor, *decoder;
    size_t tokens_cap, ids_cap, merges_cap;
};

/* Texts and values lie in the arena or in *ret, which is to be freed also after a failure. */
int wfs_tokenizer_json_read(struct wfs_arena *arena, struct wfs_bytes *bytes, const char *name,
                            struct wfs_tokenizer_json *ret, struct wfs_error *err);
void wfs_tokenizer_json_free(struct wfs_tokenizer_json *tj);
/* A member of the model that is true. */
bool wfs_tokenizer_json_is(const struct wfs_tokenizer_json *tj, const char *setting);

#endif
