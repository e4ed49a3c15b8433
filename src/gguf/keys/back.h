/*
 * back.h - config.json of a GGUF file, from its keys: the tables run backwards. Public to the stages above.
 */
#ifndef WEIGHTFS_GGUF_KEYS_BACK_H
#define WEIGHTFS_GGUF_KEYS_BACK_H

#include "source/source.h"

/* *ret_text is NULL where the source is no GGUF file, or where no table knows the way back for its
 * architecture; else config.json's text, in the arena: class, model_type and all values that the keys
 * give. What they do not give is not in it. */
int wfs_gguf_config(struct wfs_arena *arena, const struct wfs_catalog *catalog,
                    const char **ret_text, struct wfs_error *err);
/* generation_config.json likewise: the special tokens and the sampling values. */
int wfs_gguf_generation_config(struct wfs_arena *arena, const struct wfs_catalog *catalog,
                               const char **ret_text, struct wfs_error *err);

#endif
