/*
 * mount.c - `weightfs mount`, and `weightfs SOURCE MOUNTPOINT`.
 */
#include <stdlib.h>

#include "cli/output.h"
#include "cli/cli.h"

static int run(const struct wfs_verb *verb, int argc, char **argv)
{
    struct wfs_cli cli wfs_cleanup(wfs_cli_close) = {0};
    struct wfs_error err = {0};
    int c;
    if (wfs_cli_open(&cli, verb, argc, argv))
        return cli.status;
    while ((c = wfs_cli_next(&cli)) > 0)
        cli.options.mount.foreground = true; /* the only option is -f */
    if (c < 0)
        return cli.status;
    char *mountpoint wfs_cleanup(wfs_freep) = wfs_mountpoint_resolve(cli.operands[1], &err);
    if (!mountpoint)
        return wfs_cli_fail(&err);
    cli.options.mount.mountpoint = mountpoint;
    int status = wfs_mount_run(&cli.options.mount, &err);
    if (err.code)
        wfs_cli_fail(&err);
    return status;
}

static const struct option long_options[] = {{"foreground", no_argument, NULL, 'f'}, {0}};

const struct wfs_verb wfs_verb_mount = {
    .name = "mount",
    .operands = "SOURCE MOUNTPOINT",
    .summary = "shows a checkpoint as a directory",
    .help = "  -f, --foreground             stay in the foreground; the log goes to stderr\n",
    .short_options = "f",
    .long_options = long_options,
    .min_operands = 2,
    .max_operands = 2,
    .takes_source = true,
    .run = run,
};
