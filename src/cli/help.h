/*
 * help.h - what --help says, put together from the verbs' descriptors.
 */
#ifndef WEIGHTFS_CLI_HELP_H
#define WEIGHTFS_CLI_HELP_H

#include <stdio.h>

#include "cli/verb.h"

/* verbs ends with NULL. Both return the exit status. */
int wfs_help_program(const struct wfs_verb *const *verbs, FILE *out);
int wfs_help_verb(const struct wfs_verb *verb);

#endif
