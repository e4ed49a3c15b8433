/*
 * convention.c - the table of conventions, and which of them a source's names and metadata show.
 */
#include "mapping/chain/convention.h"

#include <stdlib.h>
#include <string.h>

#include "mapping/items/intake.h"

/* ---- the table ----------------------------------------------------------------------------- */

/* PyTorch's matrices are called weight, Flax's kernel and embedding; both have 1-D weights. */
static bool is_torch(const char *last, uint32_t ndim)
{
    return (strcmp(last, "weight") == 0 && ndim >= 2) || strcmp(last, "running_mean") == 0;
}

static bool is_flax(const char *last, uint32_t ndim)
{
    (void)ndim;
    return strcmp(last, "kernel") == 0 || strcmp(last, "embedding") == 0;
}

/* One row a convention that a compiled-in set makes. Flax's loaders want dots in every file that
 * joins names; msgpack has no joined names. */
static const struct wfs_convention conventions[] = {
    {"torch", "pt", NULL, "torch", 0, is_torch}, {"flax", "flax", "torch", "msgpack", '.', is_flax},
    {"mlx", "mlx", "torch", NULL, 0, NULL},      {"gguf", NULL, "torch", "gguf", 0, NULL},
    {"linen", NULL, NULL, NULL, 0, NULL},        {"nnx", NULL, NULL, NULL, 0, NULL},
    {"keras", NULL, NULL, NULL, 0, NULL},        {"caten", NULL, NULL, NULL, 0, NULL},
    {"meta-llama", NULL, NULL, NULL, 0, NULL},   {"keymapper", NULL, NULL, NULL, 0, NULL},
};

static bool is_named(const char *name, const char *wanted)
{
    return name && strcmp(name, wanted) == 0;
}

const struct wfs_convention *wfs_convention_find(const char *name)
{
    for (size_t i = 0; i < WFS_ARRAY_SIZE(conventions); i++)
        if (is_named(name, conventions[i].name))
            return &conventions[i];
    return NULL;
}

/* ---- metadata ------------------------------------------------------------------------------ */

/* What weightfs itself wrote: the view's name, which is the set's where it has no other. */
#define OWN_TAG "weightfs-"

static const char *from_tag(const char *tag)
{
    for (size_t i = 0; i < WFS_ARRAY_SIZE(conventions); i++)
        if (is_named(conventions[i].format_tag, tag))
            return conventions[i].name;
    return strncmp(tag, OWN_TAG, strlen(OWN_TAG)) == 0 ? tag + strlen(OWN_TAG) : NULL;
}

static const char *from_metadata(const struct wfs_catalog *catalog)
{
    const char *found = NULL;
    for (uint32_t i = 0; !found && i < catalog->n_metadata; i++)
        if (strcmp(catalog->metadata[i][0], "format") == 0)
            found = from_tag(catalog->metadata[i][1]);
    return found;
}

/* ---- the names that sets are detected by ---------------------------------------------------- */

/* The names that views map: of the chosen tree (of several the first, where none is chosen all),
 * without wrappers. */
static int load_items(struct wfs_arena *arena, const struct wfs_catalog *catalog,
                      struct wfs_table *ret, struct wfs_error *err)
{
    struct wfs_catalog seen = *catalog;
    struct wfs_mapper mapper = {.arena = arena, .catalog = &seen};
    struct wfs_sink mute = {.err = err};
    bool is_chosen = false;
    for (uint32_t i = 0; i < catalog->n_roots; i++)
        is_chosen |= catalog->roots[i].is_chosen;
    if (!is_chosen)
        seen.n_roots = 0;
    int r = wfs_intake(arena, &seen, ret, err);
    return r ? r : wfs_unwrap(&mapper, &mute, ret);
}

/* Skips `above`, if the name is below it and there is one. */
static const char *below(const char *path, const char *above)
{
    size_t len = above ? strlen(above) : 0;
    return above && strncmp(path, above, len) == 0 && path[len] == WFS_SEP ? path + len + 1 : path;
}

/* Are most of the names there that the set is told by? One that other models share tells nothing; but
 * where the file's format says the same (`format`, or NULL), it is enough. */
static bool is_detected(const struct wfs_set *set, const struct wfs_strmap *names,
                        const char *format)
{
    uint32_t n = 0;
    for (uint32_t i = 0; i < set->n_detect; i++)
        n += wfs_strmap_get(names, set->detect[i]->text, NULL);
    return 2 * n > set->n_detect || (n > 0 && format && is_named(set->to, format));
}

static int detect_in(struct wfs_arena *arena, const struct wfs_strmap *names, const char *format,
                     const char **ret, struct wfs_error *err)
{
    *ret = NULL;
    for (size_t s = 0; !*ret && s < wfs_n_rule_texts; s++) {
        struct wfs_set *set;
        int r = wfs_set_load(arena, wfs_rule_texts[s].name, NULL, &set, err);
        if (r)
            return r;
        const struct wfs_convention *c = wfs_convention_find(set->to);
        if (c && is_detected(set, names, format))
            *ret = c->name;
    }
    return 0;
}

static int index_names(struct wfs_arena *arena, const struct wfs_table *items, const char *above,
                       struct wfs_strmap *ret)
{
    for (size_t i = 0; i < items->n; i++) {
        const char *name = below(items->items[i].path, above);
        char *joined = wfs_path_join_dup(arena, name, '.');
        if (!joined || wfs_strmap_set(ret, joined, 1))
            return -ENOMEM;
    }
    return 0;
}

/* The `to` of the set that is detected by these names, below `above` (NULL: as they are); NULL where
 * there is none. */
static int detect(const struct wfs_table *items, const char *above, const char *format,
                  const char **ret, struct wfs_error *err)
{
    wfs_cleanup(wfs_arena_freep) struct wfs_arena *arena = wfs_arena_new();
    struct wfs_strmap names = {0};
    int r = arena ? index_names(arena, items, above, &names) : -ENOMEM;
    if (r)
        wfs_error_nomem(err, "names");
    else
        r = detect_in(arena, &names, format, ret, err);
    wfs_strmap_free(&names);
    return r;
}

/* What a whole model is often put below: {"model": ...} of a training script. */
#define WHOLE "model"

static int from_sets(const struct wfs_catalog *catalog, const char **ret, struct wfs_error *err)
{
    wfs_cleanup(wfs_arena_freep) struct wfs_arena *arena = wfs_arena_new();
    struct wfs_table items = {0};
    if (!arena)
        return wfs_error_nomem(err, "names");
    int r = load_items(arena, catalog, &items, err);
    if (!r)
        r = detect(&items, NULL, catalog->convention, ret, err);
    if (!r && !*ret && wfs_are_below(&items, WHOLE))
        r = detect(&items, WHOLE, catalog->convention, ret, err);
    free(items.items);
    return r;
}

int wfs_convention_take_off(struct wfs_sink *sink, struct wfs_table *items)
{
    const char *name;
    if (!wfs_are_below(items, WHOLE))
        return 0;
    int r = detect(items, NULL, NULL, &name, sink->err);
    if (!r && !name)
        r = detect(items, WHOLE, NULL, &name, sink->err);
    else
        name = NULL;
    if (!r && name)
        wfs_take_off(sink, items, WHOLE);
    return r;
}

/* ---- last components ------------------------------------------------------------------------- */

static const char *last_component(const char *path)
{
    const char *sep = strrchr(path, WFS_SEP);
    return sep ? sep + 1 : path;
}

/* How many tensors have a name that is this convention's alone. */
static size_t count_owned(const struct wfs_catalog *catalog, const struct wfs_convention *c)
{
    size_t n = 0;
    for (uint32_t i = 0; c->owns && i < catalog->n_tensors; i++)
        n += c->owns(last_component(catalog->tensors[i].path), catalog->tensors[i].expr->ndim);
    return n;
}

/* The conventions that the names show; *ret_first is the first of them, or NULL. */
static size_t count_shown(const struct wfs_catalog *catalog, const char **ret_first)
{
    size_t n = 0;
    *ret_first = NULL;
    for (size_t i = 0; i < WFS_ARRAY_SIZE(conventions); i++)
        if (count_owned(catalog, &conventions[i]) && n++ == 0)
            *ret_first = conventions[i].name;
    return n;
}

bool wfs_convention_is_mixed(const struct wfs_catalog *catalog)
{
    const char *first;
    return count_shown(catalog, &first) > 1;
}

/* (O, 5, 5, I) and nothing like (O, I, 5, 5): a square kernel's axes stand where MLX has them. */
const struct wfs_tensor *wfs_convention_channels_last(const struct wfs_catalog *catalog)
{
    const struct wfs_tensor *found = NULL;
    if (is_named(catalog->convention, "torch") || from_metadata(catalog))
        return NULL;
    for (uint32_t i = 0; i < catalog->n_tensors; i++) {
        const struct wfs_tensor *t = &catalog->tensors[i];
        const uint64_t *shape = t->expr->shape;
        if (t->expr->ndim != 4 || strcmp(last_component(t->path), "weight") != 0)
            continue;
        if (shape[2] == shape[3] && shape[1] != shape[2])
            return NULL;
        if (shape[1] == shape[2] && shape[2] > 1 && shape[2] != shape[3] && !found)
            found = t;
    }
    return found;
}

/* ---- all together -------------------------------------------------------------------------- */

static int find_convention(const struct wfs_catalog *catalog, const char **ret,
                           struct wfs_error *err)
{
    const char *shown, *found = from_metadata(catalog);
    int r = found ? 0 : from_sets(catalog, &found, err);
    if (!r && !found && count_shown(catalog, &shown) == 1)
        found = shown;
    if (!r)
        *ret = found ? found : catalog->convention;
    return r;
}

int wfs_convention_of(const struct wfs_catalog *catalog, const char **ret, struct wfs_error *err)
{
    const char *found = catalog->memo->convention;
    if (!found) {
        int r = find_convention(catalog, &found, err);
        if (r)
            return r;
        found = found ? found : "";
        catalog->memo->convention = found;
    }
    *ret = found[0] ? found : NULL;
    return 0;
}
