/*
 * tokenizer_json.c - see tokenizer_json.h.
 */
#include "gguf/tokenizer/read/tokenizer_json.h"

#include <stdlib.h>
#include <string.h>

#include "gguf/tokenizer/read/side.h"
#include "source/safetensors/json_stream.h"

/* Of a value that becomes jansson's tree. */
#define VALUE_MAX_BYTES (UINT64_C(64) << 20)

struct reader {
    struct wfs_arena *arena;
    struct wfs_bytes *bytes;
    struct wfs_json js;
    struct wfs_tokenizer_json *tj;
};

static void close_reader(struct reader *rd)
{
    wfs_json_close(&rd->js);
}

void wfs_tokenizer_json_free(struct wfs_tokenizer_json *tj)
{
    free(tj->tokens);
    free(tj->ids);
    free(tj->merges);
    json_decref(tj->settings);
    *tj = (struct wfs_tokenizer_json){0};
}

bool wfs_tokenizer_json_is(const struct wfs_tokenizer_json *tj, const char *setting)
{
    return json_is_true(json_object_get(tj->settings, setting));
}

/* Any value as jansson's; NULL for null. */
static int take_value(struct reader *rd, const char *key, json_t **ret, struct wfs_error *err)
{
    uint8_t c;
    int r = wfs_json_peek(&rd->js, &c, err);
    uint64_t off = wfs_json_tell(&rd->js);
    if (!r)
        r = wfs_json_skip(&rd->js, err);
    if (r)
        return r;
    uint64_t len = wfs_json_tell(&rd->js) - off;
    if (len > VALUE_MAX_BYTES)
        return wfs_json_fail(&rd->js, err, "'%s' has more than %llu bytes", key,
                             (unsigned long long)VALUE_MAX_BYTES);
    wfs_cleanup(wfs_freep) char *text = malloc((size_t)len + 1);
    if (!text)
        return wfs_error_nomem(err, key);
    r = wfs_bytes_read(rd->bytes, text, (size_t)len, off, err);
    json_t *value = NULL;
    if (!r)
        r = wfs_side_parse(rd->arena, rd->tj->name, (struct wfs_gguf_str){text, (size_t)len},
                           &value, err);
    if (!r)
        *ret = json_is_null(value) ? NULL : value;
    return r;
}

/* A key and its ':'. It lies in `buf`, cut where it is longer than any that means something. */
static int take_key(struct reader *rd, char *buf, size_t size, struct wfs_error *err)
{
    const char *text;
    size_t len;
    int r = wfs_json_string(&rd->js, &text, &len, err);
    if (r)
        return r;
    snprintf(buf, size, "%.*s", (int)wfs_min_u64(len, size - 1), text);
    return wfs_json_expect(&rd->js, ':', err);
}

/* ---- the vocabulary ------------------------------------------------------------------------ */

static int take_token(struct reader *rd, struct wfs_error *err)
{
    struct wfs_tokenizer_json *tj = rd->tj;
    const char *text;
    size_t len;
    uint64_t id;
    int r = wfs_json_string(&rd->js, &text, &len, err);
    if (r)
        return r;
    size_t need = (size_t)tj->n_tokens + 1;
    char *copy = wfs_arena_strndup(rd->arena, text, len);
    if (!copy || wfs_grow(&tj->tokens, &tj->tokens_cap, need, sizeof(*tj->tokens)) ||
        wfs_grow(&tj->ids, &tj->ids_cap, need, sizeof(*tj->ids)))
        return wfs_error_nomem(err, "a vocabulary");
    r = wfs_json_expect(&rd->js, ':', err);
    if (!r)
        r = wfs_json_uint(&rd->js, &id, err);
    if (!r && id > INT32_MAX)
        r = wfs_json_fail(&rd->js, err, "the id of a token is beyond 2^31 - 1");
    if (r)
        return r;
    tj->tokens[tj->n_tokens] = (struct wfs_gguf_str){copy, len};
    tj->ids[tj->n_tokens++] = (uint32_t)id;
    return 0;
}

/* {text: id, ...}. A list is a Unigram model's, whose pieces nobody asks for here. */
static int take_vocab(struct reader *rd, struct wfs_error *err)
{
    uint8_t c;
    int r = wfs_json_peek(&rd->js, &c, err);
    if (!r && c != '{')
        return wfs_json_skip(&rd->js, err);
    if (!r)
        r = wfs_json_expect(&rd->js, '{', err);
    for (bool is_first = true, more; !r; is_first = false) {
        r = wfs_json_more(&rd->js, is_first, '}', &more, err);
        if (r || !more)
            break;
        r = take_token(rd, err);
    }
    return r;
}

static int by_id(const void *a, const void *b)
{
    uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
    return x < y ? -1 : x > y;
}

static int check_ids(const struct wfs_tokenizer_json *tj, struct wfs_error *err)
{
    size_t size = tj->n_tokens * sizeof(*tj->ids);
    wfs_cleanup(wfs_freep) uint32_t *sorted = malloc(size + 1);
    if (!sorted)
        return wfs_error_nomem(err, tj->name);
    if (size)
        memcpy(sorted, tj->ids, size);
    qsort(sorted, tj->n_tokens, sizeof(*sorted), by_id);
    for (uint32_t i = 1; i < tj->n_tokens; i++)
        if (sorted[i] == sorted[i - 1])
            return wfs_error_set(err, EINVAL, "%s: model.vocab: two tokens have the id %u",
                                 tj->name, sorted[i]);
    return 0;
}

static int check_vocab(const struct wfs_tokenizer_json *tj, struct wfs_error *err)
{
    wfs_cleanup(wfs_text_index_free) struct wfs_text_index index = {0};
    uint32_t first, second;
    int r = wfs_text_index_build(&index, tj->tokens, tj->n_tokens, &first, &second);
    if (r == -ENOMEM)
        return wfs_error_nomem(err, tj->name);
    if (r)
        return wfs_error_set(err, EINVAL, "%s: model.vocab: the token '%.64s' stands there twice",
                             tj->name, tj->tokens[second].ptr);
    return check_ids(tj, err);
}

/* ---- merges -------------------------------------------------------------------------------- */

static int add_merge(struct reader *rd, char *text, size_t left_len, size_t right_len,
                     struct wfs_error *err)
{
    struct wfs_tokenizer_json *tj = rd->tj;
    if (!text ||
        wfs_grow(&tj->merges, &tj->merges_cap, (size_t)tj->n_merges + 1, sizeof(*tj->merges)))
        return wfs_error_nomem(err, "merges");
    if (!left_len || !right_len || left_len + right_len > INT32_MAX)
        return wfs_json_fail(&rd->js, err, "a merge that is no pair of tokens");
    bool has_space = memchr(text, ' ', left_len) || memchr(text + left_len + 1, ' ', right_len);
    tj->merges[tj->n_merges++] = (struct wfs_merge){.text = text,
                                                    .left_len = (uint32_t)left_len,
                                                    .right_len = (uint32_t)right_len,
                                                    .has_space = has_space};
    return 0;
}

/* "A B" */
static int take_merge_text(struct reader *rd, struct wfs_error *err)
{
    const char *text;
    size_t len;
    int r = wfs_json_string(&rd->js, &text, &len, err);
    if (r)
        return r;
    const char *space = memchr(text, ' ', len);
    size_t left_len = space ? (size_t)(space - text) : 0;
    if (!space || memchr(space + 1, ' ', len - left_len - 1))
        return wfs_json_fail(&rd->js, err, "a merge that is no pair of tokens");
    return add_merge(rd, wfs_arena_strndup(rd->arena, text, len), left_len, len - left_len - 1,
                     err);
}

/* ["A", "B"] */
static int take_merge_pair(struct reader *rd, struct wfs_error *err)
{
    wfs_cleanup(wfs_buf_free) struct wfs_buf joined = {0};
    size_t lens[2] = {0};
    int r = wfs_json_expect(&rd->js, '[', err);
    for (int i = 0; !r && i < 2; i++) {
        const char *text;
        bool more = true;
        r = wfs_json_more(&rd->js, i == 0, ']', &more, err);
        if (!r && !more)
            r = wfs_json_fail(&rd->js, err, "a merge that is no pair of tokens");
        if (!r)
            r = wfs_json_string(&rd->js, &text, &lens[i], err);
        if (r)
            break;
        if (i)
            wfs_buf_char(&joined, ' ');
        wfs_buf_add(&joined, text, lens[i]);
    }
    if (!r)
        r = wfs_json_expect(&rd->js, ']', err);
    if (!r && !wfs_buf_ok(&joined))
        r = wfs_error_nomem(err, "merges");
    return r ? r
             : add_merge(rd, wfs_arena_memdup(rd->arena, joined.data, joined.len), lens[0], lens[1],
                         err);
}

static int take_merges(struct reader *rd, struct wfs_error *err)
{
    int r = wfs_json_expect(&rd->js, '[', err);
    for (bool is_first = true, more; !r; is_first = false) {
        uint8_t c = 0;
        r = wfs_json_more(&rd->js, is_first, ']', &more, err);
        if (r || !more)
            break;
        r = wfs_json_peek(&rd->js, &c, err);
        if (!r)
            r = c == '[' ? take_merge_pair(rd, err) : take_merge_text(rd, err);
    }
    return r;
}

/* ---- the whole ----------------------------------------------------------------------------- */

static int take_setting(struct reader *rd, const char *key, struct wfs_error *err)
{
    json_t *value = NULL;
    int r = take_value(rd, key, &value, err);
    if (!r && json_object_get(rd->tj->settings, key))
        r = wfs_json_fail(&rd->js, err, "'%s' stands there twice", key);
    if (!r && value && json_object_set(rd->tj->settings, key, value))
        r = wfs_error_nomem(err, key);
    return r;
}

static int take_model_member(struct reader *rd, struct wfs_error *err)
{
    struct wfs_tokenizer_json *tj = rd->tj;
    char key[64];
    int r = take_key(rd, key, sizeof(key), err);
    if (r)
        return r;
    if (strcmp(key, "vocab") == 0 && tj->n_tokens == 0)
        return take_vocab(rd, err);
    if (strcmp(key, "merges") == 0 && tj->n_merges == 0)
        return take_merges(rd, err);
    if (strcmp(key, "vocab") == 0 || strcmp(key, "merges") == 0)
        return wfs_json_fail(&rd->js, err, "'%s' stands there twice", key);
    return take_setting(rd, key, err);
}

static int take_model(struct reader *rd, struct wfs_error *err)
{
    int r = wfs_json_expect(&rd->js, '{', err);
    for (bool is_first = true, more; !r; is_first = false) {
        r = wfs_json_more(&rd->js, is_first, '}', &more, err);
        if (r || !more)
            break;
        r = take_model_member(rd, err);
    }
    const char *type = json_string_value(json_object_get(rd->tj->settings, "type"));
    if (!r && type)
        rd->tj->model = type;
    return r;
}

static json_t **member_of(struct wfs_tokenizer_json *tj, const char *key)
{
    struct {
        const char *key;
        json_t **at;
    } members[] = {
        {"added_tokens", &tj->added_tokens},
        {"normalizer", &tj->normalizer},
        {"pre_tokenizer", &tj->pre_tokenizer},
        {"post_processor", &tj->post_processor},
        {"decoder", &tj->decoder},
    };
    for (size_t i = 0; i < WFS_ARRAY_SIZE(members); i++)
        if (strcmp(key, members[i].key) == 0)
            return members[i].at;
    return NULL;
}

static int take_member(struct reader *rd, bool *inout_has_model, struct wfs_error *err)
{
    char key[64];
    int r = take_key(rd, key, sizeof(key), err);
    if (r)
        return r;
    json_t **at = member_of(rd->tj, key);
    bool is_model = strcmp(key, "model") == 0;
    if ((at && *at) || (is_model && *inout_has_model))
        return wfs_json_fail(&rd->js, err, "'%s' stands there twice", key);
    *inout_has_model |= is_model;
    if (is_model)
        return take_model(rd, err);
    return at ? take_value(rd, key, at, err) : wfs_json_skip(&rd->js, err);
}

static int take_all(struct reader *rd, struct wfs_error *err)
{
    bool has_model = false;
    int r = wfs_json_expect(&rd->js, '{', err);
    for (bool is_first = true, more; !r; is_first = false) {
        r = wfs_json_more(&rd->js, is_first, '}', &more, err);
        if (r || !more)
            break;
        r = take_member(rd, &has_model, err);
    }
    if (!r)
        r = wfs_json_end(&rd->js, err);
    if (!r && !has_model)
        r = wfs_error_set(err, EINVAL, "%s: no 'model' in it", rd->tj->name);
    return r;
}

/* added_tokens: a list of {"id": whole number, "content": text, ...}. */
static int check_added(const struct wfs_tokenizer_json *tj, struct wfs_error *err)
{
    if (tj->added_tokens && !json_is_array(tj->added_tokens))
        return wfs_error_set(err, EINVAL, "%s: 'added_tokens' is no list", tj->name);
    for (size_t i = 0; i < json_array_size(tj->added_tokens); i++) {
        const json_t *token = json_array_get(tj->added_tokens, i);
        const json_t *id = json_object_get(token, "id");
        if (!json_is_integer(id) || json_integer_value(id) < 0 ||
            json_integer_value(id) > INT32_MAX ||
            !json_is_string(json_object_get(token, "content")))
            return wfs_error_set(err, EINVAL, "%s: added_tokens[%zu] has no id and content",
                                 tj->name, i);
    }
    return 0;
}

int wfs_tokenizer_json_read(struct wfs_arena *arena, struct wfs_bytes *bytes, const char *name,
                            struct wfs_tokenizer_json *ret, struct wfs_error *err)
{
    *ret = (struct wfs_tokenizer_json){.name = name, .model = "", .settings = json_object()};
    if (!ret->settings)
        return wfs_error_nomem(err, name);
    wfs_cleanup(close_reader) struct reader rd = {.arena = arena, .bytes = bytes, .tj = ret};
    int r = wfs_json_open(&rd.js, bytes, 0, bytes->size_bytes, err);
    if (!r)
        r = take_all(&rd, err);
    if (!r)
        r = check_vocab(ret, err);
    if (!r)
        r = check_added(ret, err);
    return r;
}
