/*
 * checkpoint.c - config.json as llama.cpp's converter sees it: through AutoConfig, with the text part
 * of a multimodal model over the root, and rope parameters in the spelling of transformers 5.
 */
#include "gguf/keys/checkpoint.h"

#include <jansson.h>
#include <string.h>

#include "gguf/keys/library.h"
#include "mapping/items/config.h"
#include "mapping/items/json.h"

static int no_memory(struct wfs_error *err)
{
    return wfs_error_nomem(err, "config.json");
}

static void decref(void *json)
{
    json_decref(json);
}

/* The first of these keys that the object has, even where its value is null. */
static json_t *find(const json_t *object, const char *const *keys)
{
    json_t *found = NULL;
    for (size_t i = 0; keys[i] && !found; i++)
        found = json_object_get(object, keys[i]);
    return found;
}

/* ---- the text model's part ----------------------------------------------------------------- */

static json_t *text_part(const json_t *root)
{
    static const char *const keys[] = {"llm_config", "lm_config", "language_config", "text_config",
                                       NULL};
    json_t *text = find(root, keys);
    if (!text)
        text = json_object_get(json_object_get(root, "thinker_config"), "text_config");
    return json_is_object(text) ? text : NULL;
}

static const char *class_of(const json_t *root, const json_t *text)
{
    const char *name = json_string_value(json_array_get(json_object_get(text, "architectures"), 0));
    return name ? name
                : json_string_value(json_array_get(json_object_get(root, "architectures"), 0));
}

/* ---- defaults of the classes --------------------------------------------------------------- */

/* A default as the table writes it: "=NAME" is what NAME has, "=NAME/NAME" a quotient. NULL where that is not
 * known. */
static json_t *resolve(const json_t *config, json_t *value)
{
    const char *text = json_string_value(value), *slash = text ? strchr(text, '/') : NULL;
    if (!text || text[0] != '=')
        return json_deep_copy(value);
    if (!slash)
        return json_incref(json_object_get(config, text + 1));
    const json_t *a = json_object_getn(config, text + 1, (size_t)(slash - text - 1));
    const json_t *b = json_object_get(config, slash + 1);
    if (!json_is_integer(a) || !json_is_integer(b) || json_integer_value(b) <= 0)
        return NULL;
    return json_integer(json_integer_value(a) / json_integer_value(b));
}

/* What AutoConfig fills in. rope_parameters is the newer spelling: where one is there, the older one's
 * defaults are not wanted. */
static int fill_defaults(json_t *config, const char *class_name, struct wfs_error *err)
{
    const struct wfs_rule_text *text = wfs_keys_defaults();
    bool is_new = json_object_get(config, "rope_parameters") != NULL;
    json_t *all = json_loadb(text->text, text->len, 0, NULL), *value;
    const char *key;
    int r = all ? 0 : no_memory(err);
    json_object_foreach(json_object_get(all, class_name), key, value)
    {
        bool is_old_rope = strcmp(key, "rope_theta") == 0 || strcmp(key, "rope_scaling") == 0;
        json_t *filled =
            json_object_get(config, key) || (is_new && is_old_rope) ? NULL : resolve(config, value);
        if (filled && json_object_set_new(config, key, filled))
            r = no_memory(err);
    }
    json_decref(all);
    return r;
}

/* ---- rope ---------------------------------------------------------------------------------- */

/* Sets a value that is not there yet. A value that is absent or null is none. */
static int set_default(json_t *object, const char *key, json_t *value)
{
    if (!value || json_is_null(value) || json_object_get(object, key))
        return 0;
    return json_object_set(object, key, value);
}

/* transformers 4 has rope_theta and others beside rope_scaling, 5 all in rope_parameters. */
static int fill_rope(json_t *rope, const json_t *config)
{
    static const char *const local[] = {"local_rope_theta",     "rope_local_theta",
                                        "rope_theta_local",     "swa_rope_theta",
                                        "rope_local_base_freq", NULL};
    static const char *const global[] = {"global_rope_theta", "rope_global_theta",
                                         "rope_theta_global", "rope_theta",
                                         "rotary_emb_base",   NULL};
    static const char *const partial[] = {"partial_rotary_factor", "rope_pct", "rope_percent",
                                          NULL};
    static const char *const original[] = {"original_max_position_embeddings", NULL};
    json_t *local_theta = find(config, local);
    int r = 0;
    if (local_theta && !json_is_null(local_theta)) {
        json_t *sliding = json_pack("{s:O}", "rope_theta", local_theta);
        r = sliding ? json_object_set_new(rope, "sliding_attention", sliding) : -1;
    }
    r |= set_default(rope, "rope_theta", find(config, global));
    r |= set_default(rope, "rope_type", json_object_get(rope, "type"));
    r |= set_default(rope, "partial_rotary_factor", find(config, partial));
    r |= set_default(rope, "original_max_position_embeddings", find(config, original));
    return r;
}

static int add_rope(json_t *config, struct wfs_error *err)
{
    static const char *const keys[] = {"rope_parameters", "rope_scaling", NULL};
    json_t *given = find(config, keys);
    json_t *rope = json_is_object(given) ? json_deep_copy(given) : json_object();
    int r = 0;
    if (!json_object_get(rope, "full_attention") && !json_object_get(rope, "sliding_attention"))
        r = fill_rope(rope, config);
    json_t *full = json_object_get(rope, "full_attention");
    if (!rope || r || json_object_set(config, "rope_full", json_is_object(full) ? full : rope) ||
        json_object_set_new(config, "rope", rope))
        return no_memory(err);
    return 0;
}

/* ---- all ----------------------------------------------------------------------------------- */

static int make(struct wfs_arena *arena, json_t *root, struct wfs_keys_config *config,
                struct wfs_error *err)
{
    json_t *text = text_part(root);
    const char *class_name = class_of(root, text);
    if (!class_name)
        return wfs_error_set(err, EINVAL, "%s: no architectures: it must name the model's class",
                             config->file);
    config->class_name = wfs_arena_strdup(arena, class_name);
    config->json = json_copy(root);
    if (!config->class_name || !config->json || wfs_arena_on_free(arena, decref, config->json) ||
        (text && json_object_update(config->json, text)) ||
        json_object_set(config->json, "root", root))
        return no_memory(err);
    int r = fill_defaults(config->json, config->class_name, err);
    return r ? r : add_rope(config->json, err);
}

int wfs_keys_config_load(struct wfs_arena *arena, const struct wfs_catalog *catalog,
                         struct wfs_keys_config *ret, struct wfs_error *err)
{
    struct wfs_keys_config config = {.file = catalog->config_path};
    json_t *root;
    if (!catalog->config_path)
        return wfs_error_set(err, ENOENT,
                             "%s: no config.json beside the weights, which a GGUF file's "
                             "keys follow from",
                             catalog->source);
    int r = wfs_json_load_of(catalog, catalog->config_path, WFS_CONFIG_MAX_BYTES, &root, err);
    if (r)
        return r;
    r = json_is_object(root) ? make(arena, root, &config, err)
                             : wfs_error_set(err, EINVAL, "%s: no JSON object", config.file);
    json_decref(root);
    if (!r)
        *ret = config;
    return r;
}
