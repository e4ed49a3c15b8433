/*
 * export.c - `weightfs export`: one virtual file written out, by all processors; or a share of
 * it, by one of several machines.
 */
#include <stdlib.h>
#include <string.h>

#include "cli/output.h"
#include "cli/signals.h"
#include "cli/cli.h"
#include "cli/session.h"
#include "cli/export_target.h"

#define OPTION_PART   0x100
#define OPTION_FINISH 0x101
#define OPTION_ABORT  0x102
#define OPTION_AS     0x103
#define OPTION_SOURCE 0x104

/* How much of mapped files is kept in memory. Each tensor is read once, and few at a time. */
#define WINDOWS_KEPT_BYTES (UINT64_C(64) << 20)

struct export
{
    struct wfs_export_options options;
    const char *as;
    bool is_source, finish, abort;
};

/* ---- what is written ----------------------------------------------------------------------- */

/* Blocks out of an index were cast, and their overflow counted, by somebody else: what is cast here
 * is computed here. */
static bool has_casts(const struct wfs_plan *plan, const char *file)
{
    size_t len = strlen(file), suffix = strlen(".gguf");
    if (len > suffix && strcmp(file + len - suffix, ".gguf") == 0)
        return true;
    for (uint32_t i = 0; i < plan->n_targets; i++)
        if (strstr(plan->targets[i].operations, "cast("))
            return true;
    return false;
}

static int export_node(struct wfs_session *session, const struct wfs_plan *plan, uint32_t node,
                       struct export *export, struct wfs_error *err)
{
    struct wfs_open *open wfs_cleanup(wfs_open_freep) = NULL;
    struct wfs_export_options *options = &export->options;
    int r = wfs_open_node(session, node, &open, err);
    if (r)
        return r;
    const struct wfs_vfile *file = wfs_open_vfile(open);
    if (!file)
        return wfs_error_set(err, EINVAL, "%s: a file of the checkpoint, not of a view: copy it",
                             wfs_tree_node(session->tree, node)->name);
    options->source_id = wfs_export_source_id(session, plan);
    options->state_id = wfs_export_state_id(session);
    options->mode = session->catalog->mode | 0200;
    wfs_signals_catch();
    if (export->finish)
        return wfs_export_finish(file, options, err);
    wfs_windows_keep(WINDOWS_KEPT_BYTES);
    return wfs_export(
        file, has_casts(plan, wfs_tree_node(session->tree, node)->name) ? NULL : session->cache,
        options, err);
}

/* The file is there; what it lost is said, and is a problem whether it was expected or not. */
static int overflow_status(const char *path, uint64_t n)
{
    if (n == 0)
        return WFS_EXIT_OK;
    fprintf(
        stderr,
        "weightfs: %s: %llu finite elements became infinite or NaN in a type of smaller range\n",
        path, (unsigned long long)n);
    return WFS_EXIT_PROBLEMS;
}

static int do_export(struct wfs_cli *cli, struct export *export)
{
    struct wfs_session *session wfs_cleanup(wfs_session_freep) = NULL;
    struct wfs_error err = {0};
    const struct wfs_cache_options *cache = &cli->options.mount.cache;
    _Atomic uint64_t n_overflowed = 0;
    uint32_t node;
    /* Each byte is read once, in order, so keeping blocks in memory would cost a copy and save
     * nothing. */
    enum wfs_cli_reads reads =
        cache->index_path || cache->mode == WFS_CACHE_ALWAYS ? WFS_READS_ONCE : WFS_READS_NOTHING;
    if (wfs_cli_session(cli, reads, &session))
        return cli->status;
    if (!export->is_source && session->n_plans < 2) {
        wfs_error_set(&err, EINVAL, "which view? --view NAME, or --source");
        return wfs_cli_fail(&err);
    }
    const struct wfs_plan *plan = session->plans[export->is_source ? 0 : 1];
    int r = wfs_export_find(session, plan, export->options.path, export->as, &node, &err);
    if (r == 0)
        r = wfs_export_check_target(session, export->options.path, &err);
    export->options.n_overflowed = &n_overflowed;
    if (r == 0)
        r = export_node(session, plan, node, export, &err);
    if (r == -EINTR && atomic_load(&wfs_signals_interrupt))
        return wfs_signals_end();
    return r ? wfs_cli_fail(&err)
             : overflow_status(export->options.path, atomic_load(&n_overflowed));
}

/* ---- options ------------------------------------------------------------------------------- */

static bool parse_part(const char *text, struct wfs_export_options *options)
{
    char end;
    return sscanf(text, "%u/%u%c", &options->part, &options->n_parts, &end) == 2 &&
           options->part >= 1 && options->part <= options->n_parts &&
           options->n_parts <= WFS_EXPORT_MAX_PARTS;
}

static bool parse_jobs(const char *text, unsigned *ret)
{
    char *end;
    unsigned long n = strtoul(text, &end, 10);
    *ret = (unsigned)wfs_min_u64(n, UINT32_MAX);
    /* The first character is looked at because strtoul accepts a sign. */
    return text[0] >= '0' && text[0] <= '9' && *end == '\0' && n > 0;
}

/* 0, or the exit status after a mistake was printed. */
static int take_option(const struct wfs_verb *verb, int c, const char *arg, struct export *export)
{
    if (c == OPTION_PART && !parse_part(arg, &export->options))
        return wfs_cli_misuse(verb, "--part %s: I/N is expected, 1 <= I <= N <= %d", arg,
                              WFS_EXPORT_MAX_PARTS);
    if (c == 'j' && !parse_jobs(arg, &export->options.n_threads))
        return wfs_cli_misuse(verb, "-j %s: a number is expected", arg);
    if (c == OPTION_AS)
        export->as = arg;
    export->is_source |= c == OPTION_SOURCE;
    export->finish |= c == OPTION_FINISH;
    export->abort |= c == OPTION_ABORT;
    return 0;
}

static int run(const struct wfs_verb *verb, int argc, char **argv)
{
    struct wfs_cli cli wfs_cleanup(wfs_cli_close) = {0};
    struct export export = {.options = {.interrupt = &wfs_signals_interrupt, .progress = true}};
    struct wfs_error err = {0};
    int c;
    if (wfs_cli_open(&cli, verb, argc, argv))
        return cli.status;
    while ((c = wfs_cli_next(&cli)) > 0) {
        int status = take_option(verb, c, cli.arg, &export);
        if (status)
            return status;
    }
    if (c < 0)
        return cli.status;
    export.options.path = cli.operands[1];
    export.is_source |= cli.options.source_view;
    if ((export.options.n_parts > 0) + export.finish + export.abort > 1)
        return wfs_cli_misuse(verb, "--part, --finish and --abort go one at a time");
    if (cli.options.n_views + export.is_source > 1)
        return wfs_cli_misuse(verb, "one --view at a time, or --source");
    if (export.abort)
        return wfs_export_abort(export.options.path, &err) ? wfs_cli_fail(&err) : WFS_EXIT_OK;
    if (!cli.options.mount.session.files)
        cli.options.mount.session.files = "all";
    cli.options.mount.session.is_export = true;
    if (!export.is_source)
        wfs_export_choose_view(&cli.options, export.as ? export.as : export.options.path);
    return do_export(&cli, &export);
}

static const struct option long_options[] = {
    {"part", required_argument, NULL, OPTION_PART},
    {"finish", no_argument, NULL, OPTION_FINISH},
    {"abort", no_argument, NULL, OPTION_ABORT},
    {"as", required_argument, NULL, OPTION_AS},
    {"source", no_argument, NULL, OPTION_SOURCE},
    {"jobs", required_argument, NULL, 'j'},
    {0},
};

const struct wfs_verb wfs_verb_export = {
    .name = "export",
    .operands = "SOURCE FILE",
    .summary = "writes one loader file of a view out; alone, or as one of several machines",
    .help =
        "  --source         of the checkpoint as it is, not of a view; --view source\n"
        "  --as NAME        which file of the view, where FILE's name or extension does not tell\n"
        "  -j, --jobs N     threads; one a processor by default\n"
        "  --part I/N       write the I-th of N parts of FILE.partial\n"
        "  --finish         check that all parts are there and intact, and make them FILE\n"
        "  --abort          remove FILE.partial and the parts' markers\n",
    .short_options = "j:",
    .long_options = long_options,
    .min_operands = 2,
    .max_operands = 2,
    .takes_source = true,
    .run = run,
};
