/*
 * look.c - options and rows of the looking verbs (table, norms, check, diff).
 */
#include "cli/look.h"

#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

int wfs_look_option(struct wfs_look *look, struct wfs_cli *cli, int c, struct wfs_error *err)
{
    switch (c) {
    case WFS_LOOK_ROOT:
        look->options.root = cli->arg;
        return 0;
    case WFS_LOOK_NAME:
        return wfs_options_add_string(&cli->options, &look->names, cli->arg, err);
    case WFS_LOOK_EXCLUDE:
        return wfs_options_add_string(&cli->options, &look->exclude, cli->arg, err);
    case WFS_LOOK_INCLUDE:
        return wfs_options_add_string(&cli->options, &look->include, cli->arg, err);
    case WFS_LOOK_JSON:
        look->json = true;
        return 0;
    default:
        return -ENOENT;
    }
}

void wfs_look_free(struct wfs_look *look)
{
    free(look->names.list);
    free(look->exclude.list);
    free(look->include.list);
}

static void set_lists(struct wfs_look *look)
{
    look->options.globs = look->names.list;
    look->options.exclude = look->exclude.list;
    look->options.include = look->include.list;
}

int wfs_look_rows(struct wfs_look *look, const struct wfs_session *session,
                  struct wfs_inspect_rows **ret, struct wfs_error *err)
{
    const struct wfs_session_options *o = &session->options;
    bool is_view = o->n_views > 0 && session->n_plans > 1;
    set_lists(look);
    return wfs_inspect_rows(session->catalog, session->plans[is_view ? 1 : 0], &look->options, ret,
                            err);
}

/* ---- two checkpoints ----------------------------------------------------------------------- */

int wfs_look_open_other(struct wfs_cli *cli, const char *path, struct wfs_session **ret,
                        struct wfs_error *err)
{
    struct wfs_session_options options = cli->options.mount.session;
    options.source = wfs_options_absolute(&cli->options, path, err);
    options.views = NULL;
    options.n_views = 0;
    options.strict = false;
    return options.source ? wfs_session_open(&options, ret, err) : -err->code;
}

static int make_rows(const struct wfs_inspect_options *options, struct wfs_look_side *side,
                     struct wfs_error *err)
{
    wfs_inspect_rows_free(side->rows);
    side->rows = NULL;
    return wfs_inspect_rows(side->catalog, side->plan, options, &side->rows, err);
}

static void say_root(const struct wfs_look_side *side)
{
    struct wfs_buf text wfs_cleanup(wfs_buf_free) = {0};
    if (*side->rows->root)
        wfs_path_join(&text, side->rows->root, '.');
    if (text.len && wfs_buf_ok(&text)) {
        struct wfs_buf visible wfs_cleanup(wfs_buf_free) = {0};
        wfs_buf_visible(&visible, text.data);
        fprintf(stderr, "weightfs: of %s what is below '%s' is compared (--root . is all of it)\n",
                side->label, visible.len ? visible.data : "");
    }
}

static bool has_root(const struct wfs_inspect_options *options, const struct wfs_look_side *side)
{
    struct wfs_inspect_rows *rows wfs_cleanup(wfs_inspect_rows_freep) = NULL;
    struct wfs_error ignored = {0};
    return wfs_inspect_rows(side->catalog, side->plan, options, &rows, &ignored) == 0;
}

int wfs_look_pair(struct wfs_look *look, struct wfs_look_side *a, struct wfs_look_side *b,
                  struct wfs_error *err)
{
    set_lists(look);
    struct wfs_inspect_options options_a = look->options;
    options_a.rule = WFS_ROOT_MODEL;
    struct wfs_inspect_options options_b = options_a;
    if (options_b.root && !has_root(&options_b, b))
        options_b.root = NULL;
    int r = make_rows(&options_a, a, err);
    if (!r)
        r = make_rows(&options_b, b, err);
    if (r || options_a.root)
        return r;
    if (strcmp(a->rows->root, b->rows->root) != 0) {
        say_root(a);
        say_root(b);
    } else if (*a->rows->root) {
        options_a.root = options_b.root = ".";
        r = make_rows(&options_a, a, err);
        return r ? r : make_rows(&options_b, b, err);
    }
    return r;
}

/* ---- the terminal -------------------------------------------------------------------------- */

unsigned wfs_look_width(void)
{
    struct winsize size;
    if (!isatty(STDOUT_FILENO) || ioctl(STDOUT_FILENO, TIOCGWINSZ, &size))
        return 0;
    return size.ws_col;
}

bool wfs_look_color(void)
{
    const char *term = getenv("TERM"), *no_color = getenv("NO_COLOR");
    return isatty(STDOUT_FILENO) && !(no_color && *no_color) && !(term && !strcmp(term, "dumb"));
}

int wfs_look_print(struct wfs_buf *text)
{
    wfs_inspect_fit(text, wfs_look_width());
    return wfs_cli_print(text);
}
