/*
 * wordpiece.h - llama.cpp's model "bert": WordPiece, from tokenizer.json.
 */
#ifndef WEIGHTFS_GGUF_TOKENIZER_KINDS_WORDPIECE_H
#define WEIGHTFS_GGUF_TOKENIZER_KINDS_WORDPIECE_H

#include "gguf/tokenizer/read/files.h"

int wfs_wordpiece_put(struct wfs_gguf_kv *kv, const struct wfs_tokenizer_files *files,
                      struct wfs_error *err);

#endif
