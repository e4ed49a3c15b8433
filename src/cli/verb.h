/*
 * verb.h - what describes a verb, and mistakes in how one was called.
 */
#ifndef WEIGHTFS_CLI_VERB_H
#define WEIGHTFS_CLI_VERB_H

#include <getopt.h>

#include "base/base.h"

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

/* Prints a mistake in how the verb was called, with a hint at --help. Returns the exit status. */
int wfs_cli_misuse(const struct wfs_verb *verb, const char *fmt, ...) WFS_PRINTF(2, 3);

/* Of these options at most one may be given; a name of NULL ends the list. 0; or, where two were
 * given, the exit status after a misuse that names both. */
struct wfs_cli_choice {
    const char *name;
    bool is_given;
};
int wfs_cli_one_of(const struct wfs_verb *verb, const struct wfs_cli_choice *choices);

#endif
