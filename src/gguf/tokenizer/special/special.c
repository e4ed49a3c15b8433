/*
 * special.c - see special.h.
 */
#include "gguf/tokenizer/special/special.h"

#include <string.h>

#include "gguf/tokenizer/special/added.h"
#include "gguf/tokenizer/special/chat.h"

/* The kinds whose id has a key ("seperator" is GGUF's own spelling); cls has none. */
static const char *const id_keys[WFS_N_SPECIALS] = {
    [WFS_SPECIAL_BOS] = "tokenizer.ggml.bos_token_id",
    [WFS_SPECIAL_EOS] = "tokenizer.ggml.eos_token_id",
    [WFS_SPECIAL_UNK] = "tokenizer.ggml.unknown_token_id",
    [WFS_SPECIAL_SEP] = "tokenizer.ggml.seperator_token_id",
    [WFS_SPECIAL_PAD] = "tokenizer.ggml.padding_token_id",
    [WFS_SPECIAL_MASK] = "tokenizer.ggml.mask_token_id",
    [WFS_SPECIAL_EOT] = "tokenizer.ggml.eot_token_id",
    [WFS_SPECIAL_EOM] = "tokenizer.ggml.eom_token_id",
};
static const char *const add_keys[WFS_N_SPECIALS] = {
    [WFS_SPECIAL_BOS] = "tokenizer.ggml.add_bos_token",
    [WFS_SPECIAL_EOS] = "tokenizer.ggml.add_eos_token",
    [WFS_SPECIAL_SEP] = "tokenizer.ggml.add_sep_token",
};

/* ---- the normalizer ------------------------------------------------------------------------ */

static void read_flag(const json_t *normalizer, const char *key, int *inout)
{
    const json_t *v = json_object_get(normalizer, key);
    if (v)
        *inout = json_is_boolean(v) ? json_is_true(v) : -1;
}

/* Nesting is bounded: the JSON was read with WFS_JSON_MAX_DEPTH. */
static void read_normalizer(const json_t *normalizer, struct wfs_special_tokens *out)
{
    const char *type = json_string_value(json_object_get(normalizer, "type"));
    if (!type)
        return;
    if (strcmp(type, "Lowercase") == 0) {
        out->lowercase = 1;
    } else if (strcmp(type, "StripAccents") == 0) {
        out->strip_accents = 1;
    } else if (strcmp(type, "BertNormalizer") == 0) {
        read_flag(normalizer, "lowercase", &out->lowercase);
        read_flag(normalizer, "strip_accents", &out->strip_accents);
    } else if (strcmp(type, "Sequence") == 0) {
        const json_t *list = json_object_get(normalizer, "normalizers");
        for (size_t i = 0; i < json_array_size(list); i++)
            read_normalizer(json_array_get(list, i), out);
    }
}

/* ---- ids ----------------------------------------------------------------------------------- */

static int add_id(struct wfs_special_tokens *out, enum wfs_special kind, const json_t *id,
                  uint32_t n_vocab, struct wfs_error *err)
{
    if (!json_is_integer(id))
        return 0; /* a list of ids is none, as for the converter */
    int64_t v = json_integer_value(id);
    if (v < 0 || v > UINT32_MAX)
        return wfs_error_set(err, EINVAL, "%s_token_id: %lld is no id of a token",
                             wfs_special_name(kind), (long long)v);
    if (n_vocab == 0 || v < n_vocab)
        wfs_special_default(&out->ids, kind, v);
    return 0;
}

/* The kind as tokenizer_config.json has it: whether it is added, and its text. */
static int read_config(const struct wfs_tokenizer_files *files,
                       const struct wfs_post_processed *from, enum wfs_special kind,
                       uint32_t n_vocab, struct wfs_special_tokens *out, struct wfs_error *err)
{
    char key[32];
    snprintf(key, sizeof(key), "add_%s_token", wfs_special_name(kind));
    const json_t *adds = json_object_get(from->config, key);
    if (json_is_boolean(adds))
        wfs_special_default(&out->adds, kind, json_is_true(adds));
    snprintf(key, sizeof(key), "%s_token", wfs_special_name(kind));
    const json_t *token = json_object_get(from->config, key);
    if (json_is_object(token))
        token = json_object_get(token, "content");
    if (!json_is_string(token))
        return 0;
    const json_t *added = wfs_added_find(files->json.added_tokens, wfs_json_text(token));
    return add_id(out, kind, json_object_get(added, "id"), n_vocab, err);
}

static int read_all(const struct wfs_tokenizer_files *files, const struct wfs_post_processed *from,
                    uint32_t n_vocab, struct wfs_special_tokens *out, struct wfs_error *err)
{
    int r = 0;
    for (uint32_t i = 0; !r && i < from->n_kinds; i++)
        r = read_config(files, from, from->kinds[i], n_vocab, out, err);
    for (uint32_t i = 0; !r && i < from->n_kinds; i++) {
        char key[32];
        snprintf(key, sizeof(key), "%s_token_id", wfs_special_name(from->kinds[i]));
        const json_t *id = json_object_get(files->in->config, key);
        r = add_id(out, from->kinds[i], id, n_vocab, err);
    }
    return r;
}

int wfs_special_read(const struct wfs_tokenizer_files *files, uint32_t n_vocab,
                     struct wfs_special_tokens *ret, struct wfs_error *err)
{
    struct wfs_special_tokens out = {.lowercase = -1, .strip_accents = -1};
    struct wfs_post_processed from;
    const struct wfs_tokenizer_json *tj = files->has_json ? &files->json : NULL;
    if (tj && tj->normalizer)
        read_normalizer(tj->normalizer, &out);
    int r = wfs_post_processor_read(files->config, tj, &from, err);
    if (!r) {
        out.adds = from.adds;
        r = read_all(files, &from, n_vocab, &out, err);
    }
    json_decref(from.config);
    if (!r)
        *ret = out;
    return r;
}

int wfs_special_put(struct wfs_gguf_kv *kv, const struct wfs_tokenizer_files *files,
                    const struct wfs_special_tokens *tokens, struct wfs_error *err)
{
    for (uint32_t i = 0; i < tokens->ids.n; i++)
        if (id_keys[tokens->ids.kinds[i]])
            wfs_gguf_put_u32(kv, id_keys[tokens->ids.kinds[i]], (uint32_t)tokens->ids.values[i]);
    for (uint32_t i = 0; i < tokens->adds.n; i++)
        if (add_keys[tokens->adds.kinds[i]])
            wfs_gguf_put_bool(kv, add_keys[tokens->adds.kinds[i]], tokens->adds.values[i] != 0);
    int r = wfs_chat_template_put(kv, files, err);
    if (tokens->lowercase >= 0)
        wfs_gguf_put_bool(kv, "tokenizer.ggml.normalizer.lowercase", tokens->lowercase);
    if (tokens->strip_accents >= 0)
        wfs_gguf_put_bool(kv, "tokenizer.ggml.normalizer.strip_accents", tokens->strip_accents);
    return r;
}
