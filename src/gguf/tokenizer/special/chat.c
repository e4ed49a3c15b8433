/*
 * chat.c - see chat.h. Several templates are tokenizer.chat_template.NAME each, with
 * tokenizer.chat_templates, the list of names; the one called "default" is the plain key.
 */
#include "gguf/tokenizer/special/chat.h"

#include <stdlib.h>
#include <string.h>

#include "gguf/tokenizer/special/added.h"

#define KEY   "tokenizer.chat_template"
#define MORE  "additional_chat_templates/"
#define JINJA ".jinja"

/* ---- named templates ----------------------------------------------------------------------- */

struct named {
    struct wfs_gguf_kv *kv;
    struct wfs_gguf_str by_default; /* the template of that name */
    struct wfs_gguf_str *names;
    size_t n, cap;
};

static void free_named(struct named *n)
{
    free(n->names);
}

static bool has_name(const struct named *n, const char *name)
{
    for (size_t i = 0; i < n->n; i++)
        if (wfs_text_is(n->names[i], name))
            return true;
    return false;
}

/* Every byte of a name that is no ASCII letter or digit is '_', as in the converter: for a letter of
 * several bytes one '_'. */
static char *plain_name(struct wfs_arena *arena, struct wfs_gguf_str name)
{
    size_t n = 0;
    char *out = wfs_arena_alloc(arena, name.len + 1);
    for (size_t i = 0; out && i < name.len; i++) {
        unsigned char c = (unsigned char)name.ptr[i];
        bool is_plain = (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
        if ((c & 0xc0) != 0x80)
            out[n++] = is_plain ? (char)c : '_';
    }
    return out;
}

static int add_named(struct named *n, struct wfs_gguf_str name, struct wfs_gguf_str text,
                     struct wfs_error *err)
{
    struct wfs_arena *arena = n->kv->arena;
    char *plain = plain_name(arena, name);
    char *key = plain ? wfs_arena_printf(arena, KEY ".%s", plain) : NULL;
    if (!key)
        return wfs_error_nomem(err, KEY);
    if (!*plain)
        return 0;
    if (strcmp(plain, "default") == 0) {
        n->by_default = text;
        return 0;
    }
    if (!has_name(n, plain)) {
        if (wfs_grow(&n->names, &n->cap, n->n + 1, sizeof(*n->names)))
            return wfs_error_nomem(err, KEY);
        n->names[n->n++] = wfs_gguf_text(plain);
    }
    if (text.len)
        wfs_gguf_put_text(n->kv, key, text);
    return 0;
}

static void put_named(struct named *n)
{
    if (n->n)
        wfs_gguf_put_array(n->kv, "tokenizer.chat_templates", WFS_GGUF_STR, n->n, n->names);
    if (n->by_default.len)
        wfs_gguf_put_text(n->kv, KEY, n->by_default);
}

/* ---- where they are ------------------------------------------------------------------------ */

/* [{"name": ..., "template": ...}, ...] */
static int put_list(struct wfs_gguf_kv *kv, const json_t *list, struct wfs_error *err)
{
    wfs_cleanup(free_named) struct named n = {.kv = kv};
    int r = 0;
    for (size_t i = 0; !r && i < json_array_size(list); i++) {
        const json_t *entry = json_array_get(list, i), *text = json_object_get(entry, "template");
        const json_t *name = json_object_get(entry, "name");
        if (!json_is_string(text) || !json_is_string(name))
            return wfs_error_set(err, EINVAL, "chat_template[%zu] has no name and template", i);
        r = add_named(&n, wfs_json_text(name), wfs_json_text(text), err);
    }
    if (!r)
        put_named(&n);
    return r;
}

static int put_json(struct wfs_gguf_kv *kv, const char *file, const json_t *value,
                    struct wfs_error *err)
{
    if (!value || json_is_null(value))
        return 0;
    if (json_is_array(value))
        return put_list(kv, value, err);
    if (!json_is_string(value))
        return wfs_error_set(err, EINVAL, "%s: 'chat_template' is neither text nor a list", file);
    if (json_string_length(value))
        wfs_gguf_put_text(kv, KEY, wfs_json_text(value));
    return 0;
}

/* Python reads text with every end of a line as one "\n". */
static struct wfs_gguf_str plain_lines(char *text, size_t len)
{
    size_t n = 0;
    for (size_t i = 0; i < len; i++) {
        bool is_return = text[i] == '\r';
        if (is_return && i + 1 < len && text[i + 1] == '\n')
            i++;
        text[n++] = is_return ? '\n' : text[i];
    }
    return (struct wfs_gguf_str){text, n};
}

static int read_jinja(const struct wfs_tokenizer_files *files, const char *name,
                      struct wfs_gguf_str *ret, struct wfs_error *err)
{
    struct wfs_gguf_str text;
    int r = wfs_side_text(files->arena, files->in->catalog, name, &text, err);
    if (!r && text.ptr)
        text = plain_lines((char *)text.ptr, text.len);
    if (!r)
        *ret = text;
    return r;
}

/* The name of an additional template's file, or nothing. */
static struct wfs_gguf_str additional_name(const char *file)
{
    struct wfs_gguf_str text = wfs_gguf_text(file);
    size_t around = strlen(MORE) + strlen(JINJA);
    if (text.len <= around || !wfs_text_begins(text, MORE) || !wfs_text_ends(text, JINJA) ||
        strchr(file + strlen(MORE), '/'))
        return (struct wfs_gguf_str){0};
    return (struct wfs_gguf_str){file + strlen(MORE), text.len - around};
}

static int put_jinja(struct wfs_gguf_kv *kv, const struct wfs_tokenizer_files *files,
                     struct wfs_gguf_str text, struct wfs_error *err)
{
    const struct wfs_catalog *catalog = files->in->catalog;
    wfs_cleanup(free_named) struct named n = {.kv = kv, .by_default = text};
    int r = 0;
    for (uint32_t i = 0; !r && i < catalog->n_side_files; i++) {
        const char *file = catalog->side_files[i].name;
        struct wfs_gguf_str name = additional_name(file), more;
        if (!name.ptr)
            continue;
        r = read_jinja(files, file, &more, err);
        if (!r)
            r = add_named(&n, name, more, err);
    }
    if (!r)
        put_named(&n);
    return r;
}

int wfs_chat_template_put(struct wfs_gguf_kv *kv, const struct wfs_tokenizer_files *files,
                          struct wfs_error *err)
{
    if (json_object_size(files->config) == 0)
        return 0;
    const json_t *own = json_object_get(files->config, "chat_template");
    if (own)
        return put_json(kv, WFS_TOKENIZER_CONFIG, own, err);
    struct wfs_gguf_str text;
    json_t *root = NULL;
    int r = read_jinja(files, "chat_template.jinja", &text, err);
    if (!r && text.ptr)
        return put_jinja(kv, files, text, err);
    if (!r)
        r = wfs_side_json(files->arena, files->in->catalog, "chat_template.json", &root, err);
    return r ? r : put_json(kv, "chat_template.json", json_object_get(root, "chat_template"), err);
}
