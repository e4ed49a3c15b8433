/*
 * unigram.h - llama.cpp's model "t5": a Unigram model of SentencePiece, of T5 and of XLM-RoBERTa.
 */
#ifndef WEIGHTFS_GGUF_TOKENIZER_KINDS_UNIGRAM_H
#define WEIGHTFS_GGUF_TOKENIZER_KINDS_UNIGRAM_H

#include "gguf/tokenizer/read/files.h"

int wfs_t5_put(struct wfs_gguf_kv *kv, const struct wfs_tokenizer_files *files,
               struct wfs_error *err);
int wfs_xlmr_put(struct wfs_gguf_kv *kv, const struct wfs_tokenizer_files *files,
                 struct wfs_error *err);

#endif
