/*
 * metadata.h - the key-value pairs of a view's GGUF files.
 */
#ifndef WEIGHTFS_GGUF_METADATA_H
#define WEIGHTFS_GGUF_METADATA_H

#include "gguf/inputs.h"

/* All pairs of a converter's file in their order; -o set= has its say. general.file_type, where the
 * architecture has that key, is inputs->file_type. */
int wfs_gguf_metadata(const struct wfs_gguf_inputs *inputs, struct wfs_gguf_kv *kv,
                      struct wfs_error *err);

#endif
