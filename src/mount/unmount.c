/*
 * unmount.c - taking a mount down, and the umount command around it: who keeps it busy, and
 * waiting until its server has written the index and is gone.
 */
#include <fcntl.h>
#include <spawn.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/wait.h>
#include <unistd.h>

#include "mount/mountinfo.h"
#include "mount/mountpoint.h"
#include "mount/rendezvous.h"
#include "mount/users.h"
#include "mount/mount.h"

#define PATIENCE_MS 5000 /* after which umount says whom it is waiting for */

/* Runs fusermount3, which may unmount what its user mounted. True when it succeeded. Its own words
 * are dropped: what is still mounted after it tells what is needed. */
static bool run_fusermount(const char *path, bool lazy)
{
    char *argv[] = {(char *)"fusermount3", (char *)"-u", (char *)(lazy ? "-z" : "-q"),
                    (char *)"--",          (char *)path, NULL};
    posix_spawn_file_actions_t actions;
    posix_spawnattr_t attr;
    sigset_t none;
    pid_t pid;
    int status = 0;
    sigemptyset(&none);
    posix_spawnattr_init(&attr);
    posix_spawnattr_setsigmask(&attr, &none);
    posix_spawnattr_setflags(&attr, POSIX_SPAWN_SETSIGMASK);
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_addopen(&actions, STDERR_FILENO, "/dev/null", O_WRONLY, 0);
    int r = posix_spawnp(&pid, argv[0], &actions, &attr, argv, environ);
    posix_spawn_file_actions_destroy(&actions);
    posix_spawnattr_destroy(&attr);
    if (r)
        return false;
    while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
        ;
    return WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

static bool is_mounted(const char *path)
{
    struct wfs_mount_entry entry;
    if (wfs_mountinfo_at(path, &entry, NULL))
        return false;
    wfs_mount_entry_free(&entry);
    return true;
}

int wfs_mountpoint_unmount(const char *path, bool lazy, struct wfs_error *err)
{
    if (umount2(path, UMOUNT_NOFOLLOW | (lazy ? MNT_DETACH : 0)) == 0)
        return 0;
    if (errno == EBUSY)
        return wfs_error_set(err, EBUSY, "%s: busy", path);
    if (errno != EPERM)
        return wfs_error_set(err, errno, "%s: cannot be unmounted: %s", path, strerror(errno));
    if (run_fusermount(path, lazy))
        return 0;
    if (!lazy && is_mounted(path))
        return wfs_error_set(err, EBUSY, "%s: busy, or mounted by somebody else", path);
    return wfs_error_set(err, EPERM, "%s: fusermount3 cannot unmount it", path);
}

/* What the user can do something about. */
static int busy(const struct wfs_mount_entry *entry, struct wfs_error *err)
{
    struct wfs_buf users wfs_cleanup(wfs_buf_free) = {0};
    char *below wfs_cleanup(wfs_freep) = wfs_mountinfo_below(entry);
    if (below)
        return wfs_error_set(err, EBUSY, "%s: busy: another file system is mounted at %s",
                             entry->path, below);
    wfs_mount_users(entry, &users);
    return wfs_error_set(err, EBUSY, "%s: busy: %s", entry->path,
                         users.len ? users.data : "by a process that cannot be seen from here");
}

/* The mount is down here; it may live on where it is bound or copied. */
static int wait_gone(const struct wfs_mount_entry *entry, const struct wfs_rendezvous *server)
{
    char *elsewhere wfs_cleanup(wfs_freep) = wfs_mountinfo_elsewhere(entry);
    if (elsewhere) {
        wfs_log(WFS_LOG_WARNING, "%s: still mounted at %s, so the server stays", entry->path,
                elsewhere);
        return 0;
    }
    if (wfs_rendezvous_wait(server, PATIENCE_MS))
        return 0;
    wfs_log(WFS_LOG_WARNING, "%s: unmounted; waiting for its server, process %ld", entry->path,
            (long)server->servers[0].pid);
    wfs_rendezvous_wait(server, -1);
    return 0;
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
        r = wait_gone(entry, &server);
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
    if (chdir("/")) /* else a umount that stands in the mount keeps it busy itself */
        wfs_log(WFS_LOG_WARNING, "/: %s", strerror(errno));
    r = umount_entry(&entry, err);
    wfs_mount_entry_free(&entry);
    return r;
}
