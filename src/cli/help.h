/*
 * help.h - what --help says, put together from the verbs' descriptors.
 */
#ifndef WEIGHTFS_CLI_HELP_H
#define WEIGHTFS_CLI_HELP_H

#include "cli/cli.h"

int wfs_help_program(FILE *out);
int wfs_help_verb(const struct wfs_verb *verb);

#endif
