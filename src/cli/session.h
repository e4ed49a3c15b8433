/*
 * session.h - the source of a verb, opened.
 */
#ifndef WEIGHTFS_CLI_SESSION_H
#define WEIGHTFS_CLI_SESSION_H

#include "cli/cli.h"

enum wfs_cli_reads {
    WFS_READS_NOTHING, /* metadata only: no cache */
    WFS_READS_ONCE,    /* one pass over bytes: a cache, its index only where the user named one */
    WFS_READS_TO_KEEP, /* results go to the index: the checkpoint's own unless another is named */
};
/* Opens the source of cli->options, warnings on stderr. 0, or -errno with the failure reported and
 * cli->status set. */
int wfs_cli_session(struct wfs_cli *cli, enum wfs_cli_reads reads, struct wfs_session **ret);

#endif
