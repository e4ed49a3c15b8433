/*
 * convention.c - the table of conventions, and which of them a source's names and metadata show.
 */
#include "mapping/chain/convention.h"

#include <string.h>

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
    {"torch", "pt", "flax", "torch", 0, is_torch},
    {"flax", "flax", "torch", "msgpack", '.', is_flax},
    {"mlx", "mlx", NULL, NULL, 0, NULL},
    {"gguf", NULL, NULL, NULL, 0, NULL},
    {"linen", NULL, NULL, NULL, 0, NULL},
    {"nnx", NULL, NULL, NULL, 0, NULL},
    {"keras", NULL, NULL, NULL, 0, NULL},
    {"caten", NULL, NULL, NULL, 0, NULL},
    {"meta-llama", NULL, NULL, NULL, 0, NULL},
    {"keymapper", NULL, NULL, NULL, 0, NULL},
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

/* ---- names --------------------------------------------------------------------------------- */

/* The `to` of the set that has one of the source's names in its `detect`. */
static int from_sets(const struct wfs_catalog *catalog, const char **ret, struct wfs_error *err)
{
    wfs_cleanup(wfs_arena_freep) struct wfs_arena *arena = wfs_arena_new();
    struct wfs_error ignored = {0};
    *ret = NULL;
    if (!arena)
        return wfs_error_nomem(err, "rules");
    for (size_t s = 0; s < wfs_n_rule_texts; s++) {
        struct wfs_set *set;
        int r = wfs_set_load(arena, wfs_rule_texts[s].name, NULL, &set, &ignored);
        if (r == -ENOMEM)
            return wfs_error_nomem(err, "rules");
        for (uint32_t d = 0; !r && d < set->n_detect; d++) {
            const struct wfs_convention *c = wfs_convention_find(set->to);
            if (c && wfs_catalog_find(catalog, set->detect[d]->text)) {
                *ret = c->name;
                return 0;
            }
        }
    }
    return 0;
}

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

int wfs_plan_default_view(const struct wfs_catalog *catalog, const char **ret,
                          struct wfs_error *err)
{
    const char *name;
    int r = wfs_convention_of(catalog, &name, err);
    const struct wfs_convention *c = r ? NULL : wfs_convention_find(name);
    if (!r)
        *ret = c ? c->default_view : NULL;
    return r;
}
