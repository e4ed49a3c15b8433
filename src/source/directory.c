/*
 * directory.c - a model's folder as a source: the weights are chosen (choose.c) or named by the
 * user, scanned, and the choice and what was passed over are noted; the rest passes through.
 *
 * A folder of several models (a diffusers pipeline) is refused with their names: one mount shows
 * one model.
 */
#include "source/directory.h"

#include <glob.h>
#include <stdlib.h>
#include <string.h>

#include "source/folder/choose.h"
#include "source/folder/index.h"
#include "source/folder/listing.h"
#include "source/folder/side_files.h"
#include "source/folder/weight_names.h"
#include "source/folders.h"
#include "source/formats.h"
#include "source/paths.h"

#define PIPELINE_INDEX "model_index.json"

/* ---- pipelines ----------------------------------------------------------------------------- */

/* True where the folder path/name has weights of its own. */
static bool folder_has_weights(const char *path, const char *name)
{
    wfs_cleanup(wfs_arena_freep) struct wfs_arena *arena = wfs_arena_new();
    const char *sub = arena ? wfs_arena_printf(arena, "%s/%s", path, name) : NULL;
    struct wfs_listing listing;
    if (!sub || wfs_listing_read(arena, sub, &listing, NULL))
        return false;
    for (uint32_t i = 0; i < listing.n_entries; i++)
        if (listing.entries[i].flags & WFS_NAME_WEIGHTS)
            return true;
    return false;
}

static int refuse_pipeline(const struct wfs_listing *listing, struct wfs_error *err)
{
    wfs_cleanup(wfs_freep) const char **models = calloc(listing->n_entries, sizeof(*models));
    wfs_cleanup(wfs_buf_free) struct wfs_buf text = {0};
    uint32_t n = 0;
    if (!models)
        return wfs_error_nomem(err, listing->path);
    for (uint32_t i = 0; i < listing->n_entries; i++)
        if (listing->entries[i].kind == WFS_ENTRY_DIR &&
            folder_has_weights(listing->path, listing->entries[i].name))
            models[n++] = listing->entries[i].name;
    wfs_listing_names(&text, models, n);
    return wfs_error_set(err, EINVAL, "%s: a pipeline of models (%s): mount one of them (%s/%s)",
                         listing->path, wfs_buf_ok(&text) && text.len ? text.data : "none is here",
                         listing->path, n ? models[0] : "MODEL");
}

/* ---- weights=GLOB -------------------------------------------------------------------------- */

static int no_match(const struct wfs_listing *listing, const char *pattern, struct wfs_error *err)
{
    wfs_cleanup(wfs_buf_free) struct wfs_buf text = {0};
    uint32_t n;
    int r = wfs_listing_known_names(listing, &text, &n, err);
    if (r)
        return r;
    return wfs_error_set(err, ENOENT, "%s: nothing matches weights=%s%s%s", listing->path, pattern,
                         n ? "; there is " : "", n ? text.data : "");
}

/* Appends text as a pattern that matches itself: the folder's own path is no pattern. */
static void add_literal(struct wfs_buf *out, const char *s)
{
    for (; *s; s++) {
        if (strchr("*?[]\\", *s))
            wfs_buf_char(out, '\\');
        wfs_buf_char(out, *s);
    }
}

static int names_cmp(const void *a, const void *b)
{
    return wfs_natural_cmp(*(const char *const *)a, *(const char *const *)b);
}

/* The names that match weights=GLOB, relative to the folder; the pattern may lead into its
 * folders. */
static int match_weights(struct wfs_catalog *catalog, const struct wfs_listing *listing,
                         const char *pattern, const char *const **ret_names, uint32_t *ret_n_names,
                         struct wfs_error *err)
{
    wfs_cleanup(wfs_buf_free) struct wfs_buf full = {0};
    wfs_cleanup(globfree) glob_t found = {0};
    add_literal(&full, listing->path);
    wfs_buf_printf(&full, "/%s", pattern);
    if (!wfs_buf_ok(&full))
        return wfs_error_nomem(err, pattern);
    int g = glob(full.data, GLOB_NOSORT, NULL, &found);
    if (g == GLOB_NOSPACE)
        return wfs_error_nomem(err, pattern);
    if (g || found.gl_pathc > WFS_LISTING_MAX_ENTRIES)
        return no_match(listing, pattern, err);
    uint32_t n = (uint32_t)found.gl_pathc;
    const char **names = wfs_arena_array(catalog->arena, n, sizeof(*names));
    for (uint32_t i = 0; names && i < n; i++) {
        names[i] = wfs_arena_strdup(catalog->arena, found.gl_pathv[i] + strlen(listing->path) + 1);
        if (!names[i])
            names = NULL;
    }
    if (!names)
        return wfs_error_nomem(err, pattern);
    qsort(names, n, sizeof(*names), names_cmp);
    *ret_names = names;
    *ret_n_names = n;
    return wfs_source_check_set(listing->path, names, n, err);
}

/* ---- notes --------------------------------------------------------------------------------- */

static bool is_in_catalog(const struct wfs_catalog *catalog, const struct wfs_entry *entry)
{
    for (uint32_t i = 0; i < catalog->n_files; i++) {
        const struct wfs_file_info *info = wfs_bytes_file_info(catalog->files[i].bytes);
        if (info && info->identity.dev == entry->dev && info->identity.ino == entry->ino)
            return true;
    }
    return false;
}

/* Weights and indices that are neither chosen nor shards of the choice. */
static int note_passed_over(struct wfs_catalog *catalog, const struct wfs_listing *listing,
                            const char *chosen, struct wfs_error *err)
{
    wfs_cleanup(wfs_freep) const char **names = calloc(listing->n_entries + 1, sizeof(*names));
    wfs_cleanup(wfs_buf_free) struct wfs_buf text = {0};
    uint32_t n = 0;
    if (!names)
        return wfs_error_nomem(err, listing->path);
    for (uint32_t i = 0; i < listing->n_entries; i++) {
        const struct wfs_entry *entry = &listing->entries[i];
        if (entry->flags && entry->kind == WFS_ENTRY_FILE && strcmp(entry->name, chosen) != 0 &&
            !is_in_catalog(catalog, entry))
            names[n++] = entry->name;
    }
    wfs_listing_names(&text, names, n);
    if (!wfs_buf_ok(&text))
        return wfs_error_nomem(err, listing->path);
    if (n)
        wfs_catalog_note(catalog, WFS_NOTE_INFO, "", "passed over: %s", text.data);
    return 0;
}

static int note_choice(struct wfs_catalog *catalog, const struct wfs_listing *listing,
                       const char *const *names, uint32_t n_names, struct wfs_error *err)
{
    wfs_cleanup(wfs_buf_free) struct wfs_buf text = {0};
    wfs_listing_names(&text, names, n_names);
    if (!wfs_buf_ok(&text))
        return wfs_error_nomem(err, listing->path);
    wfs_catalog_note(catalog, WFS_NOTE_INFO, "", "the weights are %s%s", text.data,
                     n_names > 1 ? ", a set without an index" : "");
    return note_passed_over(catalog, listing, names[0], err);
}

/* ---- the folder ---------------------------------------------------------------------------- */

/* An index stands for a whole checkpoint, so other files beside it would be a second one. */
static int check_lone_index(const char *dir, const char *const *names, uint32_t n_names,
                            struct wfs_error *err)
{
    for (uint32_t i = 0; n_names > 1 && i < n_names; i++)
        if (wfs_source_is_index(names[i]))
            return wfs_error_set(err, EINVAL, "%s: weights= matches an index (%s) and other files",
                                 dir, names[i]);
    return 0;
}

static int scan_chosen(struct wfs_catalog *catalog, const char *dir, const char *const *names,
                       uint32_t n_names, const struct wfs_source_options *options,
                       struct wfs_error *err)
{
    int r = check_lone_index(dir, names, n_names, err);
    catalog->is_set = n_names > 1;
    for (uint32_t i = 0; !r && i < n_names; i++) {
        const char *path = wfs_arena_printf(catalog->arena, "%s/%s", dir, names[i]);
        if (!path)
            return wfs_error_nomem(err, names[i]);
        r = wfs_source_is_index(names[i])
                ? wfs_source_open_index(catalog, path, options, err)
                : wfs_source_scan_file(catalog, path, names[i], options, NULL, err);
    }
    return r;
}

static int choose(struct wfs_catalog *catalog, const struct wfs_listing *listing,
                  const struct wfs_source_options *options, const char *const **ret_names,
                  uint32_t *ret_n_names, struct wfs_error *err)
{
    if (options && options->weights)
        return match_weights(catalog, listing, options->weights, ret_names, ret_n_names, err);
    if (wfs_listing_find(listing, PIPELINE_INDEX))
        return refuse_pipeline(listing, err);
    return wfs_source_choose(catalog->arena, listing, ret_names, ret_n_names, err);
}

/* The folder is one checkpoint in pieces: its config and other files lie beside them. */
static int add_surroundings(struct wfs_catalog *catalog, const char *dir, struct wfs_error *err)
{
    int r = wfs_source_find_config(catalog, dir, err);
    return r ? r : wfs_source_add_side_files(catalog, dir, err);
}

int wfs_source_open_directory(struct wfs_catalog *catalog, const char *path,
                              const struct wfs_source_options *options, struct wfs_error *err)
{
    struct wfs_listing listing;
    const char *const *names = NULL, *dir = NULL, *first = NULL;
    uint32_t n_names = 0;
    bool is_folder = false;
    int r = wfs_listing_read(catalog->arena, path, &listing, err);
    if (!r)
        r = wfs_source_open_folder(catalog, &listing, options, &is_folder, err);
    if (!r && is_folder)
        return add_surroundings(catalog, path, err);
    if (!r)
        r = choose(catalog, &listing, options, &names, &n_names, err);
    if (!r)
        r = scan_chosen(catalog, path, names, n_names, options, err);
    if (!r)
        r = note_choice(catalog, &listing, names, n_names, err);
    if (r)
        return r;
    first = wfs_arena_printf(catalog->arena, "%s/%s", path, names[0]);
    if (!first)
        return wfs_error_nomem(err, path);
    /* weights=unet/x.safetensors chooses the model of unet/, whose config and side files lie
     * there. */
    r = wfs_source_dir_name(catalog, first, &dir, err);
    return r ? r : add_surroundings(catalog, dir, err);
}
