/*
 * signals.h - a verb that writes files is interrupted between two pieces, cleans up, and then ends
 * as the signal would have ended it.
 */
#ifndef WEIGHTFS_CLI_SIGNALS_H
#define WEIGHTFS_CLI_SIGNALS_H

#include <stdatomic.h>

/* Set by a signal that was caught; never before wfs_signals_catch. */
extern atomic_bool wfs_signals_interrupt;
/* From here on SIGINT, SIGTERM and SIGHUP are caught, and a size limit is an error of write(2). */
void wfs_signals_catch(void);
/* Once all is undone, dies as the shell expects of a program that was interrupted. */
int wfs_signals_end(void);

#endif
