/*
 * back.h - the tokenizer's keys run backwards: of those of a GGUF file a tokenizer.json and a
 * tokenizer_config.json, with which transformers' AutoTokenizer gives the ids that llama.cpp gives.
 * Public to the stages above.
 *
 * What the file was made from is not in it (normalizers above all, which llama.cpp does not apply), so
 * the text is not the one of the checkpoint's author.
 */
#ifndef WEIGHTFS_GGUF_TOKENIZER_BACK_BACK_H
#define WEIGHTFS_GGUF_TOKENIZER_BACK_BACK_H

#include "gguf/kv/kv.h"

/* Whether tokenizer.ggml.model and .pre are of a tokenizer that a tokenizer.json can say: 0, or -ENOTSUP
 * naming the key. */
int wfs_tokenizer_back_check(const char *model, const char *pre, struct wfs_error *err);
/* The two files, whole. -EINVAL where the keys contradict each other. */
int wfs_tokenizer_back_json(const struct wfs_gguf_kv *kv, struct wfs_buf *out,
                            struct wfs_error *err);
int wfs_tokenizer_back_config(const struct wfs_gguf_kv *kv, struct wfs_buf *out,
                              struct wfs_error *err);

#endif
