/*
 * pair.c - two checkpoints side by side: which tree of each is compared.
 */
#include "cli/look/pair.h"

#include <string.h>
#include <sys/stat.h>

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
    int r = wfs_options_set_path(cli->options.arena, &options.source, path, err);
    options.source_options.weights = look->weights;
    options.views = NULL;
    options.n_views = 0;
    options.strict = false;
    return r ? r : wfs_session_open(&options, ret, err);
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
                side->label, wfs_look_show_root(side->rows, &root));
}

/* Whether there are tensors below this root. root NULL: whether the side is a tree of parameters
 * alone, and no train state. */
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

/* Compares all of a side that has no such root, where the other side has it. Where neither has it,
 * options->root stays, and making the rows fails with a message. */
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
    return r ? r : wfs_look_check_names(look, err);
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
    return r ? r : wfs_look_check_names(look, err);
}
