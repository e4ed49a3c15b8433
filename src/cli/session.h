/*
 * session.h - the source of a verb, opened.
 */
#ifndef WEIGHTFS_CLI_SESSION_H
#define WEIGHTFS_CLI_SESSION_H

#include "cli/cli.h"

enum wfs_cli_reads {
    WFS_READS_NOTHING, /* metadata only: no cache */
    WFS_READS_ONCE,    /* one pass over bytes: a cache, with an index only where one was named */
    WFS_READS_TO_KEEP, /* results are kept in the index: the default one, or the one named */
};
/* Opens the source of cli->options and prints its warnings on stderr. 0; or -errno, after the error
 * was printed and cli->status set. */
int wfs_cli_session(struct wfs_cli *cli, enum wfs_cli_reads reads, struct wfs_session **ret);

#endif
