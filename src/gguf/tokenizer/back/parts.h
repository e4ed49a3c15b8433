/*
 * parts.h - parts of a tokenizer.json that every kind of tokenizer has.
 */
#ifndef WEIGHTFS_GGUF_TOKENIZER_BACK_PARTS_H
#define WEIGHTFS_GGUF_TOKENIZER_BACK_PARTS_H

#include "gguf/tokenizer/back/back_keys.h"

/* What llama.cpp puts around a text: ids of tokens, or WFS_NO_INDEX. */
struct wfs_back_ends {
    uint32_t first, last;
    bool has_middle; /* `last` stands between two texts, too */
};
/* llama.cpp's own defaults where the keys do not say, by the model. Names of BPEs that begin a text by
 * themselves: pre_adds_bos. -EINVAL where a token that is to be added has no id. */
int wfs_back_ends(const struct wfs_back_keys *keys, bool pre_adds_bos, struct wfs_back_ends *ret,
                  struct wfs_error *err);

/* "added_tokens": tokens that stand for themselves. */
void wfs_back_added(const struct wfs_back_keys *keys, struct wfs_buf *out);
/* "post_processor". */
void wfs_back_post_processor(const struct wfs_back_keys *keys, const struct wfs_back_ends *ends,
                             struct wfs_buf *out);
/* "vocab" of texts and ids. `turn` (NULL: none) writes a token otherwise. */
void wfs_back_vocab(const struct wfs_back_keys *keys,
                    void (*turn)(const struct wfs_back_keys *keys, uint32_t id,
                                 struct wfs_buf *out),
                    struct wfs_buf *out);
/* tokenizer_config.json, whole. */
void wfs_back_config(const struct wfs_back_keys *keys, struct wfs_buf *out);

#endif
