/*
 * look.c - options and rows of the looking verbs (table, norms, check, diff).
 */
#include "cli/look.h"

#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
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

/* A name that nothing has is a typing error, after which everything would be clean. */
static int check_names(const struct wfs_look *look, struct wfs_error *err)
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
static const char *show_root(const struct wfs_inspect_rows *rows, struct wfs_buf *out)
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
        show_root(rows, &root), rows->n_outside);
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
    return check_names(look, err);
}

/* ---- two checkpoints ----------------------------------------------------------------------- */

static bool is_directory(const char *path)
{
    struct stat st;
    return stat(path, &st) == 0 && S_ISDIR(st.st_mode);
}

void wfs_look_share_weights(struct wfs_look *look, struct wfs_cli *cli, const char *other)
{
    struct wfs_session_options *session = &cli->options.mount.session;
    bool a = is_directory(session->source), b = is_directory(other);
    look->weights = a && !b ? NULL : session->source_options.weights;
    if (b && !a)
        session->source_options.weights = NULL;
}

int wfs_look_open_other(const struct wfs_look *look, struct wfs_cli *cli, const char *path,
                        struct wfs_session **ret, struct wfs_error *err)
{
    struct wfs_session_options options = cli->options.mount.session;
    options.source = wfs_options_absolute(&cli->options, path, err);
    options.source_options.weights = look->weights;
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

static int make_both(struct wfs_look *look, const struct wfs_inspect_options *options_a,
                     struct wfs_look_side *a, const struct wfs_inspect_options *options_b,
                     struct wfs_look_side *b, struct wfs_error *err)
{
    memset(look->matched, 0, look->names.n * sizeof(*look->matched));
    int r = make_rows(options_a, a, err);
    return r ? r : make_rows(options_b, b, err);
}

static void say_root(const struct wfs_look *look, const struct wfs_look_side *side)
{
    struct wfs_buf root wfs_cleanup(wfs_buf_free) = {0};
    if (*side->rows->root && !look->silent)
        fprintf(stderr, "weightfs: of %s what is below '%s' is compared (--root . is all of it)\n",
                side->label, show_root(side->rows, &root));
}

/* Whether the side has this root; root NULL: whether it is a tree of parameters and no more. */
static bool has_root(const struct wfs_look_side *side, const char *root)
{
    struct wfs_inspect_options options = {.root = root, .rule = WFS_ROOT_MODEL};
    struct wfs_inspect_rows *rows wfs_cleanup(wfs_inspect_rows_freep) = NULL;
    struct wfs_error ignored = {0};
    return wfs_inspect_rows(side->catalog, side->plan, &options, &rows, &ignored) == 0 &&
           (root || !*rows->root);
}

static const char *without_root(const struct wfs_look *look, const char *label)
{
    struct wfs_buf visible wfs_cleanup(wfs_buf_free) = {0};
    wfs_buf_visible(&visible, look->options.root);
    if (!look->silent && wfs_buf_ok(&visible))
        fprintf(stderr, "weightfs: %s has no root '%s': all of it is compared\n", label,
                visible.data);
    return ".";
}

/* Where neither side has the root that was asked for, making rows says so. */
static void settle_root(const struct wfs_look *look, const struct wfs_look_side *side,
                        bool other_has_it, struct wfs_inspect_options *options)
{
    if (other_has_it && !has_root(side, options->root) && has_root(side, NULL))
        options->root = without_root(look, side->label);
}

int wfs_look_pair(struct wfs_look *look, struct wfs_look_side *a, struct wfs_look_side *b,
                  struct wfs_error *err)
{
    struct wfs_inspect_options options_a = look->options;
    options_a.rule = WFS_ROOT_MODEL;
    struct wfs_inspect_options options_b = options_a;
    if (look->options.root) {
        settle_root(look, a, has_root(b, look->options.root), &options_a);
        settle_root(look, b, has_root(a, look->options.root), &options_b);
    }
    int r = make_both(look, &options_a, a, &options_b, b, err);
    if (r)
        return r;
    if (!look->options.root && strcmp(a->rows->root, b->rows->root) != 0) {
        say_root(look, a);
        say_root(look, b);
    } else if (!look->options.root && !look->is_root_chosen && *a->rows->root) {
        options_a.root = options_b.root = ".";
        r = make_both(look, &options_a, a, &options_b, b, err);
    }
    return r ? r : check_names(look, err);
}

int wfs_look_pair_keys(struct wfs_look *look, struct wfs_look_side *a, struct wfs_arena *arena,
                       const struct wfs_check_key **keys, size_t *n_keys, struct wfs_error *err)
{
    struct wfs_inspect_options options_a = look->options;
    options_a.rule = WFS_ROOT_MODEL;
    struct wfs_inspect_options options_b = options_a;
    if (look->options.root) {
        bool keys_have_it = wfs_check_keys_have_root(*keys, *n_keys, look->options.root);
        settle_root(look, a, keys_have_it, &options_a);
        if (!keys_have_it && has_root(a, look->options.root))
            options_b.root = without_root(look, "the target");
    }
    int r = make_rows(&options_a, a, err);
    if (!r && !look->options.root && !look->is_root_chosen)
        say_root(look, a);
    if (!r)
        r = wfs_check_keys_select(arena, &options_b, a->plan->sep, keys, n_keys, err);
    return r ? r : check_names(look, err);
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
