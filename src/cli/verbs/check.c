/*
 * check.c - `weightfs check`: would this checkpoint load into that target, and with what left
 * over or missing? The exit status tells scripts.
 */
#include <ctype.h>
#include <string.h>
#include <sys/stat.h>

#include "cli/output.h"
#include "cli/cli.h"
#include "cli/session.h"
#include "cli/look/terminal.h"
#include "cli/look/look.h"
#include "cli/look/pair.h"

#define OPTION_AGAINST 0x300
#define OPTION_SILENT  0x301
#define OPTION_VALUES  0x302

#define TEMPLATE_BLANKS_MAX 64 /* how many blanks may stand before the first brace */

struct check {
    struct wfs_look look;
    const char *against;
    bool no_values;
};

/* Whether the path is a JSON template of keys and shapes: a file that begins with '{' and is not
 * called like an index of shards. */
static bool is_template(const char *path)
{
    static const char index[] = ".index.json";
    size_t len = strlen(path);
    if (len >= sizeof(index) && strcmp(path + len - (sizeof(index) - 1), index) == 0)
        return false;
    struct stat st;
    if (stat(path, &st) != 0 || !S_ISREG(st.st_mode)) /* opening a pipe would block */
        return false;
    FILE *f wfs_cleanup(wfs_fclosep) = fopen(path, "re");
    int c = ' ';
    for (int i = 0; f && i < TEMPLATE_BLANKS_MAX && isspace(c); i++)
        c = getc(f);
    return c == '{';
}

struct target {
    struct wfs_arena *arena;
    struct wfs_session *session; /* NULL: a template */
    struct wfs_look_side side;
    const struct wfs_check_key *keys;
    size_t n_keys;
};

static void target_free(struct target *target)
{
    wfs_inspect_rows_free(target->side.rows);
    wfs_session_free(target->session);
    wfs_arena_free(target->arena);
}

/* Opens the target: its keys, and the source's rows that are compared with them. */
static int open_target(struct check *check, struct wfs_cli *cli, struct wfs_look_side *source,
                       struct target *target, struct wfs_error *err)
{
    target->arena = wfs_arena_new();
    if (!target->arena)
        return wfs_error_nomem(err, "a check");
    if (is_template(check->against)) {
        int r = wfs_check_keys_from_json(target->arena, check->against, &target->keys,
                                         &target->n_keys, err);
        return r ? r
                 : wfs_look_pair_keys(&check->look, source, target->arena, &target->keys,
                                      &target->n_keys, err);
    }
    int r = wfs_look_open_other(&check->look, cli, check->against, &target->session, err);
    if (r)
        return r;
    target->side = (struct wfs_look_side){.label = "the target",
                                          .catalog = target->session->catalog,
                                          .plan = target->session->plans[0]};
    r = wfs_look_pair(&check->look, source, &target->side, err);
    return r ? r
             : wfs_check_keys_from_rows(target->arena, target->side.rows, &target->keys,
                                        &target->n_keys, err);
}

static void print_hint(const struct wfs_check *result, const struct wfs_look_side *source)
{
    if (source->rows->n && result->n_by_kind[WFS_CHECK_UNUSED] == source->rows->n)
        fprintf(stderr, "weightfs: no name is on both sides; --view compares the names and layouts "
                        "of another framework\n");
}

static int report(struct check *check, const struct wfs_check *result)
{
    struct wfs_buf out wfs_cleanup(wfs_buf_free) = {0};
    int status = WFS_EXIT_OK;
    if (check->look.json) {
        wfs_check_json(result, &out);
        status = wfs_cli_print(&out);
    } else if (!check->look.silent) {
        wfs_check_text(result, &out);
        status = wfs_look_print(&out);
    }
    return status == WFS_EXIT_OK && result->n ? WFS_EXIT_PROBLEMS : status;
}

static int compare(struct check *check, struct wfs_cli *cli, const struct wfs_session *session)
{
    struct wfs_inspect_run how = {.cache = session->cache, .progress = !check->look.silent};
    struct wfs_check *result wfs_cleanup(wfs_check_freep) = NULL;
    bool is_view = session->options.n_views > 0 && session->n_plans > 1;
    struct wfs_look_side source = {.label = "the source",
                                   .catalog = session->catalog,
                                   .plan = session->plans[is_view ? 1 : 0]};
    struct target target = {0};
    struct wfs_error err = {0};
    int r = open_target(check, cli, &source, &target, &err);
    if (!r)
        r = wfs_check_rows(source.rows, target.keys, target.n_keys, check->no_values ? NULL : &how,
                           &result, &err);
    if (!r && !check->look.silent)
        print_hint(result, &source);
    int status = r ? wfs_cli_fail(&err) : report(check, result);
    wfs_inspect_rows_free(source.rows);
    target_free(&target);
    return status;
}

static int take_option(struct check *check, struct wfs_cli *cli, int c, struct wfs_error *err)
{
    switch (c) {
    case OPTION_AGAINST:
        check->against = cli->arg;
        return 0;
    case OPTION_SILENT:
        check->look.silent = cli->is_silent = true;
        return 0;
    case OPTION_VALUES:
        check->no_values = true;
        return 0;
    default:
        return wfs_look_option(&check->look, cli, c, err);
    }
}

/* 0, or the exit status after a mistake was printed. */
static int finish_options(struct check *check, struct wfs_cli *cli)
{
    const struct wfs_cli_choice outputs[] = {
        {"--json", check->look.json}, {"--silent", check->look.silent}, {0}};
    if (!check->against)
        return wfs_cli_misuse(cli->verb, "what is it checked against? (--against TARGET)");
    int status = wfs_cli_one_of(cli->verb, outputs);
    if (!status)
        status = wfs_look_finish(&check->look, cli);
    if (!status)
        wfs_look_share_weights(&check->look, cli, check->against);
    return status;
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
    if (!r && c == 0)
        status = finish_options(&check, &cli);
    if (!r && c == 0 && !status)
        status =
            wfs_cli_session(&cli, check.no_values ? WFS_READS_NOTHING : WFS_READS_TO_KEEP, &session)
                ? cli.status
                : compare(&check, &cli, session);
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
