/*
 * encode.h - the converter's text as ids of a tokenizer: byte-level BPE over cuts that are known, and
 * WordPiece over words that are known.
 */
#ifndef WEIGHTFS_GGUF_TOKENIZER_PRE_ENCODE_H
#define WEIGHTFS_GGUF_TOKENIZER_PRE_ENCODE_H

#include <jansson.h>

#include "gguf/tokenizer/read/tokenizer_json.h"

/* Zero-initialise; free(ids.ids). */
struct wfs_ids {
    uint32_t *ids;
    size_t n, cap;
};
int wfs_ids_add(struct wfs_ids *ids, uint32_t id);

struct wfs_text_encoder {
    const struct wfs_tokenizer_json *tj;
    struct wfs_text_index index; /* of tj->tokens */
};
int wfs_text_encoder_init(struct wfs_text_encoder *e, const struct wfs_tokenizer_json *tj);
void wfs_text_encoder_free(struct wfs_text_encoder *e);
/* The id of a token of the vocabulary or of an added one; false: there is none. */
bool wfs_text_encoder_id(const struct wfs_text_encoder *e, const char *s, size_t len,
                         uint32_t *ret);

/* text[0, ends[0]), text[ends[0], ends[1]), ... 0, -ENOMEM, or -ENOENT where the vocabulary lacks a
 * byte. */
int wfs_encode_bpe(const struct wfs_text_encoder *e, const char *text, const json_t *ends,
                   struct wfs_ids *ids);
/* 0, -ENOMEM, or -ENOENT where there is no token for what is unknown. */
int wfs_encode_words(const struct wfs_text_encoder *e, const json_t *words, struct wfs_ids *ids);

#endif
