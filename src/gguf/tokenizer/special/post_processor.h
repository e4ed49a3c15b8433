/*
 * post_processor.h - what tokenizer.json's post-processor tells of special tokens: which stand before
 * and behind a text and between two, read as gguf-py's SpecialVocab reads them.
 */
#ifndef WEIGHTFS_GGUF_TOKENIZER_SPECIAL_POST_PROCESSOR_H
#define WEIGHTFS_GGUF_TOKENIZER_SPECIAL_POST_PROCESSOR_H

#include "gguf/tokenizer/read/tokenizer_json.h"

/* Kinds of special tokens, by their names in configs ("bos" of bos_token). */
enum wfs_special {
    WFS_SPECIAL_BOS,
    WFS_SPECIAL_EOS,
    WFS_SPECIAL_UNK,
    WFS_SPECIAL_SEP,
    WFS_SPECIAL_PAD,
    WFS_SPECIAL_CLS,
    WFS_SPECIAL_MASK,
    WFS_SPECIAL_EOT,
    WFS_SPECIAL_EOM,
    WFS_N_SPECIALS,
};
const char *wfs_special_name(enum wfs_special kind);

/* A list of kinds in the order in which they became known, each with a value. */
struct wfs_special_list {
    uint32_t n;
    enum wfs_special kinds[WFS_N_SPECIALS];
    int64_t values[WFS_N_SPECIALS];
};
/* As a Python dict: a kind that is there keeps its place. _default keeps its value, too. */
void wfs_special_set(struct wfs_special_list *list, enum wfs_special kind, int64_t value);
void wfs_special_default(struct wfs_special_list *list, enum wfs_special kind, int64_t value);

struct wfs_post_processed {
    json_t *config; /* tokenizer_config.json with the tokens that the post-processor names; owned */
    bool has_config; /* there is one that is not empty */
    uint32_t n_kinds;
    enum wfs_special kinds[WFS_N_SPECIALS]; /* those that are asked for, in order */
    struct wfs_special_list adds;           /* add_bos_token and the like */
};
/* `config` is tokenizer_config.json, or NULL; `tj` tokenizer.json, or NULL. ret->config is the
 * caller's, also after a failure. */
int wfs_post_processor_read(const json_t *config, const struct wfs_tokenizer_json *tj,
                            struct wfs_post_processed *ret, struct wfs_error *err);

#endif
