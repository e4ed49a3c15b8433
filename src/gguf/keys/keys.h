/*
 * keys.h - the keys of a GGUF file that follow from config.json: those of the architecture, by the
 * tables of tables/. Public to the stages above.
 */
#ifndef WEIGHTFS_GGUF_KEYS_KEYS_H
#define WEIGHTFS_GGUF_KEYS_KEYS_H

#include "gguf/inputs.h"

struct wfs_gguf_keys {
    const char *arch;          /* general.architecture: "llama" */
    const char *class_name;    /* config.json's: "MistralForCausalLM" */
    struct wfs_gguf_kv *first; /* keys between general.architecture and general.type */
    struct wfs_gguf_kv *rest;  /* keys behind general.*, without general.quantization_version */
};
/* -ENOENT: no config.json; -ENOTSUP: no table knows the class. -EINVAL names the file and the key: a
 * value that is needed and not there, one that GGUF cannot say (an unknown rope_type, ...). */
int wfs_gguf_keys(const struct wfs_gguf_inputs *inputs, struct wfs_gguf_keys *ret,
                  struct wfs_error *err);

#endif
