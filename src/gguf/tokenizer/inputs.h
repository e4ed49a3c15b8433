/*
 * inputs.h - what the keys tokenizer.* of a GGUF file are computed from.
 */
#ifndef WEIGHTFS_GGUF_TOKENIZER_INPUTS_H
#define WEIGHTFS_GGUF_TOKENIZER_INPUTS_H

#include "gguf/kv/kv.h"
#include "source/source.h"

struct json_t;
struct wfs_gguf_tokenizer_inputs {
    const struct wfs_catalog *catalog; /* its side files are the tokenizer's, README.md, ... */
    const struct json_t *config;       /* config.json as it is: an object */
    /* The language model's own part merged over the root, and what a class of transformers takes where
     * config.json says nothing. */
    const struct json_t *hparams;
    const char *arch;       /* general.architecture: "llama" */
    const char *class_name; /* "LlamaForCausalLM" */
    const char *const *set; /* -o set=NAME=VALUE, NULL-terminated; NULL: none */
};

#endif
