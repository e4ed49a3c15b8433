/*
 * config.c - the values that rules may ask for.
 */
#include <jansson.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "mapping/items/config.h"
#include "mapping/items/json.h"
#include "mapping/items/metadata.h"

struct setting {
    const char *name;
    struct wfs_value value;
    bool is_used; /* something asked for it */
};
struct wfs_config {
    struct wfs_arena *arena;
    json_t *root; /* an object, or NULL */
    const char *name;
    const struct wfs_catalog *catalog;
    bool is_whole; /* the root is all that there is: no parts, no metadata of the source */
    uint32_t n_settings;
    struct setting *settings;
};

static void decref(void *json)
{
    json_decref(json);
}

struct wfs_value wfs_value_from_json(const json_t *v)
{
    if (json_is_integer(v))
        return (struct wfs_value){.kind = WFS_VALUE_INT, .i = json_integer_value(v)};
    if (json_is_real(v))
        return (struct wfs_value){.kind = WFS_VALUE_REAL, .r = json_real_value(v)};
    if (json_is_boolean(v))
        return (struct wfs_value){.kind = WFS_VALUE_BOOL, .i = json_is_true(v)};
    if (json_is_string(v))
        return (struct wfs_value){
            .kind = WFS_VALUE_STR, .s = json_string_value(v), .len = json_string_length(v)};
    return (struct wfs_value){.kind = WFS_VALUE_NONE};
}

/* A text that came from a command line or a metadata block, as the type it looks like. */
static struct wfs_value from_text(const char *s)
{
    char *end;
    errno = 0;
    long long i = strtoll(s, &end, 10);
    if (end != s && !*end && !errno)
        return (struct wfs_value){.kind = WFS_VALUE_INT, .i = i};
    double r = strtod(s, &end);
    if (end != s && !*end && isfinite(r))
        return (struct wfs_value){.kind = WFS_VALUE_REAL, .r = r};
    if (strcmp(s, "true") == 0 || strcmp(s, "false") == 0)
        return (struct wfs_value){.kind = WFS_VALUE_BOOL, .i = s[0] == 't'};
    return (struct wfs_value){.kind = WFS_VALUE_STR, .s = s, .len = strlen(s)};
}

static int add_settings(struct wfs_arena *arena, struct wfs_config *config, const char *const *set,
                        struct wfs_error *err)
{
    size_t n = 0;
    while (set && set[n])
        n++;
    config->settings = wfs_arena_array(arena, n + 1, sizeof(*config->settings));
    if (!config->settings)
        return wfs_error_nomem(err, "settings");
    for (size_t i = 0; i < n; i++) {
        const char *eq = strchr(set[i], '=');
        if (!eq || eq == set[i])
            return wfs_error_set(err, EINVAL, "set=%s: expected NAME=VALUE", set[i]);
        char *name = wfs_arena_strndup(arena, set[i], (size_t)(eq - set[i]));
        char *text = wfs_arena_strdup(arena, eq + 1);
        if (!name || !text)
            return wfs_error_nomem(err, "settings");
        config->settings[config->n_settings++] =
            (struct setting){.name = name, .value = from_text(text)};
    }
    return 0;
}

int wfs_config_load(struct wfs_arena *arena, const struct wfs_catalog *catalog,
                    const char *const *set, struct wfs_config **ret, struct wfs_error *err)
{
    struct wfs_config *config = wfs_arena_alloc(arena, sizeof(*config));
    if (!config)
        return wfs_error_nomem(err, "config");
    config->arena = arena;
    config->catalog = catalog;
    config->name = "config.json";
    if (catalog->config_path) {
        const char *slash = strrchr(catalog->config_path, '/');
        config->name = slash ? slash + 1 : catalog->config_path;
        int r = wfs_json_load_of(catalog, catalog->config_path, WFS_CONFIG_MAX_BYTES, &config->root,
                                 err);
        if (r)
            return r;
        if (wfs_arena_on_free(arena, decref, config->root))
            return wfs_error_nomem(err, "config");
    }
    int r = add_settings(arena, config, set, err);
    if (!r)
        *ret = config;
    return r;
}

int wfs_config_of(struct wfs_arena *arena, const struct wfs_catalog *catalog, json_t *root,
                  const char *const *set, struct wfs_config **ret, struct wfs_error *err)
{
    struct wfs_config *config = wfs_arena_alloc(arena, sizeof(*config));
    if (!config)
        return wfs_error_nomem(err, "config");
    *config = (struct wfs_config){
        .root = root, .name = "config.json", .catalog = catalog, .is_whole = true};
    int r = add_settings(arena, config, set, err);
    if (!r)
        *ret = config;
    return r;
}

/* Arrays take a number. A key may itself hold dots ("a.b"): the longest key that is there wins at
 * each step. */
static const json_t *walk(const json_t *at, const char *path)
{
    if (json_is_array(at)) {
        char *end;
        unsigned long i = strtoul(path, &end, 10);
        const json_t *item = end != path ? json_array_get(at, i) : NULL;
        return !item || !*end ? item : *end == '.' ? walk(item, end + 1) : NULL;
    }
    const json_t *found = json_object_get(at, path);
    if (found || !json_is_object(at))
        return found;
    for (const char *dot = path + strlen(path); dot > path; dot--) {
        if (*dot != '.')
            continue;
        const json_t *next = json_object_getn(at, path, (size_t)(dot - path));
        if (next && (found = walk(next, dot + 1)))
            return found;
    }
    return NULL;
}

/* Where memory runs out the arena has failed, and the plan with it. */
struct wfs_value wfs_config_get_list(const struct wfs_config *config, const char *path)
{
    const json_t *found = config->root ? walk(config->root, path) : NULL;
    struct wfs_value value = {.kind = WFS_VALUE_NONE};
    size_t n = json_array_size(found);
    double *list = n ? wfs_arena_array(config->arena, n, sizeof(*list)) : NULL;
    if (!list)
        return value;
    for (size_t i = 0; i < n; i++) {
        if (!json_is_number(json_array_get(found, i)))
            return value;
        list[i] = json_number_value(json_array_get(found, i));
    }
    return (struct wfs_value){.kind = WFS_VALUE_LIST, .list = list, .len = n};
}

bool wfs_config_get_set(const struct wfs_config *config, const char *name, struct wfs_value *ret)
{
    bool found = false;
    for (uint32_t i = config->n_settings; i-- > 0;)
        if (strcmp(config->settings[i].name, name) == 0) {
            *ret = config->settings[i].value; /* of several the first */
            config->settings[i].is_used = found = true;
        }
    return found;
}

/* Settings that readers (how shards are cut) and the keys of a GGUF file take. */
static bool is_for_others(const char *name)
{
    static const char *const starts[] = {"tp.", "gguf.", "general.", "tokenizer."};
    for (size_t i = 0; i < WFS_ARRAY_SIZE(starts); i++)
        if (strncmp(name, starts[i], strlen(starts[i])) == 0)
            return true;
    return false;
}

const char *wfs_config_unused(const struct wfs_config *config, uint32_t *at)
{
    for (; *at < config->n_settings; ++*at) {
        const struct setting *setting = &config->settings[*at];
        if (!setting->is_used && !is_for_others(setting->name))
            return config->settings[(*at)++].name;
    }
    return NULL;
}

bool wfs_config_has(const struct wfs_config *config, const char *path)
{
    return wfs_config_json(config, path) != NULL;
}

const json_t *wfs_config_json(const struct wfs_config *config, const char *path)
{
    return config->root ? walk(config->root, path) : NULL;
}

/* ---- the configs of a model's parts ------------------------------------------------------------ */

/* A number in the configs of parts (vision_config, thinker_config.text_config, encoder, ...). */
struct search {
    const char *key, *subject; /* subject: a tensor's name, or NULL */
    const json_t *any;         /* the first that was found */
    bool differ;               /* there is another number */
    const json_t *named;       /* that of the part which the subject's name tells, innermost */
    size_t depth;              /* how many of the parts that lead there the name tells */
    bool is_tie;               /* another part, told as well, has another number */
};

#define PART_END "_config"

/* The name of a model's part: "vision" of vision_config, "encoder"; 0: no such key. */
static size_t part_len(const char *key, const json_t *v)
{
    size_t len = strlen(key), end = sizeof(PART_END) - 1;
    if (!json_is_object(v) || strcmp(key, "quantization_config") == 0 ||
        strcmp(key, "generation_config") == 0)
        return 0;
    if (len > end && strcmp(key + len - end, PART_END) == 0)
        return len - end;
    return json_is_string(json_object_get(v, "model_type")) ? len : 0;
}

/* Is the word one of the name's, as "vision" of model.vision_tower.head? */
static bool has_word(const char *name, const char *word, size_t len)
{
    for (const char *s = name, *end; s && *s; s = *end ? end + 1 : NULL) {
        for (end = s; *end && *end != WFS_SEP && *end != '_' && *end != '.'; end++)
            ;
        if ((size_t)(end - s) == len && memcmp(s, word, len) == 0)
            return true;
    }
    return false;
}

static void take_number(struct search *s, const json_t *number, bool is_named, size_t depth)
{
    if (!s->any)
        s->any = number;
    s->differ |= !json_equal(s->any, number);
    if (!is_named || depth < s->depth)
        return;
    s->is_tie = depth == s->depth && s->named && !json_equal(s->named, number);
    s->named = number;
    s->depth = depth;
}

static void search_parts(struct search *s, const json_t *at, size_t depth)
{
    const char *key;
    json_t *v;
    json_object_foreach((json_t *)at, key, v)
    {
        size_t len = part_len(key, v);
        if (!len)
            continue;
        bool is_named = has_word(s->subject, key, len);
        const json_t *found = json_object_get(v, s->key);
        if (json_is_number(found))
            take_number(s, found, is_named, depth + is_named);
        search_parts(s, v, depth + is_named);
    }
}

/* The part that the tensor's name tells has the value, else the whole, else all parts that have one
 * and agree. Parts are asked for numbers alone. */
static const json_t *find_in_json(const json_t *root, const char *path, const char *subject,
                                  bool *ret_by_name)
{
    struct search s = {.key = path, .subject = subject};
    const json_t *whole = walk(root, path);
    if (!strchr(path, '.'))
        search_parts(&s, root, 0);
    *ret_by_name = s.any != NULL;
    if (s.named && (!whole || json_is_number(whole)))
        return s.is_tie ? NULL : s.named;
    return whole || s.differ ? whole : s.any;
}

struct wfs_value wfs_config_get_for(const struct wfs_config *config, const char *path,
                                    const char *subject, bool *ret_by_name)
{
    struct wfs_value value;
    *ret_by_name = false;
    if (wfs_config_get_set(config, path, &value))
        return value;
    const json_t *found = NULL;
    if (config->is_whole)
        found = walk(config->root, path);
    else if (config->root)
        found = find_in_json(config->root, path, subject, ret_by_name);
    if (found || config->is_whole)
        return wfs_value_from_json(found);
    const char *text = wfs_metadata_find(config->catalog, path);
    return text ? from_text(text) : (struct wfs_value){.kind = WFS_VALUE_NONE};
}

#define CONFIG_MAX_DEPTH 8

static bool is_table_size(const char *key)
{
    static const char *const words[] = {"vocab_size", "position", "num_embeddings", "buckets",
                                        "codebook_size"};
    for (size_t i = 0; i < WFS_ARRAY_SIZE(words); i++)
        if (strstr(key, words[i]))
            return true;
    return false;
}

static bool names_size(json_t *at, json_int_t size, int depth)
{
    const char *key;
    json_t *value;
    if (depth > CONFIG_MAX_DEPTH)
        return false;
    json_object_foreach(at, key, value)
    {
        if (json_is_integer(value) && json_integer_value(value) == size && is_table_size(key))
            return true;
        if (json_is_object(value) && names_size(value, size, depth + 1))
            return true;
    }
    return false;
}

bool wfs_config_names_size(const struct wfs_config *config, uint64_t size)
{
    return config->root && size <= INT64_MAX && names_size(config->root, (json_int_t)size, 0);
}

struct each {
    const char *key;
    int (*fn)(void *arg, const char *text, bool is_root);
    void *arg;
};

static int each_text(const struct each *each, json_t *at, int depth)
{
    json_t *found = json_object_get(at, each->key), *value;
    const char *key;
    size_t i;
    int r = 0;
    if (json_is_string(found))
        r = each->fn(each->arg, json_string_value(found), depth == 0);
    json_array_foreach(found, i, value)
    {
        if (!r && json_is_string(value))
            r = each->fn(each->arg, json_string_value(value), depth == 0);
    }
    json_object_foreach(at, key, value)
    {
        if (!r && json_is_object(value) && depth < CONFIG_MAX_DEPTH)
            r = each_text(each, value, depth + 1);
    }
    return r;
}

int wfs_config_each_text(const struct wfs_config *config, const char *key,
                         int (*fn)(void *arg, const char *text, bool is_root), void *arg)
{
    const struct each each = {key, fn, arg};
    return config->root ? each_text(&each, config->root, 0) : 0;
}

struct wfs_value wfs_config_get(const struct wfs_config *config, const char *path)
{
    bool by_name;
    return wfs_config_get_for(config, path, NULL, &by_name);
}

const char *wfs_config_name(const struct wfs_config *config)
{
    return config->name;
}
