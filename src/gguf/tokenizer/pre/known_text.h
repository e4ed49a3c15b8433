/*
 * known_text.h - known.json without white space, as embed.py compiles it in.
 */
#ifndef WEIGHTFS_GGUF_TOKENIZER_PRE_KNOWN_TEXT_H
#define WEIGHTFS_GGUF_TOKENIZER_PRE_KNOWN_TEXT_H

#include <stddef.h>

extern const char wfs_pre_known_text[];
extern const size_t wfs_pre_known_len;

#endif
