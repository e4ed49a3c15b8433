/*
 * mountinfo.c - a reader of /proc/self/mountinfo. A line is
 *
 *     36 35 0:52 / /mnt/point rw,relatime shared:1 - fuse.weightfs SOURCE rw,user_id=0,...
 *
 * The mounts themselves are never touched: stat() on a dead or hung one would fail or block, and it
 * is just such a mount that somebody wants to remove.
 */
#include "mount/point/mountinfo.h"

#include <stdlib.h>
#include <string.h>

#define MOUNTINFO "/proc/self/mountinfo"

void wfs_mount_entry_free(struct wfs_mount_entry *entry)
{
    free(entry->path);
    free(entry->fs_type);
    free(entry->options);
    *entry = (struct wfs_mount_entry){0};
}

void wfs_mountinfo_unescape(char *path)
{
    const char *s = path;
    char *out = path;
    for (; *s; s++) {
        unsigned octal;
        if (*s == '\\' && sscanf(s + 1, "%3o", &octal) == 1) {
            *out++ = (char)octal;
            s += 3;
        } else {
            *out++ = *s;
        }
    }
    *out = '\0';
}

/* False where the line does not have this form, or where there is no memory. */
static bool parse_line(const char *line, struct wfs_mount_entry *ret)
{
    struct wfs_mount_entry entry = {.owner = (uid_t)-1};
    int parent;
    const char *rest = strstr(line, " - ");
    if (!rest || sscanf(line, "%d %d %u:%u %*s %ms", &entry.mount_id, &parent, &entry.dev_major,
                        &entry.dev_minor, &entry.path) != 5)
        return false;
    if (sscanf(rest, " - %ms %*s %ms", &entry.fs_type, &entry.options) != 2) {
        wfs_mount_entry_free(&entry);
        return false;
    }
    const char *owner = strstr(entry.options, "user_id=");
    if (owner)
        entry.owner = (uid_t)strtoul(owner + strlen("user_id="), NULL, 10);
    wfs_mountinfo_unescape(entry.path);
    *ret = entry;
    return true;
}

/* The last entry for which `match` holds; later lines lie on top of earlier ones. */
static bool find_last(bool (*match)(const struct wfs_mount_entry *, const void *), const void *ctx,
                      struct wfs_mount_entry *ret)
{
    FILE *in wfs_cleanup(wfs_fclosep) = fopen(MOUNTINFO, "re");
    char *line wfs_cleanup(wfs_freep) = NULL;
    size_t cap = 0;
    bool found = false;
    if (!in)
        return false;
    while (getline(&line, &cap, in) > 0) {
        struct wfs_mount_entry entry;
        if (!parse_line(line, &entry))
            continue;
        if (!match(&entry, ctx)) {
            wfs_mount_entry_free(&entry);
            continue;
        }
        if (found)
            wfs_mount_entry_free(ret);
        *ret = entry;
        found = true;
    }
    return found;
}

static bool match_path(const struct wfs_mount_entry *entry, const void *path)
{
    return strcmp(entry->path, path) == 0;
}

int wfs_mountinfo_at(const char *path, struct wfs_mount_entry *ret, struct wfs_error *err)
{
    struct wfs_mount_entry entry;
    if (!find_last(match_path, path, &entry))
        return wfs_error_set(err, ENOENT, "%s: nothing is mounted there", path);
    *ret = entry;
    return 0;
}

static bool match_below(const struct wfs_mount_entry *entry, const void *ctx)
{
    const struct wfs_mount_entry *top = ctx;
    size_t len = strlen(top->path);
    return strncmp(entry->path, top->path, len) == 0 && entry->path[len] == '/';
}

static bool match_elsewhere(const struct wfs_mount_entry *entry, const void *ctx)
{
    const struct wfs_mount_entry *other = ctx;
    return entry->dev_major == other->dev_major && entry->dev_minor == other->dev_minor &&
           entry->mount_id != other->mount_id;
}

static char *path_of(bool (*match)(const struct wfs_mount_entry *, const void *),
                     const struct wfs_mount_entry *entry)
{
    struct wfs_mount_entry found;
    if (!find_last(match, entry, &found))
        return NULL;
    char *path = wfs_steal(&found.path);
    wfs_mount_entry_free(&found);
    return path;
}

char *wfs_mountinfo_below(const struct wfs_mount_entry *entry)
{
    return path_of(match_below, entry);
}

char *wfs_mountinfo_elsewhere(const struct wfs_mount_entry *entry)
{
    return path_of(match_elsewhere, entry);
}

const char *wfs_mount_entry_inside(const struct wfs_mount_entry *entry, const char *path)
{
    size_t len = strlen(entry->path);
    if (strncmp(path, entry->path, len) || (path[len] && path[len] != '/'))
        return NULL;
    return path[len] ? path + len + 1 : "";
}

/* Layers are joined by ':'; one that is part of a path stands behind a backslash. `layers` is
 * changed. */
static bool has_layer_in(const struct wfs_mount_entry *entry, char *layers)
{
    wfs_mountinfo_unescape(layers);
    while (*layers) {
        char *out = layers, *layer = layers;
        for (; *layers && *layers != ':'; layers++) {
            if (*layers == '\\' && layers[1])
                layers++;
            *out++ = *layers;
        }
        layers += *layers == ':';
        *out = '\0';
        if (wfs_mount_entry_inside(entry, layer))
            return true;
    }
    return false;
}

static bool match_overlay(const struct wfs_mount_entry *overlay, const void *ctx)
{
    if (strcmp(overlay->fs_type, "overlay"))
        return false;
    bool found = false;
    char *at = overlay->options, *option; /* cut in pieces here: nobody reads it afterwards */
    while (!found && (option = strsep(&at, ","))) {
        char *equals = strchr(option, '=');
        if (equals && (strncmp(option, "lowerdir", 8) == 0 || strncmp(option, "datadir", 7) == 0))
            found = has_layer_in(ctx, equals + 1);
    }
    return found;
}

char *wfs_mountinfo_overlay(const struct wfs_mount_entry *entry)
{
    return path_of(match_overlay, entry);
}

bool wfs_mount_entry_is_fuse(const struct wfs_mount_entry *entry)
{
    return strcmp(entry->fs_type, "fuse") == 0 || strncmp(entry->fs_type, "fuse.", 5) == 0;
}
