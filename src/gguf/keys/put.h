/*
 * put.h - values of the tables' language as typed values of a GGUF file.
 */
#ifndef WEIGHTFS_GGUF_KEYS_PUT_H
#define WEIGHTFS_GGUF_KEYS_PUT_H

#include "gguf/keys/forms.h"

/* Puts a value under `key` as the statement types it; a list of whole numbers, whatever the type, is an
 * array of INT32, as gguf-py writes it. -EINVAL, naming `key` and `file`: it is none of that type. */
int wfs_keys_put(struct wfs_gguf_kv *kv, const char *key, const char *file,
                 const struct wfs_keys_statement *statement, const struct wfs_keys_result *result,
                 struct wfs_error *err);

#endif
