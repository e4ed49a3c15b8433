/*
 * tokenizer.h - the keys tokenizer.* of a GGUF file.
 */
#ifndef WEIGHTFS_GGUF_TOKENIZER_TOKENIZER_H
#define WEIGHTFS_GGUF_TOKENIZER_TOKENIZER_H

#include "gguf/tokenizer/inputs.h"

/* tokenizer.*: from tokenizer.model, tokenizer.json, tokenizer_config.json and the like. The name of
 * the pre-tokenizer is `-o set=tokenizer.pre=NAME`, else the converter's own check tells it; what that
 * does not know is -EINVAL. */
int wfs_gguf_tokenizer(struct wfs_gguf_kv *kv, const struct wfs_gguf_tokenizer_inputs *in,
                       struct wfs_error *err);

#endif
