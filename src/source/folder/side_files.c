/*
 * side_files.c - what passes through: every file at or below the model's folder that holds no
 * weights and is no index of them (weight_names.c). Bounded in depth and number; hidden folders
 * (version control, caches) and special files stay out; a symlink to a folder that holds it is
 * followed once, not for ever.
 */
#include "source/folder/side_files.h"

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "source/access/links.h"
#include "source/catalog.h"
#include "source/folder/listing.h"
#include "source/folder/weight_content.h"
#include "source/folder/weight_names.h"
#include "source/paths.h"

#define MAX_DEPTH 8
#define MAX_FILES 10000
#define MAX_HELD  64 /* kept open: of the files in the folder itself, and of those below it */
#define MAX_ENTRIES                                                                                \
    100000u /* looked at: links to folders full of links lead to more than there is */

struct walk {
    struct wfs_catalog *catalog;
    size_t cap;
    bool is_full;
    uint32_t n_entries, depth;
    uint32_t n_held_top, n_held_below;
    struct {
        uint64_t dev, ino;
    } above[MAX_DEPTH]; /* the folders on the way here */
};

static int walk_folder(struct walk *walk, const char *path, const char *prefix,
                       struct wfs_error *err);

static void note_full(struct walk *walk, uint32_t max, const char *what)
{
    if (!walk->is_full)
        wfs_catalog_note(walk->catalog, WFS_NOTE_WARNING, "",
                         "more than %u %s: the others are not shown", max, what);
    walk->is_full = true;
}

static int append(struct walk *walk, const struct wfs_side_file *side, struct wfs_error *err)
{
    struct wfs_catalog *catalog = walk->catalog;
    if (wfs_grow(&catalog->side_files, &walk->cap, (size_t)catalog->n_side_files + 1,
                 sizeof(*catalog->side_files)))
        return wfs_error_nomem(err, side->name);
    catalog->side_files[catalog->n_side_files++] = *side;
    return 0;
}

/* Where others are served: how the file or folder is reached, and whether it is shown. One that is
 * not is noted. */
static int look_at_link(struct walk *walk, const char *path, const char *name, uint64_t dev,
                        uint64_t ino, struct wfs_link *ret, struct wfs_error *err)
{
    struct wfs_catalog *catalog = walk->catalog;
    struct wfs_error why = {0};
    *ret = (struct wfs_link){0};
    if (!catalog->home)
        return 0;
    int r = wfs_link_look(catalog->arena, catalog->home, path, dev, ino, ret, &why);
    if (r == -ENOMEM)
        return wfs_error_set(err, ENOMEM, "%s", why.message);
    ret->is_refused |= r != 0;
    if (ret->is_refused)
        wfs_catalog_note(catalog, WFS_NOTE_WARNING, name, "not shown to others: %s",
                         r ? why.message : ret->why);
    return 0;
}

/* A link out of the checkpoint is shown for what its target's mode says whenever it is opened. */
static int hold(struct walk *walk, struct wfs_side_file *side, struct wfs_bytes *bytes)
{
    uint32_t *n_held = strchr(side->name, '/') ? &walk->n_held_below : &walk->n_held_top;
    if (side->leads_out || *n_held == MAX_HELD)
        return 0;
    if (wfs_catalog_hold(walk->catalog, bytes))
        return -ENOMEM;
    side->bytes = bytes;
    ++*n_held;
    return 0;
}

/* Opened to look at its first bytes; one that cannot be read is left out with a note. */
static int add_file(struct walk *walk, const char *path, const char *name, struct wfs_error *err)
{
    struct wfs_catalog *catalog = walk->catalog;
    wfs_cleanup(wfs_bytes_unrefp) struct wfs_bytes *bytes = NULL;
    struct wfs_error why = {0};
    bool is_weights = false;
    if (catalog->n_side_files == MAX_FILES) {
        note_full(walk, MAX_FILES, "files without weights");
        return 0;
    }
    int r = wfs_bytes_open(path, &bytes, &why);
    const struct wfs_file_info *info = r ? NULL : wfs_bytes_file_info(bytes);
    struct wfs_link link = {0};
    if (info && look_at_link(walk, path, name, info->identity.dev, info->identity.ino, &link, err))
        return -err->code;
    if (link.is_refused)
        return 0;
    if (!r)
        r = wfs_weight_content(bytes, &is_weights, &why);
    if (r == -ENOMEM)
        return wfs_error_set(err, ENOMEM, "%s", why.message);
    if (r) {
        wfs_catalog_note(catalog, WFS_NOTE_WARNING, name, "not shown: %s", why.message);
        return 0;
    }
    if (is_weights) {
        wfs_catalog_note(catalog, WFS_NOTE_INFO, name, "holds weights: not passed through");
        return 0;
    }
    struct wfs_side_file side = {.name = name,
                                 .path = path,
                                 .identity = info->identity,
                                 .mode = info->mode,
                                 .uid = info->uid,
                                 .gid = info->gid,
                                 .leads_out = link.leads_out};
    return hold(walk, &side, bytes) ? wfs_error_nomem(err, name) : append(walk, &side, err);
}

static bool is_above(const struct walk *walk, const struct wfs_entry *entry)
{
    for (uint32_t i = 0; i < walk->depth; i++)
        if (walk->above[i].dev == entry->dev && walk->above[i].ino == entry->ino)
            return true;
    return false;
}

static int add_folder(struct walk *walk, const struct wfs_entry *entry, const char *path,
                      const char *name, struct wfs_error *err)
{
    if (entry->name[0] == '.')
        return 0;
    if (is_above(walk, entry)) {
        wfs_catalog_note(walk->catalog, WFS_NOTE_WARNING, name, "leads back up: not shown");
        return 0;
    }
    if (walk->depth == MAX_DEPTH) {
        wfs_catalog_note(walk->catalog, WFS_NOTE_WARNING, name, "deeper than %d folders: not shown",
                         MAX_DEPTH);
        return 0;
    }
    struct wfs_link link;
    int r = look_at_link(walk, path, name, entry->dev, entry->ino, &link, err);
    if (r || link.is_refused)
        return r;
    walk->above[walk->depth].dev = entry->dev;
    walk->above[walk->depth].ino = entry->ino;
    walk->depth++;
    r = walk_folder(walk, path, name, err);
    walk->depth--;
    return r;
}

static int add_entry(struct walk *walk, const struct wfs_listing *listing,
                     const struct wfs_entry *entry, const char *prefix, struct wfs_error *err)
{
    struct wfs_catalog *catalog = walk->catalog;
    if (walk->n_entries++ == MAX_ENTRIES) {
        note_full(walk, MAX_ENTRIES, "files and folders, links followed");
        return 0;
    }
    const char *path = wfs_arena_printf(catalog->arena, "%s/%s", listing->path, entry->name);
    const char *name =
        wfs_arena_printf(catalog->arena, "%s%s%s", prefix, *prefix ? "/" : "", entry->name);
    if (!path || !name)
        return wfs_error_nomem(err, listing->path);
    switch (entry->kind) {
    case WFS_ENTRY_DIR:
        return add_folder(walk, entry, path, name, err);
    case WFS_ENTRY_SPECIAL:
        wfs_catalog_note(catalog, WFS_NOTE_WARNING, name, "a %s: not shown",
                         wfs_listing_special(listing, entry));
        return 0;
    case WFS_ENTRY_DANGLING:
        wfs_catalog_note(catalog, WFS_NOTE_WARNING, name,
                         "a symlink that leads nowhere: not shown");
        return 0;
    case WFS_ENTRY_FILE:
        break;
    }
    if (!(entry->flags & (WFS_NAME_WEIGHTS | WFS_NAME_INDEX)))
        return add_file(walk, path, name, err);
    /* At the top of the source, one note of directory.c names the weights that were passed over. */
    if (*prefix)
        wfs_catalog_note(catalog, WFS_NOTE_INFO, name, "holds weights: not passed through");
    return 0;
}

static int walk_folder(struct walk *walk, const char *path, const char *prefix,
                       struct wfs_error *err)
{
    struct wfs_listing listing;
    struct wfs_error why = {0};
    int r = wfs_listing_read(walk->catalog->arena, path, &listing, &why);
    if (r == -ENOMEM)
        return wfs_error_set(err, ENOMEM, "%s", why.message);
    if (r) {
        wfs_catalog_note(walk->catalog, WFS_NOTE_WARNING, prefix, "not shown: %s", why.message);
        return 0;
    }
    if (listing.n_left_out)
        wfs_catalog_note(walk->catalog, WFS_NOTE_WARNING, prefix,
                         "%u files beyond the first %d without weights: not looked at",
                         listing.n_left_out, WFS_LISTING_MAX_ENTRIES);
    /* Where not all are shown, what the folder says of itself is. */
    bool is_many = listing.n_entries > MAX_FILES;
    for (int pass = is_many ? 0 : 1; pass < 2; pass++)
        for (uint32_t i = 0; !r && !walk->is_full && i < listing.n_entries; i++)
            if (!is_many || wfs_entry_says_how(&listing.entries[i]) == (pass == 0))
                r = add_entry(walk, &listing, &listing.entries[i], prefix, err);
    return r;
}

/* Moves the list into the arena, whose life is the catalog's. */
static int keep(struct wfs_catalog *catalog, struct wfs_error *err)
{
    struct wfs_side_file *own = wfs_arena_memdup(
        catalog->arena, catalog->side_files, catalog->n_side_files * sizeof(*catalog->side_files));
    free(catalog->side_files);
    catalog->side_files = own;
    if (own)
        return 0;
    catalog->n_side_files = 0;
    return wfs_error_nomem(err, "the list of files");
}

int wfs_source_add_side_files(struct wfs_catalog *catalog, const char *dir, struct wfs_error *err)
{
    struct walk walk = {.catalog = catalog};
    struct stat st;
    if (stat(dir, &st) == 0) {
        walk.above[0].dev = st.st_dev;
        walk.above[0].ino = st.st_ino;
        walk.depth = 1;
    }
    int r = walk_folder(&walk, dir, "", err);
    int k = keep(catalog, err);
    return r ? r : k;
}

int wfs_source_add_config_file(struct wfs_catalog *catalog, struct wfs_error *err)
{
    struct walk walk = {.catalog = catalog};
    const char *path = catalog->config_path;
    int r = add_file(&walk, path, wfs_source_base_name(path), err);
    int k = keep(catalog, err);
    return r ? r : k;
}
