/*
 * listing.h - one folder's entries.
 */
#ifndef WEIGHTFS_SOURCE_FOLDER_LISTING_H
#define WEIGHTFS_SOURCE_FOLDER_LISTING_H

#include "source/source.h"

/* The kind of an entry. Symlinks are followed, so it is that of what they lead to. */
enum wfs_entry_kind { WFS_ENTRY_FILE, WFS_ENTRY_DIR, WFS_ENTRY_DANGLING, WFS_ENTRY_SPECIAL };

struct wfs_entry {
    const char *name;
    enum wfs_entry_kind kind;
    uint64_t dev, ino;
    unsigned flags; /* wfs_weight_name_flags of a name that is no folder */
};
struct wfs_listing {
    const char *path;
    uint32_t n_entries;
    struct wfs_entry *entries; /* in natural order */
    uint32_t n_left_out;       /* plain files beyond the limit, which are in no entry */
};

/* How many plain files are listed, and as many configs and the like besides: what is beyond is left
 * out. Folders, and files that are weights by their names or say what the folder is, never are; a folder
 * that holds more of them is refused. */
#define WFS_LISTING_MAX_ENTRIES 100000

int wfs_listing_read(struct wfs_arena *arena, const char *path, struct wfs_listing *ret,
                     struct wfs_error *err);
/* A config, a tokenizer or code, by its ending: what loaders ask for first. */
bool wfs_entry_says_how(const struct wfs_entry *entry);
const struct wfs_entry *wfs_listing_find(const struct wfs_listing *listing, const char *name);
/* What a special entry is, for a note: "FIFO", "device" and the like. */
const char *wfs_listing_special(const struct wfs_listing *listing, const struct wfs_entry *entry);
/* Appends up to a dozen names, "a, b and 3 more". Skips NULL names. */
void wfs_listing_names(struct wfs_buf *out, const char *const *names, uint32_t n_names);
/* Appends the names that are known for something, weights or what says how they lie, in the same
 * way; *ret_n is how many there are. */
int wfs_listing_known_names(const struct wfs_listing *listing, struct wfs_buf *out, uint32_t *ret_n,
                            struct wfs_error *err);

/* A format that is a whole folder, recognised by the names in it. One row in src/source/folders.h. */
struct wfs_folder_format {
    const char *name; /* of the catalog's format */
    bool (*probe)(const struct wfs_listing *listing);
    /* Adds the files and tensors to the catalog; config and side files are not its affair. */
    int (*open)(struct wfs_catalog *catalog, const struct wfs_listing *listing,
                const struct wfs_source_options *options, struct wfs_error *err);
};

#endif
