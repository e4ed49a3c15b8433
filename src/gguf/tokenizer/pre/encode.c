/*
 * encode.c - see encode.h. The text has 431 bytes and its pieces are short, so that plain loops do; only
 * the merges are many, and those whose result does not occur in the text are passed over first.
 */
#include "gguf/tokenizer/pre/encode.h"

#include <stdlib.h>
#include <string.h>

#include "gguf/tokenizer/special/added.h"

int wfs_ids_add(struct wfs_ids *ids, uint32_t id)
{
    if (wfs_grow(&ids->ids, &ids->cap, ids->n + 1, sizeof(*ids->ids)))
        return -ENOMEM;
    ids->ids[ids->n++] = id;
    return 0;
}

int wfs_text_encoder_init(struct wfs_text_encoder *e, const struct wfs_tokenizer_json *tj)
{
    *e = (struct wfs_text_encoder){.tj = tj};
    return wfs_text_index_build(&e->index, tj->tokens, tj->n_tokens, NULL, NULL);
}

void wfs_text_encoder_free(struct wfs_text_encoder *e)
{
    wfs_text_index_free(&e->index);
}

bool wfs_text_encoder_id(const struct wfs_text_encoder *e, const char *s, size_t len, uint32_t *ret)
{
    const json_t *added = wfs_added_find(e->tj->added_tokens, (struct wfs_gguf_str){s, len});
    uint32_t at = added ? WFS_NO_INDEX : wfs_text_index_find(&e->index, s, len);
    if (added)
        *ret = (uint32_t)json_integer_value(json_object_get(added, "id"));
    else if (at != WFS_NO_INDEX)
        *ret = e->tj->ids[at];
    return added || at != WFS_NO_INDEX;
}

/* ---- byte-level BPE ------------------------------------------------------------------------ */

/* GPT-2's letter for a byte, as UTF-8: printable bytes of Latin-1 are themselves, the others in turn
 * U+0100 and on. */
static size_t letter(uint8_t byte, char out[2])
{
    uint32_t c = byte;
    if (byte <= 0x20)
        c = 0x100u + byte;
    else if (byte >= 0x7f && byte <= 0xa0)
        c = 0x121u + (byte - 0x7fu);
    else if (byte == 0xad)
        c = 0x143;
    if (c < 0x80) {
        out[0] = (char)c;
        return 1;
    }
    out[0] = (char)(0xc0 | c >> 6);
    out[1] = (char)(0x80 | (c & 0x3f));
    return 2;
}

/* One piece as letters; symbol i is text[at[i], at[i + 1]). */
struct word {
    char *text;
    size_t *at, n;
};

/* The merges whose result occurs in the text, by rank. */
struct merges {
    const struct wfs_merge **list;
    size_t n, cap;
};

static int gather_merges(const struct wfs_tokenizer_json *tj, const struct wfs_buf *letters,
                         struct merges *out)
{
    wfs_cleanup(wfs_buf_free) struct wfs_buf joined = {0};
    for (uint32_t i = 0; i < tj->n_merges; i++) {
        const struct wfs_merge *m = &tj->merges[i];
        joined.len = 0;
        wfs_buf_add(&joined, m->text, m->left_len);
        wfs_buf_add(&joined, m->text + m->left_len + 1, m->right_len);
        if (!wfs_buf_ok(&joined))
            return -ENOMEM;
        if (!memmem(letters->data, letters->len, joined.data, joined.len))
            continue;
        if (wfs_grow(&out->list, &out->cap, out->n + 1, sizeof(*out->list)))
            return -ENOMEM;
        out->list[out->n++] = m;
    }
    return 0;
}

/* The rank of joining symbols i and i + 1, or merges->n. A merge that stands there twice has its last
 * rank, as in `tokenizers`. */
static size_t rank_of(const struct merges *merges, const struct word *w, size_t i)
{
    const char *left = w->text + w->at[i], *right = w->text + w->at[i + 1];
    size_t left_len = w->at[i + 1] - w->at[i], right_len = w->at[i + 2] - w->at[i + 1];
    for (size_t k = merges->n; k-- > 0;) {
        const struct wfs_merge *m = merges->list[k];
        if (m->left_len == left_len && m->right_len == right_len &&
            memcmp(m->text, left, left_len) == 0 &&
            memcmp(m->text + left_len + 1, right, right_len) == 0)
            return k;
    }
    return merges->n;
}

static void merge_word(const struct merges *merges, struct word *w)
{
    for (;;) {
        size_t best = merges->n, where = 0;
        for (size_t i = 0; i + 1 < w->n; i++) {
            size_t rank = rank_of(merges, w, i);
            if (rank < best) {
                best = rank;
                where = i;
            }
        }
        if (best == merges->n)
            return;
        memmove(w->at + where + 1, w->at + where + 2, (w->n - where - 1) * sizeof(*w->at));
        w->n--;
    }
}

static int encode_word(const struct wfs_text_encoder *e, const struct merges *merges,
                       struct word *w, bool takes_whole, struct wfs_ids *ids)
{
    uint32_t at;
    if (takes_whole) {
        at = wfs_text_index_find(&e->index, w->text, w->at[w->n]);
        if (at != WFS_NO_INDEX)
            return wfs_ids_add(ids, e->tj->ids[at]);
    }
    merge_word(merges, w);
    for (size_t i = 0; i < w->n; i++) {
        at = wfs_text_index_find(&e->index, w->text + w->at[i], w->at[i + 1] - w->at[i]);
        if (at == WFS_NO_INDEX)
            return -ENOENT;
        if (wfs_ids_add(ids, e->tj->ids[at]))
            return -ENOMEM;
    }
    return 0;
}

/* The n bytes of a piece. */
static int encode_piece(const struct wfs_text_encoder *e, const struct merges *merges,
                        const char *bytes, size_t n, struct wfs_ids *ids)
{
    wfs_cleanup(wfs_freep) char *text = malloc(2 * n + 1);
    wfs_cleanup(wfs_freep) size_t *at = calloc(n + 1, sizeof(*at));
    if (!text || !at)
        return -ENOMEM;
    struct word w = {.text = text, .at = at, .n = n};
    for (size_t i = 0; i < n; i++)
        at[i + 1] = at[i] + letter((uint8_t)bytes[i], text + at[i]);
    return encode_word(e, merges, &w, wfs_tokenizer_json_is(e->tj, "ignore_merges"), ids);
}

static void free_merges(struct merges *merges)
{
    free(merges->list);
}

int wfs_encode_bpe(const struct wfs_text_encoder *e, const char *text, const json_t *ends,
                   struct wfs_ids *ids)
{
    wfs_cleanup(wfs_buf_free) struct wfs_buf letters = {0};
    wfs_cleanup(free_merges) struct merges merges = {0};
    for (const char *s = text; *s; s++) {
        char out[2];
        wfs_buf_add(&letters, out, letter((uint8_t)*s, out));
    }
    if (!wfs_buf_ok(&letters) || gather_merges(e->tj, &letters, &merges))
        return -ENOMEM;
    size_t begin = 0;
    int r = 0;
    for (size_t i = 0; !r && i < json_array_size(ends); i++) {
        size_t end = (size_t)json_integer_value(json_array_get(ends, i));
        r = encode_piece(e, &merges, text + begin, end - begin, ids);
        begin = end;
    }
    return r;
}

/* ---- WordPiece ----------------------------------------------------------------------------- */

/* The longest token first, from the left; a word of which a part is no token is unknown as a whole. */
static int encode_one(const struct wfs_text_encoder *e, struct wfs_gguf_str word,
                      const char *prefix, struct wfs_ids *ids, bool *ret_unknown)
{
    wfs_cleanup(wfs_buf_free) struct wfs_buf part = {0};
    for (size_t at = 0; at < word.len;) {
        uint32_t token = WFS_NO_INDEX;
        size_t end = word.len;
        for (; end > at && token == WFS_NO_INDEX; end--) {
            part.len = 0;
            wfs_buf_str(&part, at ? prefix : "");
            wfs_buf_add(&part, word.ptr + at, end - at);
            if (!wfs_buf_ok(&part))
                return -ENOMEM;
            token = wfs_text_index_find(&e->index, part.data, part.len);
        }
        *ret_unknown = token == WFS_NO_INDEX;
        if (*ret_unknown)
            return 0;
        if (wfs_ids_add(ids, e->tj->ids[token]))
            return -ENOMEM;
        at = end + 1;
    }
    return 0;
}

int wfs_encode_words(const struct wfs_text_encoder *e, const json_t *words, struct wfs_ids *ids)
{
    const char *prefix =
        json_string_value(json_object_get(e->tj->settings, "continuing_subword_prefix"));
    const char *unk = json_string_value(json_object_get(e->tj->settings, "unk_token"));
    uint32_t unk_id;
    if (!unk || !wfs_text_encoder_id(e, unk, strlen(unk), &unk_id))
        return -ENOENT;
    int r = 0;
    for (size_t i = 0; !r && i < json_array_size(words); i++) {
        bool is_unknown = false;
        size_t n_before = ids->n;
        struct wfs_gguf_str word = wfs_json_text(json_array_get(words, i));
        r = encode_one(e, word, prefix ? prefix : "##", ids, &is_unknown);
        if (!r && is_unknown) {
            ids->n = n_before;
            r = wfs_ids_add(ids, unk_id);
        }
    }
    return r;
}
