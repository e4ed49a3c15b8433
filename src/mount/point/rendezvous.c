/*
 * rendezvous.c - see rendezvous.h. Connections that umount has given up stay in the listener's
 * backlog, which is bounded; connecting never blocks.
 */
#include "mount/point/rendezvous.h"

#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <unistd.h>

static socklen_t make_address(unsigned dev_major, unsigned dev_minor, unsigned i,
                              struct sockaddr_un *ret)
{
    memset(ret, 0, sizeof(*ret));
    ret->sun_family = AF_UNIX;
    int n = snprintf(ret->sun_path + 1, sizeof(ret->sun_path) - 1, "weightfs/mount/%u:%u/%u",
                     dev_major, dev_minor, i);
    return (socklen_t)(offsetof(struct sockaddr_un, sun_path) + 1 + (size_t)n);
}

int wfs_rendezvous_listen(unsigned dev_major, unsigned dev_minor, struct wfs_error *err)
{
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return wfs_error_set(err, errno, "socket: %s", strerror(errno));
    for (unsigned i = 0; i < WFS_RENDEZVOUS_NAMES; i++) {
        struct sockaddr_un address;
        socklen_t len = make_address(dev_major, dev_minor, i, &address);
        if (bind(fd, (struct sockaddr *)&address, len) == 0 && listen(fd, SOMAXCONN) == 0)
            return 0; /* left open: that it closes when the process ends is the message */
        if (errno != EADDRINUSE)
            break;
    }
    int r = wfs_error_set(err, errno, "bind: %s", strerror(errno));
    close(fd);
    return r;
}

/* Anybody may bind an abstract name, so only a process of a user who may own the mount counts. */
static bool is_trusted(int fd, uid_t owner, pid_t *ret_pid)
{
    struct ucred peer;
    socklen_t len = sizeof(peer);
    if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &len))
        return false;
    *ret_pid = peer.pid;
    return peer.uid == 0 || peer.uid == owner || peer.uid == geteuid();
}

void wfs_rendezvous_connect(unsigned dev_major, unsigned dev_minor, uid_t owner,
                            struct wfs_rendezvous *ret)
{
    *ret = (struct wfs_rendezvous){0};
    for (unsigned i = 0; i < WFS_RENDEZVOUS_NAMES; i++) {
        struct wfs_rendezvous_server *server = &ret->servers[ret->n];
        struct sockaddr_un address;
        socklen_t len = make_address(dev_major, dev_minor, i, &address);
        server->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
        if (server->fd < 0)
            return;
        if (connect(server->fd, (struct sockaddr *)&address, len) ||
            !is_trusted(server->fd, owner, &server->pid)) {
            close(server->fd);
            continue;
        }
        server->pid_fd = server->pid > 0 ? (int)syscall(SYS_pidfd_open, server->pid, 0) : -1;
        ret->n++;
    }
}

static bool wait_readable(int fd, int timeout_ms)
{
    struct pollfd p = {.fd = fd, .events = POLLIN};
    int r;
    while ((r = poll(&p, 1, timeout_ms)) < 0 && errno == EINTR)
        ;
    return r != 0;
}

/* The socket hangs up when the process closes its files, which is shortly before the process is
 * gone; its pid descriptor tells the rest. */
bool wfs_rendezvous_wait(const struct wfs_rendezvous *rendezvous, int timeout_ms)
{
    for (unsigned i = 0; i < rendezvous->n; i++) {
        const struct wfs_rendezvous_server *server = &rendezvous->servers[i];
        if (!wait_readable(server->fd, timeout_ms) ||
            (server->pid_fd >= 0 && !wait_readable(server->pid_fd, timeout_ms)))
            return false;
    }
    return true;
}

void wfs_rendezvous_close(struct wfs_rendezvous *rendezvous)
{
    for (unsigned i = 0; i < rendezvous->n; i++) {
        close(rendezvous->servers[i].fd);
        wfs_closep(&rendezvous->servers[i].pid_fd);
    }
    rendezvous->n = 0;
}
