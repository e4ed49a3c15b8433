/*
 * holders.c - reads the kernel's own lists: /proc/fs/nfsd/exports, the backing files of loop devices,
 * /proc/swaps, and the layers of overlays. Like users.c it never touches the mount.
 */
#include "mount/point/holders.h"

#include <glob.h>
#include <string.h>

#define EXPORTS       "/proc/fs/nfsd/exports"
#define SWAPS         "/proc/swaps"
#define LOOPS         "/sys/block/loop*/loop/backing_file"
#define LOOP_NAME_MAX 64

static void WFS_PRINTF(2, 3) add(struct wfs_buf *out, const char *fmt, ...)
{
    va_list ap;
    wfs_buf_str(out, out->len ? ", " : "");
    va_start(ap, fmt);
    wfs_buf_vprintf(out, fmt, ap);
    va_end(ap);
}

/* Both lists have one path a line, escaped and at its start; other lines lead nowhere. */
static void add_lines(const struct wfs_mount_entry *entry, const char *list, const char *what,
                      struct wfs_buf *out)
{
    FILE *in wfs_cleanup(wfs_fclosep) = fopen(list, "re");
    char *line wfs_cleanup(wfs_freep) = NULL;
    size_t cap = 0;
    while (in && getline(&line, &cap, in) > 0) {
        line[strcspn(line, " \t\n")] = '\0';
        wfs_mountinfo_unescape(line);
        if (wfs_mount_entry_inside(entry, line))
            add(out, "%s (%s)", what, line);
    }
}

/* `path` is "/sys/block/loop7/loop/backing_file". */
static void add_loop(const struct wfs_mount_entry *entry, const char *path, struct wfs_buf *out)
{
    char device[LOOP_NAME_MAX], *line wfs_cleanup(wfs_freep) = NULL;
    size_t cap = 0;
    FILE *in wfs_cleanup(wfs_fclosep) = fopen(path, "re");
    if (!in || getline(&line, &cap, in) <= 0 || sscanf(path, "/sys/block/%63[^/]", device) != 1)
        return;
    line[strcspn(line, "\n")] = '\0';
    const char *name = wfs_mount_entry_inside(entry, line);
    if (name)
        add(out, "/dev/%s (of %s)", device, name);
}

static void add_loops(const struct wfs_mount_entry *entry, struct wfs_buf *out)
{
    glob_t found;
    if (glob(LOOPS, GLOB_NOSORT, NULL, &found))
        return;
    for (size_t i = 0; i < found.gl_pathc; i++)
        add_loop(entry, found.gl_pathv[i], out);
    globfree(&found);
}

void wfs_mount_holders(const struct wfs_mount_entry *entry, struct wfs_buf *out)
{
    char *overlay wfs_cleanup(wfs_freep) = wfs_mountinfo_overlay(entry);
    add_lines(entry, EXPORTS, "exported by the NFS server", out);
    add_loops(entry, out);
    add_lines(entry, SWAPS, "swap", out);
    if (overlay)
        add(out, "the overlay at %s", overlay);
}
