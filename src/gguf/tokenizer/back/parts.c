/*
 * parts.c - see parts.h.
 */
#include "gguf/tokenizer/back/parts.h"

#include <string.h>

/* ---- the ends of a text -------------------------------------------------------------------- */

/* llama.cpp's llama_vocab: ids where the file has none, and what is added where it does not say. */
static const struct model {
    const char *name;
    uint32_t bos, eos, sep;
    bool adds_bos, adds_eos;
} models[] = {{"llama", 1, 2, WFS_NO_INDEX, true, false},
              {"bert", 101, WFS_NO_INDEX, 102, true, false},
              {"gpt2", 11, 11, WFS_NO_INDEX, false, false},
              {"t5", WFS_NO_INDEX, 1, WFS_NO_INDEX, false, true}};

static int end_id(const struct wfs_back_keys *keys, const char *name, uint32_t fallback,
                  uint32_t *ret, struct wfs_error *err)
{
    uint32_t id = wfs_back_id(keys, name);
    *ret = id != WFS_NO_INDEX ? id : fallback;
    if (*ret >= keys->v.n)
        return wfs_error_set(err, EINVAL, "tokenizer.ggml.%s: no token, and one is to be added",
                             name);
    return 0;
}

int wfs_back_ends(const struct wfs_back_keys *keys, bool pre_adds_bos, struct wfs_back_ends *ret,
                  struct wfs_error *err)
{
    const struct model *m = models;
    while (strcmp(m->name, keys->model) != 0)
        m++;
    bool is_bert = strcmp(m->name, "bert") == 0;
    *ret = (struct wfs_back_ends){WFS_NO_INDEX, WFS_NO_INDEX, false};
    int r = 0;
    if (is_bert || wfs_back_flag(keys, "add_bos_token", m->adds_bos || pre_adds_bos))
        r = end_id(keys, "bos_token_id", m->bos, &ret->first, err);
    ret->has_middle = is_bert || wfs_back_flag(keys, "add_sep_token", false);
    if (!r && is_bert)
        r = end_id(keys, "seperator_token_id", m->sep, &ret->last, err);
    else if (!r && wfs_back_flag(keys, "add_eos_token", m->adds_eos))
        r = end_id(keys, "eos_token_id", m->eos, &ret->last, err);
    return r;
}

static void add_special(const struct wfs_back_keys *keys, uint32_t id, int type,
                        struct wfs_buf *out)
{
    wfs_buf_str(out, "{\"SpecialToken\": {\"id\": ");
    wfs_back_string(out, keys->v.tokens[id]);
    wfs_buf_printf(out, ", \"type_id\": %d}}", type);
}

/* One of the template's texts with what stands around it. */
static void add_text(const struct wfs_back_keys *keys, const struct wfs_back_ends *ends,
                     bool is_second, struct wfs_buf *out)
{
    if (ends->first != WFS_NO_INDEX && !is_second) {
        add_special(keys, ends->first, 0, out);
        wfs_buf_str(out, ", ");
    }
    wfs_buf_printf(out, "{\"Sequence\": {\"id\": \"%c\", \"type_id\": %d}}", is_second ? 'B' : 'A',
                   is_second);
    if (ends->last != WFS_NO_INDEX) {
        wfs_buf_str(out, ", ");
        add_special(keys, ends->last, is_second, out);
    }
}

void wfs_back_post_processor(const struct wfs_back_keys *keys, const struct wfs_back_ends *ends,
                             struct wfs_buf *out)
{
    const uint32_t ids[] = {ends->first, ends->last};
    wfs_buf_str(out, "\"post_processor\": {\"type\": \"TemplateProcessing\", \"single\": [");
    add_text(keys, ends, false, out);
    wfs_buf_str(out, "], \"pair\": [");
    add_text(keys, ends, false, out);
    wfs_buf_str(out, ", ");
    add_text(keys, ends, true, out);
    wfs_buf_str(out, "], \"special_tokens\": {");
    for (int i = 0, n = 0; i < 2; i++) {
        if (ids[i] == WFS_NO_INDEX || (i && ids[1] == ids[0]))
            continue;
        wfs_buf_str(out, n++ ? ", " : "");
        wfs_back_string(out, keys->v.tokens[ids[i]]);
        wfs_buf_str(out, ": {\"id\": ");
        wfs_back_string(out, keys->v.tokens[ids[i]]);
        wfs_buf_printf(out, ", \"ids\": [%u], \"tokens\": [", ids[i]);
        wfs_back_string(out, keys->v.tokens[ids[i]]);
        wfs_buf_str(out, "]}");
    }
    wfs_buf_str(out, "}},\n");
}

/* ---- tokens -------------------------------------------------------------------------------- */

void wfs_back_added(const struct wfs_back_keys *keys, struct wfs_buf *out)
{
    wfs_buf_str(out, "\"added_tokens\": [");
    bool is_first = true;
    for (uint32_t i = 0; i < keys->v.n; i++) {
        if (!wfs_back_is_added(keys, i) || !keys->v.tokens[i].len)
            continue;
        wfs_buf_printf(out, "%s\n{\"id\": %u, \"content\": ", is_first ? "" : ",", i);
        wfs_back_string(out, keys->v.tokens[i]);
        wfs_buf_printf(out,
                       ", \"single_word\": false, \"lstrip\": false, \"rstrip\": false, "
                       "\"normalized\": false, \"special\": %s}",
                       keys->v.types[i] == WFS_TOKEN_USER_DEFINED ? "false" : "true");
        is_first = false;
    }
    wfs_buf_str(out, "],\n");
}

void wfs_back_vocab(const struct wfs_back_keys *keys,
                    void (*turn)(const struct wfs_back_keys *keys, uint32_t id,
                                 struct wfs_buf *out),
                    struct wfs_buf *out)
{
    wfs_buf_str(out, "\"vocab\": {");
    for (uint32_t i = 0; i < keys->v.n; i++) {
        wfs_buf_str(out, i ? ",\n" : "\n");
        if (turn)
            turn(keys, i, out);
        else
            wfs_back_string(out, keys->v.tokens[i]);
        wfs_buf_printf(out, ": %u", i);
    }
    wfs_buf_str(out, "}");
}

/* ---- tokenizer_config.json ----------------------------------------------------------------- */

static void add_token(const struct wfs_back_keys *keys, const char *key, uint32_t id,
                      struct wfs_buf *out)
{
    if (id == WFS_NO_INDEX)
        return;
    wfs_buf_printf(out, ",\n\"%s\": ", key);
    wfs_back_string(out, keys->v.tokens[id]);
}

static bool template_of(const struct wfs_back_keys *keys, struct wfs_gguf_str name,
                        struct wfs_gguf_str *ret)
{
    char key[256];
    size_t pos = 0;
    snprintf(key, sizeof(key), "tokenizer.chat_template%s%.*s", name.len ? "." : "", (int)name.len,
             name.ptr);
    const struct wfs_gguf_pair *pair = wfs_gguf_kv_find(keys->kv, key);
    return pair && pair->type == WFS_GGUF_STR && wfs_gguf_next_text(pair, &pos, ret) &&
           wfs_utf8_valid(ret->ptr, ret->len);
}

static void add_named(struct wfs_gguf_str name, struct wfs_gguf_str text, bool is_first,
                      struct wfs_buf *out)
{
    wfs_buf_str(out, is_first ? "{\"name\": " : ", {\"name\": ");
    wfs_back_string(out, name);
    wfs_buf_str(out, ", \"template\": ");
    wfs_back_string(out, text);
    wfs_buf_char(out, '}');
}

static void add_templates(const struct wfs_back_keys *keys, struct wfs_buf *out)
{
    const struct wfs_gguf_pair *names = wfs_gguf_kv_find(keys->kv, "tokenizer.chat_templates");
    struct wfs_gguf_str text, name;
    bool has_plain = template_of(keys, (struct wfs_gguf_str){"", 0}, &text);
    size_t pos = 0;
    if (!names && !has_plain)
        return;
    wfs_buf_str(out, ",\n\"chat_template\": ");
    if (!names) {
        wfs_back_string(out, text);
        return;
    }
    wfs_buf_char(out, '[');
    if (has_plain)
        add_named(wfs_gguf_text("default"), text, true, out);
    for (bool is_first = !has_plain; wfs_gguf_next_text(names, &pos, &name);) {
        if (!name.len || !template_of(keys, name, &text))
            continue;
        add_named(name, text, is_first, out);
        is_first = false;
    }
    wfs_buf_char(out, ']');
}

void wfs_back_config(const struct wfs_back_keys *keys, struct wfs_buf *out)
{
    bool is_bert = strcmp(keys->model, "bert") == 0;
    wfs_buf_str(out, "{\"tokenizer_class\": \"PreTrainedTokenizerFast\",\n"
                     "\"clean_up_tokenization_spaces\": false");
    add_token(keys, is_bert ? "cls_token" : "bos_token", wfs_back_id(keys, "bos_token_id"), out);
    add_token(keys, "eos_token", wfs_back_id(keys, "eos_token_id"), out);
    add_token(keys, "unk_token", wfs_back_id(keys, "unknown_token_id"), out);
    add_token(keys, "sep_token", wfs_back_id(keys, "seperator_token_id"), out);
    add_token(keys, "pad_token", wfs_back_id(keys, "padding_token_id"), out);
    add_token(keys, "mask_token", wfs_back_id(keys, "mask_token_id"), out);
    add_templates(keys, out);
    wfs_buf_str(out, "}\n");
}
