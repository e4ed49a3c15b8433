/*
 * objects_walk.c - where the walk over a checkpoint's object is, and the names that this gives to the
 * tensors it meets.
 *
 * Every tensor is charged and named here, shown or not, so that what a pickle names again and again
 * stays within what its size allows. A name "a.b" is two components; where that path is taken it
 * stays one.
 */
#include "source/torch/objects_walk.h"

#include <string.h>

/* ---- where the walk is --------------------------------------------------------------------- */

void wfs_objects_enter(struct wfs_objects_walk *w, const char *component, bool is_split)
{
    if (w->path.len || w->depth)
        wfs_buf_char(&w->path, WFS_SEP);
    w->depth++;
    for (; *component; component++)
        wfs_buf_char(&w->path, is_split && *component == '.' ? WFS_SEP : *component);
}

void wfs_objects_leave(struct wfs_objects_walk *w, size_t len)
{
    w->depth--;
    w->path.len = len;
    if (w->path.data)
        w->path.data[len] = 0;
}

/* ---- tensors ------------------------------------------------------------------------------- */

int wfs_objects_path(struct wfs_objects_walk *w, const char **ret)
{
    w->paths_bytes += w->path.len;
    if (w->path.len > OBJECTS_PATH_MAX_BYTES || w->paths_bytes > OBJECTS_PATHS_MAX_BYTES)
        return wfs_error_set(w->err, EINVAL,
                             "%s: '%.80s...': names of more bytes than weightfs takes", w->t->name,
                             w->path.data);
    struct wfs_arena *arena = w->t->catalog->arena;
    const char *path = NULL;
    if (w->path.len == 0 && w->depth == 0)
        path = wfs_arena_strdup(arena, "tensor");
    else if (wfs_buf_ok(&w->path))
        path = wfs_arena_strndup(arena, w->path.data ? w->path.data : "", w->path.len);
    *ret = path;
    return path ? 0 : wfs_error_nomem(w->err, "a tensor's name");
}

/* The path with the last key as one component, for a name whose split path is taken. */
static const char *unsplit_path(struct wfs_objects_walk *w, const char *path, size_t key_at)
{
    char *copy = wfs_arena_strdup(w->t->catalog->arena, path);
    for (char *p = copy ? copy + key_at + (key_at != 0) : NULL; p && *p; p++)
        if (*p == WFS_SEP)
            *p = '.';
    return copy;
}

static bool is_taken(const struct wfs_objects_walk *w, const char *path)
{
    const struct wfs_tensor *other = wfs_catalog_find(w->t->catalog, path);
    return other && (w->t->assemble || other->file == w->t->file) && strcmp(other->path, path) == 0;
}

/* The path of a tensor that is met, shown or not; NULL where it is only counted. */
static int meet_tensor(struct wfs_objects_walk *w, const char **ret_path)
{
    *ret_path = NULL;
    if (w->tensors_left == 0)
        return wfs_error_set(w->err, EINVAL,
                             "%s: its objects name more tensors than its size allows", w->t->name);
    w->tensors_left--;
    w->n_muted += w->is_muted;
    return w->is_muted ? 0 : wfs_objects_path(w, ret_path);
}

static int note_refusal(struct wfs_objects_walk *w, const char *path, const char *why)
{
    const char *name = wfs_path_join_dup(w->t->scratch, path, w->t->catalog->sep);
    char *text = wfs_arena_strdup(w->t->scratch, why);
    if (!name || !text)
        return wfs_error_nomem(w->err, "a note");
    wfs_catalog_note(w->t->catalog, WFS_NOTE_REFUSED, name, "%s", text);
    if (w->n_refused++ == 0)
        w->first_refusal = wfs_arena_printf(w->t->scratch, "%s: %s", name, text);
    return 0;
}

int wfs_objects_refuse(struct wfs_objects_walk *w, const struct wfs_error *why)
{
    const char *path;
    int r = meet_tensor(w, &path);
    return r || !path ? r : note_refusal(w, path, why->message);
}

int wfs_objects_add(struct wfs_objects_walk *w, const struct wfs_torch_tensor *found, size_t key_at,
                    uint32_t *ret_index)
{
    struct wfs_torch *t = w->t;
    struct wfs_catalog *catalog = t->catalog;
    uint64_t first = WFS_NO_INDEX;
    if (found->view)
        wfs_strmap_get(&t->views, found->view, &first);
    *ret_index = (uint32_t)first;
    if (first != WFS_NO_INDEX && w->skips_aliases)
        return 0;
    *ret_index = WFS_NO_INDEX;
    const char *own, *path;
    int r = meet_tensor(w, &own);
    if (r || !own)
        return r;
    path = is_taken(w, own) ? unsplit_path(w, own, key_at) : own;
    if (path && is_taken(w, path))
        path = unsplit_path(w, path, 0);
    if (path && is_taken(w, path)) /* 1 beside "1" */
        return note_refusal(w, own, "its name is another's, too");
    const char *name = path ? wfs_path_join_dup(catalog->arena, path, catalog->sep) : NULL;
    if (!name)
        return wfs_error_nomem(w->err, "a tensor's name");
    struct wfs_tensor tensor = wfs_tensor_init(name, path);
    tensor.expr = found->expr;
    tensor.file = found->file ? found->file - 1 : t->file;
    tensor.file_off = found->file_off;
    tensor.alias_of = (uint32_t)first;
    tensor.quantised = found->quantised;
    if (found->n_shards > 1) {
        tensor.shard_axis = found->shard_axis;
        tensor.n_shards = found->n_shards;
    }
    r = wfs_catalog_add_tensor(catalog, &tensor, ret_index, w->err);
    if (!r && found->view && first == WFS_NO_INDEX &&
        wfs_strmap_add(&t->views, found->view, *ret_index))
        r = wfs_error_nomem(w->err, "the map of tied tensors");
    return r;
}
