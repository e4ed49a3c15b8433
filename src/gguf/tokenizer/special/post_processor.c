/*
 * post_processor.c - see post_processor.h. "Truthy" is Python's: null, "", {} and false are not.
 */
#include "gguf/tokenizer/special/post_processor.h"

#include <string.h>

static const char *const names[] = {"bos", "eos", "unk", "sep", "pad", "cls", "mask", "eot", "eom"};

const char *wfs_special_name(enum wfs_special kind)
{
    return names[kind];
}

static int64_t *value_of(struct wfs_special_list *list, enum wfs_special kind)
{
    for (uint32_t i = 0; i < list->n; i++)
        if (list->kinds[i] == kind)
            return &list->values[i];
    return NULL;
}

void wfs_special_set(struct wfs_special_list *list, enum wfs_special kind, int64_t value)
{
    int64_t *at = value_of(list, kind);
    if (!at) {
        list->kinds[list->n] = kind;
        at = &list->values[list->n++];
    }
    *at = value;
}

void wfs_special_default(struct wfs_special_list *list, enum wfs_special kind, int64_t value)
{
    if (!value_of(list, kind))
        wfs_special_set(list, kind, value);
}

/* ---- tokens by name ------------------------------------------------------------------------ */

static bool is_truthy(const json_t *v)
{
    if (json_is_string(v))
        return json_string_length(v) > 0;
    if (json_is_object(v))
        return json_object_size(v) > 0;
    if (json_is_array(v))
        return json_array_size(v) > 0;
    return json_is_true(v) || (json_is_number(v) && json_number_value(v) != 0);
}

/* The tokens as they are known so far. Without a config they are kept here alone. */
struct known {
    struct wfs_post_processed *out;
    const json_t *tokens[WFS_N_SPECIALS];
    bool failed; /* out of memory */
};

static void write_config(struct known *k, enum wfs_special kind, const json_t *value)
{
    char key[32];
    snprintf(key, sizeof(key), "%s_token", names[kind]);
    json_t *copy = value ? json_deep_copy(value) : json_null();
    if (!copy || json_object_set_new(k->out->config, key, copy))
        k->failed = true;
}

static void set_token(struct known *k, enum wfs_special kind, const json_t *value)
{
    k->tokens[kind] = value;
    write_config(k, kind, value);
}

/* Is this text one of the two tokens? A token that is an object is no text. */
static bool is_one_of(const json_t *text, const json_t *a, const json_t *b)
{
    return text && ((json_is_string(a) && json_equal(text, a)) ||
                    (json_is_string(b) && json_equal(text, b)));
}

/* The special token of a template's entry; NULL: it is none. */
static const json_t *token_of(const json_t *entry)
{
    const json_t *id = json_object_get(json_object_get(entry, "SpecialToken"), "id");
    return json_is_string(id) && json_string_length(id) ? id : NULL;
}

/* ---- processors ---------------------------------------------------------------------------- */

static void add(struct known *k, enum wfs_special kind, bool value)
{
    wfs_special_set(&k->out->adds, kind, value);
}

static void read_roberta(struct known *k, const json_t *processor)
{
    static const struct {
        enum wfs_special kind;
        const char *key;
    } ends[] = {{WFS_SPECIAL_CLS, "cls"}, {WFS_SPECIAL_SEP, "sep"}};
    add(k, WFS_SPECIAL_BOS, true);
    add(k, WFS_SPECIAL_EOS, true);
    add(k, WFS_SPECIAL_SEP, true);
    for (size_t i = 0; i < WFS_ARRAY_SIZE(ends); i++)
        if (!is_truthy(k->tokens[ends[i].kind]) && k->out->has_config)
            set_token(k, ends[i].kind, json_array_get(json_object_get(processor, ends[i].key), 0));
}

static void read_first(struct known *k, const json_t *first)
{
    const json_t *const *t = k->tokens;
    if (!k->out->has_config) {
        k->tokens[WFS_SPECIAL_BOS] = first;
    } else if (!is_one_of(first, t[WFS_SPECIAL_BOS], t[WFS_SPECIAL_CLS])) {
        if (!is_truthy(t[WFS_SPECIAL_BOS]))
            set_token(k, WFS_SPECIAL_BOS, first);
        if (!is_truthy(t[WFS_SPECIAL_CLS]))
            set_token(k, WFS_SPECIAL_CLS, first);
    }
    add(k, WFS_SPECIAL_BOS, is_one_of(first, t[WFS_SPECIAL_BOS], t[WFS_SPECIAL_CLS]));
}

static bool has_kind(const struct wfs_post_processed *out, enum wfs_special kind)
{
    for (uint32_t i = 0; i < out->n_kinds; i++)
        if (out->kinds[i] == kind)
            return true;
    return false;
}

/* The template ends with another token than eos: that one is eos, and what was is kept as the end of a
 * turn or of a message. */
static void replace_eos(struct known *k, const json_t *last)
{
    struct wfs_post_processed *out = k->out;
    enum wfs_special kind = !has_kind(out, WFS_SPECIAL_EOT)   ? WFS_SPECIAL_EOT
                            : !has_kind(out, WFS_SPECIAL_EOM) ? WFS_SPECIAL_EOM
                                                              : WFS_N_SPECIALS;
    if (kind != WFS_N_SPECIALS) {
        out->kinds[out->n_kinds++] = kind;
        write_config(k, kind, k->tokens[WFS_SPECIAL_EOS]);
    }
    set_token(k, WFS_SPECIAL_EOS, last);
}

static void read_last(struct known *k, const json_t *last)
{
    const json_t *eos = k->tokens[WFS_SPECIAL_EOS];
    if (!k->out->has_config)
        k->tokens[WFS_SPECIAL_EOS] = last;
    else if (!is_one_of(last, eos, NULL))
        replace_eos(k, last);
    add(k, WFS_SPECIAL_EOS, true);
}

static bool is_sequence(const json_t *entry, const char *id)
{
    const char *is = json_string_value(json_object_get(json_object_get(entry, "Sequence"), "id"));
    return is && strcmp(is, id) == 0;
}

/* "A [sep] B" and "A [sep] [eos] B". first and last: the special tokens at the ends, or NULL. */
static void read_pair(struct known *k, const json_t *pair, const json_t *first, const json_t *last)
{
    const json_t *const *t = k->tokens;
    size_t n = json_array_size(pair), begin = 0;
    if (n && first && is_one_of(token_of(json_array_get(pair, 0)), first, NULL))
        begin = 1;
    if (n > begin && last && is_one_of(token_of(json_array_get(pair, n - 1)), last, NULL))
        n--;
    if (n < begin + 3 || !is_sequence(json_array_get(pair, begin), "A") ||
        !is_sequence(json_array_get(pair, n - 1), "B"))
        return;
    const json_t *sep = t[WFS_SPECIAL_SEP], *eos = t[WFS_SPECIAL_EOS];
    bool adds = is_one_of(token_of(json_array_get(pair, begin + 1)), sep, eos) && !last;
    if (n - begin == 4 && is_one_of(token_of(json_array_get(pair, begin + 2)), sep, eos))
        adds = true;
    add(k, WFS_SPECIAL_SEP, adds);
    if (adds && !is_truthy(sep) && k->out->has_config)
        write_config(k, WFS_SPECIAL_SEP, eos);
}

static void read_template(struct known *k, const json_t *processor)
{
    const json_t *single = json_object_get(processor, "single");
    const json_t *first = NULL, *last = NULL;
    size_t n = json_array_size(single);
    if (n > 1) {
        first = token_of(json_array_get(single, 0));
        if (first)
            read_first(k, first);
        last = token_of(json_array_get(single, n - 1));
        if (last)
            read_last(k, last);
    }
    const json_t *pair = json_object_get(processor, "pair");
    if (json_array_size(pair))
        read_pair(k, pair, first, last);
}

static void read_processor(struct known *k, const json_t *processor)
{
    const char *type = json_string_value(json_object_get(processor, "type"));
    if (type && strcmp(type, "ByteLevel") == 0) {
        wfs_special_default(&k->out->adds, WFS_SPECIAL_BOS, false);
        wfs_special_default(&k->out->adds, WFS_SPECIAL_EOS, false);
    } else if (type && strcmp(type, "RobertaProcessing") == 0) {
        read_roberta(k, processor);
    } else if (type && strcmp(type, "TemplateProcessing") == 0) {
        read_template(k, processor);
    }
}

static void read_processors(struct known *k, const json_t *processor)
{
    const json_t *list = json_object_get(processor, "processors");
    if (!list)
        read_processor(k, processor);
    for (size_t i = 0; i < json_array_size(list); i++)
        read_processor(k, json_array_get(list, i));
}

/* What stands for bos and eos where a config has none. */
static void stand_in(struct known *k, enum wfs_special kind, enum wfs_special by)
{
    if (!is_truthy(k->tokens[kind]) && is_truthy(k->tokens[by]) && k->out->has_config)
        set_token(k, kind, k->tokens[by]);
}

int wfs_post_processor_read(const json_t *config, const struct wfs_tokenizer_json *tj,
                            struct wfs_post_processed *ret, struct wfs_error *err)
{
    static const enum wfs_special all[] = {WFS_SPECIAL_BOS, WFS_SPECIAL_EOS, WFS_SPECIAL_UNK,
                                           WFS_SPECIAL_SEP, WFS_SPECIAL_PAD, WFS_SPECIAL_CLS,
                                           WFS_SPECIAL_MASK};
    *ret = (struct wfs_post_processed){.n_kinds = WFS_ARRAY_SIZE(all)};
    memcpy(ret->kinds, all, sizeof(all));
    ret->has_config = json_object_size(config) > 0;
    ret->config = config ? json_copy((json_t *)config) : json_object();
    if (!ret->config)
        return wfs_error_nomem(err, "tokenizer_config.json");
    if (!tj)
        return 0;
    struct known k = {.out = ret};
    static const enum wfs_special asked[] = {WFS_SPECIAL_BOS, WFS_SPECIAL_CLS, WFS_SPECIAL_EOS,
                                             WFS_SPECIAL_SEP};
    for (size_t i = 0; i < WFS_ARRAY_SIZE(asked); i++) {
        char key[32];
        snprintf(key, sizeof(key), "%s_token", names[asked[i]]);
        k.tokens[asked[i]] = json_object_get(config, key);
    }
    stand_in(&k, WFS_SPECIAL_BOS, WFS_SPECIAL_CLS);
    stand_in(&k, WFS_SPECIAL_EOS, WFS_SPECIAL_SEP);
    if (tj->post_processor)
        read_processors(&k, tj->post_processor);
    return k.failed ? wfs_error_nomem(err, "special tokens") : 0;
}
