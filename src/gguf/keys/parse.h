/*
 * parse.h - reads tables of keys.
 */
#ifndef WEIGHTFS_GGUF_KEYS_PARSE_H
#define WEIGHTFS_GGUF_KEYS_PARSE_H

#include "gguf/keys/table.h"

/* Appends the sections of one text to a table, whose array then lies anew in the arena. The text must
 * live as long. -EINVAL "base.keys:3:9: expected ...". */
int wfs_keys_parse(struct wfs_arena *arena, const char *file, const char *text, size_t len,
                   struct wfs_keys_table *table, struct wfs_error *err);

#endif
