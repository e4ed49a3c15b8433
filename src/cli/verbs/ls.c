/*
 * ls.c - `weightfs ls`: the tree without a mount, in natural order (layer 2 before layer 10).
 */
#include <string.h>
#include <time.h>

#include "cli/output.h"
#include "cli/cli.h"
#include "cli/session.h"
#include "cli/walk.h"

struct ls {
    const struct wfs_tree *tree;
    const char *path; /* the operand that is being listed, as it was given */
    bool is_long, is_recursive;
    struct wfs_buf out;
};

static void add_xattr(struct ls *ls, uint32_t node, const char *name)
{
    struct wfs_buf value wfs_cleanup(wfs_buf_free) = {0};
    if (wfs_tree_xattr(ls->tree, node, name, &value, NULL) == 0 && value.len)
        wfs_buf_printf(&ls->out, "  %.*s", (int)value.len, value.data);
}

static void add_mode(struct wfs_buf *out, mode_t mode)
{
    static const char bits[] = "rwxrwxrwx";
    wfs_buf_char(out, S_ISDIR(mode) ? 'd' : '-');
    for (int i = 0; i < 9; i++)
        wfs_buf_char(out, mode & (0400 >> i) ? bits[i] : '-');
}

/* One line. With -l it has mode, size, time, name and, of a tensor, dtype and shape. */
static int add_entry(struct ls *ls, uint32_t node, const char *name, struct wfs_error *err)
{
    bool is_dir = wfs_tree_node(ls->tree, node)->kind == WFS_NODE_DIR;
    if (ls->is_long) {
        struct stat st;
        struct tm tm;
        char stamp[32] = "";
        int r = wfs_tree_stat(ls->tree, node, &st);
        if (r)
            return wfs_error_set(err, -r, "%s: %s", name, strerror(-r));
        strftime(stamp, sizeof(stamp), "%Y-%m-%d %H:%M", localtime_r(&st.st_mtime, &tm));
        add_mode(&ls->out, st.st_mode);
        wfs_buf_printf(&ls->out, " %14llu %s ", (unsigned long long)st.st_size, stamp);
    }
    wfs_buf_printf(&ls->out, "%s%s", name, is_dir && ls->is_long ? "/" : "");
    if (ls->is_long) {
        add_xattr(ls, node, "user.weightfs.dtype");
        add_xattr(ls, node, "user.weightfs.shape");
    }
    wfs_buf_char(&ls->out, '\n');
    return 0;
}

static int add_directory(struct ls *ls, uint32_t dir, struct wfs_error *err)
{
    int r = 0;
    for (uint32_t i = 0; !r && i < wfs_tree_node(ls->tree, dir)->n_children; i++) {
        uint32_t child = wfs_tree_child(ls->tree, dir, i);
        r = add_entry(ls, child, wfs_tree_node(ls->tree, child)->name, err);
    }
    return r;
}

static int visit(void *ctx, uint32_t node, const char *path, struct wfs_error *err)
{
    struct ls *ls = ctx;
    if (wfs_tree_node(ls->tree, node)->kind != WFS_NODE_DIR)
        return 0;
    size_t len = strlen(ls->path);
    while (len && ls->path[len - 1] == '/')
        len--;
    wfs_buf_printf(&ls->out, "%s%.*s%s%s:\n", ls->out.len ? "\n" : "", (int)len, ls->path,
                   len && *path ? "/" : "", len || *path ? path : ".");
    return add_directory(ls, node, err);
}

static int list(struct ls *ls, const char *path, struct wfs_error *err)
{
    uint32_t node;
    ls->path = path;
    int r = wfs_tree_resolve(ls->tree, path, &node, err);
    if (r)
        return r;
    if (wfs_tree_node(ls->tree, node)->kind != WFS_NODE_DIR)
        return add_entry(ls, node, path, err);
    return ls->is_recursive ? wfs_walk(ls->tree, node, visit, ls, err)
                            : add_directory(ls, node, err);
}

static int list_all(struct ls *ls, char *const *paths, unsigned n)
{
    struct wfs_error err = {0};
    int r = n ? 0 : list(ls, "", &err);
    for (unsigned i = 0; !r && i < n; i++)
        r = list(ls, paths[i], &err);
    int status = wfs_cli_print(&ls->out);
    return r ? wfs_cli_fail(&err) : status;
}

static int run(const struct wfs_verb *verb, int argc, char **argv)
{
    struct wfs_cli cli wfs_cleanup(wfs_cli_close) = {0};
    struct wfs_session *session wfs_cleanup(wfs_session_freep) = NULL;
    struct ls ls = {0};
    int c;
    if (wfs_cli_open(&cli, verb, argc, argv))
        return cli.status;
    while ((c = wfs_cli_next(&cli)) > 0) {
        ls.is_long |= c == 'l';
        ls.is_recursive |= c == 'R';
    }
    if (c < 0 || wfs_cli_session(&cli, WFS_READS_NOTHING, &session))
        return cli.status;
    ls.tree = session->tree;
    int status = list_all(&ls, cli.operands + 1, cli.n_operands - 1);
    wfs_buf_free(&ls.out);
    return status;
}

const struct wfs_verb wfs_verb_ls = {
    .name = "ls",
    .operands = "SOURCE [PATH...]",
    .summary = "lists what a mount would show",
    .help = "  -l   mode, size, time; dtype and shape of tensors\n"
            "  -R   directories within directories\n",
    .short_options = "lR",
    .min_operands = 1,
    .max_operands = UINT32_MAX,
    .takes_source = true,
    .run = run,
};
