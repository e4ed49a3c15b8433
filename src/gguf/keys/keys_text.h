/*
 * keys_text.h - the files of tables/ as they are, compiled in (src/rules/embed.py).
 */
#ifndef WEIGHTFS_GGUF_KEYS_KEYS_TEXT_H
#define WEIGHTFS_GGUF_KEYS_KEYS_TEXT_H

#include "rules/rules.h"

extern const struct wfs_rule_text wfs_keys_texts[];
extern const size_t wfs_n_keys_texts;

#endif
