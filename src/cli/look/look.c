/*
 * look.c - see look.h.
 */
#include "cli/look/look.h"

#include <stdlib.h>

#include "cli/output.h"

int wfs_look_option(struct wfs_look *look, struct wfs_cli *cli, int c, struct wfs_error *err)
{
    switch (c) {
    case WFS_LOOK_ROOT:
        look->options.root = cli->arg;
        return 0;
    case WFS_LOOK_NAME:
        return wfs_strings_add(&look->names, cli->options.arena, cli->arg, err);
    case WFS_LOOK_EXCLUDE:
        return wfs_strings_add(&look->exclude, cli->options.arena, cli->arg, err);
    case WFS_LOOK_INCLUDE:
        return wfs_strings_add(&look->include, cli->options.arena, cli->arg, err);
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
    free(look->matched);
}

int wfs_look_finish(struct wfs_look *look, struct wfs_cli *cli)
{
    const struct wfs_options *options = &cli->options;
    struct wfs_error err = {0};
    if (options->n_views > 1)
        return wfs_cli_misuse(cli->verb, "--view %s, --view %s: one view at a time",
                              options->views[0].name, options->views[1].name);
    look->matched = calloc(look->names.n + 1, sizeof(*look->matched));
    if (!look->matched) {
        wfs_error_nomem(&err, "options");
        return wfs_cli_fail(&err);
    }
    look->is_root_chosen = options->roots.n > 0;
    look->options.globs = look->names.list;
    look->options.matched = look->matched;
    look->options.exclude = look->exclude.list;
    look->options.include = look->include.list;
    return 0;
}

/* A --name that no tensor has is most likely a typing error. It is refused, since nothing would be
 * compared and the exit status would say that all is well. */
int wfs_look_check_names(const struct wfs_look *look, struct wfs_error *err)
{
    struct wfs_buf text wfs_cleanup(wfs_buf_free) = {0};
    for (size_t i = 0; i < look->names.n; i++) {
        if (look->matched[i])
            continue;
        wfs_buf_str(&text, text.len ? ", " : "");
        wfs_buf_visible(&text, look->names.list[i]);
    }
    if (!wfs_buf_ok(&text))
        return wfs_error_nomem(err, "names");
    return text.len ? wfs_error_set(err, EINVAL, "--name %s: no tensor is called so", text.data)
                    : 0;
}

/* The root as it is shown; "" where it is all, or without memory. */
const char *wfs_look_show_root(const struct wfs_inspect_rows *rows, struct wfs_buf *out)
{
    struct wfs_buf text wfs_cleanup(wfs_buf_free) = {0};
    if (*rows->root)
        wfs_path_join(&text, rows->root, '.');
    if (text.len && wfs_buf_ok(&text))
        wfs_buf_visible(out, text.data);
    return out->len && wfs_buf_ok(out) ? out->data : "";
}

static void say_outside(const struct wfs_inspect_rows *rows)
{
    struct wfs_buf root wfs_cleanup(wfs_buf_free) = {0};
    fprintf(
        stderr,
        "weightfs: what is below '%s' is shown; tensors beside it: %u (--root . is all of it)\n",
        wfs_look_show_root(rows, &root), rows->n_outside);
}

int wfs_look_rows(struct wfs_look *look, const struct wfs_session *session,
                  struct wfs_inspect_rows **ret, struct wfs_error *err)
{
    const struct wfs_session_options *o = &session->options;
    bool is_view = o->n_views > 0 && session->n_plans > 1;
    int r = wfs_inspect_rows(session->catalog, session->plans[is_view ? 1 : 0], &look->options, ret,
                             err);
    if (r)
        return r;
    if ((*ret)->n_outside && !look->options.root && !look->is_root_chosen)
        say_outside(*ret);
    return wfs_look_check_names(look, err);
}
