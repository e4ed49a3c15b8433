/*
 * signals.c - see signals.h.
 */
#include "cli/signals.h"

#include <signal.h>

#include "mount/mount.h"

atomic_bool wfs_signals_interrupt;
static volatile sig_atomic_t interrupted_by;

static void on_signal(int signo)
{
    interrupted_by = signo;
    atomic_store(&wfs_signals_interrupt, true);
}

void wfs_signals_catch(void)
{
    static const int signals[] = {SIGINT, SIGTERM, SIGHUP};
    /* Without SA_RESTART, so that a read that blocks ends with EINTR. */
    struct sigaction action = {.sa_handler = on_signal};
    for (size_t i = 0; i < WFS_ARRAY_SIZE(signals); i++)
        sigaction(signals[i], &action, NULL);
    signal(SIGXFSZ, SIG_IGN); /* write(2) then fails with EFBIG, and the file is removed */
}

int wfs_signals_end(void)
{
    signal(interrupted_by, SIG_DFL);
    raise(interrupted_by);
    return WFS_EXIT_INTERNAL;
}
