/*
 * general.h - general.* of a GGUF file: what the model is called and where it comes from, by gguf-py's
 * metadata.py. Public to the stages above.
 */
#ifndef WEIGHTFS_GGUF_GENERAL_GENERAL_H
#define WEIGHTFS_GGUF_GENERAL_GENERAL_H

#include "gguf/inputs.h"

/* Puts general.type and all that follows it up to general.languages: from -o set=general.NAME=TEXT, the model
 * card's front matter, generation_config.json, config.json's _name_or_path and the folder's name (in a
 * hub's cache the repository's). -EINVAL: a card that is no YAML, a value of another type. */
int wfs_gguf_general(struct wfs_gguf_kv *kv, const struct wfs_gguf_inputs *inputs,
                     struct wfs_error *err);

#endif
