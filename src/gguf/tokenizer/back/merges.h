/*
 * merges.h - the merges of a BPE as tokenizer.json has them: of tokenizer.ggml.merges, or, where a
 * SentencePiece BPE has scores alone, of these.
 */
#ifndef WEIGHTFS_GGUF_TOKENIZER_BACK_MERGES_H
#define WEIGHTFS_GGUF_TOKENIZER_BACK_MERGES_H

#include "gguf/tokenizer/back/back_keys.h"

/* A JSON list. */
int wfs_back_merges(const struct wfs_back_keys *keys, struct wfs_buf *out, struct wfs_error *err);
/* Every way to make a token of two others, better scores first. */
int wfs_back_merges_of_scores(const struct wfs_back_keys *keys, struct wfs_buf *out,
                              struct wfs_error *err);

#endif
