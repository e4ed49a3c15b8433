/*
 * pre.c - see pre.h. The converter encodes one text with the tokenizer and looks the sha256 of the ids
 * up (known.h). That is a fingerprint of the vocabulary, the merges, the cuts and the added ends, and it
 * is computed here where the cuts are known for certain; everything else is refused.
 */
#include "gguf/tokenizer/pre/pre.h"

#include <stdlib.h>
#include <string.h>

#include "gguf/tokenizer/pre/ends.h"
#include "gguf/tokenizer/pre/known.h"
#include "gguf/tokenizer/pre/sha256.h"
#include "gguf/tokenizer/special/added.h"

#define WORD_MAX_CHARS 100 /* WordPiece's own */

struct check {
    const struct wfs_tokenizer_files *files;
    json_t *known;
    struct wfs_text_encoder encoder;
    struct wfs_ids ids, body, behind;
    char hash[65];
    const char *why;  /* of -ENOENT */
    const char *cuts; /* the row of known.json, or NULL */
};

static void free_check(struct check *c)
{
    json_decref(c->known);
    wfs_text_encoder_free(&c->encoder);
    free(c->ids.ids);
    free(c->body.ids);
    free(c->behind.ids);
}

static int unknown(struct check *c, const char *why)
{
    c->why = why;
    return -ENOENT;
}

static const char *known_text(const struct check *c)
{
    return json_string_value(json_object_get(c->known, "text"));
}

static bool is_type(const json_t *v, const char *type)
{
    const char *is = json_string_value(json_object_get(v, "type"));
    return is && strcmp(is, type) == 0;
}

/* ---- byte-level BPE ------------------------------------------------------------------------ */

/* The text is in NFC, so that this normalizer leaves it alone. */
static bool leaves_text_alone(const json_t *normalizer)
{
    if (!normalizer || is_type(normalizer, "NFC"))
        return true;
    if (!is_type(normalizer, "Sequence"))
        return false;
    const json_t *list = json_object_get(normalizer, "normalizers");
    for (size_t i = 0; i < json_array_size(list); i++)
        if (!leaves_text_alone(json_array_get(list, i)))
            return false;
    return true;
}

/* No text, or an empty one. */
static bool has_no_text(const json_t *settings, const char *key)
{
    return json_string_length(json_object_get(settings, key)) == 0;
}

static int check_bpe(struct check *c)
{
    const struct wfs_tokenizer_json *tj = &c->files->json;
    if (strcmp(tj->model, "BPE") != 0)
        return unknown(c, "its model is neither BPE nor WordPiece");
    if (wfs_tokenizer_json_is(tj, "byte_fallback"))
        return unknown(
            c,
            "its BPE falls back to bytes: a SentencePiece model, whose tokenizer.model is needed");
    if (!has_no_text(tj->settings, "continuing_subword_prefix") ||
        !has_no_text(tj->settings, "end_of_word_suffix"))
        return unknown(c, "its BPE marks the parts of words, which a byte-level one does not");
    if (!leaves_text_alone(tj->normalizer))
        return unknown(c, "its normalizer changes the converter's text");
    if (json_is_true(json_object_get(c->files->config, "add_prefix_space")))
        return unknown(c, "tokenizer_config.json has add_prefix_space, which moves cuts");
    return 0;
}

static int encode_bpe(struct check *c)
{
    int r = check_bpe(c);
    if (r)
        return r;
    const json_t *pre_tokenizer = c->files->json.pre_tokenizer;
    const json_t *cuts = pre_tokenizer ? wfs_pre_cuts(c->known, pre_tokenizer, &r) : NULL;
    if (r)
        return r;
    if (!cuts)
        return unknown(c, "its pre_tokenizer is none whose cuts are known");
    c->cuts = json_string_value(json_object_get(cuts, "name"));
    r = wfs_encode_bpe(&c->encoder, known_text(c), json_object_get(cuts, "ends"), &c->body);
    return r == -ENOENT ? unknown(c, "its vocabulary lacks bytes") : r;
}

/* ---- WordPiece ----------------------------------------------------------------------------- */

/* lowercase of a normalizer that known.json has words of; -1: none. */
static int plain_lowercase(const json_t *normalizer)
{
    const json_t *lowercase = json_object_get(normalizer, "lowercase");
    const json_t *accents = json_object_get(normalizer, "strip_accents");
    bool is_plain = is_type(normalizer, "BertNormalizer") && json_is_boolean(lowercase) &&
                    json_is_true(json_object_get(normalizer, "clean_text")) &&
                    json_is_true(json_object_get(normalizer, "handle_chinese_chars")) &&
                    (!json_is_boolean(accents) || json_equal(accents, lowercase));
    return is_plain ? json_is_true(lowercase) : -1;
}

/* The classes that make their own normalizer of do_lower_case. */
static bool contradicts(const struct wfs_tokenizer_files *files, int lowercase)
{
    static const char *const keys[] = {"do_lower_case", "tokenize_chinese_chars"};
    const char *name = json_string_value(json_object_get(files->config, "tokenizer_class"));
    bool makes_own =
        name && (strncmp(name, "Bert", 4) == 0 || strncmp(name, "DistilBert", 10) == 0);
    for (size_t i = 0; i < WFS_ARRAY_SIZE(keys); i++) {
        const json_t *v = json_object_get(files->config, keys[i]);
        bool says = json_is_boolean(v) ? json_is_true(v) : true;
        if ((makes_own || json_is_boolean(v)) && says != (i == 0 ? lowercase != 0 : true))
            return true;
    }
    return false;
}

static int encode_words(struct check *c)
{
    const struct wfs_tokenizer_json *tj = &c->files->json;
    const json_t *max = json_object_get(tj->settings, "max_input_chars_per_word");
    int lowercase = plain_lowercase(tj->normalizer);
    if (lowercase < 0 || !is_type(tj->pre_tokenizer, "BertPreTokenizer") ||
        (max && json_integer_value(max) != WORD_MAX_CHARS))
        return unknown(c, "its normalizer and pre_tokenizer are not BERT's own");
    if (contradicts(c->files, lowercase))
        return unknown(c, "its normalizer contradicts tokenizer_config.json");
    const json_t *rows = json_object_get(c->known, "words");
    for (size_t i = 0; i < json_array_size(rows); i++) {
        const json_t *row = json_array_get(rows, i);
        if (json_is_true(json_object_get(row, "lowercase")) != lowercase)
            continue;
        int r = wfs_encode_words(&c->encoder, json_object_get(row, "words"), &c->body);
        return r == -ENOENT ? unknown(c, "its vocabulary has no token for unknown words") : r;
    }
    return unknown(c, "its words are not known");
}

/* ---- the hash ------------------------------------------------------------------------------ */

/* An added token that stands in the text would cut it where no constant says. */
static int check_added(struct check *c)
{
    const json_t *added = c->files->json.added_tokens;
    const char *text = known_text(c);
    for (size_t i = 0; i < json_array_size(added); i++) {
        struct wfs_gguf_str content =
            wfs_json_text(json_object_get(json_array_get(added, i), "content"));
        if (!content.len || memmem(text, strlen(text), content.ptr, content.len))
            return unknown(c, "an added token stands in the converter's text");
    }
    return 0;
}

static int append(struct wfs_ids *to, const struct wfs_ids *from)
{
    for (size_t i = 0; i < from->n; i++)
        if (wfs_ids_add(to, from->ids[i]))
            return -ENOMEM;
    return 0;
}

/* sha256 of the ids as Python writes a list. */
static int hash_ids(struct check *c)
{
    wfs_cleanup(wfs_buf_free) struct wfs_buf text = {0};
    for (size_t i = 0; i < c->ids.n; i++)
        wfs_buf_printf(&text, "%s%u", i ? ", " : "[", c->ids.ids[i]);
    wfs_buf_char(&text, ']');
    if (!wfs_buf_ok(&text))
        return -ENOMEM;
    wfs_sha256_hex(text.data, text.len, c->hash);
    return 0;
}

static int run(struct check *c)
{
    bool has_words = strcmp(c->files->json.model, "WordPiece") == 0;
    c->known = wfs_pre_known();
    if (!c->known || wfs_text_encoder_init(&c->encoder, &c->files->json))
        return -ENOMEM;
    int r = check_added(c);
    if (!r)
        r = has_words ? encode_words(c) : encode_bpe(c);
    if (!r)
        r = wfs_pre_ends(c->files, &c->encoder, &c->ids, &c->behind, &c->why);
    if (!r)
        r = append(&c->ids, &c->body);
    if (!r)
        r = append(&c->ids, &c->behind);
    return r ? r : hash_ids(c);
}

/* Tokenizers whose own file is known to be cut in one way: with other cuts it is not that one, though
 * its ids of this text may be the same, and llama.cpp would cut as the name says. */
static bool is_cut_otherwise(const struct check *c, const char *name)
{
    const char *own = json_string_value(json_object_get(json_object_get(c->known, "own"), name));
    return own && c->cuts && strcmp(own, c->cuts) != 0;
}

static int refuse(const struct check *c, struct wfs_error *err)
{
    return wfs_error_set(err, EINVAL,
                         WFS_TOKENIZER_JSON
                         ": llama.cpp's name of its pre-tokenizer cannot be told: %s; "
                         "-o set=tokenizer.pre=NAME gives it",
                         c->why);
}

static int check_name(struct check *c, const char **ret, struct wfs_error *err)
{
    int r = run(c);
    if (r == -ENOMEM)
        return wfs_error_nomem(err, WFS_TOKENIZER_JSON);
    if (r)
        return refuse(c, err);
    const char *name = wfs_pre_name(c->known, c->hash);
    if (!name)
        return wfs_error_set(err, EINVAL,
                             WFS_TOKENIZER_JSON
                             ": a tokenizer that llama.cpp's converter does not know (its "
                             "check gives %s); -o set=tokenizer.pre=NAME names its pre-tokenizer",
                             c->hash);
    if (is_cut_otherwise(c, name))
        return wfs_error_set(err, EINVAL,
                             WFS_TOKENIZER_JSON
                             ": the ids of '%s', but it cuts text as '%s' does; "
                             "-o set=tokenizer.pre=NAME says which of them llama.cpp is to follow",
                             name, c->cuts);
    *ret = wfs_arena_strdup(c->files->arena, name);
    return *ret ? 0 : wfs_error_nomem(err, WFS_TOKENIZER_JSON);
}

int wfs_pre_tokenizer_name(const struct wfs_tokenizer_files *files, const char **ret,
                           struct wfs_error *err)
{
    const char *given = wfs_tokenizer_setting(files, "tokenizer.pre");
    if (given && !*given)
        return wfs_error_set(err, EINVAL, "set=tokenizer.pre=: a name expected");
    if (given) {
        *ret = given;
        return 0;
    }
    wfs_cleanup(free_check) struct check c = {.files = files};
    return check_name(&c, ret, err);
}
