/*
 * model_id.h - what a model's name says of it, by the heuristics of gguf-py's metadata.py.
 */
#ifndef WEIGHTFS_GGUF_GENERAL_MODEL_ID_H
#define WEIGHTFS_GGUF_GENERAL_MODEL_ID_H

#include "base/base.h"

/* Parts of "org/Meta-Llama-3.1-8B-Instruct"; NULL: not said. */
struct wfs_model_id {
    const char *full;       /* Meta-Llama-3.1-8B-Instruct */
    const char *org;        /* org */
    const char *basename;   /* Meta-Llama-3.1 */
    const char *finetune;   /* Instruct */
    const char *version;    /* v0.3 */
    const char *size_label; /* 8B */
};
/* n_params: how many parameters the model has, 0 where it is not known: a size in the name that is
 * far from it is a context's length. */
int wfs_model_id_parse(struct wfs_arena *arena, const char *id, uint64_t n_params,
                       struct wfs_model_id *ret, struct wfs_error *err);
/* "meta-llama" as "Meta Llama"; NULL when out of memory. */
const char *wfs_model_title(struct wfs_arena *arena, const char *name);
/* "8.0B" */
const char *wfs_model_size(struct wfs_arena *arena, uint64_t n_params);

#endif
