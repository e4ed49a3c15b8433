/*
 * texts.c - see texts.h.
 */
#include "gguf/tokenizer/read/texts.h"

#include <stdlib.h>
#include <string.h>

bool wfs_text_is(struct wfs_gguf_str text, const char *s)
{
    return text.len == strlen(s) && memcmp(text.ptr, s, text.len) == 0;
}

bool wfs_text_begins(struct wfs_gguf_str text, const char *s)
{
    size_t n = strlen(s);
    return text.len >= n && memcmp(text.ptr, s, n) == 0;
}

bool wfs_text_ends(struct wfs_gguf_str text, const char *s)
{
    size_t n = strlen(s);
    return text.len >= n && memcmp(text.ptr + text.len - n, s, n) == 0;
}

void wfs_text_index_free(struct wfs_text_index *index)
{
    free(index->slots);
    *index = (struct wfs_text_index){0};
}

static size_t slot_of(const struct wfs_text_index *index, const char *s, size_t len)
{
    struct wfs_hash hash = wfs_hash_bytes(s, len);
    size_t at;
    memcpy(&at, hash.bytes, sizeof(at));
    for (;; at++) {
        uint32_t held = index->slots[at & (index->n_slots - 1)];
        if (!held)
            break;
        const struct wfs_gguf_str *text = &index->texts[held - 1];
        if (text->len == len && memcmp(text->ptr, s, len) == 0)
            break;
    }
    return at & (index->n_slots - 1);
}

int wfs_text_index_build(struct wfs_text_index *index, const struct wfs_gguf_str *texts, uint32_t n,
                         uint32_t *ret_first, uint32_t *ret_second)
{
    size_t n_slots = 16;
    while (n_slots / 2 < n)
        n_slots *= 2;
    *index = (struct wfs_text_index){.texts = texts, .n_slots = n_slots};
    index->slots = calloc(n_slots, sizeof(*index->slots));
    if (!index->slots)
        return -ENOMEM;
    for (uint32_t i = 0; i < n; i++) {
        uint32_t *slot = &index->slots[slot_of(index, texts[i].ptr, texts[i].len)];
        if (*slot) {
            if (ret_first)
                *ret_first = *slot - 1;
            if (ret_second)
                *ret_second = i;
            return -EEXIST;
        }
        *slot = i + 1;
    }
    return 0;
}

uint32_t wfs_text_index_find(const struct wfs_text_index *index, const char *s, size_t len)
{
    uint32_t held = index->n_slots ? index->slots[slot_of(index, s, len)] : 0;
    return held ? held - 1 : WFS_NO_INDEX;
}
