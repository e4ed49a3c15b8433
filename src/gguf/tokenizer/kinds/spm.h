/*
 * spm.h - llama.cpp's model "llama": tokenizer.model of SentencePiece, with added tokens.
 */
#ifndef WEIGHTFS_GGUF_TOKENIZER_KINDS_SPM_H
#define WEIGHTFS_GGUF_TOKENIZER_KINDS_SPM_H

#include "gguf/tokenizer/read/files.h"
#include "gguf/tokenizer/read/sentencepiece.h"
#include "gguf/tokenizer/special/vocabulary.h"

/* Reads a SentencePiece model; its texts lie in files->arena. Where the checkpoint has no such file,
 * -EINVAL says so. Free *ret also after a failure. */
int wfs_spm_read(const struct wfs_tokenizer_files *files, const char *name,
                 struct wfs_sentencepiece *ret, struct wfs_error *err);
/* n tokens: the pieces, then unused ones. More pieces than n are -EINVAL. */
int wfs_spm_vocabulary(const struct wfs_tokenizer_files *files, const char *name,
                       const struct wfs_sentencepiece *sp, uint32_t n, struct wfs_vocabulary *ret,
                       struct wfs_error *err);
int wfs_spm_put(struct wfs_gguf_kv *kv, const struct wfs_tokenizer_files *files,
                struct wfs_error *err);

#endif
