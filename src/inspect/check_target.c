/*
 * check_target.c - what a target expects: the keys of a JSON {key: shape}, or of the rows of a
 * checkpoint or view.
 */
#include "mapping/template.h"
#include "weightfs/inspect.h"

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
                                         .has_dtype = true};
    }
    *ret = keys;
    *ret_n = rows->n;
    return 0;
}
