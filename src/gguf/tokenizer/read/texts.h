/*
 * texts.h - texts that may hold NULs, and which of many has a given text: the tokens of a vocabulary.
 */
#ifndef WEIGHTFS_GGUF_TOKENIZER_READ_TEXTS_H
#define WEIGHTFS_GGUF_TOKENIZER_READ_TEXTS_H

#include "gguf/kv/kv.h"

static inline struct wfs_gguf_str wfs_gguf_text(const char *s)
{
    return (struct wfs_gguf_str){s, __builtin_strlen(s)};
}
bool wfs_text_is(struct wfs_gguf_str text, const char *s);
bool wfs_text_begins(struct wfs_gguf_str text, const char *s);
bool wfs_text_ends(struct wfs_gguf_str text, const char *s);

/* Open addressing over borrowed texts. Zero-initialise; wfs_cleanup(wfs_text_index_free). */
struct wfs_text_index {
    const struct wfs_gguf_str *texts;
    uint32_t *slots; /* an index and 1; 0: empty */
    size_t n_slots;  /* a power of two */
};
void wfs_text_index_free(struct wfs_text_index *index);
/* 0 or -ENOMEM; -EEXIST where two texts are equal: *ret_first and *ret_second (NULL: not asked) say
 * which, and the index is not to be used. */
int wfs_text_index_build(struct wfs_text_index *index, const struct wfs_gguf_str *texts, uint32_t n,
                         uint32_t *ret_first, uint32_t *ret_second);
/* Its number, or WFS_NO_INDEX. */
uint32_t wfs_text_index_find(const struct wfs_text_index *index, const char *s, size_t len);

#endif
