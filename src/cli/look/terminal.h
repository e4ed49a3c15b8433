/*
 * terminal.h - what is known of the terminal, and text that fits it.
 */
#ifndef WEIGHTFS_CLI_LOOK_TERMINAL_H
#define WEIGHTFS_CLI_LOOK_TERMINAL_H

#include "base/base.h"

/* Columns of the terminal on stdout; 0 where it is none. */
unsigned wfs_look_width(void);
/* A terminal that shows colours, and nobody who said NO_COLOR. */
bool wfs_look_color(void);
/* Text to stdout, on a terminal no line wider than it; the exit status. */
int wfs_look_print(struct wfs_buf *text);

#endif
