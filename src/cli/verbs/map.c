/*
 * map.c - `weightfs map`: how a checkpoint maps to a view, and what of it does not. The exit status
 * tells whether there are problems, so that a script can find them before a job runs into them.
 */
#include <stdlib.h>
#include <string.h>

#include "inspect/inspect.h"
#include "mount/problems.h"
#include "cli/output.h"
#include "cli/cli.h"

#define OPTION_JSON    0x100
#define OPTION_EXPLAIN 0x101

struct map {
    struct wfs_catalog *catalog;
    struct wfs_arena *arena; /* of the command line */
    const struct wfs_view_options *views;
    uint32_t n_views;
    bool json;
    const struct wfs_cache_options *cache; /* where the index is */
    struct wfs_strings explain;
    uint64_t n_problems;
    struct wfs_buf out;
};

static int report(struct map *map, const struct wfs_view_options *view, struct wfs_error *err)
{
    struct wfs_plan *plan wfs_cleanup(wfs_plan_freep) = NULL;
    int r = wfs_plan_view(map->catalog, view, &plan, err);
    if (!r)
        r = wfs_writers_check(plan->files, plan->view, err);
    if (!r)
        r = wfs_prove_casts(map->catalog, &plan, 1, map->cache, err);
    if (r)
        return r;
    map->n_problems += wfs_plan_n_problems(plan);
    if (map->json)
        wfs_plan_report_json(plan, map->catalog, &map->out);
    else
        wfs_plan_report_text(plan, &map->out);
    return 0;
}

static int explain(struct map *map, const struct wfs_view_options *view, struct wfs_error *err)
{
    int r = 0;
    for (size_t i = 0; !r && i < map->explain.n; i++)
        r = wfs_plan_explain(map->catalog, view, map->explain.list[i], &map->out, err);
    return r;
}

/* Reports all views. As JSON, one view is an object, several are a list of objects. */
static int map_all(struct map *map, struct wfs_error *err)
{
    bool as_list = map->json && map->n_views > 1 && !map->explain.n;
    int r = 0;
    wfs_buf_str(&map->out, as_list ? "[" : "");
    for (uint32_t i = 0; !r && i < map->n_views; i++) {
        wfs_buf_str(&map->out, i && as_list ? ",\n" : "");
        r = map->explain.n ? explain(map, &map->views[i], err) : report(map, &map->views[i], err);
    }
    wfs_buf_str(&map->out, as_list ? "]\n" : "");
    return r;
}

static void print_notes(const struct wfs_catalog *catalog)
{
    for (uint32_t i = 0; i < catalog->n_notes; i++) {
        struct wfs_buf line wfs_cleanup(wfs_buf_free) = {0};
        const struct wfs_note *note = &catalog->notes[i];
        if (note->kind == WFS_NOTE_INFO)
            continue;
        wfs_buf_visible(&line, note->subject);
        wfs_buf_str(&line, *note->subject ? ": " : "");
        wfs_buf_visible(&line, note->text);
        if (wfs_buf_ok(&line) && line.len)
            fprintf(stderr, "weightfs: %s\n", line.data);
    }
}

/* Names the default views in `own`, with the options that were given for all. */
static int name_defaults(struct map *map, const struct wfs_session_options *options,
                         struct wfs_view_options *own, struct wfs_error *err)
{
    struct wfs_view_options given = map->n_views ? map->views[0] : (struct wfs_view_options){0};
    struct wfs_default_views found;
    int r = wfs_plan_default_views(map->catalog, &given, &found, err);
    if (r)
        return r;
    for (uint32_t i = 0; i < found.n; i++) {
        own[i] = given;
        own[i].name = wfs_arena_strdup(map->arena, found.plans[i]->view);
        if (!own[i].name)
            r = wfs_error_nomem(err, "the views");
    }
    map->views = own;
    map->n_views = found.n;
    wfs_default_views_free(&found);
    if (!r && map->n_views == 0)
        r = wfs_error_set(err, EINVAL,
                          "%s: its names do not tell which view it wants; name one (--view)",
                          options->source);
    return r;
}

/* The views that were named, else the default ones. `own` is room for their options. */
static int choose_views(struct map *map, const struct wfs_session_options *options,
                        struct wfs_view_options *own, struct wfs_error *err)
{
    if (options->source_only)
        return wfs_error_set(err, EINVAL,
                             "--view source: the source is shown as it is, and has no "
                             "mapping to report");
    map->views = options->views;
    map->n_views = options->n_views;
    if (map->n_views && (map->views[0].name || map->views[0].rules))
        return 0;
    return name_defaults(map, options, own, err);
}

static int map_source(struct map *map, const struct wfs_session_options *options,
                      struct wfs_error *err)
{
    struct wfs_view_options own[WFS_DEFAULT_VIEWS_MAX];
    int r = wfs_catalog_open(options->source, &options->source_options, &map->catalog, err);
    if (r)
        return r;
    r = choose_views(map, options, own, err);
    print_notes(map->catalog);
    if (options->strict)
        map->n_problems += wfs_catalog_n_problems(map->catalog);
    return r ? r : map_all(map, err);
}

static int read_options(struct wfs_cli *cli, struct map *map, struct wfs_error *err)
{
    int c;
    while ((c = wfs_cli_next(cli)) > 0) {
        if (c == OPTION_JSON)
            map->json = true;
        else if (wfs_strings_add(&map->explain, cli->options.arena, cli->arg, err))
            return -1;
    }
    const struct wfs_cli_choice outputs[] = {
        {"--json", map->json}, {"--explain", map->explain.n > 0}, {0}};
    cli->status = c == 0 ? wfs_cli_one_of(cli->verb, outputs) : cli->status;
    return cli->status ? -1 : c;
}

static int run(const struct wfs_verb *verb, int argc, char **argv)
{
    struct wfs_cli cli wfs_cleanup(wfs_cli_close) = {0};
    struct wfs_error err = {0};
    struct map map = {.cache = &cli.options.mount.cache};
    if (wfs_cli_open(&cli, verb, argc, argv))
        return cli.status;
    map.arena = cli.options.arena;
    int status = read_options(&cli, &map, &err);
    if (status < 0) {
        status = err.code ? wfs_cli_fail(&err) : cli.status;
    } else if (map_source(&map, &cli.options.mount.session, &err)) {
        status = wfs_cli_fail(&err);
    } else {
        status = wfs_cli_print(&map.out);
        if (status == WFS_EXIT_OK && map.n_problems)
            status = WFS_EXIT_PROBLEMS;
    }
    wfs_catalog_free(map.catalog);
    wfs_buf_free(&map.out);
    free(map.explain.list);
    return status;
}

static const struct option long_options[] = {
    {"json", no_argument, NULL, OPTION_JSON},
    {"explain", required_argument, NULL, OPTION_EXPLAIN},
    {0},
};

const struct wfs_verb wfs_verb_map = {
    .name = "map",
    .operands = "SOURCE",
    .summary = "reports how a checkpoint maps to a view; exit status 1 where it has problems",
    .help =
        "  --json                       for programs: an object, a list where views are several\n"
        "  --explain NAME               which rule took this tensor and why the others did not\n",
    .long_options = long_options,
    .min_operands = 1,
    .max_operands = 1,
    .takes_source = true,
    .run = run,
};
