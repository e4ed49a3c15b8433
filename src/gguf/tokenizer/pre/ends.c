/*
 * ends.c - see ends.h. Which class does what is of transformers 4.57: five classes make their own
 * post-processor of add_bos_token and add_eos_token; the others take the one of tokenizer.json, and a
 * flag that contradicts it is obeyed by some versions alone.
 */
#include "gguf/tokenizer/pre/ends.h"

#include <string.h>

#include "gguf/tokenizer/special/added.h"

struct ends {
    const struct wfs_text_encoder *e;
    struct wfs_ids *before, *behind;
    const char **why;
};

static int unknown(const struct ends *x, const char *why)
{
    *x->why = why;
    return -ENOENT;
}

/* Classes that make their own, and whether they add the first token where nothing is said. */
static const struct own_class {
    const char *name;
    bool adds_bos;
} own_classes[] = {{"LlamaTokenizer", true},
                   {"CodeLlamaTokenizer", true},
                   {"GemmaTokenizer", true},
                   {"CohereTokenizer", true},
                   {"GPTNeoXTokenizer", false}};

static const struct own_class *find_class(const char *name)
{
    size_t len = strlen(name), fast = strlen("Fast");
    if (len > fast && strcmp(name + len - fast, "Fast") == 0)
        len -= fast;
    for (size_t i = 0; i < WFS_ARRAY_SIZE(own_classes); i++)
        if (strlen(own_classes[i].name) == len && strncmp(own_classes[i].name, name, len) == 0)
            return &own_classes[i];
    return NULL;
}

static bool flag(const json_t *config, const char *key, bool fallback)
{
    const json_t *v = json_object_get(config, key);
    return json_is_boolean(v) ? json_is_true(v) : fallback;
}

/* The token of tokenizer_config.json, text or object. */
static int add_config_token(const struct ends *x, const json_t *config, const char *key,
                            struct wfs_ids *out)
{
    const json_t *token = json_object_get(config, key);
    if (json_is_object(token))
        token = json_object_get(token, "content");
    uint32_t id;
    if (!json_is_string(token) ||
        !wfs_text_encoder_id(x->e, json_string_value(token), json_string_length(token), &id))
        return unknown(x, "tokenizer_config.json adds a token that it does not name");
    return wfs_ids_add(out, id);
}

static int own_ends(const struct ends *x, const json_t *config, bool adds_bos)
{
    int r = 0;
    if (flag(config, "add_bos_token", adds_bos))
        r = add_config_token(x, config, "bos_token", x->before);
    if (!r && flag(config, "add_eos_token", false))
        r = add_config_token(x, config, "eos_token", x->behind);
    return r;
}

/* ---- tokenizer.json's post-processor -------------------------------------------------------- */

static int add_ids(const struct ends *x, const json_t *ids, struct wfs_ids *out)
{
    if (!json_array_size(ids))
        return unknown(x, "a special token of tokenizer.json's post-processor has no ids");
    for (size_t i = 0; i < json_array_size(ids); i++) {
        const json_t *id = json_array_get(ids, i);
        if (!json_is_integer(id) || json_integer_value(id) < 0 ||
            json_integer_value(id) > INT32_MAX)
            return unknown(x, "a special token of tokenizer.json's post-processor has no ids");
        if (wfs_ids_add(out, (uint32_t)json_integer_value(id)))
            return -ENOMEM;
    }
    return 0;
}

static int template_ends(const struct ends *x, const json_t *processor)
{
    const json_t *single = json_object_get(processor, "single");
    struct wfs_ids *out = x->before;
    for (size_t i = 0; i < json_array_size(single); i++) {
        const json_t *entry = json_array_get(single, i);
        const char *id =
            json_string_value(json_object_get(json_object_get(entry, "SpecialToken"), "id"));
        if (!id && (out == x->behind || !json_object_get(entry, "Sequence")))
            return unknown(x, "tokenizer.json's post-processor is no plain template");
        if (!id) {
            out = x->behind;
            continue;
        }
        const json_t *token = json_object_get(json_object_get(processor, "special_tokens"), id);
        int r = add_ids(x, json_object_get(token, "ids"), out);
        if (r)
            return r;
    }
    return out == x->behind ? 0
                            : unknown(x, "tokenizer.json's post-processor is no plain template");
}

/* "cls": [text, id] and "sep". */
static int bert_ends(const struct ends *x, const json_t *processor)
{
    const json_t *cls = json_array_get(json_object_get(processor, "cls"), 1);
    const json_t *sep = json_array_get(json_object_get(processor, "sep"), 1);
    if (!json_is_integer(cls) || !json_is_integer(sep))
        return unknown(x, "tokenizer.json's post-processor has no ids");
    int r = wfs_ids_add(x->before, (uint32_t)json_integer_value(cls));
    return r ? r : wfs_ids_add(x->behind, (uint32_t)json_integer_value(sep));
}

static int processor_ends(const struct ends *x, const json_t *processor)
{
    const char *type = json_string_value(json_object_get(processor, "type"));
    const json_t *list = json_object_get(processor, "processors");
    int r = 0;
    if (type && strcmp(type, "Sequence") == 0) {
        for (size_t i = 0; !r && i < json_array_size(list); i++)
            r = processor_ends(x, json_array_get(list, i));
        return r;
    }
    if (type && strcmp(type, "ByteLevel") == 0)
        return 0;
    if (type && (x->before->n || x->behind->n))
        return unknown(x, "two parts of tokenizer.json's post-processor add tokens");
    if (type && strcmp(type, "TemplateProcessing") == 0)
        return template_ends(x, processor);
    if (type && (strcmp(type, "RobertaProcessing") == 0 || strcmp(type, "BertProcessing") == 0))
        return bert_ends(x, processor);
    return unknown(x, "tokenizer.json's post-processor is of no known type");
}

static int json_ends(const struct ends *x, const struct wfs_tokenizer_files *files)
{
    int r = files->json.post_processor ? processor_ends(x, files->json.post_processor) : 0;
    if (r)
        return r;
    bool has_bos = x->before->n > 0, has_eos = x->behind->n > 0;
    if (flag(files->config, "add_bos_token", has_bos) != has_bos ||
        flag(files->config, "add_eos_token", has_eos) != has_eos)
        return unknown(x, "add_bos_token or add_eos_token of tokenizer_config.json contradicts "
                          "tokenizer.json's post-processor");
    return 0;
}

int wfs_pre_ends(const struct wfs_tokenizer_files *files, const struct wfs_text_encoder *e,
                 struct wfs_ids *before, struct wfs_ids *behind, const char **ret_why)
{
    struct ends x = {.e = e, .before = before, .behind = behind, .why = ret_why};
    const char *name = json_string_value(json_object_get(files->config, "tokenizer_class"));
    if (!name)
        return unknown(&x, "tokenizer_config.json names no tokenizer_class, so that nothing tells "
                           "which tokens are added to a text");
    const struct own_class *own = find_class(name);
    return own ? own_ends(&x, files->config, own->adds_bos) : json_ends(&x, files);
}
