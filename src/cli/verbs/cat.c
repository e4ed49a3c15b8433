/*
 * cat.c - `weightfs cat`: the bytes of virtual files on stdout.
 */
#include <unistd.h>

#include "cli/output.h"
#include "cli/cli.h"
#include "cli/session.h"
#include "cli/copy.h"

static int cat(struct wfs_session *session, const char *path, struct wfs_error *err)
{
    uint32_t node;
    int r = wfs_session_resolve(session, path, &node, err);
    return r ? r : wfs_copy_node(session, node, STDOUT_FILENO, "stdout", NULL, err);
}

static int run(const struct wfs_verb *verb, int argc, char **argv)
{
    struct wfs_cli cli wfs_cleanup(wfs_cli_close) = {0};
    struct wfs_session *session wfs_cleanup(wfs_session_freep) = NULL;
    struct wfs_error err = {0};
    if (wfs_cli_open(&cli, verb, argc, argv) || wfs_cli_next(&cli) < 0 ||
        wfs_cli_session(&cli, WFS_READS_ONCE, &session))
        return cli.status;
    for (unsigned i = 1; i < cli.n_operands; i++)
        if (cat(session, cli.operands[i], &err))
            return wfs_cli_fail(&err);
    return WFS_EXIT_OK;
}

const struct wfs_verb wfs_verb_cat = {
    .name = "cat",
    .operands = "SOURCE PATH...",
    .summary = "writes files of the tree to stdout, without a mount",
    .help = "",
    .min_operands = 2,
    .max_operands = UINT32_MAX,
    .takes_source = true,
    .run = run,
};
