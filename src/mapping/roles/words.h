/*
 * words.h - what the name of a module says about its weight.
 */
#ifndef WEIGHTFS_MAPPING_ROLES_WORDS_H
#define WEIGHTFS_MAPPING_ROLES_WORDS_H

#include "base/base.h"

enum wfs_word_hint {
    WFS_HINT_NONE,
    WFS_HINT_DENSE,     /* proj, linear, fc1, q, w2, lm_head, ... */
    WFS_HINT_EMBEDDING, /* embed_tokens, wte, token_type_embeddings, ... */
    WFS_HINT_TABLE,     /* relative_attention_bias, shared: whole names that are nothing else */
    WFS_HINT_WEAK_EMBEDDING, /* patch_embedding, input_embeds: an embedding or a projection */
    WFS_HINT_WEAK_DENSE,     /* time_proj, pos_linear: a projection, or a table of times */
    WFS_HINT_CONVOLUTION,    /* conv, conv1, downsample */
    WFS_HINT_EXPERTS,        /* experts */
    WFS_HINT_BILINEAR,
};
/* Of the module whose weight has this path; numbers in it say nothing. */
enum wfs_word_hint wfs_word_hint(const char *weight_path);

#endif
