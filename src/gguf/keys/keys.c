/*
 * keys.c - runs an architecture's table over a config: statement by statement, in their order, which
 * is the order of the file's keys.
 */
#include "gguf/keys/keys.h"

#include <jansson.h>
#include <math.h>
#include <string.h>

#include "gguf/keys/checkpoint.h"
#include "gguf/keys/forms.h"
#include "gguf/keys/library.h"
#include "gguf/keys/put.h"

#define MAX_NESTED 16 /* blocks that use blocks */

struct run {
    const struct wfs_gguf_inputs *inputs;
    struct wfs_keys_table table;
    struct wfs_keys_config config;
    struct wfs_keys_scope scope;
    struct wfs_gguf_keys *keys;
    const struct wfs_keys_section *become; /* set by `become`: where to go on */
    unsigned depth;
    struct wfs_error *err;
};

static int run_section(struct run *run, const struct wfs_keys_section *section);

static int let_text(struct run *run, const char *name, const char *text)
{
    struct wfs_value v = {.kind = WFS_VALUE_STR, .s = text, .len = strlen(text)};
    return wfs_evaluator_let(run->scope.evaluator, name, v, run->err);
}

/* ---- statements ---------------------------------------------------------------------------- */

/* ".block_count" is "llama.block_count". */
static const char *full_key(struct run *run, const char *name)
{
    return name[0] == '.' ? wfs_arena_printf(run->scope.arena, "%s%s", run->keys->arch, name)
                          : name;
}

static int put_key(struct run *run, const struct wfs_keys_statement *s)
{
    struct wfs_keys_result result;
    const char *key = full_key(run, s->name);
    if (!key)
        return wfs_error_nomem(run->err, "keys");
    int r = wfs_keys_value(&run->scope, &s->value, s->is_optional, &result, run->err);
    if (r)
        return r == -ENOMEM ? r
                            : wfs_error_prefix(run->err, "%s: the key %s", run->config.file, key);
    if (!result.is_list && result.value.kind == WFS_VALUE_NONE)
        return s->is_optional
                   ? 0
                   : wfs_error_set(run->err, EINVAL, "%s: the key %s: nothing says its value",
                                   run->config.file, key);
    return wfs_keys_put(s->is_first ? run->keys->first : run->keys->rest, key, run->config.file, s,
                        &result, run->err);
}

static int let(struct run *run, const struct wfs_keys_statement *s)
{
    struct wfs_keys_result result;
    int r = wfs_keys_value(&run->scope, &s->value, true, &result, run->err);
    if (!r && s->kind == WFS_KEYS_INT && result.value.kind == WFS_VALUE_REAL)
        result.value =
            (struct wfs_value){.kind = WFS_VALUE_INT, .i = (int64_t)trunc(result.value.r)};
    return r ? r : wfs_evaluator_let(run->scope.evaluator, s->name, result.value, run->err);
}

static json_t *result_json(const struct wfs_keys_result *result)
{
    if (!result->is_list)
        return wfs_keys_json(&result->value);
    json_t *list = json_array();
    for (uint32_t i = 0; list && i < result->n; i++)
        if (json_array_append_new(list, wfs_keys_json(&result->items[i]))) {
            json_decref(list);
            return NULL;
        }
    return list;
}

static int set_config(struct run *run, const struct wfs_keys_statement *s)
{
    struct wfs_keys_result result;
    json_t *json = run->config.json;
    if (s->kind == WFS_KEYS_DEFAULT && json_object_get(json, s->name))
        return 0;
    int r = wfs_keys_value(&run->scope, &s->value, true, &result, run->err);
    if (!r && json_object_set_new(json, s->name, result_json(&result)))
        r = wfs_error_nomem(run->err, "config.json");
    return r;
}

static int need(struct run *run, const struct wfs_keys_statement *s)
{
    bool holds;
    int r = wfs_evaluator_holds(run->scope.evaluator, s->value.expr, &holds, run->err);
    if (!r && !holds)
        r = wfs_error_set(run->err, EINVAL, "%s: %s: %s", run->config.file, run->keys->arch,
                          s->message);
    return r;
}

static int use(struct run *run, const struct wfs_keys_statement *s)
{
    const struct wfs_keys_section *block = wfs_keys_block(&run->table, s->name);
    return block ? run_section(run, block)
                 : wfs_error_set(run->err, EINVAL, "%s:%u:%u: no block %s", s->pos.file,
                                 s->pos.line, s->pos.col, s->name);
}

static int run_statement(struct run *run, const struct wfs_keys_statement *s)
{
    switch (s->kind) {
    case WFS_KEYS_KEY:
        return put_key(run, s);
    case WFS_KEYS_LET:
    case WFS_KEYS_INT:
        return let(run, s);
    case WFS_KEYS_CONFIG:
    case WFS_KEYS_DEFAULT:
        return set_config(run, s);
    case WFS_KEYS_FORGET:
        json_object_del(run->config.json, s->name);
        return 0;
    case WFS_KEYS_NEED:
        return need(run, s);
    case WFS_KEYS_USE:
        return use(run, s);
    case WFS_KEYS_BECOME:
        run->become = wfs_keys_arch(&run->table, s->name);
        return 0;
    case WFS_KEYS_MODEL:
    case WFS_KEYS_BACK:
        return 0;
    }
    return 0;
}

static int run_section(struct run *run, const struct wfs_keys_section *section)
{
    int r = 0;
    if (run->depth == MAX_NESTED)
        return wfs_error_set(run->err, EINVAL, "%s: blocks that use each other", section->name);
    run->depth++;
    for (uint32_t i = 0; !r && !run->become && i < section->n_statements; i++) {
        const struct wfs_keys_statement *s = &section->statements[i];
        bool holds = true;
        r = wfs_evaluator_holds(run->scope.evaluator, s->when, &holds, run->err);
        if (!r && holds)
            r = run_statement(run, s);
    }
    run->depth--;
    return r;
}

/* ---- all ----------------------------------------------------------------------------------- */

static int set_up(struct run *run, const struct wfs_keys_section *arch)
{
    struct wfs_gguf_keys *keys = run->keys;
    struct wfs_arena *arena = run->scope.arena;
    struct wfs_value file_type = {.kind = WFS_VALUE_INT, .i = run->inputs->file_type};
    keys->arch = arch->name;
    keys->class_name = run->config.class_name;
    keys->first = wfs_gguf_kv_new(arena);
    keys->rest = wfs_gguf_kv_new(arena);
    if (!keys->first || !keys->rest)
        return wfs_error_nomem(run->err, "keys");
    int r = wfs_evaluator_new(arena, run->inputs->catalog, run->config.json, run->inputs->set,
                              &run->scope.evaluator, run->err);
    if (!r)
        r = let_text(run, "class", run->config.class_name);
    return r ? r : wfs_evaluator_let(run->scope.evaluator, "file_type", file_type, run->err);
}

static int run_arch(struct run *run, const struct wfs_keys_section *arch)
{
    const struct wfs_keys_section *names = wfs_keys_block(&run->table, "names");
    int r = set_up(run, arch);
    if (!r)
        r = run_section(run, names);
    while (!r && arch) {
        run->become = NULL;
        run->keys->arch = arch->name;
        r = run_section(run, arch);
        arch = run->become;
    }
    if (!r && (!wfs_gguf_kv_ok(run->keys->first) || !wfs_gguf_kv_ok(run->keys->rest)))
        r = wfs_error_nomem(run->err, "keys");
    return r;
}

int wfs_gguf_keys(const struct wfs_gguf_inputs *inputs, struct wfs_gguf_keys *ret,
                  struct wfs_error *err)
{
    struct wfs_gguf_keys keys;
    struct run run = {.inputs = inputs,
                      .scope = {.arena = inputs->arena, .catalog = inputs->catalog},
                      .keys = &keys,
                      .err = err};
    int r = wfs_keys_load(inputs->arena, &run.table, err);
    if (!r)
        r = wfs_keys_config_load(inputs->arena, inputs->catalog, &run.config, err);
    if (r)
        return r;
    const struct wfs_keys_section *arch = wfs_keys_of_class(&run.table, run.config.class_name);
    if (!arch)
        return wfs_error_set(err, ENOTSUP, "%s: no table says which keys a GGUF file of a %s has",
                             run.config.file, run.config.class_name);
    r = run_arch(&run, arch);
    if (!r)
        *ret = keys;
    return r;
}
