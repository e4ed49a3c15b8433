/*
 * general.c - general.*: the files beside the weights are read, their texts put in the order of gguf-py.
 */
#include "gguf/general/general.h"

#include <jansson.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "gguf/general/fields.h"
#include "gguf/general/front_matter.h"
#include "gguf/general/model_id.h"
#include "gguf/keys/put.h"
#include "mapping/items/config.h"

#define MAX_CARD_BYTES (16u << 20)
#define MAX_JSON_BYTES (1u << 20)

struct general {
    struct wfs_arena *arena;
    const struct wfs_gguf_inputs *inputs;
    const char *folder; /* with '/' at its end; "" is the current one */
    uint64_t n_params;
    struct wfs_error *err;
};

static int no_memory(struct general *g)
{
    return wfs_error_nomem(g->err, "general keys");
}

/* ---- the folder's name --------------------------------------------------------------------- */

static const char *base_of(const char *path)
{
    const char *slash = strrchr(path, '/');
    return slash ? slash + 1 : path;
}

/* Of ".../models--org--name/snapshots/HASH" the "name"; *ret_len is 0 for other paths. */
static const char *hub_name(const char *path, size_t *ret_len)
{
    static const char middle[] = "/snapshots/", start[] = "models--";
    size_t n_middle = sizeof(middle) - 1, n_start = sizeof(start) - 1;
    const char *hash = base_of(path), *end = hash - n_middle, *name;
    *ret_len = 0;
    if ((size_t)(hash - path) < n_middle || memcmp(end, middle, n_middle) != 0)
        return NULL;
    for (name = end; name > path && name[-1] != '/'; name--)
        ;
    if ((size_t)(end - name) <= n_start || memcmp(name, start, n_start) != 0)
        return NULL;
    name += n_start;
    const char *dashes = memmem(name, (size_t)(end - name), "--", 2);
    if (dashes)
        name = dashes + 2;
    *ret_len = (size_t)(end - name);
    return name;
}

/* The folder's absolute path. Its last name stays what it was opened by, a link or not. */
static int absolute(struct general *g, const char **ret)
{
    size_t len = strlen(g->folder);
    wfs_cleanup(wfs_freep) char *cwd = g->folder[0] == '/' ? NULL : getcwd(NULL, 0);
    char *path =
        cwd ? wfs_arena_printf(g->arena, "%s/%.*s", cwd, (int)(len ? len - 1 : 0), g->folder)
            : wfs_arena_strndup(g->arena, g->folder, len ? len - 1 : 0);
    if (!path)
        return no_memory(g);
    const char *base = base_of(path);
    if (!*base || strcmp(base, ".") == 0 || strcmp(base, "..") == 0) {
        wfs_cleanup(wfs_freep) char *real = realpath(path, NULL);
        if (real && !(path = wfs_arena_strdup(g->arena, real)))
            return no_memory(g);
    }
    *ret = path;
    return 0;
}

static int folder_name(struct general *g, const char **ret)
{
    const char *path;
    size_t len;
    int r = absolute(g, &path);
    if (r)
        return r;
    const char *hub = hub_name(path, &len);
    *ret = len ? wfs_arena_strndup(g->arena, hub, len) : base_of(path);
    return *ret ? 0 : no_memory(g);
}

/* ---- how many parameters ------------------------------------------------------------------- */

static uint64_t n_elems(const struct wfs_gguf_target *t)
{
    uint64_t n = 1;
    for (uint32_t i = 0; i < t->ndim; i++)
        n *= t->shape[i]; /* no more than the catalog's tensors have, which were checked */
    return n;
}

static bool is_experts(const struct wfs_gguf_target *t)
{
    return t->ndim >= 3 && strstr(t->name, "_exps.") && t->shape[0];
}

/* "8x7.2B": how many experts, and what a model with one of them would have; "8.0B" without. */
static const char *size_label(struct general *g)
{
    uint64_t n_stacks = 0, n_experts = 0, n_active = 0;
    for (uint32_t i = 0; i < g->inputs->n_targets; i++) {
        const struct wfs_gguf_target *t = &g->inputs->targets[i];
        bool is_stack = is_experts(t);
        n_active += is_stack ? n_elems(t) / t->shape[0] : n_elems(t);
        n_experts += is_stack ? t->shape[0] : 0;
        n_stacks += is_stack;
    }
    const char *size = wfs_model_size(g->arena, n_active);
    if (!size || n_stacks == 0)
        return size;
    return wfs_arena_printf(g->arena, "%llux%s", (unsigned long long)(n_experts / n_stacks), size);
}

/* ---- files --------------------------------------------------------------------------------- */

static const char *beside(struct general *g, const char *name)
{
    return wfs_arena_printf(g->arena, "%s%s", g->folder, name);
}

static int read_card(struct general *g, const char *path, struct wfs_front_matter **ret)
{
    wfs_cleanup(wfs_bytes_unrefp) struct wfs_bytes *bytes = NULL;
    struct wfs_error why = {0};
    *ret = NULL;
    int r = wfs_bytes_open(path, &bytes, &why);
    if (r)
        return r == -ENOENT ? 0 : wfs_error_set(g->err, -r, "%s", why.message);
    r = wfs_catalog_check_link(g->inputs->catalog, path, bytes, g->err);
    if (!r && bytes->size_bytes > MAX_CARD_BYTES)
        r = wfs_error_set(g->err, EFBIG, "%s: larger than %u bytes", path, MAX_CARD_BYTES);
    if (r)
        return r;
    size_t len = (size_t)bytes->size_bytes;
    char *text = wfs_arena_alloc(g->arena, len + 1);
    if (!text)
        return no_memory(g);
    r = wfs_bytes_read(bytes, text, len, 0, g->err);
    return r ? r : wfs_front_matter_parse(g->arena, path, text, len, ret, g->err);
}

/* gguf-py takes one that is no JSON for none. */
static int read_generation(struct general *g, const char *path, json_t **ret)
{
    struct wfs_error why = {0};
    int r = wfs_json_load_of(g->inputs->catalog, path, MAX_JSON_BYTES, ret, &why);
    if (r && r != -ENOENT && r != -EINVAL)
        return wfs_error_set(g->err, -r, "%s", why.message);
    if (r)
        *ret = NULL;
    return 0;
}

/* ---- sampling ------------------------------------------------------------------------------ */

static int put_sampling(struct general *g, struct wfs_gguf_kv *kv, const char *file,
                        const json_t *json)
{
    static const struct {
        const char *name, *key, *other;
        enum wfs_gguf_type type;
    } all[] = {
        {"sequence", "sequence", NULL, WFS_GGUF_STR},
        {"top_k", "top_k", NULL, WFS_GGUF_I32},
        {"top_p", "top_p", NULL, WFS_GGUF_F32},
        {"min_p", "min_p", NULL, WFS_GGUF_F32},
        {"xtc_probability", "xtc_probability", NULL, WFS_GGUF_F32},
        {"xtc_threshold", "xtc_threshold", NULL, WFS_GGUF_F32},
        {"temp", "temperature", NULL, WFS_GGUF_F32},
        {"penalty_last_n", "penalty_last_n", NULL, WFS_GGUF_I32},
        {"penalty_repeat", "penalty_repeat", "repetition_penalty", WFS_GGUF_F32},
        {"mirostat", "mirostat", NULL, WFS_GGUF_I32},
        {"mirostat_tau", "mirostat_tau", NULL, WFS_GGUF_F32},
        {"mirostat_eta", "mirostat_eta", NULL, WFS_GGUF_F32},
    };
    int r = 0;
    for (size_t i = 0; !r && i < WFS_ARRAY_SIZE(all); i++) {
        char key[64];
        const json_t *value = json_object_get(json, all[i].key);
        if (!value && all[i].other)
            value = json_object_get(json, all[i].other);
        if (!value || json_is_null(value))
            continue;
        snprintf(key, sizeof(key), "general.sampling.%s", all[i].name);
        struct wfs_keys_statement statement = {.type = all[i].type};
        struct wfs_keys_result result = {.value = wfs_value_from_json(value)};
        r = wfs_keys_put(kv, key, file, &statement, &result, g->err);
    }
    return r;
}

/* ---- all ----------------------------------------------------------------------------------- */

/* config.json's _name_or_path, where it is a name and no path. *ret is NULL without one. */
static int name_in_config(struct general *g, const char **ret)
{
    json_t *config = NULL;
    int r = wfs_json_load_of(g->inputs->catalog, g->inputs->catalog->config_path,
                             WFS_CONFIG_MAX_BYTES, &config, g->err);
    const char *name = r ? NULL : json_string_value(json_object_get(config, "_name_or_path"));
    const char *slash = name ? strchr(name, '/') : NULL;
    *ret = NULL;
    if (name && (!slash || !strchr(slash + 1, '/')) && !(*ret = wfs_arena_strdup(g->arena, name)))
        r = no_memory(g);
    json_decref(config);
    return r;
}

static int find_fields(struct general *g, const struct wfs_front_matter *card, const char *file,
                       struct wfs_general_fields *fields)
{
    const char *named, *folder;
    wfs_general_from_settings(fields, g->inputs->set);
    int r = card ? wfs_general_from_card(fields, g->arena, card, file, g->err) : 0;
    if (!r)
        r = name_in_config(g, &named);
    if (!r && named)
        r = wfs_general_from_name(fields, g->arena, named, g->n_params, g->err);
    if (!r)
        r = folder_name(g, &folder);
    if (!r)
        r = wfs_general_from_name(fields, g->arena, folder, g->n_params, g->err);
    if (!r && !fields->text[WFS_GENERAL_SIZE_LABEL] && g->n_params &&
        !(fields->text[WFS_GENERAL_SIZE_LABEL] = size_label(g)))
        r = no_memory(g);
    return r;
}

static int put_all(struct general *g, struct wfs_gguf_kv *kv)
{
    struct wfs_general_fields fields = {0};
    struct wfs_front_matter *card = NULL;
    json_t *generation = NULL;
    const char *readme = beside(g, "README.md"), *json = beside(g, "generation_config.json");
    if (!readme || !json)
        return no_memory(g);
    int r = read_card(g, readme, &card);
    if (!r)
        r = read_generation(g, json, &generation);
    if (!r)
        r = find_fields(g, card, readme, &fields);
    wfs_gguf_put_str(kv, "general.type", "model");
    if (!r)
        r = put_sampling(g, kv, json, generation);
    json_decref(generation);
    wfs_general_put(&fields, kv);
    if (!r && card)
        r = wfs_general_put_lists(kv, card, readme, g->n_params, g->err);
    return r ? r : wfs_gguf_kv_ok(kv) ? 0 : no_memory(g);
}

int wfs_gguf_general(struct wfs_gguf_kv *kv, const struct wfs_gguf_inputs *inputs,
                     struct wfs_error *err)
{
    struct general g = {.arena = inputs->arena, .inputs = inputs, .err = err};
    const char *config = inputs->catalog->config_path;
    if (!config)
        return wfs_error_set(err, ENOENT, "%s: no config.json beside the weights",
                             inputs->catalog->source);
    for (uint32_t i = 0; i < inputs->n_targets; i++)
        g.n_params += n_elems(&inputs->targets[i]);
    g.folder = wfs_arena_strndup(g.arena, config, (size_t)(base_of(config) - config));
    return g.folder ? put_all(&g, kv) : no_memory(&g);
}
