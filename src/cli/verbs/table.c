/*
 * table.c - `weightfs table`: what parameters there are. Reads metadata only.
 */
#include <string.h>

#include "cli/output.h"
#include "cli/cli.h"
#include "cli/session.h"
#include "cli/look/terminal.h"
#include "cli/look/look.h"

#define OPTION_TSV   0x300
#define OPTION_KEYS  0x301
#define OPTION_DEPTH 0x302
#define OPTION_SORT  0x303

struct table {
    struct wfs_look look;
    struct wfs_table_options options;
    bool tsv, keys;
};

static int parse_sort(const char *text, enum wfs_table_sort *ret, struct wfs_error *err)
{
    static const char *const names[] = {"name", "count", "bytes", "dtype", "shape"};
    for (size_t i = 0; i < WFS_ARRAY_SIZE(names); i++) {
        if (strcmp(names[i], text) == 0) {
            *ret = (enum wfs_table_sort)i;
            return 0;
        }
    }
    return wfs_error_set(err, EINVAL, "--sort takes name, count, bytes, dtype or shape, not '%s'",
                         text);
}

static int parse_depth(const char *text, unsigned *ret, struct wfs_error *err)
{
    char end;
    if (sscanf(text, "%u%c", ret, &end) == 1 && *text != '-' && *ret > 0)
        return 0;
    return wfs_error_set(err, EINVAL, "--depth takes a number of components, not '%s'", text);
}

static int take_option(struct table *table, struct wfs_cli *cli, int c, struct wfs_error *err)
{
    switch (c) {
    case OPTION_TSV:
        table->tsv = true;
        return 0;
    case OPTION_KEYS:
        table->keys = true;
        return 0;
    case OPTION_DEPTH:
        return parse_depth(cli->arg, &table->options.depth, err);
    case OPTION_SORT:
        return parse_sort(cli->arg, &table->options.sort, err);
    default:
        return wfs_look_option(&table->look, cli, c, err);
    }
}

static int print_table(struct table *table, const struct wfs_session *session)
{
    struct wfs_inspect_rows *rows wfs_cleanup(wfs_inspect_rows_freep) = NULL;
    struct wfs_buf out wfs_cleanup(wfs_buf_free) = {0};
    struct wfs_error err = {0};
    if (wfs_look_rows(&table->look, session, &rows, &err))
        return wfs_cli_fail(&err);
    table->options.width = wfs_look_width();
    table->options.color = wfs_look_color();
    if (table->look.json)
        wfs_table_json(rows, &table->options, &out);
    else if (table->keys)
        wfs_table_keys(rows, &out);
    else if (table->tsv)
        wfs_table_tsv(rows, &table->options, &out);
    else
        wfs_table_text(rows, &table->options, &out);
    bool is_text = !table->look.json && !table->keys && !table->tsv;
    return is_text ? wfs_look_print(&out) : wfs_cli_print(&out);
}

/* 0, or the exit status after a mistake was printed. --keys prints the keys that `check` compares:
 * of Flax variables those of all collections. */
static int finish_options(struct table *table, struct wfs_cli *cli)
{
    const struct wfs_cli_choice outputs[] = {
        {"--json", table->look.json}, {"--tsv", table->tsv}, {"--keys", table->keys}, {0}};
    const struct wfs_cli_choice depth[] = {
        {"--depth", table->options.depth > 0}, {"--keys", table->keys}, {0}};
    int status = wfs_cli_one_of(cli->verb, outputs);
    if (!status)
        status = wfs_cli_one_of(cli->verb, depth);
    if (table->keys)
        table->look.options.rule = WFS_ROOT_MODEL;
    return status ? status : wfs_look_finish(&table->look, cli);
}

static int run(const struct wfs_verb *verb, int argc, char **argv)
{
    struct wfs_cli cli wfs_cleanup(wfs_cli_close) = {0};
    struct wfs_session *session wfs_cleanup(wfs_session_freep) = NULL;
    struct table table = {0};
    struct wfs_error err = {0};
    int c, r = 0;
    if (wfs_cli_open(&cli, verb, argc, argv))
        return cli.status;
    while (!r && (c = wfs_cli_next(&cli)) > 0)
        r = take_option(&table, &cli, c, &err);
    int status = r ? wfs_cli_fail(&err) : cli.status;
    if (!r && c == 0)
        status = finish_options(&table, &cli);
    if (!r && c == 0 && !status)
        status = wfs_cli_session(&cli, WFS_READS_NOTHING, &session) ? cli.status
                                                                    : print_table(&table, session);
    wfs_look_free(&table.look);
    return status;
}

static const struct option long_options[] = {
    WFS_LOOK_LONG_OPTIONS,
    {"decay-exclude", required_argument, NULL, WFS_LOOK_EXCLUDE},
    {"decay-include", required_argument, NULL, WFS_LOOK_INCLUDE},
    {"tsv", no_argument, NULL, OPTION_TSV},
    {"keys", no_argument, NULL, OPTION_KEYS},
    {"depth", required_argument, NULL, OPTION_DEPTH},
    {"sort", required_argument, NULL, OPTION_SORT},
    {0},
};

const struct wfs_verb wfs_verb_table = {
    .name = "table",
    .operands = "SOURCE",
    .summary = "the parameter table: name, shape, count, dtype, sharding, weight decay; totals",
    .help = WFS_LOOK_HELP
    "  --tsv                        tab-separated\n"
    "  --keys                       JSON {key: shape}, the format of a template\n"
    "  --depth N                    totals of the modules N components deep\n"
    "  --sort KEY                   by name, count, bytes, dtype or shape\n"
    "  --decay-exclude REGEX        weight decay for all but what matches; repeatable\n"
    "  --decay-include REGEX        weight decay for what matches only; repeatable\n",
    .long_options = long_options,
    .min_operands = 1,
    .max_operands = 1,
    .takes_source = true,
    .run = run,
};
