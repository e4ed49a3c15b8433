/*
 * known.h - what llama.cpp's converter knows of pre-tokenizers, compiled in from known.json: its text,
 * which byte-level BPEs cut and merge and whose ids' sha256 it looks up, and the names it finds.
 *
 * No engine for regular expressions is needed: the text is a constant, so where a pre-tokenizer cuts it
 * is one, too. The cuts were computed by the library `tokenizers`; tests/loaders does it again.
 */
#ifndef WEIGHTFS_GGUF_TOKENIZER_PRE_KNOWN_H
#define WEIGHTFS_GGUF_TOKENIZER_PRE_KNOWN_H

#include <jansson.h>

#include "base/base.h"

/* Parsed; json_decref. NULL when out of memory. */
json_t *wfs_pre_known(void);
/* The row of "cuts" whose pre_tokenizer cuts as this one does, whatever its spelling; NULL: none. *r is
 * -ENOMEM where memory ran out. */
const json_t *wfs_pre_cuts(const json_t *known, const json_t *pre_tokenizer, int *r);
/* "NAME" of a hash, NULL: unknown. */
const char *wfs_pre_name(const json_t *known, const char *hash);

#endif
