/*
 * norms.c - `weightfs norms`: statistics of every tensor in one pass, kept in the index.
 */
#include <stdlib.h>

#include "cli/output.h"
#include "cli/cli.h"
#include "cli/session.h"
#include "cli/look/terminal.h"
#include "cli/look/look.h"

#define OPTION_TSV 0x300

struct norms {
    struct wfs_look look;
    bool tsv;
};

static int print_norms(struct norms *norms, const struct wfs_inspect_rows *rows,
                       const struct wfs_stats *stats, const bool *known)
{
    struct wfs_buf out wfs_cleanup(wfs_buf_free) = {0};
    struct wfs_norms_options options = {.width = wfs_look_width(), .color = wfs_look_color()};
    if (norms->look.json)
        wfs_norms_json(rows, stats, known, &out);
    else if (norms->tsv)
        wfs_norms_tsv(rows, stats, known, &out);
    else
        wfs_norms_text(rows, stats, known, &options, &out);
    return norms->look.json || norms->tsv ? wfs_cli_print(&out) : wfs_look_print(&out);
}

static int read_and_print(struct norms *norms, const struct wfs_session *session)
{
    struct wfs_inspect_rows *rows wfs_cleanup(wfs_inspect_rows_freep) = NULL;
    struct wfs_inspect_run how = {.cache = session->cache, .progress = true};
    struct wfs_error err = {0};
    int r = wfs_look_rows(&norms->look, session, &rows, &err);
    if (r)
        return wfs_cli_fail(&err);
    struct wfs_stats *stats wfs_cleanup(wfs_freep) = calloc((size_t)rows->n + 1, sizeof(*stats));
    bool *known wfs_cleanup(wfs_freep) = calloc((size_t)rows->n + 1, sizeof(*known));
    r = stats && known ? wfs_inspect_stats(rows, &how, false, stats, known, &err)
                       : wfs_error_nomem(&err, "statistics");
    return r ? wfs_cli_fail(&err) : print_norms(norms, rows, stats, known);
}

static int count(struct norms *norms, struct wfs_cli *cli)
{
    const struct wfs_cli_choice outputs[] = {
        {"--json", norms->look.json}, {"--tsv", norms->tsv}, {0}};
    int status = wfs_cli_one_of(cli->verb, outputs);
    if (!status)
        status = wfs_look_finish(&norms->look, cli);
    if (status)
        return status;
    struct wfs_session *session wfs_cleanup(wfs_session_freep) = NULL;
    norms->look.options.rule = WFS_ROOT_MODEL;
    return wfs_cli_session(cli, WFS_READS_TO_KEEP, &session) ? cli->status
                                                             : read_and_print(norms, session);
}

static int run(const struct wfs_verb *verb, int argc, char **argv)
{
    struct wfs_cli cli wfs_cleanup(wfs_cli_close) = {0};
    struct norms norms = {0};
    struct wfs_error err = {0};
    int c, r = 0;
    if (wfs_cli_open(&cli, verb, argc, argv))
        return cli.status;
    while (!r && (c = wfs_cli_next(&cli)) > 0) {
        norms.tsv |= c == OPTION_TSV;
        r = c == OPTION_TSV ? 0 : wfs_look_option(&norms.look, &cli, c, &err);
    }
    int status = r ? wfs_cli_fail(&err) : cli.status;
    if (!r && c == 0)
        status = count(&norms, &cli);
    wfs_look_free(&norms.look);
    return status;
}

static const struct option long_options[] = {
    WFS_LOOK_LONG_OPTIONS,
    {"tsv", no_argument, NULL, OPTION_TSV},
    {0},
};

const struct wfs_verb wfs_verb_norms = {
    .name = "norms",
    .operands = "SOURCE",
    .summary = "statistics: l2 norm, mean, std, min, max, zeros, NaN and Inf of every tensor",
    .help = WFS_LOOK_HELP "  --tsv                        tab-separated\n",
    .long_options = long_options,
    .min_operands = 1,
    .max_operands = 1,
    .takes_source = true,
    .run = run,
};
