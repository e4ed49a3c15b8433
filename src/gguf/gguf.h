/*
 * gguf.h - what a GGUF file says beside its tensors: the key-value pairs that llama.cpp's converter
 * would write for a checkpoint, computed from its config.json, its tokenizer files and its tensors.
 *
 * A pure function of metadata: no tensor byte is read. What a key needs and the checkpoint does not
 * say is an error that names the file and the key, never a default that changes results.
 */
#ifndef WEIGHTFS_GGUF_GGUF_H
#define WEIGHTFS_GGUF_GGUF_H

#include "gguf/kv/kv.h"
#include "source/source.h"

/* What keys are computed from. */
struct json_t;
struct wfs_gguf_inputs {
    const struct wfs_catalog *catalog; /* its side files are the tokenizer's, README.md, ... */
    const struct json_t *config;       /* config.json as it is: an object */
    /* The language model's own part merged over the root, and what a class of transformers takes where
     * config.json says nothing. */
    const struct json_t *hparams;
    const char *arch;       /* general.architecture: "llama" */
    const char *class_name; /* "LlamaForCausalLM" */
    const char *const *set; /* -o set=NAME=VALUE, NULL-terminated; NULL: none */
};

/* tokenizer.*: from tokenizer.model, tokenizer.json, tokenizer_config.json and the like. The name of
 * the pre-tokenizer is `-o set=tokenizer.pre=NAME`, else the converter's own check tells it; what that
 * does not know is -EINVAL. */
int wfs_gguf_tokenizer(struct wfs_gguf_kv *kv, const struct wfs_gguf_inputs *in,
                       struct wfs_error *err);

#endif
