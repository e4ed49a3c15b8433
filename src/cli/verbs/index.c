/*
 * index.c - `weightfs index`: lists what the indices hold, verifies it, and removes some or all.
 *
 * WHAT is the file of an index, or a checkpoint, whose index is meant. Without WHAT, all indices of
 * the user are.
 */
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "cli/output.h"
#include "cli/options/size.h"
#include "cli/cli.h"

#define OPTION_JSON   0x100
#define OPTION_REPAIR 0x101
#define OPTION_SIZE   0x102
#define OPTION_ALL    0x103

#define SQLITE_MAGIC "SQLite format 3"

/* Options, as bits. */
enum { JSON = 1, REPAIR = 2, SIZE = 4, ALL = 8 };

static const struct {
    const char *name;
    unsigned option;
} option_names[] = {{"--json", JSON}, {"--repair", REPAIR}, {"--size", SIZE}, {"--all", ALL}};

struct index_args {
    unsigned options;
    bool json, repair, all;
    uint64_t max_bytes;
    const char *what; /* NULL: all */
};

static bool is_database(const char *path)
{
    char head[sizeof(SQLITE_MAGIC)];
    struct stat st;
    if (stat(path, &st) != 0 || !S_ISREG(st.st_mode)) /* opening a pipe would block */
        return false;
    FILE *in wfs_cleanup(wfs_fclosep) = fopen(path, "re");
    return in && fread(head, 1, sizeof(head), in) == sizeof(head) &&
           memcmp(head, SQLITE_MAGIC, sizeof(head)) == 0;
}

/* The path of the index that `what` means; the caller frees it. A name that ends in .db is enough:
 * an index that is damaged from its first byte on can be repaired or cleared, too. */
static char *index_of(const char *what, struct wfs_error *err)
{
    struct wfs_source_options options = {0};
    struct wfs_catalog *catalog wfs_cleanup(wfs_catalog_freep) = NULL;
    size_t len = strlen(what);
    bool is_named = len > 3 && strcmp(what + len - 3, ".db") == 0;
    if (is_named || is_database(what)) {
        char *copy = strdup(what);
        if (!copy)
            wfs_error_nomem(err, what);
        return copy;
    }
    if (wfs_catalog_open(what, &options, &catalog, err))
        return NULL;
    return wfs_index_default_path(&catalog->id, err);
}

/* The same; -ENOENT where the checkpoint has no index. */
static char *existing_index_of(const char *what, struct wfs_error *err)
{
    char *path wfs_cleanup(wfs_freep) = index_of(what, err);
    if (path && strcmp(path, what) != 0 && access(path, F_OK) && errno == ENOENT) {
        wfs_error_set(err, ENOENT, "%s: it has no index", what);
        return NULL;
    }
    return wfs_steal(&path);
}

static void add_text(struct wfs_buf *out, const struct wfs_index_info *info)
{
    char stamp[32] = "";
    struct tm tm;
    time_t used_at = (time_t)info->used_at;
    strftime(stamp, sizeof(stamp), "%Y-%m-%d %H:%M", localtime_r(&used_at, &tm));
    wfs_buf_printf(out, "%s\n  source  ", info->path);
    wfs_buf_visible(out, info->source ? info->source : "?");
    wfs_buf_printf(out, "%s\n  used    %s\n", info->is_stale ? " (gone or changed)" : "", stamp);
    wfs_buf_printf(out, "  file    %llu bytes, schema %d\n", (unsigned long long)info->file_bytes,
                   info->schema_version);
    wfs_buf_printf(out, "  blocks  %llu: %llu bytes, stored as %llu\n",
                   (unsigned long long)info->n_blocks, (unsigned long long)info->block_raw_bytes,
                   (unsigned long long)info->block_stored_bytes);
    wfs_buf_printf(out, "  facts   %llu\n", (unsigned long long)info->n_facts);
}

static void add_json(struct wfs_buf *out, const struct wfs_index_info *info)
{
    wfs_buf_str(out, "{\"path\": ");
    wfs_buf_json(out, info->path);
    wfs_buf_str(out, ", \"source\": ");
    wfs_buf_json(out, info->source ? info->source : "");
    wfs_buf_printf(out,
                   ", \"stale\": %s, \"used_at\": %lld, \"schema\": %d, \"file_bytes\": %llu, "
                   "\"blocks\": %llu, \"raw_bytes\": %llu, \"stored_bytes\": %llu, "
                   "\"facts\": %llu}",
                   info->is_stale ? "true" : "false", (long long)info->used_at,
                   info->schema_version, (unsigned long long)info->file_bytes,
                   (unsigned long long)info->n_blocks, (unsigned long long)info->block_raw_bytes,
                   (unsigned long long)info->block_stored_bytes, (unsigned long long)info->n_facts);
}

static int print_infos(const struct index_args *args, const struct wfs_index_info *infos, size_t n)
{
    struct wfs_buf out wfs_cleanup(wfs_buf_free) = {0};
    wfs_buf_str(&out, args->json ? "[" : "");
    for (size_t i = 0; i < n; i++) {
        wfs_buf_str(&out, args->json && i ? ",\n" : "");
        if (args->json)
            add_json(&out, &infos[i]);
        else
            add_text(&out, &infos[i]);
    }
    wfs_buf_str(&out, args->json ? "]\n" : "");
    return wfs_cli_print(&out);
}

/* The indices that the arguments mean; the caller frees them with wfs_index_info_free(ret, n). */
static int gather(const struct index_args *args, struct wfs_index_info **ret, size_t *ret_n,
                  struct wfs_error *err)
{
    if (!args->what)
        return wfs_index_list(ret, ret_n, err);
    char *path wfs_cleanup(wfs_freep) = existing_index_of(args->what, err);
    struct wfs_index_info *info wfs_cleanup(wfs_freep) = calloc(1, sizeof(*info));
    if (!path)
        return -err->code;
    if (!info)
        return wfs_error_nomem(err, "an index");
    int r = wfs_index_stat(path, info, err);
    if (r)
        return r;
    *ret = wfs_steal(&info);
    *ret_n = 1;
    return 0;
}

static int run_list(const struct index_args *args, struct wfs_error *err)
{
    struct wfs_index_info *infos = NULL;
    size_t n = 0;
    if (gather(args, &infos, &n, err))
        return wfs_cli_fail(err);
    int status = print_infos(args, infos, n);
    wfs_index_info_free(infos, n);
    return status;
}

static int run_verify(const struct index_args *args, struct wfs_error *err)
{
    struct wfs_index_info *infos = NULL;
    size_t n = 0;
    uint64_t n_bad_total = 0;
    int r = gather(args, &infos, &n, err);
    for (size_t i = 0; !r && i < n; i++) {
        uint64_t n_blocks = 0, n_bad = 0;
        r = wfs_index_verify(infos[i].path, args->repair, &n_blocks, &n_bad, err);
        if (!r)
            printf("%s: %llu blocks, %llu bad%s\n", infos[i].path, (unsigned long long)n_blocks,
                   (unsigned long long)n_bad, n_bad && args->repair ? ", removed" : "");
        n_bad_total += n_bad;
    }
    wfs_index_info_free(infos, n);
    if (r)
        return wfs_cli_fail(err);
    return n_bad_total ? WFS_EXIT_PROBLEMS : WFS_EXIT_OK;
}

static int run_prune(const struct index_args *args, struct wfs_error *err)
{
    uint64_t freed = 0;
    if (wfs_index_prune(args->max_bytes, &freed, err))
        return wfs_cli_fail(err);
    printf("%llu bytes freed\n", (unsigned long long)freed);
    return WFS_EXIT_OK;
}

static int run_clear(const struct index_args *args, struct wfs_error *err)
{
    uint64_t freed = 0;
    char *path wfs_cleanup(wfs_freep) = args->what ? existing_index_of(args->what, err) : NULL;
    if (!args->what && !args->all)
        return wfs_cli_misuse(&wfs_verb_index, "clear: name an index or a source, or say --all");
    if ((args->what && !path) || wfs_index_clear(path, &freed, err))
        return wfs_cli_fail(err);
    printf("%llu bytes freed\n", (unsigned long long)freed);
    return WFS_EXIT_OK;
}

static const struct {
    const char *name;
    int (*run)(const struct index_args *args, struct wfs_error *err);
    unsigned options;
} actions[] = {
    {"list", run_list, JSON},   {"stat", run_list, JSON},  {"verify", run_verify, REPAIR},
    {"prune", run_prune, SIZE}, {"clear", run_clear, ALL},
};

static int run_action(size_t action, const struct index_args *args, struct wfs_error *err)
{
    const char *name = actions[action].name;
    for (size_t i = 0; i < WFS_ARRAY_SIZE(option_names); i++)
        if (args->options & option_names[i].option & ~actions[action].options)
            return wfs_cli_misuse(&wfs_verb_index, "%s: %s is not for it", name,
                                  option_names[i].name);
    if (args->what && actions[action].run == run_prune)
        return wfs_cli_misuse(&wfs_verb_index, "%s %s: it is of all indices together", name,
                              args->what);
    if (args->what && args->all)
        return wfs_cli_misuse(&wfs_verb_index, "%s: %s and --all: not both", name, args->what);
    return actions[action].run(args, err);
}

static int read_option(const struct wfs_cli *cli, int c, struct index_args *args,
                       struct wfs_error *err)
{
    static const unsigned bits[] = {JSON, REPAIR, SIZE, ALL};
    args->options |= bits[c - OPTION_JSON];
    if (c == OPTION_SIZE)
        return wfs_options_parse_size(cli->arg, &args->max_bytes, err);
    args->json |= c == OPTION_JSON;
    args->repair |= c == OPTION_REPAIR;
    args->all |= c == OPTION_ALL;
    return 0;
}

static int run(const struct wfs_verb *verb, int argc, char **argv)
{
    struct wfs_cli cli wfs_cleanup(wfs_cli_close) = {0};
    struct index_args args = {0};
    struct wfs_error err = {0};
    int c;
    if (wfs_cli_open(&cli, verb, argc, argv))
        return cli.status;
    while ((c = wfs_cli_next(&cli)) > 0)
        if (read_option(&cli, c, &args, &err))
            return wfs_cli_fail(&err);
    if (c < 0)
        return cli.status;
    const char *action = cli.n_operands ? cli.operands[0] : "list";
    args.what = cli.n_operands > 1 ? cli.operands[1] : NULL;
    for (size_t i = 0; i < WFS_ARRAY_SIZE(actions); i++)
        if (strcmp(actions[i].name, action) == 0)
            return run_action(i, &args, &err);
    return wfs_cli_misuse(verb, "%s: list, stat, verify, prune or clear is expected", action);
}

static const struct option long_options[] = {
    {"json", no_argument, NULL, OPTION_JSON},
    {"repair", no_argument, NULL, OPTION_REPAIR},
    {"size", required_argument, NULL, OPTION_SIZE},
    {"all", no_argument, NULL, OPTION_ALL},
    {0},
};

const struct wfs_verb wfs_verb_index = {
    .name = "index",
    .operands = "[list|stat|verify|prune|clear] [WHAT]",
    .summary = "what the indices of computed blocks hold",
    .help = "  list, stat [WHAT]    of one index or all: source, use, sizes; --json\n"
            "  verify [WHAT]        reads every block; --repair removes bad ones; exit status 1\n"
            "                       where there were any\n"
            "  prune                removes indices whose source is gone or changed;\n"
            "                       --size SIZE shrinks the others to that together\n"
            "  clear WHAT | --all   removes an index, or all\n"
            "WHAT is an index's file, or a source.\n",
    .long_options = long_options,
    .max_operands = 2,
    .run = run,
};
