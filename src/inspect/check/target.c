/*
 * target.c - what a target expects: the keys of a JSON {key: shape}, or of the rows of a
 * checkpoint or view.
 */
#include "inspect/inspect.h"

#include <string.h>

#include "mapping/items/template.h"
#include "inspect/rows/rows.h"

int wfs_check_keys_from_json(struct wfs_arena *arena, const char *path,
                             const struct wfs_check_key **ret, size_t *ret_n, struct wfs_error *err)
{
    struct wfs_template *target;
    int r = wfs_template_load(arena, path, '.', &target, err);
    if (r)
        return r;
    struct wfs_check_key *keys = wfs_arena_array(arena, (size_t)target->n_keys + 1, sizeof(*keys));
    if (!keys)
        return wfs_error_nomem(err, "a target");
    for (uint32_t i = 0; i < target->n_keys; i++) {
        const struct wfs_template_key *key = &target->keys[i];
        keys[i] = (struct wfs_check_key){.name = wfs_path_join_dup(arena, key->path, '.'),
                                         .ndim = key->ndim,
                                         .shape = key->shape,
                                         .dtype = key->dtype,
                                         .has_dtype = key->has_dtype};
        if (!keys[i].name)
            return wfs_error_nomem(err, "a target");
    }
    *ret = keys;
    *ret_n = target->n_keys;
    return 0;
}

/* ---- below a root, by name ----------------------------------------------------------------- */

static bool is_all(const char *root)
{
    return !root || !*root || strcmp(root, ".") == 0;
}

/* What follows the root, whose components '.' or '/' may join, in a dotted name; else NULL. */
static const char *below(const char *name, const char *root)
{
    for (; *root; root++, name++)
        if (*name != *root && !(*name == '.' && *root == '/'))
            return NULL;
    return *name == '.' ? name + 1 : NULL;
}

bool wfs_check_keys_have_root(const struct wfs_check_key *keys, size_t n, const char *root)
{
    for (size_t i = 0; i < n; i++)
        if (is_all(root) || below(keys[i].name, root))
            return true;
    return false;
}

int wfs_check_keys_select(struct wfs_arena *arena, const struct wfs_inspect_options *options,
                          char sep, const struct wfs_check_key **keys, size_t *n,
                          struct wfs_error *err)
{
    struct wfs_check_key *wanted = wfs_arena_array(arena, *n + 1, sizeof(*wanted));
    size_t n_wanted = 0;
    if (!wanted)
        return wfs_error_nomem(err, "a target");
    for (size_t i = 0; i < *n; i++) {
        const char *dotted =
            is_all(options->root) ? (*keys)[i].name : below((*keys)[i].name, options->root);
        char *name = dotted ? wfs_arena_strdup(arena, dotted) : NULL;
        if (dotted && !name)
            return wfs_error_nomem(err, "a target");
        for (char *c = name; c && *c; c++)
            *c = *c == '.' ? sep : *c;
        if (!dotted || !wfs_rows_want(options, name, dotted))
            continue;
        wanted[n_wanted] = (*keys)[i];
        wanted[n_wanted++].name = dotted;
    }
    *keys = wanted;
    *n = n_wanted;
    return 0;
}

int wfs_check_keys_from_rows(struct wfs_arena *arena, const struct wfs_inspect_rows *rows,
                             const struct wfs_check_key **ret, size_t *ret_n, struct wfs_error *err)
{
    struct wfs_check_key *keys = wfs_arena_array(arena, (size_t)rows->n + 1, sizeof(*keys));
    if (!keys)
        return wfs_error_nomem(err, "a target");
    for (uint32_t i = 0; i < rows->n; i++) {
        const struct wfs_inspect_row *row = &rows->rows[i];
        keys[i] = (struct wfs_check_key){.name = row->dotted,
                                         .ndim = row->expr->ndim,
                                         .shape = row->expr->shape,
                                         .dtype = row->expr->dtype,
                                         .has_dtype = true,
                                         .quantised = row->quantised ? row->quantised->text : NULL};
    }
    *ret = keys;
    *ret_n = rows->n;
    return 0;
}
