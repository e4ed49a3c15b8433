/*
 * fields.c - the texts of general.*: from settings, the model card, names; the first that says one wins.
 */
#include "gguf/general/fields.h"

#include <string.h>

#include "gguf/general/model_id.h"

static const char *const keys[WFS_GENERAL_N_FIELDS] = {
    [WFS_GENERAL_NAME] = "general.name",
    [WFS_GENERAL_AUTHOR] = "general.author",
    [WFS_GENERAL_VERSION] = "general.version",
    [WFS_GENERAL_ORGANIZATION] = "general.organization",
    [WFS_GENERAL_FINETUNE] = "general.finetune",
    [WFS_GENERAL_BASENAME] = "general.basename",
    [WFS_GENERAL_DESCRIPTION] = "general.description",
    [WFS_GENERAL_QUANTIZED_BY] = "general.quantized_by",
    [WFS_GENERAL_SIZE_LABEL] = "general.size_label",
    [WFS_GENERAL_LICENSE] = "general.license",
    [WFS_GENERAL_LICENSE_NAME] = "general.license.name",
    [WFS_GENERAL_LICENSE_LINK] = "general.license.link",
    [WFS_GENERAL_URL] = "general.url",
    [WFS_GENERAL_DOI] = "general.doi",
    [WFS_GENERAL_UUID] = "general.uuid",
    [WFS_GENERAL_REPO_URL] = "general.repo_url",
    [WFS_GENERAL_SOURCE_URL] = "general.source.url",
    [WFS_GENERAL_SOURCE_DOI] = "general.source.doi",
    [WFS_GENERAL_SOURCE_UUID] = "general.source.uuid",
    [WFS_GENERAL_SOURCE_REPO_URL] = "general.source.repo_url",
};

void wfs_general_from_settings(struct wfs_general_fields *fields, const char *const *set)
{
    for (size_t i = 0; set && set[i]; i++) {
        const char *s = strncmp(set[i], "gguf.", 5) == 0 ? set[i] + 5 : set[i];
        for (size_t k = 0; k < WFS_GENERAL_N_FIELDS; k++) {
            size_t len = strlen(keys[k]);
            if (strncmp(s, keys[k], len) == 0 && s[len] == '=' && !fields->text[k])
                fields->text[k] = s + len + 1;
        }
    }
}

void wfs_general_put(const struct wfs_general_fields *fields, struct wfs_gguf_kv *kv)
{
    for (size_t i = 0; i < WFS_GENERAL_N_FIELDS; i++)
        if (fields->text[i] && *fields->text[i]) /* gguf-py writes no empty text */
            wfs_gguf_put_str(kv, keys[i], fields->text[i]);
}

/* ---- the card ------------------------------------------------------------------------------ */

/* In metadata.py's order: llama.cpp's own names, then with model_ before them, then Hugging Face's. */
static const struct {
    const char *key;
    enum wfs_general_field field;
} rows[] = {
    {"name", WFS_GENERAL_NAME},
    {"author", WFS_GENERAL_AUTHOR},
    {"version", WFS_GENERAL_VERSION},
    {"organization", WFS_GENERAL_ORGANIZATION},
    {"description", WFS_GENERAL_DESCRIPTION},
    {"finetune", WFS_GENERAL_FINETUNE},
    {"basename", WFS_GENERAL_BASENAME},
    {"size_label", WFS_GENERAL_SIZE_LABEL},
    {"url", WFS_GENERAL_SOURCE_URL},
    {"doi", WFS_GENERAL_SOURCE_DOI},
    {"uuid", WFS_GENERAL_SOURCE_UUID},
    {"repo_url", WFS_GENERAL_SOURCE_REPO_URL},
    {"model_name", WFS_GENERAL_NAME},
    {"model_author", WFS_GENERAL_AUTHOR},
    {"model_version", WFS_GENERAL_VERSION},
    {"model_organization", WFS_GENERAL_ORGANIZATION},
    {"model_description", WFS_GENERAL_DESCRIPTION},
    {"model_finetune", WFS_GENERAL_FINETUNE},
    {"model_basename", WFS_GENERAL_BASENAME},
    {"model_size_label", WFS_GENERAL_SIZE_LABEL},
    {"model_url", WFS_GENERAL_SOURCE_URL},
    {"model_doi", WFS_GENERAL_SOURCE_DOI},
    {"model_uuid", WFS_GENERAL_SOURCE_UUID},
    {"model_repo_url", WFS_GENERAL_SOURCE_REPO_URL},
    {"model_creator", WFS_GENERAL_AUTHOR},
    {"model_type", WFS_GENERAL_BASENAME},
    {"license_name", WFS_GENERAL_LICENSE_NAME},
    {"license_link", WFS_GENERAL_LICENSE_LINK},
};

static int no_text(const char *file, const char *key, struct wfs_error *err)
{
    return wfs_error_set(err, EINVAL,
                         "%s: %s is no text, which GGUF's general keys are: put it in quotes", file,
                         key);
}

/* Several licenses are joined. */
static int take_license(struct wfs_general_fields *fields, struct wfs_arena *arena,
                        const struct wfs_front_matter *card, const char *file,
                        struct wfs_error *err)
{
    wfs_cleanup(wfs_buf_free) struct wfs_buf buf = {0};
    struct wfs_card_value v = wfs_front_matter_get(card, "license", NULL);
    if (fields->text[WFS_GENERAL_LICENSE] || v.kind == WFS_CARD_NONE)
        return 0;
    if (v.kind != WFS_CARD_TEXT && v.kind != WFS_CARD_LIST)
        return no_text(file, "license", err);
    if (v.kind == WFS_CARD_TEXT)
        wfs_buf_str(&buf, v.text);
    for (uint32_t i = 0; i < wfs_front_matter_size(card, &v); i++) {
        struct wfs_card_value item = wfs_front_matter_at(card, &v, i);
        if (item.kind != WFS_CARD_TEXT)
            return no_text(file, "license", err);
        wfs_buf_printf(&buf, "%s%s", i ? "," : "", item.text);
    }
    if (wfs_buf_ok(&buf))
        fields->text[WFS_GENERAL_LICENSE] = wfs_arena_strdup(arena, buf.len ? buf.data : "");
    return fields->text[WFS_GENERAL_LICENSE] ? 0 : wfs_error_nomem(err, file);
}

int wfs_general_from_card(struct wfs_general_fields *fields, struct wfs_arena *arena,
                          const struct wfs_front_matter *card, const char *file,
                          struct wfs_error *err)
{
    for (size_t i = 0; i < WFS_ARRAY_SIZE(rows); i++) {
        struct wfs_card_value v = wfs_front_matter_get(card, rows[i].key, NULL);
        if (fields->text[rows[i].field] || v.kind == WFS_CARD_NONE)
            continue;
        if (v.kind != WFS_CARD_TEXT)
            return no_text(file, rows[i].key, err);
        fields->text[rows[i].field] = v.text;
    }
    return take_license(fields, arena, card, file, err);
}

/* ---- names --------------------------------------------------------------------------------- */

static void set_default(struct wfs_general_fields *fields, enum wfs_general_field field,
                        const char *text)
{
    if (!fields->text[field])
        fields->text[field] = text;
}

int wfs_general_from_name(struct wfs_general_fields *fields, struct wfs_arena *arena,
                          const char *name, uint64_t n_params, struct wfs_error *err)
{
    struct wfs_model_id id;
    int r = wfs_model_id_parse(arena, name, n_params, &id, err);
    if (r)
        return r;
    const char *title = wfs_model_title(arena, id.full);
    const char *org = id.org ? wfs_model_title(arena, id.org) : NULL;
    if (!title || (id.org && !org))
        return wfs_error_nomem(err, name);
    set_default(fields, WFS_GENERAL_NAME, title);
    set_default(fields, WFS_GENERAL_ORGANIZATION, org);
    set_default(fields, WFS_GENERAL_BASENAME, id.basename);
    set_default(fields, WFS_GENERAL_FINETUNE, id.finetune);
    set_default(fields, WFS_GENERAL_VERSION, id.version);
    set_default(fields, WFS_GENERAL_SIZE_LABEL, id.size_label);
    return 0;
}

/* ---- models and data sets that it is made from --------------------------------------------- */

struct listing {
    struct wfs_gguf_kv *kv;
    const struct wfs_front_matter *card;
    const char *file, *prefix; /* "general.base_model" */
    uint64_t n_params;
    struct wfs_error *err;
};

/* NULL and "" are not written. */
static void put_of(const struct listing *l, uint32_t i, const char *name, const char *text)
{
    char key[64];
    snprintf(key, sizeof(key), "%s.%u.%s", l->prefix, i, name);
    if (text && *text)
        wfs_gguf_put_str(l->kv, key, text);
}

static int put_map(const struct listing *l, uint32_t i, const struct wfs_card_value *map)
{
    static const char *const names[] = {"name", "author", "version", "organization", "description",
                                        "url",  "doi",    "uuid",    "repo_url"};
    for (size_t k = 0; k < WFS_ARRAY_SIZE(names); k++) {
        struct wfs_card_value v = wfs_front_matter_in(l->card, map, names[k]);
        if (v.kind != WFS_CARD_NONE && v.kind != WFS_CARD_TEXT)
            return no_text(l->file, names[k], l->err);
        put_of(l, i, names[k], v.kind == WFS_CARD_TEXT ? v.text : NULL);
    }
    return 0;
}

/* What stands behind https://huggingface.co/, if it is org/name; else NULL. */
static const char *hub_id(const char *url)
{
    static const char host[] = "://huggingface.co/";
    const char *s = url + (strncmp(url, "https", 5) == 0 ? 5 : 4);
    if (strncmp(url, "http", 4) != 0 || strncmp(s, host, sizeof(host) - 1) != 0)
        return NULL;
    s += sizeof(host) - 1;
    const char *slash = strchr(s, '/');
    return slash && slash > s && slash[1] && !strchr(slash + 1, '/') ? s : NULL;
}

static int put_id(const struct listing *l, uint32_t i, const char *text)
{
    struct wfs_arena *arena = l->kv->arena;
    struct wfs_model_id id = {0};
    bool is_url = strncmp(text, "http://", 7) == 0 || strncmp(text, "https://", 8) == 0 ||
                  strncmp(text, "ssh://", 6) == 0;
    const char *name = is_url ? hub_id(text) : text, *url = is_url ? text : NULL;
    int r = name ? wfs_model_id_parse(arena, name, l->n_params, &id, l->err) : 0;
    if (r)
        return r;
    const char *title = id.full ? wfs_model_title(arena, id.full) : NULL;
    const char *org = id.org ? wfs_model_title(arena, id.org) : NULL;
    if (!is_url && id.org)
        url = wfs_arena_printf(arena, "https://huggingface.co/%s/%s", id.org, id.full);
    if ((id.full && !title) || (id.org && (!org || !url)))
        return wfs_error_nomem(l->err, text);
    put_of(l, i, "name", title);
    put_of(l, i, "version", id.version);
    put_of(l, i, "organization", org);
    put_of(l, i, "repo_url", url);
    return 0;
}

/* What is neither a text nor a map counts, and says nothing. */
static int put_models(const struct listing *l, const char *const *names)
{
    char key[64];
    bool has = false;
    struct wfs_card_value v = {.kind = WFS_CARD_NONE};
    for (size_t i = 0; names[i] && !has; i++)
        v = wfs_front_matter_get(l->card, names[i], &has);
    if (!has)
        return 0;
    bool is_one = v.kind == WFS_CARD_TEXT;
    uint32_t n = is_one ? 1 : wfs_front_matter_size(l->card, &v);
    snprintf(key, sizeof(key), "%s.count", l->prefix);
    wfs_gguf_put_u32(l->kv, key, n);
    int r = 0;
    for (uint32_t i = 0; !r && i < n; i++) {
        struct wfs_card_value item = is_one ? v : wfs_front_matter_at(l->card, &v, i);
        if (item.kind == WFS_CARD_TEXT)
            r = put_id(l, i, item.text);
        else if (item.kind == WFS_CARD_MAP)
            r = put_map(l, i, &item);
    }
    return r;
}

/* ---- tags and languages -------------------------------------------------------------------- */

static uint32_t n_texts(const struct listing *l, const char *name)
{
    struct wfs_card_value v = wfs_front_matter_get(l->card, name, NULL);
    return v.kind == WFS_CARD_TEXT ? 1 : wfs_front_matter_size(l->card, &v);
}

static int add_texts(const struct listing *l, const char *name, struct wfs_gguf_str *texts)
{
    struct wfs_card_value v = wfs_front_matter_get(l->card, name, NULL);
    for (uint32_t i = 0; i < n_texts(l, name); i++) {
        struct wfs_card_value item =
            v.kind == WFS_CARD_TEXT ? v : wfs_front_matter_at(l->card, &v, i);
        if (item.kind != WFS_CARD_TEXT)
            return no_text(l->file, name, l->err);
        texts[i] = (struct wfs_gguf_str){item.text, strlen(item.text)};
    }
    return 0;
}

/* Two lists one behind the other; an empty one is not written. */
static int put_texts(const struct listing *l, const char *key, const char *first,
                     const char *second)
{
    uint32_t n = n_texts(l, first), m = n_texts(l, second);
    if (n + m == 0)
        return 0;
    struct wfs_gguf_str *texts = wfs_arena_array(l->kv->arena, (size_t)n + m, sizeof(*texts));
    if (!texts)
        return wfs_error_nomem(l->err, key);
    int r = add_texts(l, first, texts);
    if (!r)
        r = add_texts(l, second, texts + n);
    if (!r)
        wfs_gguf_put_array(l->kv, key, WFS_GGUF_STR, (uint64_t)n + m, texts);
    return r;
}

int wfs_general_put_lists(struct wfs_gguf_kv *kv, const struct wfs_front_matter *card,
                          const char *file, uint64_t n_params, struct wfs_error *err)
{
    static const char *const models[] = {"base_model", "base_models", "base_model_sources", NULL};
    static const char *const sets[] = {"datasets", "dataset", "dataset_sources", NULL};
    struct listing l = {kv, card, file, "general.base_model", n_params, err};
    int r = put_models(&l, models);
    l.prefix = "general.dataset";
    if (!r)
        r = put_models(&l, sets);
    if (!r)
        r = put_texts(&l, "general.tags", "tags", "pipeline_tag");
    return r ? r : put_texts(&l, "general.languages", "languages", "language");
}
