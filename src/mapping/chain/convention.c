/*
 * convention.c - what a source's names and metadata say about whose they are.
 *
 * In this order: the file's own metadata, its format, names that only one convention has (the sets'
 * `detect`), and the last components of all names. Names of both kinds tell nothing.
 */
#include "mapping/chain/convention.h"

#include <string.h>

#include "rules/rules.h"

static const char *from_metadata(const struct wfs_catalog *catalog)
{
    for (uint32_t i = 0; i < catalog->n_metadata; i++) {
        if (strcmp(catalog->metadata[i][0], "format") != 0)
            continue;
        const char *value = catalog->metadata[i][1];
        if (strcmp(value, "pt") == 0)
            return "torch";
        if (strcmp(value, "flax") == 0 || strcmp(value, "mlx") == 0)
            return value;
        if (strncmp(value, "weightfs-", 9) == 0)
            return value + 9;
    }
    return NULL;
}

/* The `to` of the set whose names these are. */
static const char *detect(const struct wfs_catalog *catalog, struct wfs_arena *arena)
{
    struct wfs_error ignored = {0};
    for (size_t s = 0; s < wfs_n_rule_texts; s++) {
        struct wfs_set *set;
        if (wfs_set_load(arena, wfs_rule_texts[s].name, NULL, &set, &ignored))
            continue;
        for (uint32_t d = 0; d < set->n_detect; d++)
            if (wfs_catalog_find(catalog, set->detect[d]->text))
                return set->to;
    }
    return NULL;
}

static const char *last_component(const char *path)
{
    const char *sep = strrchr(path, WFS_SEP);
    return sep ? sep + 1 : path;
}

/* PyTorch's matrices are called weight, Flax's kernel and embedding; both have 1-D weights. */
static void count_names(const struct wfs_catalog *catalog, size_t *ret_torch, size_t *ret_flax)
{
    size_t n_torch = 0, n_flax = 0;
    for (uint32_t i = 0; i < catalog->n_tensors; i++) {
        const char *last = last_component(catalog->tensors[i].path);
        uint32_t ndim = catalog->tensors[i].expr->ndim;
        if (strcmp(last, "kernel") == 0 || strcmp(last, "embedding") == 0)
            n_flax++;
        else if ((strcmp(last, "weight") == 0 && ndim >= 2) || strcmp(last, "running_mean") == 0)
            n_torch++;
    }
    *ret_torch = n_torch;
    *ret_flax = n_flax;
}

static const char *from_names(const struct wfs_catalog *catalog)
{
    size_t n_torch, n_flax;
    count_names(catalog, &n_torch, &n_flax);
    if (n_torch && !n_flax)
        return "torch";
    return n_flax && !n_torch ? "flax" : NULL;
}

bool wfs_convention_is_mixed(const struct wfs_catalog *catalog)
{
    size_t n_torch, n_flax;
    count_names(catalog, &n_torch, &n_flax);
    return n_torch && n_flax;
}

/* (O, 5, 5, I) and nothing like (O, I, 5, 5): a square kernel's axes stand where MLX has them. */
const struct wfs_tensor *wfs_convention_channels_last(const struct wfs_catalog *catalog)
{
    const struct wfs_tensor *found = NULL;
    if (catalog->convention == WFS_CONVENTION_TORCH || from_metadata(catalog))
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

const char *wfs_convention_of(const struct wfs_catalog *catalog, struct wfs_arena *arena)
{
    const char *found = from_metadata(catalog);
    if (found)
        return found;
    if (strncmp(catalog->format, "gguf", 4) == 0)
        return "gguf";
    found = detect(catalog, arena);
    if (!found)
        found = from_names(catalog);
    if (found)
        return found;
    if (catalog->convention == WFS_CONVENTION_TORCH)
        return "torch";
    return catalog->convention == WFS_CONVENTION_FLAX ? "flax" : NULL;
}

const char *wfs_plan_default_view(const struct wfs_catalog *catalog)
{
    struct wfs_arena *arena = wfs_arena_new();
    const char *convention = arena ? wfs_convention_of(catalog, arena) : NULL;
    const char *view = NULL;
    if (convention && strcmp(convention, "torch") == 0)
        view = "flax";
    else if (convention && strcmp(convention, "flax") == 0)
        view = "torch";
    wfs_arena_free(arena);
    return view;
}
