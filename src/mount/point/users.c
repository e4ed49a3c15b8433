/*
 * users.c - looks through /proc for open files, mappings and working directories in a mount. It
 * compares mount and device numbers that /proc tells, and never asks the mount itself, which may
 * be the one that hangs.
 */
#include "mount/point/users.h"

#include <ctype.h>
#include <dirent.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define PROC_PATH_MAX  4352 /* PATH_MAX and what /proc adds */
#define PROC_ENTRY_MAX 300  /* "/proc/NAME/fdinfo" */

static bool read_link(const char *path, char target[PROC_PATH_MAX])
{
    ssize_t n = readlink(path, target, PROC_PATH_MAX - 1);
    if (n < 0)
        return false;
    target[n] = '\0';
    return true;
}

static bool link_user(const struct wfs_mount_entry *entry, const char *pid, char *ret_what)
{
    static const struct {
        const char *link, *what;
    } links[] = {{"cwd", "its working directory"}, {"root", "its root"}, {"exe", "its program"}};
    char path[PROC_ENTRY_MAX], target[PROC_PATH_MAX];
    for (size_t i = 0; i < WFS_ARRAY_SIZE(links); i++) {
        snprintf(path, sizeof(path), "/proc/%s/%s", pid, links[i].link);
        if (read_link(path, target) && wfs_mount_entry_inside(entry, target)) {
            snprintf(ret_what, PROC_PATH_MAX, "%s", links[i].what);
            return true;
        }
    }
    return false;
}

/* /proc/PID/fdinfo/N tells the mount of a descriptor without touching its file. */
static bool fd_is_on(const struct wfs_mount_entry *entry, const char *pid, const char *fd)
{
    char path[PROC_PATH_MAX], line[128];
    snprintf(path, sizeof(path), "/proc/%s/fdinfo/%s", pid, fd);
    FILE *in wfs_cleanup(wfs_fclosep) = fopen(path, "re");
    while (in && fgets(line, sizeof(line), in)) {
        int id;
        if (sscanf(line, "mnt_id: %d", &id) == 1)
            return id == entry->mount_id;
    }
    return false;
}

static bool fd_user(const struct wfs_mount_entry *entry, const char *pid, char *ret_what)
{
    char path[PROC_PATH_MAX], target[PROC_PATH_MAX];
    snprintf(path, sizeof(path), "/proc/%s/fdinfo", pid);
    DIR *dir = opendir(path);
    if (!dir)
        return false;
    bool found = false;
    for (struct dirent *d; !found && (d = readdir(dir));) {
        if (!isdigit((unsigned char)d->d_name[0]) || !fd_is_on(entry, pid, d->d_name))
            continue;
        snprintf(path, sizeof(path), "/proc/%s/fd/%s", pid, d->d_name);
        const char *name = read_link(path, target) ? wfs_mount_entry_inside(entry, target) : NULL;
        snprintf(ret_what, PROC_PATH_MAX, "%s", name && *name ? name : "an open file");
        found = true;
    }
    closedir(dir);
    return found;
}

static bool map_user(const struct wfs_mount_entry *entry, const char *pid, char *ret_what)
{
    char path[PROC_ENTRY_MAX], *line wfs_cleanup(wfs_freep) = NULL;
    size_t cap = 0;
    snprintf(path, sizeof(path), "/proc/%s/maps", pid);
    FILE *in wfs_cleanup(wfs_fclosep) = fopen(path, "re");
    while (in && getline(&line, &cap, in) > 0) {
        unsigned dev_major, dev_minor;
        int at = 0;
        if (sscanf(line, "%*s %*s %*s %x:%x %*s %n", &dev_major, &dev_minor, &at) != 2 ||
            dev_major != entry->dev_major || dev_minor != entry->dev_minor)
            continue;
        line[strcspn(line, "\n")] = '\0';
        const char *name = at ? wfs_mount_entry_inside(entry, line + at) : NULL;
        snprintf(ret_what, PROC_PATH_MAX, "%s, mapped", name && *name ? name : "a file");
        return true;
    }
    return false;
}

static void add_user(struct wfs_buf *out, const char *pid, const char *what)
{
    char path[PROC_ENTRY_MAX], name[64] = "?";
    snprintf(path, sizeof(path), "/proc/%s/comm", pid);
    FILE *in wfs_cleanup(wfs_fclosep) = fopen(path, "re");
    if (in && fgets(name, sizeof(name), in))
        name[strcspn(name, "\n")] = '\0';
    wfs_buf_printf(out, "%s%s (%s: %s)", out->len ? ", " : "", pid, name, what);
}

void wfs_mount_users(const struct wfs_mount_entry *entry, struct wfs_buf *out)
{
    char what[PROC_PATH_MAX];
    unsigned n_shown = 0;
    DIR *proc = opendir("/proc");
    if (!proc)
        return;
    for (struct dirent *d; n_shown < WFS_USERS_SHOWN && (d = readdir(proc));) {
        if (!isdigit((unsigned char)d->d_name[0]))
            continue;
        if (fd_user(entry, d->d_name, what) || link_user(entry, d->d_name, what) ||
            map_user(entry, d->d_name, what)) {
            add_user(out, d->d_name, what);
            n_shown++;
        }
    }
    closedir(proc);
}
