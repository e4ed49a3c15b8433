/*
 * bpe.h - llama.cpp's model "gpt2": byte-level BPE, from tokenizer.json.
 */
#ifndef WEIGHTFS_GGUF_TOKENIZER_KINDS_BPE_H
#define WEIGHTFS_GGUF_TOKENIZER_KINDS_BPE_H

#include "gguf/tokenizer/read/files.h"
#include "gguf/tokenizer/special/vocabulary.h"

/* The tokens of tokenizer.json's model and its added ones by their ids. An id from vocab_size on, and
 * two added tokens of one id, are -EINVAL. */
int wfs_bpe_vocabulary(const struct wfs_tokenizer_files *files, struct wfs_vocabulary *ret,
                       struct wfs_error *err);
int wfs_bpe_put(struct wfs_gguf_kv *kv, const struct wfs_tokenizer_files *files,
                struct wfs_error *err);

#endif
