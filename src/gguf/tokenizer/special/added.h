/*
 * added.h - tokens that stand beside a vocabulary, and how the converter takes them.
 */
#ifndef WEIGHTFS_GGUF_TOKENIZER_SPECIAL_ADDED_H
#define WEIGHTFS_GGUF_TOKENIZER_SPECIAL_ADDED_H

#include <jansson.h>

#include "gguf/tokenizer/read/texts.h"

/* Tokens that some checkpoints forget to mark: <|...|>, <unused0>, <pad>, ... */
bool wfs_token_looks_special(struct wfs_gguf_str token);
/* Its text with blanks for U+2581, in the arena; ptr NULL when out of memory. */
struct wfs_gguf_str wfs_token_blanks(struct wfs_arena *arena, struct wfs_gguf_str token);
/* The text of a JSON string. */
struct wfs_gguf_str wfs_json_text(const json_t *value);
/* One of tokenizer.json's `added_tokens` by its content; NULL where there is none. */
const json_t *wfs_added_find(const json_t *added_tokens, struct wfs_gguf_str content);
/* Is it, by its mark or by its looks, a token of control? */
bool wfs_added_is_control(const json_t *added_token);

#endif
