/*
 * back.c - see back.h. Each of llama.cpp's four models of tokenizers is one function.
 */
#include "gguf/tokenizer/back/back.h"

#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "gguf/tokenizer/back/merges.h"
#include "gguf/tokenizer/back/parts.h"
#include "gguf/tokenizer/pre/known.h"

#define BLANK "\xe2\x96\x81" /* U+2581 */

typedef int (*put_fn)(const struct wfs_back_keys *keys, struct wfs_buf *out, struct wfs_error *err);

static void put_start(const struct wfs_back_keys *keys, struct wfs_buf *out)
{
    wfs_buf_str(out, "{\"version\": \"1.0\",\n\"truncation\": null,\n\"padding\": null,\n");
    wfs_back_added(keys, out);
}

/* A post-processor of the model's own ends. */
static int put_ends(const struct wfs_back_keys *keys, bool pre_adds_bos, struct wfs_buf *out,
                    struct wfs_error *err)
{
    struct wfs_back_ends ends;
    int r = wfs_back_ends(keys, pre_adds_bos, &ends, err);
    if (!r)
        wfs_back_post_processor(keys, &ends, out);
    return r;
}

/* The text of the unknown token, or null. */
static void put_unknown(const struct wfs_back_keys *keys, uint32_t fallback, struct wfs_buf *out)
{
    uint32_t id = wfs_back_id(keys, "unknown_token_id");
    if (id == WFS_NO_INDEX && fallback < keys->v.n)
        id = fallback;
    wfs_buf_str(out, "\"unk_token\": ");
    if (id == WFS_NO_INDEX)
        wfs_buf_str(out, "null");
    else
        wfs_back_string(out, keys->v.tokens[id]);
}

/* ---- "gpt2": byte-level BPE ---------------------------------------------------------------- */

static bool has_name(const json_t *names, const char *name)
{
    for (size_t i = 0; i < json_array_size(names); i++)
        if (strcmp(json_string_value(json_array_get(names, i)), name) == 0)
            return true;
    return false;
}

/* The family of a pre-tokenizer's name; NULL: unknown. */
static const json_t *family_of(const json_t *known, const char *name)
{
    const json_t *families = json_object_get(known, "families");
    for (size_t i = 0; i < json_array_size(families); i++)
        if (has_name(json_object_get(json_array_get(families, i), "names"), name))
            return json_array_get(families, i);
    return NULL;
}

/* How it cuts: its own, or the row of "cuts" that it names. */
static const json_t *cuts_of(const json_t *known, const json_t *family)
{
    const json_t *rows = json_object_get(known, "cuts"),
                 *own = json_object_get(family, "pre_tokenizer");
    const char *name = json_string_value(json_object_get(family, "cuts"));
    for (size_t i = 0; !own && name && i < json_array_size(rows); i++) {
        const json_t *row = json_array_get(rows, i);
        if (strcmp(json_string_value(json_object_get(row, "name")), name) == 0)
            own = json_object_get(row, "pre_tokenizer");
    }
    return own;
}

static int put_family(const struct wfs_back_keys *keys, const json_t *known, const json_t *family,
                      struct wfs_buf *out, struct wfs_error *err)
{
    char *cuts = json_dumps(cuts_of(known, family), JSON_COMPACT);
    if (!cuts)
        return wfs_error_nomem(err, "a tokenizer");
    bool takes_whole = json_is_true(json_object_get(family, "ignore_merges"));
    put_start(keys, out);
    wfs_buf_printf(out, "\"normalizer\": null,\n\"pre_tokenizer\": %s,\n", cuts);
    free(cuts);
    int r = put_ends(keys, json_is_true(json_object_get(family, "add_bos")), out, err);
    wfs_buf_str(out, "\"decoder\": {\"type\": \"ByteLevel\", \"add_prefix_space\": true, "
                     "\"trim_offsets\": true, \"use_regex\": true},\n"
                     "\"model\": {\"type\": \"BPE\", \"dropout\": null, \"unk_token\": null, "
                     "\"continuing_subword_prefix\": null, \"end_of_word_suffix\": null, "
                     "\"fuse_unk\": false, \"byte_fallback\": false, ");
    wfs_buf_printf(out, "\"ignore_merges\": %s,\n", takes_whole ? "true" : "false");
    wfs_back_vocab(keys, NULL, out);
    wfs_buf_str(out, ",\n\"merges\": ");
    if (!r)
        r = wfs_back_merges(keys, out, err);
    wfs_buf_str(out, "}}\n");
    return r;
}

static int unknown_family(const char *name, struct wfs_error *err)
{
    return wfs_error_set(
        err, ENOTSUP,
        "tokenizer.ggml.pre: how '%.64s' cuts text is not known as a tokenizer.json says it", name);
}

static int put_gpt2(const struct wfs_back_keys *keys, struct wfs_buf *out, struct wfs_error *err)
{
    json_t *known = wfs_pre_known();
    if (!known)
        return wfs_error_nomem(err, "a tokenizer");
    const json_t *family = family_of(known, keys->pre);
    int r = family ? put_family(keys, known, family, out, err) : unknown_family(keys->pre, err);
    json_decref(known);
    return r;
}

/* ---- "llama": SentencePiece's BPE ----------------------------------------------------------- */

static int put_llama(const struct wfs_back_keys *keys, struct wfs_buf *out, struct wfs_error *err)
{
    bool has_prefix = wfs_back_flag(keys, "add_space_prefix", true);
    put_start(keys, out);
    wfs_buf_str(out, "\"normalizer\": {\"type\": \"Sequence\", \"normalizers\": [");
    if (has_prefix)
        wfs_buf_str(out, "{\"type\": \"Prepend\", \"prepend\": \"" BLANK "\"}, ");
    wfs_buf_str(out,
                "{\"type\": \"Replace\", \"pattern\": {\"String\": \" \"}, \"content\": \"" BLANK
                "\"}]},\n\"pre_tokenizer\": null,\n");
    int r = put_ends(keys, false, out, err);
    wfs_buf_str(out, "\"decoder\": {\"type\": \"Sequence\", \"decoders\": [{\"type\": \"Replace\", "
                     "\"pattern\": {\"String\": \"" BLANK "\"}, \"content\": \" \"}, "
                     "{\"type\": \"ByteFallback\"}, {\"type\": \"Fuse\"}");
    if (has_prefix)
        wfs_buf_str(out, ", {\"type\": \"Strip\", \"content\": \" \", \"start\": 1, \"stop\": 0}");
    wfs_buf_str(out, "]},\n\"model\": {\"type\": \"BPE\", \"dropout\": null, ");
    put_unknown(keys, 0, out);
    wfs_buf_str(out, ", \"continuing_subword_prefix\": null, \"end_of_word_suffix\": null, "
                     "\"fuse_unk\": true, \"byte_fallback\": true, \"ignore_merges\": false,\n");
    wfs_back_vocab(keys, NULL, out);
    wfs_buf_str(out, ",\n\"merges\": ");
    if (!r)
        r = wfs_back_merges_of_scores(keys, out, err);
    wfs_buf_str(out, "}}\n");
    return r;
}

/* ---- "bert": WordPiece ---------------------------------------------------------------------- */

/* The beginning of a word has U+2581 here and nothing there; the rest nothing here and "##" there. */
static void turn_word(const struct wfs_back_keys *keys, uint32_t id, struct wfs_buf *out)
{
    struct wfs_gguf_str token = keys->v.tokens[id];
    if (wfs_back_is_added(keys, id)) {
        wfs_back_string(out, token);
    } else if (wfs_text_begins(token, BLANK)) {
        size_t step = strlen(BLANK);
        wfs_back_string(out, (struct wfs_gguf_str){token.ptr + step, token.len - step});
    } else {
        wfs_buf_str(out, "\"##");
        struct wfs_buf rest = {0};
        wfs_back_string(&rest, token);
        wfs_buf_str(out, wfs_buf_ok(&rest) ? rest.data + 1 : "\"");
        out->failed |= rest.failed;
        wfs_buf_free(&rest);
    }
}

static int put_bert(const struct wfs_back_keys *keys, struct wfs_buf *out, struct wfs_error *err)
{
    bool lowercase = wfs_back_flag(keys, "normalizer.lowercase", true);
    put_start(keys, out);
    wfs_buf_printf(out,
                   "\"normalizer\": {\"type\": \"BertNormalizer\", \"clean_text\": true, "
                   "\"handle_chinese_chars\": true, \"strip_accents\": %s, \"lowercase\": %s},\n"
                   "\"pre_tokenizer\": {\"type\": \"BertPreTokenizer\"},\n",
                   wfs_back_flag(keys, "normalizer.strip_accents", lowercase) ? "true" : "false",
                   lowercase ? "true" : "false");
    int r = put_ends(keys, false, out, err);
    wfs_buf_str(out,
                "\"decoder\": {\"type\": \"WordPiece\", \"prefix\": \"##\", \"cleanup\": true},\n"
                "\"model\": {\"type\": \"WordPiece\", ");
    put_unknown(keys, 100, out);
    wfs_buf_str(out,
                ", \"continuing_subword_prefix\": \"##\", \"max_input_chars_per_word\": 100,\n");
    wfs_back_vocab(keys, turn_word, out);
    wfs_buf_str(out, "}}\n");
    return r;
}

/* ---- "t5": Unigram -------------------------------------------------------------------------- */

static void put_base64(const uint8_t *data, size_t n, struct wfs_buf *out)
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    for (size_t i = 0; i < n; i += 3) {
        size_t left = n - i < 3 ? n - i : 3;
        uint32_t v = 0;
        for (size_t k = 0; k < 3; k++)
            v = v << 8 | (k < left ? data[i + k] : 0u);
        for (size_t k = 0; k < 4; k++)
            wfs_buf_char(out, k <= left ? digits[v >> (18 - 6 * k) & 63] : '=');
    }
}

static void put_unigram_normalizer(const struct wfs_back_keys *keys, struct wfs_buf *out)
{
    const struct wfs_gguf_pair *map =
        wfs_gguf_kv_find(keys->kv, "tokenizer.ggml.precompiled_charsmap");
    bool has_map = map && map->type == WFS_GGUF_ARRAY && map->size_bytes > 0 &&
                   wfs_gguf_type_bytes(map->elem_type) == 1;
    wfs_buf_str(out, "\"normalizer\": {\"type\": \"Sequence\", \"normalizers\": [");
    if (has_map) {
        wfs_buf_str(out, "{\"type\": \"Precompiled\", \"precompiled_charsmap\": \"");
        put_base64(map->data, map->size_bytes, out);
        wfs_buf_str(out, "\"}");
    }
    if (wfs_back_flag(keys, "remove_extra_whitespaces", false)) {
        wfs_buf_str(out, has_map ? ", " : "");
        wfs_buf_str(out, "{\"type\": \"Strip\", \"strip_left\": true, \"strip_right\": true}, "
                         "{\"type\": \"Replace\", \"pattern\": {\"Regex\": \" {2,}\"}, "
                         "\"content\": \" \"}");
    }
    wfs_buf_str(out, "]},\n");
}

static void put_pieces(const struct wfs_back_keys *keys, struct wfs_buf *out)
{
    wfs_buf_str(out, "\"vocab\": [");
    for (uint32_t i = 0; i < keys->v.n; i++) {
        wfs_buf_str(out, i ? ",\n[" : "\n[");
        wfs_back_string(out, keys->v.tokens[i]);
        wfs_buf_printf(out, ", %.17g]", (double)keys->v.scores[i]);
    }
    wfs_buf_char(out, ']');
}

static int put_t5(const struct wfs_back_keys *keys, struct wfs_buf *out, struct wfs_error *err)
{
    const char *scheme = wfs_back_flag(keys, "add_space_prefix", false) ? "always" : "never";
    uint32_t unk = wfs_back_id(keys, "unknown_token_id");
    for (uint32_t i = 0; i < keys->v.n; i++)
        if (!(keys->v.scores[i] > -1e30f && keys->v.scores[i] < 1e30f))
            return wfs_error_set(err, EINVAL, "tokenizer.ggml.scores: number %u is no score", i);
    put_start(keys, out);
    put_unigram_normalizer(keys, out);
    wfs_buf_printf(out,
                   "\"pre_tokenizer\": {\"type\": \"Metaspace\", \"replacement\": \"" BLANK "\", "
                   "\"prepend_scheme\": \"%s\", \"split\": false},\n",
                   scheme);
    int r = put_ends(keys, false, out, err);
    wfs_buf_printf(out,
                   "\"decoder\": {\"type\": \"Metaspace\", \"replacement\": \"" BLANK "\", "
                   "\"prepend_scheme\": \"%s\", \"split\": false},\n"
                   "\"model\": {\"type\": \"Unigram\", \"unk_id\": %u, \"byte_fallback\": false,\n",
                   scheme, unk == WFS_NO_INDEX ? 2u : unk);
    put_pieces(keys, out);
    wfs_buf_str(out, "}}\n");
    return r;
}

/* ---- the whole ----------------------------------------------------------------------------- */

static put_fn kind_of(const char *model)
{
    static const struct {
        const char *model;
        put_fn put;
    } kinds[] = {{"llama", put_llama}, {"gpt2", put_gpt2}, {"bert", put_bert}, {"t5", put_t5}};
    for (size_t i = 0; i < WFS_ARRAY_SIZE(kinds); i++)
        if (strcmp(kinds[i].model, model) == 0)
            return kinds[i].put;
    return NULL;
}

int wfs_tokenizer_back_check(const char *model, const char *pre, struct wfs_error *err)
{
    if (!kind_of(model))
        return wfs_error_set(
            err, ENOTSUP,
            "tokenizer.ggml.model: '%.64s' is no tokenizer that a tokenizer.json can say", model);
    if (strcmp(model, "gpt2") != 0)
        return 0;
    json_t *known = wfs_pre_known();
    if (!known)
        return wfs_error_nomem(err, "a tokenizer");
    int r = family_of(known, pre) ? 0 : unknown_family(pre, err);
    json_decref(known);
    return r;
}

static int make(const struct wfs_gguf_kv *kv, bool is_config, struct wfs_buf *out,
                struct wfs_error *err)
{
    wfs_cleanup(wfs_arena_freep) struct wfs_arena *arena = wfs_arena_new();
    wfs_cleanup(wfs_back_keys_free) struct wfs_back_keys keys = {0};
    if (!arena)
        return wfs_error_nomem(err, "a tokenizer");
    int r = wfs_back_keys_read(arena, kv, &keys, err);
    if (!r)
        r = wfs_tokenizer_back_check(keys.model, keys.pre, err);
    if (!r && is_config)
        wfs_back_config(&keys, out);
    else if (!r)
        r = kind_of(keys.model)(&keys, out, err);
    if (!r && !wfs_buf_ok(out))
        r = wfs_error_nomem(err, "a tokenizer");
    return r;
}

int wfs_tokenizer_back_json(const struct wfs_gguf_kv *kv, struct wfs_buf *out,
                            struct wfs_error *err)
{
    return make(kv, false, out, err);
}

int wfs_tokenizer_back_config(const struct wfs_gguf_kv *kv, struct wfs_buf *out,
                              struct wfs_error *err)
{
    return make(kv, true, out, err);
}
