/*
 * diff.c - `weightfs diff`: two checkpoints, of any formats. Where their conventions differ, A
 * is looked at through the view that has B's; --view says which instead.
 */
#include <string.h>

#include "cli/output.h"
#include "cli/cli.h"
#include "cli/session.h"
#include "cli/look/terminal.h"
#include "cli/look/look.h"
#include "cli/look/pair.h"

#define OPTION_ALL 0x300

struct diff {
    struct wfs_look look;
    bool all;
};

/* The index that was named is A's; what is learnt of B is kept in B's own. */
static int start_cache(const struct wfs_cli *cli, struct wfs_session *session,
                       struct wfs_error *err)
{
    struct wfs_cache_options cache = cli->options.mount.cache;
    if (cache.index_path && strcmp(cache.index_path, "none") != 0)
        cache.index_path = NULL;
    wfs_session_cache_options(session, &cache);
    int r = wfs_cache_new(&cache, &session->cache, err);
    if (!r)
        wfs_session_put_tables(session);
    return r;
}

/* Whose names a source has, or NULL. Opening the session asked it: asking again cannot fail. */
static const char *convention_of(const struct wfs_session *session)
{
    const char *name;
    struct wfs_error err = {0};
    return wfs_plan_convention(session->catalog, &name, &err) ? NULL : name;
}

/* Which plan of A is compared with B as it is: a view that was named; else, where the conventions
 * differ, the view that has B's, one of the session's or made into *ret_own; else A as it is. */
static const struct wfs_plan *plan_of_a(const struct wfs_session *a, const struct wfs_session *b,
                                        struct wfs_plan **ret_own)
{
    const char *name_a = convention_of(a), *name_b = convention_of(b);
    const struct wfs_plan *found = NULL;
    struct wfs_error err = {0};
    if (a->options.n_views > 0 && a->n_plans > 1)
        return a->plans[1];
    if (a->options.source_only || !name_a || !name_b || strcmp(name_a, name_b) == 0)
        return a->plans[0];
    for (uint32_t i = 1; i < a->n_plans && !found; i++)
        if (strcmp(a->plans[i]->view, name_b) == 0)
            found = a->plans[i];
    struct wfs_view_options options = {.name = name_b};
    if (!found && wfs_plan_view(a->catalog, &options, ret_own, &err) == 0)
        found = *ret_own;
    if (!found) {
        fprintf(stderr, "weightfs: the conventions differ: %s\n", err.message);
        return a->plans[0];
    }
    fprintf(stderr, "weightfs: the conventions differ: A is compared through its view '%s'\n",
            found->view);
    return found;
}

static int report(struct diff *diff, const struct wfs_session *a, const struct wfs_session *b)
{
    struct wfs_inspect_run run_a = {.cache = a->cache, .progress = true};
    struct wfs_inspect_run run_b = {.cache = b->cache, .progress = true};
    struct wfs_plan *own wfs_cleanup(wfs_plan_freep) = NULL;
    struct wfs_look_side side_a = {.label = "A", .catalog = a->catalog};
    struct wfs_look_side side_b = {.label = "B", .catalog = b->catalog, .plan = b->plans[0]};
    struct wfs_diff *result wfs_cleanup(wfs_diff_freep) = NULL;
    struct wfs_buf out wfs_cleanup(wfs_buf_free) = {0};
    struct wfs_error err = {0};
    side_a.plan = plan_of_a(a, b, &own);
    int status = WFS_EXIT_OK, r = wfs_look_pair(&diff->look, &side_a, &side_b, &err);
    if (!r)
        r = wfs_diff_rows(side_a.rows, &run_a, side_b.rows, &run_b, &result, &err);
    if (r) {
        status = wfs_cli_fail(&err);
    } else if (diff->look.json) {
        wfs_diff_json(result, &out);
        status = wfs_cli_print(&out);
    } else {
        wfs_diff_text(result, diff->all, &out);
        status = wfs_look_print(&out);
    }
    bool differs = !r && result->n != result->n_by_kind[WFS_DIFF_SAME];
    wfs_inspect_rows_free(side_a.rows);
    wfs_inspect_rows_free(side_b.rows);
    return status == WFS_EXIT_OK && differs ? WFS_EXIT_PROBLEMS : status;
}

static int open_and_report(struct diff *diff, struct wfs_cli *cli)
{
    struct wfs_session *a wfs_cleanup(wfs_session_freep) = NULL;
    struct wfs_session *b wfs_cleanup(wfs_session_freep) = NULL;
    struct wfs_error err = {0};
    int status = wfs_look_finish(&diff->look, cli);
    if (status)
        return status;
    wfs_look_share_weights(&diff->look, cli, cli->operands[1]);
    if (wfs_cli_session(cli, WFS_READS_TO_KEEP, &a))
        return cli->status;
    int r = wfs_look_open_other(&diff->look, cli, cli->operands[1], &b, &err);
    if (!r)
        r = start_cache(cli, b, &err);
    return r ? wfs_cli_fail(&err) : report(diff, a, b);
}

static int run(const struct wfs_verb *verb, int argc, char **argv)
{
    struct wfs_cli cli wfs_cleanup(wfs_cli_close) = {0};
    struct diff diff = {0};
    struct wfs_error err = {0};
    int c, r = 0;
    if (wfs_cli_open(&cli, verb, argc, argv))
        return cli.status;
    while (!r && (c = wfs_cli_next(&cli)) > 0) {
        diff.all |= c == OPTION_ALL;
        r = c == OPTION_ALL ? 0 : wfs_look_option(&diff.look, &cli, c, &err);
    }
    int status = r ? wfs_cli_fail(&err) : cli.status;
    if (!r && c == 0)
        status = open_and_report(&diff, &cli);
    wfs_look_free(&diff.look);
    return status;
}

static const struct option long_options[] = {
    WFS_LOOK_LONG_OPTIONS,
    {"all", no_argument, NULL, OPTION_ALL},
    {0},
};

const struct wfs_verb wfs_verb_diff = {
    .name = "diff",
    .operands = "A B",
    .summary = "two checkpoints: same, changed, renamed, only in one; exit status 1 where they "
               "differ",
    .help = WFS_LOOK_HELP "  --all                        tensors that are the same too\n",
    .long_options = long_options,
    .min_operands = 2,
    .max_operands = 2,
    .takes_source = true,
    .run = run,
};
