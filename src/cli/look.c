/*
 * look.c - options and rows of the looking verbs (table, norms, check, diff).
 */
#include "cli/look.h"

#include <stdlib.h>
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

int wfs_look_rows(struct wfs_look *look, const struct wfs_session *session,
                  struct wfs_inspect_rows **ret, struct wfs_error *err)
{
    bool is_view =
        session->options.n_views > 0 && session->options.views[0].name && session->n_plans > 1;
    look->options.globs = look->names.list;
    look->options.exclude = look->exclude.list;
    look->options.include = look->include.list;
    return wfs_inspect_rows(session->catalog, session->plans[is_view ? 1 : 0], &look->options, ret,
                            err);
}

unsigned wfs_look_width(void)
{
    struct winsize size;
    if (!isatty(STDOUT_FILENO) || ioctl(STDOUT_FILENO, TIOCGWINSZ, &size))
        return 0;
    return size.ws_col;
}
