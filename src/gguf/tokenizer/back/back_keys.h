/*
 * back_keys.h - the tokenizer's keys of a GGUF file, read for making a tokenizer.json of them.
 */
#ifndef WEIGHTFS_GGUF_TOKENIZER_BACK_BACK_KEYS_H
#define WEIGHTFS_GGUF_TOKENIZER_BACK_BACK_KEYS_H

#include "gguf/kv/kv.h"
#include "gguf/tokenizer/read/texts.h"
#include "gguf/tokenizer/special/vocabulary.h"

struct wfs_back_keys {
    const struct wfs_gguf_kv *kv;
    const char *model, *pre;     /* tokenizer.ggml.model and .pre; "" without one */
    struct wfs_vocabulary v;     /* scores 0 and types NORMAL where the file has none */
    struct wfs_text_index index; /* of v.tokens */
};

/* -EINVAL where keys contradict each other, a token is no UTF-8 (JSON cannot say it) or two are the same
 * text. *ret is to be freed also after a failure. */
int wfs_back_keys_read(struct wfs_arena *arena, const struct wfs_gguf_kv *kv,
                       struct wfs_back_keys *ret, struct wfs_error *err);
void wfs_back_keys_free(struct wfs_back_keys *keys);

/* "tokenizer.ggml.NAME", a truth or `fallback`; a token's id or WFS_NO_INDEX. */
bool wfs_back_flag(const struct wfs_back_keys *keys, const char *name, bool fallback);
uint32_t wfs_back_id(const struct wfs_back_keys *keys, const char *name);
/* A token that stands for itself wherever it is in a text: of control, of a user, the unknown one. */
bool wfs_back_is_added(const struct wfs_back_keys *keys, uint32_t id);

/* A JSON string with its quotes. */
void wfs_back_string(struct wfs_buf *out, struct wfs_gguf_str text);

#endif
