/*
 * detach.c - takes a mount out of the file system, with the user's own rights or fusermount3's.
 */
#include "mount/point/detach.h"

#include <fcntl.h>
#include <spawn.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/wait.h>
#include <unistd.h>

#include "mount/point/mountinfo.h"

/* Runs fusermount3, which is installed setuid and unmounts what its caller has mounted. True when
 * it succeeded. Its stderr is dropped: the caller looks whether the mount is still there. */
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
