/*
 * cli.h - one binary, verbs. A verb is a file verbs/NAME.c, with its options, its usage and its
 * descriptor wfs_verb_NAME, and a row in WFS_VERBS below.
 *
 *     int c;
 *     struct wfs_cli cli wfs_cleanup(wfs_cli_close) = {0};
 *     if (wfs_cli_open(&cli, &wfs_verb_ls, argc, argv)) ...
 *     while ((c = wfs_cli_next(&cli)) > 0)
 *         ... an option of the verb's own: c, cli.arg
 *     if (c < 0)
 *         return cli.status;            (--help was printed, or a mistake reported)
 *     ... cli.n_operands, cli.operands
 */
#ifndef WEIGHTFS_CLI_CLI_H
#define WEIGHTFS_CLI_CLI_H

#include "cli/options/options.h"
#include "cli/verb.h"

/* The verbs, in the order in which --help lists them. */
#define WFS_VERBS(ROW)                                                                             \
    ROW(wfs_verb_mount)                                                                            \
    ROW(wfs_verb_umount)                                                                           \
    ROW(wfs_verb_ls)                                                                               \
    ROW(wfs_verb_cat)                                                                              \
    ROW(wfs_verb_cp)                                                                               \
    ROW(wfs_verb_export)                                                                           \
    ROW(wfs_verb_map)                                                                              \
    ROW(wfs_verb_table)                                                                            \
    ROW(wfs_verb_norms)                                                                            \
    ROW(wfs_verb_check)                                                                            \
    ROW(wfs_verb_diff)                                                                             \
    ROW(wfs_verb_index)
#define WFS_DECLARE_VERB(verb) extern const struct wfs_verb verb;
WFS_VERBS(WFS_DECLARE_VERB)

#define WFS_CLI_OPTIONS_MAX 48

struct wfs_cli {
    const struct wfs_verb *verb;
    int argc;
    char **argv;
    struct wfs_options options;
    struct option long_options[WFS_CLI_OPTIONS_MAX];
    char short_options[32];
    /* What wfs_cli_next found. */
    const char *arg; /* of the option that wfs_cli_next returned */
    unsigned n_operands;
    char **operands;
    int status;     /* where wfs_cli_next returned -1 */
    bool is_silent; /* errors only: no warnings of the source and its views */
};
int wfs_cli_open(struct wfs_cli *cli, const struct wfs_verb *verb, int argc, char **argv);
/* Returns the next of the verb's own options (its `val`). 0 after the last one: the operands are
 * then counted, and cli->options is complete. -1 after --help or a mistake, both of which were
 * printed: the verb returns cli->status. */
int wfs_cli_next(struct wfs_cli *cli);
void wfs_cli_close(struct wfs_cli *cli);

#endif
