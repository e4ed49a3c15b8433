/*
 * side.h - files beside the weights (the catalog's side files), read whole and bounded.
 */
#ifndef WEIGHTFS_GGUF_TOKENIZER_READ_SIDE_H
#define WEIGHTFS_GGUF_TOKENIZER_READ_SIDE_H

#include <jansson.h>

#include "gguf/tokenizer/read/texts.h"
#include "source/source.h"

/* Larger ones are -EFBIG: the largest tokenizer of a known model has 35 MB. */
#define WFS_SIDE_MAX_BYTES (UINT64_C(256) << 20)

bool wfs_side_has(const struct wfs_catalog *catalog, const char *name);
/* *ret is NULL where the checkpoint has no such file; the caller releases it. */
int wfs_side_open(const struct wfs_catalog *catalog, const char *name, struct wfs_bytes **ret,
                  struct wfs_error *err);
/* The bytes lie in the arena; ret->ptr is NULL where there is no such file. */
int wfs_side_read(struct wfs_arena *arena, const struct wfs_catalog *catalog, const char *name,
                  struct wfs_gguf_str *ret, struct wfs_error *err);
/* The same, and it must be UTF-8. */
int wfs_side_text(struct wfs_arena *arena, const struct wfs_catalog *catalog, const char *name,
                  struct wfs_gguf_str *ret, struct wfs_error *err);
/* An object; it lives as long as the arena. NULL where there is no such file. What Python's json
 * writes and JSON does not have (NaN, Infinity) is null, and a whole number that 63 bits do not hold
 * (model_max_length is often 10^30) is a real one. */
int wfs_side_json(struct wfs_arena *arena, const struct wfs_catalog *catalog, const char *name,
                  json_t **ret, struct wfs_error *err);
/* Parses text as wfs_side_json does, as any value; `name` is for messages. */
int wfs_side_parse(struct wfs_arena *arena, const char *name, struct wfs_gguf_str text,
                   json_t **ret, struct wfs_error *err);

#endif
