/*
 * terminal.h - what is known of the terminal, and text that fits it.
 */
#ifndef WEIGHTFS_CLI_LOOK_TERMINAL_H
#define WEIGHTFS_CLI_LOOK_TERMINAL_H

#include "base/base.h"

/* How many columns the terminal on stdout has; 0 where stdout is no terminal. */
unsigned wfs_look_width(void);
/* Whether stdout is a terminal that shows colours, and NO_COLOR is not set. */
bool wfs_look_color(void);
/* Prints text on stdout; on a terminal, lines are cut at its width. Returns the exit status. */
int wfs_look_print(struct wfs_buf *text);

#endif
