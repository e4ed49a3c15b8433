/*
 * cp.c - `weightfs cp`: files and directories of the tree, copied out without a mount.
 *
 * A file is written beside its name and renamed onto it when it is whole, so that a full disk, an
 * interruption or a source that fails leaves no part of it, and what was there before stays. The
 * copy has the mode of the file in the tree.
 */
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cli/output.h"
#include "cli/signals.h"
#include "cli/cli.h"
#include "cli/session.h"
#include "cli/walk.h"
#include "cli/copy.h"
#include "cli/export_target.h"

struct cp {
    struct wfs_session *session;
    bool is_recursive;
    const char *to; /* where the walk that is under way copies to */
    struct wfs_progress *progress;
};

static bool is_dir(const char *path)
{
    struct stat st;
    return stat(path, &st) == 0 && S_ISDIR(st.st_mode);
}

/* Devices and pipes are written to; a file would be replaced by rename. */
static bool is_special(const char *path)
{
    struct stat st;
    return stat(path, &st) == 0 && !S_ISREG(st.st_mode);
}

/* The node's mode, with write permission for the owner. */
static int mode_of(struct cp *cp, uint32_t node, const char *path, mode_t *ret,
                   struct wfs_error *err)
{
    struct stat st;
    int r = wfs_tree_stat(cp->session->tree, node, &st);
    if (r)
        return wfs_error_set(err, -r, "%s: %s", path, strerror(-r));
    *ret = (st.st_mode & 0777) | (S_ISDIR(st.st_mode) ? 0700 : 0600);
    return 0;
}

static int fill(struct cp *cp, uint32_t node, const char *path, int flags, struct wfs_error *err)
{
    mode_t mode;
    int r = mode_of(cp, node, path, &mode, err);
    if (r)
        return r;
    int fd = open(path, O_WRONLY | O_CLOEXEC | flags, mode);
    if (fd < 0)
        return wfs_error_set(err, errno, "%s: %s", path, strerror(errno));
    r = wfs_copy_node(cp->session, node, fd, path, cp->progress, err);
    if (close(fd) && !r)
        r = wfs_error_set(err, errno, "%s: cannot be written: %s", path, strerror(errno));
    return r;
}

static int copy_file(struct cp *cp, uint32_t node, const char *to, struct wfs_error *err)
{
    char *part wfs_cleanup(wfs_freep) = NULL;
    int r = wfs_export_check_apart(cp->session, to, err);
    if (r)
        return r;
    if (is_special(to))
        return is_dir(to) ? wfs_error_set(err, EISDIR, "%s: is a directory", to)
                          : fill(cp, node, to, 0, err);
    if (asprintf(&part, "%s.part-%ld", to, (long)getpid()) < 0) {
        part = NULL;
        return wfs_error_nomem(err, to);
    }
    r = fill(cp, node, part, O_CREAT | O_EXCL | O_NOFOLLOW, err);
    if (r == -EEXIST) /* the part is another process's: it is not removed */
        return r;
    if (!r && rename(part, to))
        r = wfs_error_set(err, errno, "%s: %s", to, strerror(errno));
    if (r)
        unlink(part);
    return r;
}

static int visit(void *ctx, uint32_t node, const char *path, struct wfs_error *err)
{
    struct cp *cp = ctx;
    char *to wfs_cleanup(wfs_freep) = NULL;
    if (asprintf(&to, "%s%s%s", cp->to, *path ? "/" : "", path) < 0) {
        to = NULL;
        return wfs_error_nomem(err, path);
    }
    if (wfs_tree_node(cp->session->tree, node)->kind != WFS_NODE_DIR)
        return copy_file(cp, node, to, err);
    mode_t mode;
    int r = mode_of(cp, node, to, &mode, err);
    if (r)
        return r;
    if (mkdir(to, mode) && (errno != EEXIST || !is_dir(to)))
        return wfs_error_set(err, errno, "%s: %s", to, strerror(errno));
    return 0;
}

static int sum_visit(void *ctx, uint32_t node, const char *path, struct wfs_error *err)
{
    struct stat st;
    void **both = ctx;
    int r = wfs_tree_stat(both[0], node, &st);
    if (r)
        return wfs_error_set(err, -r, "%s: %s", path, strerror(-r));
    if (S_ISREG(st.st_mode))
        *(uint64_t *)both[1] += (uint64_t)st.st_size;
    return 0;
}

static int copy_operand(struct cp *cp, const char *path, const char *to, struct wfs_error *err)
{
    uint32_t node;
    uint64_t n_bytes = 0;
    void *sum[2] = {cp->session->tree, &n_bytes};
    int r = wfs_session_resolve(cp->session, path, &node, err);
    if (r)
        return r;
    if (wfs_tree_node(cp->session->tree, node)->kind == WFS_NODE_DIR && !cp->is_recursive)
        return wfs_error_set(err, EISDIR, "%s: is a directory (-r copies it)", path);
    r = wfs_walk(cp->session->tree, node, sum_visit, sum, err);
    if (r)
        return r;
    cp->to = to;
    cp->progress = wfs_progress_new(path, n_bytes);
    r = wfs_walk(cp->session->tree, node, visit, cp, err);
    wfs_progress_free(cp->progress);
    cp->progress = NULL;
    return r;
}

/* Copies into the directory `dest` under the file's own name, or onto the name `dest`. */
static int copy_to(struct cp *cp, const char *path, const char *dest, bool into,
                   struct wfs_error *err)
{
    char *to wfs_cleanup(wfs_freep) = NULL, *name wfs_cleanup(wfs_freep) = strdup(path);
    if (!name)
        return wfs_error_nomem(err, path);
    for (size_t len = strlen(name); len && name[len - 1] == '/';)
        name[--len] = '\0';
    const char *base = strrchr(name, '/') ? strrchr(name, '/') + 1 : name;
    if (!into || !*base)
        return copy_operand(cp, path, dest, err);
    if (asprintf(&to, "%s/%s", dest, base) < 0) {
        to = NULL;
        return wfs_error_nomem(err, path);
    }
    return copy_operand(cp, path, to, err);
}

static int run(const struct wfs_verb *verb, int argc, char **argv)
{
    struct wfs_cli cli wfs_cleanup(wfs_cli_close) = {0};
    struct wfs_session *session wfs_cleanup(wfs_session_freep) = NULL;
    struct wfs_error err = {0};
    struct cp cp = {0};
    int c;
    if (wfs_cli_open(&cli, verb, argc, argv))
        return cli.status;
    while ((c = wfs_cli_next(&cli)) > 0)
        cp.is_recursive = true; /* the only option is -r */
    if (c < 0)
        return cli.status;
    const char *dest = cli.operands[cli.n_operands - 1];
    bool into = is_dir(dest);
    if (cli.n_operands > 3 && !into)
        return wfs_cli_misuse(verb, "%s: not a directory", dest);
    if (wfs_cli_session(&cli, WFS_READS_ONCE, &session))
        return cli.status;
    cp.session = session;
    wfs_signals_catch();
    int r = 0;
    for (unsigned i = 1; i + 1 < cli.n_operands && !r; i++)
        r = copy_to(&cp, cli.operands[i], dest, into, &err);
    if (r == -EINTR && atomic_load(&wfs_signals_interrupt))
        return wfs_signals_end();
    return r ? wfs_cli_fail(&err) : WFS_EXIT_OK;
}

static const struct option long_options[] = {{"recursive", no_argument, NULL, 'r'}, {0}};

const struct wfs_verb wfs_verb_cp = {
    .name = "cp",
    .operands = "SOURCE PATH... DEST",
    .summary = "copies files of the tree out, without a mount",
    .help = "  -r, --recursive              directories too\n",
    .short_options = "r",
    .long_options = long_options,
    .min_operands = 3,
    .max_operands = UINT32_MAX,
    .takes_source = true,
    .run = run,
};
