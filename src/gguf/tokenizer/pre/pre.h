/*
 * pre.h - tokenizer.ggml.pre: the name under which llama.cpp knows how a BPE's text is cut before it is
 * merged.
 */
#ifndef WEIGHTFS_GGUF_TOKENIZER_PRE_PRE_H
#define WEIGHTFS_GGUF_TOKENIZER_PRE_PRE_H

#include "gguf/tokenizer/read/files.h"

/* -o set=tokenizer.pre=NAME, else the converter's check. What it does not know is -EINVAL, with that
 * option in the message: a wrong name loads and tokenises wrongly. */
int wfs_pre_tokenizer_name(const struct wfs_tokenizer_files *files, const char **ret,
                           struct wfs_error *err);

#endif
