/*
 * umount.c - `weightfs umount`: returns when the server has ended.
 */
#include "cli/output.h"
#include "cli/cli.h"

static int run(const struct wfs_verb *verb, int argc, char **argv)
{
    struct wfs_cli cli wfs_cleanup(wfs_cli_close) = {0};
    struct wfs_error err = {0};
    if (wfs_cli_open(&cli, verb, argc, argv) || wfs_cli_next(&cli) < 0)
        return cli.status;
    int r = wfs_mount_umount(cli.operands[0], &err);
    if (!r)
        return WFS_EXIT_OK;
    wfs_cli_fail(&err);
    return r == -EBUSY ? WFS_EXIT_PROBLEMS : WFS_EXIT_UNREADABLE;
}

const struct wfs_verb wfs_verb_umount = {
    .name = "umount",
    .operands = "MOUNTPOINT",
    .summary = "unmounts; returns when the index is written and the server gone",
    .help = "Where the mount is busy, says by whom; exit status 1.\n",
    .min_operands = 1,
    .max_operands = 1,
    .run = run,
};
