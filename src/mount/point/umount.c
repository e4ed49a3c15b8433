/*
 * umount.c - the umount command: takes the mount down, says who keeps it busy, and waits until its
 * server has written the index and is gone.
 */
#include "mount/mount.h"

#include <string.h>
#include <unistd.h>

#include "mount/point/mountinfo.h"
#include "mount/point/detach.h"
#include "mount/point/mountpoint.h"
#include "mount/point/holders.h"
#include "mount/point/rendezvous.h"
#include "mount/point/users.h"

#define PATIENCE_MS 5000 /* after this time umount says which process it is waiting for */

/* Says what keeps the mount busy: a mount below it, or the processes and the parts of the kernel
 * that use it. */
static int busy(const struct wfs_mount_entry *entry, struct wfs_error *err)
{
    struct wfs_buf users wfs_cleanup(wfs_buf_free) = {0};
    char *below wfs_cleanup(wfs_freep) = wfs_mountinfo_below(entry);
    if (below)
        return wfs_error_set(err, EBUSY, "%s: busy: another file system is mounted at %s",
                             entry->path, below);
    wfs_mount_users(entry, &users);
    wfs_mount_holders(entry, &users);
    return wfs_error_set(err, EBUSY, "%s: busy: %s", entry->path,
                         users.len ? users.data : "by a process that cannot be seen from here");
}

/* Waits for the server. It goes on serving where the same mount is bound elsewhere, copied into
 * another mount namespace, or a layer of an overlay; then nobody waits. */
static void wait_gone(const struct wfs_mount_entry *entry, const struct wfs_rendezvous *server)
{
    char *elsewhere wfs_cleanup(wfs_freep) = wfs_mountinfo_elsewhere(entry);
    if (elsewhere) {
        wfs_log(WFS_LOG_WARNING, "%s: still mounted at %s, so the server stays", entry->path,
                elsewhere);
        return;
    }
    char *overlay wfs_cleanup(wfs_freep) = wfs_mountinfo_overlay(entry);
    if (overlay) {
        wfs_log(WFS_LOG_WARNING, "%s: a layer of the overlay at %s, so the server stays",
                entry->path, overlay);
        return;
    }
    if (wfs_rendezvous_wait(server, PATIENCE_MS))
        return;
    wfs_log(WFS_LOG_WARNING, "%s: unmounted; waiting for its server, process %ld", entry->path,
            (long)server->servers[0].pid);
    wfs_rendezvous_wait(server, -1);
}

static int umount_entry(const struct wfs_mount_entry *entry, struct wfs_error *err)
{
    struct wfs_rendezvous server;
    struct wfs_error why = {0};
    wfs_rendezvous_connect(entry->dev_major, entry->dev_minor, entry->owner, &server);
    int r;
    if (server.n == 0 && strcmp(entry->fs_type, "fuse.weightfs"))
        r = wfs_error_set(err, EINVAL, "%s: a mount of type %s, not of weightfs", entry->path,
                          entry->fs_type);
    else if ((r = wfs_mountpoint_unmount(entry->path, false, &why)) == 0)
        wait_gone(entry, &server);
    else if (r == -EBUSY)
        r = busy(entry, err);
    else
        r = wfs_error_set(err, why.code, "%s", why.message);
    wfs_rendezvous_close(&server);
    return r;
}

int wfs_mount_umount(const char *mountpoint, struct wfs_error *err)
{
    char *path wfs_cleanup(wfs_freep) = wfs_mountpoint_resolve(mountpoint, err);
    struct wfs_mount_entry entry;
    if (!path)
        return err ? -err->code : -EINVAL;
    int r = wfs_mountinfo_at(path, &entry, err);
    if (r)
        return r;
    if (chdir("/")) /* the working directory may be in the mount, and would keep it busy */
        wfs_log(WFS_LOG_WARNING, "/: %s", strerror(errno));
    r = umount_entry(&entry, err);
    if (!r)
        wfs_mountpoint_remove_left(entry.path);
    wfs_mount_entry_free(&entry);
    return r;
}
