/*
 * output.h - what a verb says on stdout and stderr, and the exit status that it amounts to.
 */
#ifndef WEIGHTFS_CLI_OUTPUT_H
#define WEIGHTFS_CLI_OUTPUT_H

#include "base/base.h"

/* Prints "weightfs: message" on stderr; returns the exit status for the error. */
int wfs_cli_fail(const struct wfs_error *err);
/* Prints the text on stdout, and on stderr why that failed. Returns the exit status. */
int wfs_cli_print(const struct wfs_buf *text);
/* Flushes stdout: an error of an earlier write is found here as well. Returns the exit status. */
int wfs_cli_flush(void);

#endif
