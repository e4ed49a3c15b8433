/*
 * listing.c - one folder's entries, each with what it leads to. Nothing is opened: a FIFO or a
 * device is only looked at.
 */
#include "source/folder/listing.h"

#include <dirent.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "source/folder/weight_names.h"

#define SHOWN_NAMES 12

static void closedirp(DIR **dir)
{
    if (*dir)
        closedir(*dir);
}

static struct wfs_entry stat_entry(int dir_fd, const char *name)
{
    struct wfs_entry entry = {.name = name, .kind = WFS_ENTRY_DANGLING};
    struct stat st;
    if (fstatat(dir_fd, name, &st, 0) == 0) {
        entry.kind = S_ISREG(st.st_mode)   ? WFS_ENTRY_FILE
                     : S_ISDIR(st.st_mode) ? WFS_ENTRY_DIR
                                           : WFS_ENTRY_SPECIAL;
        entry.dev = st.st_dev;
        entry.ino = st.st_ino;
    }
    if (entry.kind != WFS_ENTRY_DIR)
        entry.flags = wfs_weight_name_flags(name);
    return entry;
}

/* Whether leaving it out could change which checkpoint is found, or how it is read. */
static bool matters(const struct wfs_entry *entry)
{
    static const char *const names[] = {"config.json", "params.json", "model_index.json",
                                        "latest_checkpointed_iteration.txt"};
    if (entry->kind == WFS_ENTRY_DIR || entry->flags)
        return true;
    for (size_t i = 0; i < WFS_ARRAY_SIZE(names); i++)
        if (strcmp(entry->name, names[i]) == 0)
            return true;
    return false;
}

bool wfs_entry_says_how(const struct wfs_entry *entry)
{
    const char *dot = strrchr(entry->name, '.');
    return entry->kind == WFS_ENTRY_FILE && dot &&
           (!strcmp(dot, ".json") || !strcmp(dot, ".model") || !strcmp(dot, ".py"));
}

static int entry_cmp(const void *a, const void *b)
{
    return wfs_natural_cmp(((const struct wfs_entry *)a)->name,
                           ((const struct wfs_entry *)b)->name);
}

struct reader {
    struct wfs_arena *arena;
    size_t cap;
    uint32_t n_plain[2], n_matter; /* n_plain[1]: of those that say how */
    int dir_fd;
};

static int add_entry(struct reader *reader, struct wfs_listing *listing, const char *name,
                     struct wfs_error *err)
{
    struct wfs_entry entry = stat_entry(reader->dir_fd, name);
    bool is_plain = !matters(&entry);
    uint32_t *n = is_plain ? &reader->n_plain[wfs_entry_says_how(&entry)] : &reader->n_matter;
    if (*n == WFS_LISTING_MAX_ENTRIES) {
        listing->n_left_out += is_plain;
        return is_plain ? 0
                        : wfs_error_set(err, EINVAL, "%s: more than %d folders and weight files",
                                        listing->path, WFS_LISTING_MAX_ENTRIES);
    }
    entry.name = wfs_arena_strdup(reader->arena, name);
    if (!entry.name || wfs_grow(&listing->entries, &reader->cap, (size_t)listing->n_entries + 1,
                                sizeof(*listing->entries)))
        return wfs_error_nomem(err, listing->path);
    listing->entries[listing->n_entries++] = entry;
    ++*n;
    return 0;
}

/* Into a malloc'd array, which the caller frees also on failure. */
static int read_entries(struct wfs_arena *arena, struct wfs_listing *listing, struct wfs_error *err)
{
    wfs_cleanup(closedirp) DIR *dir = opendir(listing->path);
    if (!dir)
        return wfs_error_set(err, errno, "%s: %s", listing->path, strerror(errno));
    struct reader reader = {.arena = arena, .dir_fd = dirfd(dir)};
    for (;;) {
        errno = 0;
        const struct dirent *e = readdir(dir);
        if (!e)
            return errno ? wfs_error_set(err, errno, "%s: %s", listing->path, strerror(errno)) : 0;
        if (strcmp(e->d_name, ".") == 0 || strcmp(e->d_name, "..") == 0)
            continue;
        int r = add_entry(&reader, listing, e->d_name, err);
        if (r)
            return r;
    }
}

int wfs_listing_read(struct wfs_arena *arena, const char *path, struct wfs_listing *ret,
                     struct wfs_error *err)
{
    struct wfs_listing listing = {.path = wfs_arena_strdup(arena, path)};
    if (!listing.path)
        return wfs_error_nomem(err, path);
    int r = read_entries(arena, &listing, err);
    if (!r && listing.n_entries) {
        qsort(listing.entries, listing.n_entries, sizeof(*listing.entries), entry_cmp);
        struct wfs_entry *own =
            wfs_arena_memdup(arena, listing.entries, listing.n_entries * sizeof(*listing.entries));
        r = own ? 0 : wfs_error_nomem(err, path);
        free(listing.entries);
        listing.entries = own;
    } else {
        free(listing.entries);
        listing.entries = NULL;
    }
    if (!r)
        *ret = listing;
    return r;
}

const struct wfs_entry *wfs_listing_find(const struct wfs_listing *listing, const char *name)
{
    for (uint32_t i = 0; i < listing->n_entries; i++)
        if (strcmp(listing->entries[i].name, name) == 0)
            return &listing->entries[i];
    return NULL;
}

const char *wfs_listing_special(const struct wfs_listing *listing, const struct wfs_entry *entry)
{
    wfs_cleanup(wfs_buf_free) struct wfs_buf path = {0};
    struct stat st;
    wfs_buf_printf(&path, "%s/%s", listing->path, entry->name);
    if (!wfs_buf_ok(&path) || stat(path.data, &st))
        return "special file";
    return S_ISFIFO(st.st_mode)                         ? "FIFO"
           : S_ISSOCK(st.st_mode)                       ? "socket"
           : S_ISCHR(st.st_mode) || S_ISBLK(st.st_mode) ? "device"
                                                        : "special file";
}

void wfs_listing_names(struct wfs_buf *out, const char *const *names, uint32_t n_names)
{
    uint32_t n_shown = 0, n_left = 0;
    for (uint32_t i = 0; i < n_names; i++) {
        if (!names[i])
            continue;
        if (n_shown == SHOWN_NAMES)
            n_left++;
        else
            wfs_buf_printf(out, "%s%s", n_shown++ ? ", " : "", names[i]);
    }
    if (n_left)
        wfs_buf_printf(out, " and %u more", n_left);
}

int wfs_listing_known_names(const struct wfs_listing *listing, struct wfs_buf *out, uint32_t *ret_n,
                            struct wfs_error *err)
{
    wfs_cleanup(wfs_freep) const char **names = calloc(listing->n_entries + 1, sizeof(*names));
    uint32_t n = 0;
    if (!names)
        return wfs_error_nomem(err, listing->path);
    for (uint32_t i = 0; i < listing->n_entries; i++)
        if (listing->entries[i].flags)
            names[n++] = listing->entries[i].name;
    wfs_listing_names(out, names, n);
    *ret_n = n;
    return wfs_buf_ok(out) ? 0 : wfs_error_nomem(err, listing->path);
}
