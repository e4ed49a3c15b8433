/*
 * cli.h - one binary, verbs. A verb is one file with one descriptor, and one row in verbs.c.
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

#include <getopt.h>

#include "cli/options.h"

struct wfs_verb {
    const char *name;
    const char *operands; /* "SOURCE PATH..." */
    const char *summary;
    const char *help; /* of its own options, one line each; may be "" */
    const char *short_options;
    const struct option
        *long_options; /* ends with an empty row; val is what wfs_cli_next returns */
    unsigned min_operands, max_operands;
    bool takes_source; /* the first operand is one: --view, -o and so on are understood */
    int (*run)(const struct wfs_verb *verb, int argc, char **argv);
};
extern const struct wfs_verb *const wfs_verbs[]; /* NULL-terminated */

#define WFS_CLI_OPTIONS_MAX 48

struct wfs_cli {
    const struct wfs_verb *verb;
    int argc;
    char **argv;
    struct wfs_options options;
    struct option long_options[WFS_CLI_OPTIONS_MAX];
    char short_options[32];
    /* Results. */
    const char *arg; /* of the option that wfs_cli_next returned */
    unsigned n_operands;
    char **operands;
    int status; /* where wfs_cli_next returned -1 */
};
int wfs_cli_open(struct wfs_cli *cli, const struct wfs_verb *verb, int argc, char **argv);
/* The next of the verb's own options; 0 when all are read, the operands counted and the shared ones
 * complete; -1 where there is nothing left to do but return cli->status. */
int wfs_cli_next(struct wfs_cli *cli);
void wfs_cli_close(struct wfs_cli *cli);

/* "weightfs: message" on stderr; the exit status. */
int wfs_cli_fail(const struct wfs_error *err);
/* A mistake in how the verb was called: says so, with a hint at --help. */
int wfs_cli_misuse(const struct wfs_verb *verb, const char *fmt, ...) WFS_PRINTF(2, 3);
/* Options of which one at most makes sense; name NULL is the end. 0, or the exit status of a misuse
 * that names two which were given. */
struct wfs_cli_choice {
    const char *name;
    bool is_given;
};
int wfs_cli_one_of(const struct wfs_verb *verb, const struct wfs_cli_choice *choices);
/* Writes to stdout and says what went wrong: the exit status of that. */
int wfs_cli_print(const struct wfs_buf *text);
/* What was printed reaches its reader, or an error and its exit status. */
int wfs_cli_flush(void);

enum wfs_cli_reads {
    WFS_READS_NOTHING, /* metadata only: no cache */
    WFS_READS_ONCE,    /* one pass over bytes: a cache, its index only where the user named one */
    WFS_READS_TO_KEEP, /* results go to the index: the checkpoint's own unless another is named */
};
/* Opens the source of cli->options, warnings on stderr. 0, or -errno with the failure reported and
 * cli->status set. */
int wfs_cli_session(struct wfs_cli *cli, enum wfs_cli_reads reads, struct wfs_session **ret);

#endif
