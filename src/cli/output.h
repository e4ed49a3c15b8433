/*
 * output.h - what a verb says on stdout and stderr, and the exit status that it amounts to.
 */
#ifndef WEIGHTFS_CLI_OUTPUT_H
#define WEIGHTFS_CLI_OUTPUT_H

#include "base/base.h"

/* "weightfs: message" on stderr; the exit status. */
int wfs_cli_fail(const struct wfs_error *err);
/* Writes to stdout and says what went wrong: the exit status of that. */
int wfs_cli_print(const struct wfs_buf *text);
/* What was printed reaches its reader, or an error and its exit status. */
int wfs_cli_flush(void);

#endif
