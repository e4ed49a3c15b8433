/*
 * checkpoint.h - a checkpoint's config.json in the form that the tables of keys ask.
 */
#ifndef WEIGHTFS_GGUF_KEYS_CHECKPOINT_H
#define WEIGHTFS_GGUF_KEYS_CHECKPOINT_H

#include "source/source.h"

struct json_t;
struct wfs_keys_config {
    const char *file;       /* "DIR/config.json", for messages */
    const char *class_name; /* architectures[0]: "LlamaForCausalLM" */
    /* config.json with the text model's part laid over it, the class's defaults for what it does not
     * have, and beside them: `root`, config.json as it is; `rope`, its rope parameters in one spelling;
     * `rope_full`, those of full attention. */
    struct json_t *json;
};
/* The JSON is freed with the arena. -ENOENT where there is no config.json. */
int wfs_keys_config_load(struct wfs_arena *arena, const struct wfs_catalog *catalog,
                         struct wfs_keys_config *ret, struct wfs_error *err);

#endif
