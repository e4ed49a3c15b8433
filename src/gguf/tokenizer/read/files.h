/*
 * files.h - the tokenizer files of one checkpoint, read once for all that look into them.
 */
#ifndef WEIGHTFS_GGUF_TOKENIZER_READ_FILES_H
#define WEIGHTFS_GGUF_TOKENIZER_READ_FILES_H

#include "gguf/tokenizer/inputs.h"
#include "gguf/tokenizer/read/side.h"
#include "gguf/tokenizer/read/tokenizer_json.h"

#define WFS_TOKENIZER_JSON   "tokenizer.json"
#define WFS_TOKENIZER_CONFIG "tokenizer_config.json"
#define WFS_TOKENIZER_MODEL  "tokenizer.model"

struct wfs_tokenizer_files {
    struct wfs_arena *arena;
    const struct wfs_gguf_tokenizer_inputs *in;
    uint32_t
        vocab_size; /* of the embedding: vocab_size of config.json, padded where the model pads it */
    json_t *config; /* tokenizer_config.json, or NULL */
    struct wfs_tokenizer_json json;
    bool has_json; /* there is a tokenizer.json */
};

/* *ret is to be freed also after a failure; texts and values lie in the arena. */
int wfs_tokenizer_files_read(struct wfs_arena *arena, const struct wfs_gguf_tokenizer_inputs *in,
                             struct wfs_tokenizer_files *ret, struct wfs_error *err);
void wfs_tokenizer_files_free(struct wfs_tokenizer_files *files);

/* A number of config.json, `fallback` where it has none (WFS_NO_INDEX: then that is an error). */
int wfs_tokenizer_number(const struct wfs_tokenizer_files *files, const char *key,
                         uint32_t fallback, uint32_t *ret, struct wfs_error *err);
/* -o set=NAME=VALUE; NULL where it is not given. The last one wins. */
const char *wfs_tokenizer_setting(const struct wfs_tokenizer_files *files, const char *name);
bool wfs_tokenizer_is_arch(const struct wfs_tokenizer_files *files, const char *const *archs);
/* Whether the architecture is one of these words. */
#define WFS_IS_ARCH(files, ...)                                                                    \
    wfs_tokenizer_is_arch(files, (const char *const[]){__VA_ARGS__, NULL})

#endif
