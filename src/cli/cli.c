/*
 * cli.c - the loop over a verb's arguments. getopt_long is given the verb's own options and, where
 * the verb takes a source, the shared ones; the shared ones never reach the verb.
 */
#include "cli/cli.h"

#include <stdlib.h>
#include <string.h>

#include "cli/output.h"
#include "cli/help.h"
#include "cli/options/views.h"
#include "cli/options/table.h"

/* Values of long options without a letter; beyond those of characters and of the verbs. */
enum shared_option {
    OPTION_HELP = 0x1000,
    OPTION_VIEW,
    OPTION_TEMPLATE,
    OPTION_RULES,
    OPTION_STRICT,
};

static const struct option source_options[] = {
    {"view", required_argument, NULL, OPTION_VIEW},
    {"template", required_argument, NULL, OPTION_TEMPLATE},
    {"rules", required_argument, NULL, OPTION_RULES},
    {"strict", no_argument, NULL, OPTION_STRICT},
};
static const struct option help_option = {"help", no_argument, NULL, OPTION_HELP};

static void merge_options(struct wfs_cli *cli)
{
    size_t n = 0;
    for (const struct option *o = cli->verb->long_options; o && o->name; o++)
        cli->long_options[n++] = *o;
    for (size_t i = 0; cli->verb->takes_source && i < WFS_ARRAY_SIZE(source_options); i++)
        cli->long_options[n++] = source_options[i];
    cli->long_options[n++] = help_option;
    cli->long_options[n] = (struct option){0};
    snprintf(cli->short_options, sizeof(cli->short_options), ":h%s%s",
             cli->verb->takes_source ? "o:" : "",
             cli->verb->short_options ? cli->verb->short_options : "");
}

int wfs_cli_open(struct wfs_cli *cli, const struct wfs_verb *verb, int argc, char **argv)
{
    struct wfs_error err = {0};
    *cli = (struct wfs_cli){.verb = verb, .argc = argc, .argv = argv};
    merge_options(cli);
    optind = 0; /* makes getopt_long start anew, at this argv */
    opterr = 0;
    if (wfs_options_init(&cli->options, &err) == 0)
        return 0;
    cli->status = wfs_cli_fail(&err);
    return -err.code;
}

void wfs_cli_close(struct wfs_cli *cli)
{
    wfs_options_free(&cli->options);
}

static int stop(struct wfs_cli *cli, int status)
{
    cli->status = status;
    return -1;
}

static int misused(struct wfs_cli *cli, int c)
{
    const char *option = cli->argv[optind - 1];
    if (c == ':')
        return stop(cli, wfs_cli_misuse(cli->verb, "%s: a value is expected", option));
    if (optopt > 0 && optopt < 256)
        return stop(cli, wfs_cli_misuse(cli->verb, "-%c: no such option", optopt));
    return stop(cli, wfs_cli_misuse(cli->verb, "%s: no such option", option));
}

static int finish(struct wfs_cli *cli)
{
    struct wfs_error err = {0};
    cli->n_operands = (unsigned)(cli->argc - optind);
    cli->operands = cli->argv + optind;
    if (cli->n_operands < cli->verb->min_operands)
        return stop(cli, wfs_cli_misuse(cli->verb, "an operand is missing"));
    if (cli->n_operands > cli->verb->max_operands)
        return stop(cli, wfs_cli_misuse(cli->verb, "%s: one operand too many",
                                        cli->operands[cli->verb->max_operands]));
    if (cli->verb->takes_source && cli->n_operands &&
        wfs_options_finish(&cli->options, cli->operands[0], &err))
        return stop(cli, wfs_cli_fail(&err));
    return 0;
}

/* Applies option c where it is a shared one: 0, or -errno. 1 where c is one of the verb's own. */
static int take_shared(struct wfs_cli *cli, int c, struct wfs_error *err)
{
    switch (c) {
    case 'o':
        return cli->verb->takes_source ? wfs_options_add_list(&cli->options, optarg, err) : 1;
    case OPTION_VIEW:
        return wfs_options_add_view(&cli->options, optarg, err);
    case OPTION_TEMPLATE:
        return wfs_options_apply(&cli->options, "template", optarg, err);
    case OPTION_RULES:
        return wfs_options_apply(&cli->options, "rules", optarg, err);
    case OPTION_STRICT:
        return wfs_options_apply(&cli->options, "strict", NULL, err);
    default:
        return 1;
    }
}

int wfs_cli_next(struct wfs_cli *cli)
{
    for (;;) {
        struct wfs_error err = {0};
        int c = getopt_long(cli->argc, cli->argv, cli->short_options, cli->long_options, NULL);
        if (c < 0)
            return finish(cli);
        if (c == ':' || c == '?')
            return misused(cli, c);
        if (c == 'h' || c == OPTION_HELP)
            return stop(cli, wfs_help_verb(cli->verb));
        cli->arg = optarg;
        int r = take_shared(cli, c, &err);
        if (r > 0)
            return c;
        if (r < 0)
            return stop(cli, wfs_cli_fail(&err));
    }
}
