/*
 * back.c - the tables run backwards. The file's keys are the object that expressions ask, those of the
 * architecture without it before them; `back` statements fill another object, which becomes
 * config.json. Nothing is filled in that the keys do not say.
 */
#include "gguf/keys/back.h"

#include <jansson.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "gguf/keys/forms.h"
#include "gguf/keys/library.h"
#include "mapping/items/config.h"

#define MAX_NESTED 16 /* blocks that use blocks */

struct back {
    struct wfs_keys_table table;
    struct wfs_keys_scope scope;
    json_t *keys, *config; /* owned */
    const char *class_name;
    unsigned depth;
    struct wfs_error *err;
};

static int no_memory(struct back *b)
{
    return wfs_error_nomem(b->err, "config.json");
}

/* ---- the file's keys ----------------------------------------------------------------------- */

/* Numbers of a file are float32; written as 1e-05 and not as 9.99999975e-06, which is the same one. */
static double shortest(double number)
{
    char text[32];
    for (int digits = 1; digits <= 9; digits++) {
        snprintf(text, sizeof(text), "%.*g", digits, number);
        if ((float)strtod(text, NULL) == (float)number)
            return strtod(text, NULL);
    }
    return number;
}

static int add_key(struct back *b, const char *arch, const char *key, json_t *value)
{
    size_t len = strlen(arch);
    bool is_own = strncmp(key, arch, len) == 0 && key[len] == '.';
    json_t *kept =
        json_is_real(value) ? json_real(shortest(json_real_value(value))) : json_incref(value);
    return json_object_set_new(b->keys, is_own ? key + len + 1 : key, kept) ? no_memory(b) : 0;
}

/* Sizes that tensors say: how many tokens the embedding has, and whether the output is its own. */
static int add_sizes(struct back *b, const struct wfs_catalog *catalog)
{
    const struct wfs_tensor *embedding = wfs_catalog_find(catalog, "token_embd.weight");
    bool has_output = wfs_catalog_find(catalog, "output.weight") != NULL;
    int r = json_object_set_new(b->keys, "has_output", json_boolean(has_output));
    if (!r && embedding && embedding->expr->ndim == 2)
        r = json_object_set_new(b->keys, "n_tokens",
                                json_integer((json_int_t)embedding->expr->shape[0]));
    return r ? no_memory(b) : 0;
}

/* The keys as the reader described them (info/objects.json): short lists whole, long ones summarised,
 * and then no value. */
static int read_keys(struct back *b, const struct wfs_catalog *catalog, const char **ret_arch)
{
    json_error_t at;
    json_t *all = json_loads(catalog->objects_json, 0, &at), *value;
    const char *key, *arch = json_string_value(json_object_get(all, "general.architecture"));
    int r = arch ? 0 : -ENOENT;
    *ret_arch = arch ? wfs_arena_strdup(b->scope.arena, arch) : "";
    if (arch && !*ret_arch)
        r = no_memory(b);
    json_object_foreach(all, key, value)
    {
        if (!r)
            r = add_key(b, *ret_arch, key, value);
    }
    json_decref(all);
    return r ? r : add_sizes(b, catalog);
}

/* ---- statements ---------------------------------------------------------------------------- */

/* Sets a.b.c, making the objects on the way. */
static int set_at(struct back *b, const char *path, json_t *value)
{
    json_t *at = b->config;
    const char *dot;
    for (; at && (dot = strchr(path, '.')); path = dot + 1) {
        json_t *next = json_object_getn(at, path, (size_t)(dot - path));
        if (!next && json_object_setn_new(at, path, (size_t)(dot - path), json_object()) == 0)
            next = json_object_getn(at, path, (size_t)(dot - path));
        at = next;
    }
    return json_object_set_new(at, path, value) ? no_memory(b) : 0;
}

static int set_value(struct back *b, const struct wfs_keys_statement *s)
{
    struct wfs_keys_result result;
    int r = wfs_keys_value(&b->scope, &s->value, true, &result, b->err);
    if (r || result.is_list || result.value.kind == WFS_VALUE_NONE)
        return r;
    return set_at(b, s->name, wfs_keys_json(&result.value));
}

static int set_model(struct back *b, const struct wfs_keys_statement *s)
{
    if (b->class_name)
        return 0;
    b->class_name = s->name;
    int r = json_object_set_new(b->config, "architectures", json_pack("[s]", s->name));
    if (!r)
        r = json_object_set_new(b->config, "model_type", json_string(s->message));
    return r ? no_memory(b) : 0;
}

static int run_section(struct back *b, const struct wfs_keys_section *section);

static int run_statement(struct back *b, const struct wfs_keys_statement *s)
{
    bool holds = true;
    if (s->kind != WFS_KEYS_USE && s->kind != WFS_KEYS_MODEL && s->kind != WFS_KEYS_BACK)
        return 0;
    int r = wfs_evaluator_holds(b->scope.evaluator, s->when, &holds, b->err);
    if (r || !holds)
        return r;
    if (s->kind == WFS_KEYS_USE)
        return run_section(b, wfs_keys_block(&b->table, s->name));
    return s->kind == WFS_KEYS_MODEL ? set_model(b, s) : set_value(b, s);
}

static int run_section(struct back *b, const struct wfs_keys_section *section)
{
    int r = 0;
    if (!section || b->depth == MAX_NESTED)
        return wfs_error_set(b->err, EINVAL, "tables of keys: a block that there is not");
    b->depth++;
    for (uint32_t i = 0; !r && i < section->n_statements; i++)
        r = run_statement(b, &section->statements[i]);
    b->depth--;
    return r;
}

/* ---- all ----------------------------------------------------------------------------------- */

static int write_text(struct back *b, const char **ret_text)
{
    wfs_cleanup(wfs_freep) char *text =
        json_dumps(b->config, JSON_INDENT(2) | JSON_REAL_PRECISION(9));
    *ret_text = text ? wfs_arena_printf(b->scope.arena, "%s\n", text) : NULL;
    return *ret_text ? 0 : no_memory(b);
}

static int make_config(struct back *b, const struct wfs_catalog *catalog, const char **ret_text)
{
    const char *arch;
    int r = read_keys(b, catalog, &arch);
    if (r == -ENOENT)
        return 0;
    if (!r)
        r = wfs_keys_load(b->scope.arena, &b->table, b->err);
    if (!r)
        r = wfs_evaluator_new(b->scope.arena, catalog, b->keys, NULL, &b->scope.evaluator, b->err);
    const struct wfs_keys_section *section = r ? NULL : wfs_keys_arch(&b->table, arch);
    if (r || !section)
        return r;
    r = run_section(b, section);
    if (!r && b->class_name)
        r = write_text(b, ret_text);
    return r;
}

static int add_generation(struct back *b)
{
    static const struct {
        const char *key, *name;
    } all[] = {{"tokenizer.ggml.bos_token_id", "bos_token_id"},
               {"tokenizer.ggml.eos_token_id", "eos_token_id"},
               {"tokenizer.ggml.padding_token_id", "pad_token_id"},
               {"decoder_start_token_id", "decoder_start_token_id"},
               {"general.sampling.top_k", "top_k"},
               {"general.sampling.top_p", "top_p"},
               {"general.sampling.min_p", "min_p"},
               {"general.sampling.temp", "temperature"},
               {"general.sampling.penalty_repeat", "repetition_penalty"}};
    for (size_t i = 0; i < WFS_ARRAY_SIZE(all); i++) {
        json_t *value = json_object_get(b->keys, all[i].key);
        if (json_is_number(value) && json_object_set(b->config, all[i].name, value))
            return no_memory(b);
    }
    return 0;
}

static int make_generation(struct back *b, const struct wfs_catalog *catalog, const char **ret_text)
{
    const char *arch;
    int r = read_keys(b, catalog, &arch);
    if (r == -ENOENT)
        return 0;
    if (!r)
        r = add_generation(b);
    return r ? r : json_object_size(b->config) ? write_text(b, ret_text) : 0;
}

static int make(struct wfs_arena *arena, const struct wfs_catalog *catalog,
                int (*maker)(struct back *, const struct wfs_catalog *, const char **),
                const char **ret_text, struct wfs_error *err)
{
    struct back b = {.scope = {.arena = arena, .catalog = catalog}, .err = err};
    const char *text = NULL;
    if (strcmp(catalog->format, "gguf") != 0 || !catalog->objects_json) {
        *ret_text = NULL;
        return 0;
    }
    b.keys = json_object();
    b.config = json_object();
    int r = b.keys && b.config ? maker(&b, catalog, &text) : no_memory(&b);
    json_decref(b.keys);
    json_decref(b.config);
    if (!r)
        *ret_text = text;
    return r;
}

int wfs_gguf_config(struct wfs_arena *arena, const struct wfs_catalog *catalog,
                    const char **ret_text, struct wfs_error *err)
{
    return make(arena, catalog, make_config, ret_text, err);
}

int wfs_gguf_generation_config(struct wfs_arena *arena, const struct wfs_catalog *catalog,
                               const char **ret_text, struct wfs_error *err)
{
    return make(arena, catalog, make_generation, ret_text, err);
}
