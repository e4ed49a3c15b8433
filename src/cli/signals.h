/*
 * signals.h - interrupting a verb that writes files: it stops between two pieces, removes what is
 * incomplete, and then dies by the same signal, as the shell expects.
 */
#ifndef WEIGHTFS_CLI_SIGNALS_H
#define WEIGHTFS_CLI_SIGNALS_H

#include <stdatomic.h>

/* Set when a signal was caught. */
extern atomic_bool wfs_signals_interrupt;
/* Catches SIGINT, SIGTERM and SIGHUP from here on. A file size limit (SIGXFSZ) becomes an error of
 * write(2). */
void wfs_signals_catch(void);
/* Ends the process by the signal that was caught. Returns only where that fails: an exit status. */
int wfs_signals_end(void);

#endif
