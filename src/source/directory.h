/*
 * directory.h (private) - a model's folder: what is in it, which of it are the weights, and what
 * holds none and passes through.
 */
#ifndef WEIGHTFS_SOURCE_DIRECTORY_H
#define WEIGHTFS_SOURCE_DIRECTORY_H

#include "source/format.h"

/* ---- names and first bytes (weight_names.c) ------------------------------------------------ */

enum wfs_name_flags {
    WFS_NAME_WEIGHTS = 1, /* holds weights or the state of a training */
    WFS_NAME_INDEX = 2,   /* says where weights lie */
    WFS_NAME_READ = 4,    /* in a format that weightfs reads */
    WFS_NAME_VAGUE = 8,   /* others use this ending too: the content decides what to mount */
    WFS_NAME_STATE = 16,  /* a trainer's state, never what is mounted unless it is named */
};
unsigned wfs_weight_name_flags(const char *name);
/* By the first bytes. */
int wfs_weight_content(struct wfs_bytes *bytes, bool *ret_is_weights, struct wfs_error *err);

/* ---- listings (listing.c) ------------------------------------------------------------------ */

/* Symlinks are followed: the kind is that of what they lead to. */
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
};

/* A guard against endless folders. */
#define WFS_LISTING_MAX_ENTRIES 100000

int wfs_listing_read(struct wfs_arena *arena, const char *path, struct wfs_listing *ret,
                     struct wfs_error *err);
const struct wfs_entry *wfs_listing_find(const struct wfs_listing *listing, const char *name);
/* "FIFO", "device", ... for a note; of a special entry. */
const char *wfs_listing_special(const struct wfs_listing *listing, const struct wfs_entry *entry);
/* Appends up to a dozen names, "a, b and 3 more". Skips NULL names. */
void wfs_listing_names(struct wfs_buf *out, const char *const *names, uint32_t n_names);

/* ---- the folder as a source ---------------------------------------------------------------- */

/* directory.c: chooses the weights, scans them, passes the rest through. */
int wfs_source_open_directory(struct wfs_catalog *catalog, const char *path,
                              const struct wfs_source_options *options, struct wfs_error *err);
/* choose.c: which entries are the weights; *ret_names is one index, or one or more weight files
 * that are scanned together. What is chosen is checked for being there, not opened. */
int wfs_source_choose(struct wfs_arena *arena, const struct wfs_listing *listing,
                      const char *const **ret_names, uint32_t *ret_n_names, struct wfs_error *err);
/* choose.c: of names like x-00002-of-00007.safetensors a set must be whole. */
int wfs_source_check_set(const char *dir, const char *const *names, uint32_t n_names,
                         struct wfs_error *err);
/* index.c: true where a path's name is that of an index that weightfs reads. */
bool wfs_source_is_index(const char *path);
/* An index and the shards that it names, relative to its own folder. */
int wfs_source_open_index(struct wfs_catalog *catalog, const char *path,
                          const struct wfs_source_options *options, struct wfs_error *err);
/* side_files.c: adds every file below `dir` that holds no weights. What cannot be read is noted. */
int wfs_source_add_side_files(struct wfs_catalog *catalog, const char *dir, struct wfs_error *err);
/* Only config_path, which is set. */
int wfs_source_add_config_file(struct wfs_catalog *catalog, struct wfs_error *err);

#endif
