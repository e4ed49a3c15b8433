/*
 * run.c - `weightfs mount`: one process asks, another serves.
 *
 * The fork comes first, before any thread, file or database. The child opens, plans and mounts with
 * the terminal's stderr still its own, so its words reach the user as they are; a byte through a
 * pipe says that the mountpoint answers. Without that byte the parent's exit status is the child's.
 */
#include "mount/mount.h"

#include <fcntl.h>
#include <malloc.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "mount/problems.h"
#include "mount/server/readahead.h"
#include "mount/server/serve.h"

#define WARNINGS_SHOWN 20 /* on stderr; all are in info/report.txt */
#define HEAP_ARENAS    4  /* glibc would make one for each worker and never give memory back */
#define HEAP_MMAP_MIN  (256 * 1024)

int wfs_exit_status(int r)
{
    if (r == 0)
        return WFS_EXIT_OK;
    return r == -ENOMEM ? WFS_EXIT_INTERNAL : WFS_EXIT_UNREADABLE;
}

static void print_warnings(const struct wfs_session *session)
{
    struct wfs_buf text wfs_cleanup(wfs_buf_free) = {0};
    wfs_session_warnings(session, &text);
    unsigned n = 0;
    for (char *line = text.data; line && *line; n++) {
        size_t len = strcspn(line, "\n");
        if (n < WARNINGS_SHOWN)
            fprintf(stderr, "weightfs: %.*s\n", (int)len, line);
        line += len + (line[len] == '\n');
    }
    if (n > WARNINGS_SHOWN)
        fprintf(stderr, "weightfs: %u more, see info/report.txt\n", n - WARNINGS_SHOWN);
}

/* The last line on a terminal: what else could be shown. */
static void print_other_views(const struct wfs_session *session)
{
    const char *comma = "";
    if (!isatty(STDERR_FILENO))
        return;
    for (size_t s = 0; s < wfs_n_rule_texts; s++) {
        const char *name = wfs_rule_texts[s].name;
        bool is_shown = !wfs_set_is_view(name);
        for (uint32_t i = 0; i < session->n_plans; i++)
            is_shown |= strcmp(session->plans[i]->view, name) == 0;
        if (is_shown)
            continue;
        fprintf(stderr, "%s%s", *comma ? comma : "weightfs: other views (--view NAME): ", name);
        comma = ", ";
    }
    fputs(*comma ? "\n" : "", stderr);
}

/* ---- opening ------------------------------------------------------------------------------- */

static int start_cache(const struct wfs_mount_options *options, struct wfs_session *session,
                       struct wfs_error *err)
{
    struct wfs_cache_options cache = options->cache;
    wfs_session_cache_options(session, &cache);
    int r = wfs_cache_new(&cache, &session->cache, err);
    if (!r)
        wfs_session_put_tables(session);
    return r;
}

/* The mountpoint must not cover the index. Where the user named a file, that file is what counts;
 * the default place is a directory of many files, and the mountpoint stays out of all of it. */
static int check_index_apart(const struct wfs_mount_options *options,
                             const struct wfs_session *session, const char *mountpoint,
                             struct wfs_error *err)
{
    const char *given = options->cache.index_path;
    if (given && !strcmp(given, "none"))
        return 0;
    if (given)
        return wfs_mountpoint_check_apart(mountpoint, given, "the index", err);
    struct wfs_cache_options cache = options->cache;
    wfs_session_cache_options(session, &cache);
    char *path wfs_cleanup(wfs_freep) = wfs_index_default_path(&cache.id, NULL);
    char *slash = path ? strrchr(path, '/') : NULL;
    if (!slash)
        return 0; /* There is no place for an index; the cache will say so itself. */
    *slash = '\0';
    return wfs_mountpoint_check_apart(mountpoint, path, "the index", err);
}

static int check_apart(const struct wfs_mount_options *options, const struct wfs_session *session,
                       const char *mountpoint, struct wfs_error *err)
{
    int r = wfs_mountpoint_check_apart(mountpoint, options->session.source, "the source", err);
    return r ? r : check_index_apart(options, session, mountpoint, err);
}

/* The log must not lie in the source, which a mount never changes, nor in the mount itself: the
 * server would wait for its own answer to write it. */
static int check_log_apart(const struct wfs_mount_options *options,
                           const struct wfs_session *session, struct wfs_error *err)
{
    const char *log = options->log, *source = options->session.source;
    char *real wfs_cleanup(wfs_freep) = wfs_mountpoint_resolve(log, NULL);
    const char *path = real ? real : log; /* where its directory is missing, opening it will fail */
    struct stat st, source_st;
    if (stat(log, &st) == 0) {
        /* Opening a pipe would block until somebody reads it. */
        if (!S_ISREG(st.st_mode) && !S_ISCHR(st.st_mode))
            return wfs_error_set(err, EINVAL, "log=%s: not a regular file", log);
        if (wfs_catalog_has_file(session->catalog, &st))
            return wfs_error_set(err, EINVAL, "log=%s: it is the checkpoint itself", log);
    }
    if (stat(source, &source_st) == 0 && wfs_mountpoint_is_at_or_above(&source_st, path))
        return wfs_error_set(err, EINVAL, "log=%s: it lies in the source, %s", log, source);
    return wfs_mountpoint_check_apart(options->mountpoint, path, "the log", err);
}

/* Opens the log once while errors still reach the terminal. */
static int check_log(const struct wfs_mount_options *options, const struct wfs_session *session,
                     struct wfs_error *err)
{
    const char *log = options->log;
    int r = log ? check_log_apart(options, session, err) : 0;
    if (r || !log)
        return r;
    int fd wfs_cleanup(wfs_closep) = open(log, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    if (fd < 0)
        return wfs_error_set(err, errno, "log=%s: %s", log, strerror(errno));
    return 0;
}

/* ---- serving ------------------------------------------------------------------------------- */

/* Sends the log to its file or to syslog and, in the background, lets go of the terminal and of the
 * directory that the server was started in. */
static int leave_terminal(const struct wfs_mount_options *options, struct wfs_error *err)
{
    int r = 0;
    if (options->log || !options->foreground)
        r = wfs_log_open(options->log, err);
    if (r || options->foreground)
        return r;
    int null_fd = open("/dev/null", O_RDWR | O_CLOEXEC);
    if (null_fd < 0 || chdir("/"))
        return wfs_error_set(err, errno, "/dev/null: %s", strerror(errno));
    fflush(NULL);
    for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++)
        dup2(null_fd, fd);
    close(null_fd);
    return 0;
}

static int tell_ready(int *ready_fd, struct wfs_error *err)
{
    if (*ready_fd < 0)
        return 0;
    prctl(PR_SET_PDEATHSIG, 0);
    bool told = write(*ready_fd, "", 1) == 1;
    close(*ready_fd);
    *ready_fd = -1;
    return told ? 0 : wfs_error_set(err, EPIPE, "nobody waits for the mount any more");
}

static int serve_mounted(const struct wfs_mount_options *options, struct wfs_session *session,
                         struct wfs_mountpoint *mountpoint, int *ready_fd, struct wfs_error *err)
{
    struct wfs_serve serve;
    int r = wfs_serve_start(options, session, mountpoint, &serve, err);
    if (r)
        return r;
    print_other_views(session);
    r = leave_terminal(options, err);
    if (!r) {
        wfs_readahead_raise(serve.dev_major, serve.dev_minor);
        r = tell_ready(ready_fd, err);
    }
    if (!r)
        wfs_serve_loop(&serve);
    wfs_serve_close(&serve);
    return r;
}

static int serve_at_mountpoint(const struct wfs_mount_options *options, struct wfs_session *session,
                               int *ready_fd, struct wfs_error *err)
{
    struct wfs_mountpoint mountpoint;
    wfs_serve_hold_signals();
    int r = wfs_mountpoint_prepare(options->mountpoint, options->nonempty, &mountpoint, err);
    if (r)
        return r;
    r = check_apart(options, session, options->mountpoint, err);
    if (!r)
        r = check_log(options, session, err);
    if (!r)
        r = start_cache(options, session, err);
    if (!r)
        r = serve_mounted(options, session, &mountpoint, ready_fd, err);
    wfs_mountpoint_remove(&mountpoint);
    return r;
}

/* Runs the server from its start to its end; returns the exit status. */
static int serve_all(const struct wfs_mount_options *options, int *ready_fd, struct wfs_error *err)
{
    struct wfs_session *session wfs_cleanup(wfs_session_freep) = NULL;
    struct wfs_session_options lenient = options->session;
    lenient.strict = false;
    mallopt(M_ARENA_MAX, HEAP_ARENAS);
    mallopt(M_MMAP_THRESHOLD, HEAP_MMAP_MIN);
    int r = wfs_session_open(&lenient, &session, err);
    if (!r)
        r = wfs_session_prove_casts(session, &options->cache, err);
    if (r)
        return wfs_exit_status(r);
    print_warnings(session);
    uint64_t n_problems = wfs_session_n_problems(session);
    if (options->session.strict && n_problems) {
        wfs_error_set(err, EINVAL, "%llu problems, and --strict: not mounted",
                      (unsigned long long)n_problems);
        return WFS_EXIT_PROBLEMS;
    }
    return wfs_exit_status(serve_at_mountpoint(options, session, ready_fd, err));
}

/* ---- the two processes --------------------------------------------------------------------- */

/* The parent waits until the child says that it is ready, or ends. Returns the exit status. */
static int wait_ready(pid_t child, int fd, struct wfs_error *err)
{
    char byte;
    ssize_t n;
    int status;
    while ((n = read(fd, &byte, 1)) < 0 && errno == EINTR)
        ;
    if (n == 1)
        return WFS_EXIT_OK;
    while (waitpid(child, &status, 0) < 0 && errno == EINTR)
        ;
    if (WIFEXITED(status) && WEXITSTATUS(status) != 0)
        return WEXITSTATUS(status);
    wfs_error_set(err, EIO, "the server ended with %s %d before it was ready",
                  WIFSIGNALED(status) ? "signal" : "status",
                  WIFSIGNALED(status) ? WTERMSIG(status) : WEXITSTATUS(status));
    return WFS_EXIT_INTERNAL;
}

int wfs_mount_run(const struct wfs_mount_options *options, struct wfs_error *err)
{
    int fds[2], none = -1;
    if (options->foreground)
        return serve_all(options, &none, err);
    if (pipe2(fds, O_CLOEXEC)) {
        wfs_error_set(err, errno, "pipe: %s", strerror(errno));
        return WFS_EXIT_INTERNAL;
    }
    fflush(NULL);
    pid_t child = fork();
    if (child < 0) {
        close(fds[0]);
        close(fds[1]);
        wfs_error_set(err, errno, "fork: %s", strerror(errno));
        return WFS_EXIT_INTERNAL;
    }
    close(fds[child ? 1 : 0]);
    if (child) {
        int status = wait_ready(child, fds[0], err);
        close(fds[0]);
        return status;
    }
    setsid();
    prctl(PR_SET_PDEATHSIG, SIGTERM); /* ^C at the parent stops the child, too */
    int status = serve_all(options, &fds[1], err);
    wfs_closep(&fds[1]);
    return status;
}
