/*
 * ends.h - the special tokens that transformers puts before and behind a text.
 */
#ifndef WEIGHTFS_GGUF_TOKENIZER_PRE_ENDS_H
#define WEIGHTFS_GGUF_TOKENIZER_PRE_ENDS_H

#include "gguf/tokenizer/pre/encode.h"
#include "gguf/tokenizer/read/files.h"

/* Ids before and behind. By the class that tokenizer_config.json names, add_bos_token and add_eos_token
 * decide, or tokenizer.json's post-processor. 0, -ENOMEM, or -ENOENT where that cannot be told; *ret_why
 * is then the reason. */
int wfs_pre_ends(const struct wfs_tokenizer_files *files, const struct wfs_text_encoder *e,
                 struct wfs_ids *before, struct wfs_ids *behind, const char **ret_why);

#endif
