/*
 * verb_check.c - `weightfs check`: would this checkpoint load into that target, and with what left
 * over or missing? The exit status tells scripts.
 */
#include "cli/look.h"
#include "cli/verbs.h"

#define OPTION_AGAINST 0x300
#define OPTION_SILENT  0x301
#define OPTION_VALUES  0x302

struct check {
    struct wfs_look look;
    const char *against;
    bool silent, no_values;
};

static int compare(struct check *check, const struct wfs_session *session, struct wfs_check **ret,
                   struct wfs_error *err)
{
    struct wfs_inspect_rows *rows wfs_cleanup(wfs_inspect_rows_freep) = NULL;
    struct wfs_arena *arena wfs_cleanup(wfs_arena_freep) = wfs_arena_new();
    struct wfs_inspect_run how = {.cache = session->cache, .progress = true};
    const struct wfs_check_key *keys;
    size_t n;
    int r = arena ? 0 : wfs_error_nomem(err, "a check");
    if (!r)
        r = wfs_check_keys_load(arena, check->against, &keys, &n, err);
    if (!r)
        r = wfs_look_rows(&check->look, session, &rows, err);
    return r ? r : wfs_check_rows(rows, keys, n, check->no_values ? NULL : &how, ret, err);
}

static int report(struct check *check, const struct wfs_session *session)
{
    struct wfs_check *result wfs_cleanup(wfs_check_freep) = NULL;
    struct wfs_buf out wfs_cleanup(wfs_buf_free) = {0};
    struct wfs_error err = {0};
    if (compare(check, session, &result, &err))
        return wfs_cli_fail(&err);
    if (check->look.json)
        wfs_check_json(result, &out);
    else if (!check->silent)
        wfs_check_text(result, &out);
    int status = wfs_cli_print(&out);
    return status == WFS_EXIT_OK && result->n ? WFS_EXIT_PROBLEMS : status;
}

static int take_option(struct check *check, struct wfs_cli *cli, int c, struct wfs_error *err)
{
    switch (c) {
    case OPTION_AGAINST:
        check->against = cli->arg;
        return 0;
    case OPTION_SILENT:
        check->silent = true;
        return 0;
    case OPTION_VALUES:
        check->no_values = true;
        return 0;
    default:
        return wfs_look_option(&check->look, cli, c, err);
    }
}

static int run(const struct wfs_verb *verb, int argc, char **argv)
{
    struct wfs_cli cli wfs_cleanup(wfs_cli_close) = {0};
    struct wfs_session *session wfs_cleanup(wfs_session_freep) = NULL;
    struct check check = {0};
    struct wfs_error err = {0};
    int c, r = 0;
    if (wfs_cli_open(&cli, verb, argc, argv))
        return cli.status;
    while (!r && (c = wfs_cli_next(&cli)) > 0)
        r = take_option(&check, &cli, c, &err);
    int status = r ? wfs_cli_fail(&err) : cli.status;
    if (!r && c == 0 && !check.against)
        status = wfs_cli_misuse(verb, "what is it checked against? (--against TARGET)");
    else if (!r && c == 0)
        status =
            wfs_cli_session(&cli, check.no_values ? WFS_READS_NOTHING : WFS_READS_TO_KEEP, &session)
                ? cli.status
                : report(&check, session);
    wfs_look_free(&check.look);
    return status;
}

static const struct option long_options[] = {
    WFS_LOOK_LONG_OPTIONS,
    {"against", required_argument, NULL, OPTION_AGAINST},
    {"silent", no_argument, NULL, OPTION_SILENT},
    {"no-values", no_argument, NULL, OPTION_VALUES},
    {0},
};

const struct wfs_verb wfs_verb_check = {
    .name = "check",
    .operands = "SOURCE",
    .summary = "a checkpoint against what a target expects; exit status 1 where they differ",
    .help = "  --against TARGET             a checkpoint, a view in a mount, or JSON {key: shape}\n"
            "  --silent                     the exit status only\n"
            "  --no-values                  read no tensor (uninitialised ones are not "
            "found)\n" WFS_LOOK_HELP,
    .long_options = long_options,
    .min_operands = 1,
    .max_operands = 1,
    .takes_source = true,
    .run = run,
};
