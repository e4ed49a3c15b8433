/*
 * library.h - the compiled-in tables of keys, and their sections by name.
 */
#ifndef WEIGHTFS_GGUF_KEYS_LIBRARY_H
#define WEIGHTFS_GGUF_KEYS_LIBRARY_H

#include "gguf/keys/table.h"

/* All of them as one table. */
int wfs_keys_load(struct wfs_arena *arena, struct wfs_keys_table *ret, struct wfs_error *err);
/* NULL where there is none. */
const struct wfs_keys_section *wfs_keys_arch(const struct wfs_keys_table *table, const char *name);
const struct wfs_keys_section *wfs_keys_block(const struct wfs_keys_table *table, const char *name);
/* The architecture that config.json's class ("LlamaForCausalLM") is of. */
const struct wfs_keys_section *wfs_keys_of_class(const struct wfs_keys_table *table,
                                                 const char *name);
/* defaults.json: what classes make of values that config.json does not have. */
const struct wfs_rule_text *wfs_keys_defaults(void);

#endif
