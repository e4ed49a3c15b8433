/*
 * serve.c - workers and the main thread of a mount.
 *
 * The workers read requests until the kernel says that the mount is gone (ENODEV), and only then:
 * so a detached mount is served to its last close without any bookkeeping. The main thread waits
 * for signals and for the workers' end. libfuse's own signal handling is not used: it exits while
 * files are open, which its readers see as ENOTCONN or SIGBUS.
 */
#include "mount/server/serve.h"

#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "mount/point/mountinfo.h"
#include "mount/point/rendezvous.h"
#include "mount/point/detach.h"
#include "mount/server/watch.h"
#include "mount/server/files.h"
#include "mount/server/generation.h"
#include "mount/server/ops.h"
#include "mount/server/readahead.h"

/* ---- the FUSE session ---------------------------------------------------------------------- */

static void op_init(void *userdata, struct fuse_conn_info *conn)
{
    struct wfs_server *server = userdata;
    unsigned wanted = FUSE_CAP_ASYNC_READ | FUSE_CAP_ASYNC_DIO | FUSE_CAP_PARALLEL_DIROPS |
                      FUSE_CAP_READDIRPLUS | FUSE_CAP_EXPLICIT_INVAL_DATA | FUSE_CAP_EXPORT_SUPPORT;
    unsigned unwanted = FUSE_CAP_SPLICE_READ | FUSE_CAP_SPLICE_WRITE | FUSE_CAP_SPLICE_MOVE |
                        FUSE_CAP_READDIRPLUS_AUTO | FUSE_CAP_AUTO_INVAL_DATA;
    conn->want |= conn->capable & wanted;
    conn->want &= ~unwanted;
    conn->max_background = WFS_MOUNT_BACKGROUND;
    server->no_opendir = conn->capable & FUSE_CAP_NO_OPENDIR_SUPPORT;
}

static void WFS_PRINTF(2, 0) log_fuse(enum fuse_log_level level, const char *fmt, va_list ap)
{
    char line[512];
    vsnprintf(line, sizeof(line), fmt, ap);
    line[strcspn(line, "\n")] = '\0';
    wfs_log(level <= FUSE_LOG_ERR ? WFS_LOG_ERROR : WFS_LOG_INFO, "%s", line);
}

static bool has_option(const char *options, const char *key)
{
    size_t len = strlen(key);
    for (const char *p = options; p && *p; p = strchr(p, ','), p = p ? p + 1 : NULL)
        if (strncmp(p, key, len) == 0)
            return true;
    return false;
}

/* Our own options come first, since of two that contradict each other the later one counts. The
 * source's name may hold a comma, hence the escaping. */
static int make_args(const struct wfs_mount_options *options, struct fuse_args *args,
                     struct wfs_error *err)
{
    char *fsname wfs_cleanup(wfs_freep) = NULL, *escaped wfs_cleanup(wfs_freep) = NULL;
    const char *extra = options->fuse_options ? options->fuse_options : "";
    int r = fuse_opt_add_arg(args, "weightfs") | fuse_opt_add_arg(args, "-oro,default_permissions");
    if (!has_option(extra, "subtype="))
        r |= fuse_opt_add_arg(args, "-osubtype=weightfs");
    if (!has_option(extra, "fsname=")) {
        if (asprintf(&fsname, "fsname=%s", options->session.source) < 0)
            fsname = NULL;
        r |= fsname ? fuse_opt_add_opt_escaped(&escaped, fsname) : -1;
        r |= fuse_opt_add_arg(args, "-o") | fuse_opt_add_arg(args, escaped ? escaped : "");
    }
    if (*extra)
        r |= fuse_opt_add_arg(args, "-o") | fuse_opt_add_arg(args, extra);
    return r ? wfs_error_nomem(err, "the mount's options") : 0;
}

static int make_fuse(const struct wfs_mount_options *options, struct wfs_server *server,
                     struct wfs_error *err)
{
    struct fuse_args args = FUSE_ARGS_INIT(0, NULL);
    struct fuse_lowlevel_ops ops = {.init = op_init};
    wfs_server_ops(&ops, options->noxattr);
    wfs_server_file_ops(&ops);
    fuse_set_log_func(log_fuse);
    int r = make_args(options, &args, err);
    if (!r && !(server->fuse = fuse_session_new(&args, &ops, sizeof(ops), server)))
        r = wfs_error_set(err, EINVAL, "libfuse refuses the mount's options");
    fuse_opt_free_args(&args);
    return r;
}

/* ---- workers ------------------------------------------------------------------------------- */

static void *worker_main(void *arg)
{
    struct wfs_server *server = arg;
    struct fuse_buf buf = {0};
    for (;;) {
        int n = fuse_session_receive_buf(server->fuse, &buf);
        if (n > 0)
            fuse_session_process_buf(server->fuse, &buf);
        else if (n != -EINTR && n != -EAGAIN)
            break;
    }
    free(buf.mem);
    atomic_fetch_sub(&server->n_workers, 1);
    wfs_server_wake(server);
    return NULL;
}

static int start_workers(struct wfs_serve *serve, unsigned n, struct wfs_error *err)
{
    serve->threads = calloc(n, sizeof(*serve->threads));
    if (!serve->threads)
        return wfs_error_nomem(err, "workers");
    for (; serve->n_threads < n; serve->n_threads++) {
        atomic_fetch_add(&serve->server.n_workers, 1);
        int r =
            pthread_create(&serve->threads[serve->n_threads], NULL, worker_main, &serve->server);
        if (r == 0)
            continue;
        atomic_fetch_sub(&serve->server.n_workers, 1);
        return serve->n_threads ? 0 : wfs_error_set(err, r, "a worker cannot be started");
    }
    return 0;
}

/* ---- starting ------------------------------------------------------------------------------ */

static void signals(sigset_t *set)
{
    sigemptyset(set);
    sigaddset(set, SIGTERM);
    sigaddset(set, SIGINT);
    sigaddset(set, SIGHUP);
}

void wfs_serve_hold_signals(void)
{
    sigset_t set;
    signals(&set);
    pthread_sigmask(SIG_BLOCK, &set, NULL);
    signal(SIGPIPE, SIG_IGN);
}

static int take_signals(struct wfs_serve *serve, struct wfs_error *err)
{
    sigset_t set;
    signals(&set);
    serve->signal_fd = signalfd(-1, &set, SFD_CLOEXEC);
    serve->server.event_fd = eventfd(0, EFD_CLOEXEC);
    if (serve->signal_fd < 0 || serve->server.event_fd < 0)
        return wfs_error_set(err, errno, "signalfd: %s", strerror(errno));
    return 0;
}

/* stat() of the mountpoint returns once INIT was answered and the root's attributes came back. */
static int wait_answer(struct wfs_serve *serve, struct wfs_error *err)
{
    struct stat st;
    struct wfs_error why = {0};
    const char *path = serve->mountpoint->path;
    if (stat(path, &st))
        return wfs_error_set(err, errno, "%s: mounted, but does not answer: %s", path,
                             strerror(errno));
    serve->dev_major = major(st.st_dev);
    serve->dev_minor = minor(st.st_dev);
    if (wfs_rendezvous_listen(serve->dev_major, serve->dev_minor, &why))
        wfs_log(WFS_LOG_WARNING, "`weightfs umount` will not wait for this server: %s",
                why.message);
    return 0;
}

static int start(struct wfs_serve *serve, const struct wfs_mount_options *options,
                 struct wfs_error *err)
{
    int r = take_signals(serve, err);
    if (!r)
        r = make_fuse(options, &serve->server, err);
    if (r)
        return r;
    if (fuse_session_mount(serve->server.fuse, serve->mountpoint->path))
        return wfs_error_set(err, EINVAL, "%s: cannot be mounted on", serve->mountpoint->path);
    serve->mounted = serve->has_mountpoint = true;
    r = start_workers(serve, options->n_workers ? options->n_workers : WFS_MOUNT_WORKERS, err);
    return r ? r : wait_answer(serve, err);
}

int wfs_serve_start(const struct wfs_mount_options *options, struct wfs_session *session,
                    struct wfs_mountpoint *mountpoint, struct wfs_serve *ret, struct wfs_error *err)
{
    *ret = (struct wfs_serve){
        .server = {.session = session, .event_fd = -1}, .mountpoint = mountpoint, .signal_fd = -1};
    ret->server.generation = wfs_generation(session);
    wfs_buffers_init(&ret->server.buffers);
    pthread_mutex_init(&ret->server.handles_lock, NULL);
    int r = start(ret, options, err);
    if (r)
        wfs_serve_close(ret);
    return r;
}

/* ---- ending -------------------------------------------------------------------------------- */

/* Whether the mount at the mountpoint is this server's: somebody may have unmounted it and mounted
 * something else there. */
static bool is_ours(const struct wfs_serve *serve)
{
    struct wfs_mount_entry entry;
    if (wfs_mountinfo_at(serve->mountpoint->path, &entry, NULL))
        return false;
    bool ours = entry.dev_major == serve->dev_major && entry.dev_minor == serve->dev_minor;
    wfs_mount_entry_free(&entry);
    return ours;
}

static void abort_server(struct wfs_serve *serve)
{
    wfs_log(WFS_LOG_WARNING, "%s: told to end at once; %u open files end with it",
            serve->mountpoint->path, wfs_server_n_open(&serve->server));
    wfs_mountpoint_remove(serve->mountpoint);
    _exit(WFS_EXIT_PROBLEMS);
}

static void end(struct wfs_serve *serve)
{
    struct wfs_error err = {0};
    const char *path = serve->mountpoint->path;
    int r = is_ours(serve) ? wfs_mountpoint_unmount(path, false, &err) : -EBUSY;
    if (r == -EBUSY) {
        err = (struct wfs_error){0};
        r = is_ours(serve) ? wfs_mountpoint_unmount(path, true, &err) : 0;
        wfs_log(WFS_LOG_INFO, "%s: detached; %u open files are served to their end", path,
                wfs_server_n_open(&serve->server));
    }
    if (r)
        wfs_log(WFS_LOG_ERROR, "%s", err.message);
    else
        wfs_mountpoint_remove(serve->mountpoint);
}

static void on_signal(struct wfs_serve *serve)
{
    struct signalfd_siginfo info;
    if (read(serve->signal_fd, &info, sizeof(info)) != sizeof(info))
        return;
    if (serve->ending)
        abort_server(serve);
    serve->ending = true;
    end(serve);
}

void wfs_serve_loop(struct wfs_serve *serve)
{
    unsigned n_dropped = 0; /* what n_changed was when the kernel's pages were last dropped */
    while (atomic_load(&serve->server.n_workers)) {
        struct pollfd polled[] = {{.fd = serve->signal_fd, .events = POLLIN},
                                  {.fd = serve->server.event_fd, .events = POLLIN}};
        eventfd_t n;
        if (poll(polled, WFS_ARRAY_SIZE(polled), -1) < 0)
            continue;
        if (polled[0].revents)
            on_signal(serve);
        if (polled[1].revents)
            eventfd_read(serve->server.event_fd, &n);
        unsigned n_changed = atomic_load(&serve->server.n_changed);
        if (n_changed != n_dropped) {
            wfs_watch_drop_pages(&serve->server);
            n_dropped = n_changed;
        }
    }
    serve->mounted = false;
    wfs_mountpoint_remove(serve->mountpoint);
}

/* Called after the loop, and where starting failed half-way: then a mount that is up is taken down,
 * which ends the workers. The rendezvous stays open until the process ends, when the index is
 * written. */
void wfs_serve_close(struct wfs_serve *serve)
{
    struct wfs_error err = {0};
    if (serve->mounted && wfs_mountpoint_unmount(serve->mountpoint->path, true, &err))
        wfs_log(WFS_LOG_ERROR, "%s", err.message);
    for (unsigned i = 0; i < serve->n_threads; i++)
        pthread_join(serve->threads[i], NULL);
    free(serve->threads);
    if (serve->has_mountpoint)
        fuse_session_unmount(serve->server.fuse); /* the mount is down: lets go of its path */
    if (serve->server.fuse)
        fuse_session_destroy(serve->server.fuse);
    wfs_server_close_files(&serve->server);
    pthread_mutex_destroy(&serve->server.handles_lock);
    wfs_closep(&serve->signal_fd);
    wfs_closep(&serve->server.event_fd);
    wfs_buffers_close(&serve->server.buffers);
}
