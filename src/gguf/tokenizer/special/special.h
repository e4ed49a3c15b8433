/*
 * special.h - the ids of special tokens, which of them are added to a text, and what goes with them:
 * gguf-py's SpecialVocab.
 */
#ifndef WEIGHTFS_GGUF_TOKENIZER_SPECIAL_SPECIAL_H
#define WEIGHTFS_GGUF_TOKENIZER_SPECIAL_SPECIAL_H

#include "gguf/tokenizer/read/files.h"
#include "gguf/tokenizer/special/post_processor.h"

struct wfs_special_tokens {
    struct wfs_special_list ids;  /* token id of each kind that is known */
    struct wfs_special_list adds; /* 0 or 1 */
    /* What the normalizer does: -1 where it does not say. */
    int lowercase, strip_accents;
};

/* n_vocab: ids from there on are left out, as the converter does for SentencePiece and WordPiece; 0:
 * none is. Sources in turn: the texts of tokenizer_config.json among tokenizer.json's added tokens,
 * then the X_token_id of config.json. */
int wfs_special_read(const struct wfs_tokenizer_files *files, uint32_t n_vocab,
                     struct wfs_special_tokens *ret, struct wfs_error *err);
/* Ids, flags, chat template and normalizer, in the converter's order. */
int wfs_special_put(struct wfs_gguf_kv *kv, const struct wfs_tokenizer_files *files,
                    const struct wfs_special_tokens *tokens, struct wfs_error *err);

#endif
