/*
 * merges.c - see merges.h.
 */
#include "gguf/tokenizer/back/merges.h"

#include <stdlib.h>
#include <string.h>

int wfs_back_merges(const struct wfs_back_keys *keys, struct wfs_buf *out, struct wfs_error *err)
{
    const struct wfs_gguf_pair *pair = wfs_gguf_kv_find(keys->kv, "tokenizer.ggml.merges");
    struct wfs_gguf_str text;
    size_t pos = 0;
    wfs_buf_char(out, '[');
    for (uint64_t i = 0; pair && wfs_gguf_next_text(pair, &pos, &text); i++) {
        const char *space = memchr(text.ptr, ' ', text.len);
        size_t left = space ? (size_t)(space - text.ptr) : 0;
        if (!left || left + 1 == text.len || memchr(space + 1, ' ', text.len - left - 1) ||
            !wfs_utf8_valid(text.ptr, text.len))
            return wfs_error_set(err, EINVAL,
                                 "tokenizer.ggml.merges: number %llu is no pair of tokens",
                                 (unsigned long long)i);
        wfs_buf_str(out, i ? ",\n" : "\n");
        wfs_back_string(out, text);
    }
    wfs_buf_str(out, "]");
    return 0;
}

/* Token `id` is made of its first `left_len` bytes and the rest. */
struct split {
    uint32_t id, left_len;
    float score;
};

struct splits {
    struct split *list;
    size_t n, cap;
};

static void free_splits(struct splits *s)
{
    free(s->list);
}

/* Better scores first; of one token the shorter left part first; of one score the lower id. */
static int by_score(const void *a, const void *b)
{
    const struct split *x = a, *y = b;
    if (x->score != y->score)
        return x->score > y->score ? -1 : 1;
    if (x->id != y->id)
        return x->id < y->id ? -1 : 1;
    return x->left_len < y->left_len ? -1 : x->left_len > y->left_len;
}

static int add_splits(const struct wfs_back_keys *keys, uint32_t id, struct splits *out)
{
    struct wfs_gguf_str token = keys->v.tokens[id];
    for (size_t left = 1; left < token.len; left++) {
        if (wfs_text_index_find(&keys->index, token.ptr, left) == WFS_NO_INDEX ||
            wfs_text_index_find(&keys->index, token.ptr + left, token.len - left) == WFS_NO_INDEX)
            continue;
        if (wfs_grow(&out->list, &out->cap, out->n + 1, sizeof(*out->list)))
            return -ENOMEM;
        out->list[out->n++] = (struct split){id, (uint32_t)left, keys->v.scores[id]};
    }
    return 0;
}

/* Longer ones are no tokens that anybody trained, and each costs its length squared. */
#define TOKEN_MAX_BYTES 1024

int wfs_back_merges_of_scores(const struct wfs_back_keys *keys, struct wfs_buf *out,
                              struct wfs_error *err)
{
    wfs_cleanup(free_splits) struct splits splits = {0};
    for (uint32_t i = 0; i < keys->v.n; i++) {
        if (wfs_back_is_added(keys, i))
            continue;
        if (keys->v.tokens[i].len > TOKEN_MAX_BYTES)
            return wfs_error_set(err, EINVAL, "tokenizer.ggml.tokens: number %u has %zu bytes", i,
                                 keys->v.tokens[i].len);
        if (add_splits(keys, i, &splits))
            return wfs_error_nomem(err, "merges");
    }
    if (splits.n)
        qsort(splits.list, splits.n, sizeof(*splits.list), by_score);
    wfs_buf_char(out, '[');
    for (size_t i = 0; i < splits.n; i++) {
        const struct split *s = &splits.list[i];
        struct wfs_gguf_str token = keys->v.tokens[s->id];
        wfs_buf_str(out, i ? ",\n[" : "\n[");
        wfs_back_string(out, (struct wfs_gguf_str){token.ptr, s->left_len});
        wfs_buf_char(out, ',');
        wfs_back_string(out,
                        (struct wfs_gguf_str){token.ptr + s->left_len, token.len - s->left_len});
        wfs_buf_char(out, ']');
    }
    wfs_buf_char(out, ']');
    return 0;
}
