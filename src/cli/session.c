/*
 * session.c - the source of a verb, opened as the mount opens it, so that both give the same bytes.
 */
#include "cli/session.h"

#include <string.h>

#include "mount/problems.h"
#include "cli/output.h"

static void print_warnings(const struct wfs_session *session)
{
    struct wfs_buf text wfs_cleanup(wfs_buf_free) = {0};
    wfs_session_warnings(session, &text);
    for (char *line = text.data; line && *line;) {
        size_t len = strcspn(line, "\n");
        fprintf(stderr, "weightfs: %.*s\n", (int)len, line);
        line += len + (line[len] == '\n');
    }
}

/* A verb that reads a file once gains nothing from an index. It uses one that the user named, and
 * makes none at the default place. */
static int start_cache(const struct wfs_cli *cli, struct wfs_session *session, bool keeps,
                       struct wfs_error *err)
{
    struct wfs_cache_options cache = cli->options.mount.cache;
    if (!keeps && !cache.index_path && cache.mode != WFS_CACHE_ALWAYS)
        cache.index_path = "none";
    wfs_session_cache_options(session, &cache);
    int r = wfs_cache_new(&cache, &session->cache, err);
    if (!r && keeps)
        wfs_session_put_tables(session);
    return r;
}

int wfs_cli_session(struct wfs_cli *cli, enum wfs_cli_reads reads, struct wfs_session **ret)
{
    struct wfs_session *session wfs_cleanup(wfs_session_freep) = NULL;
    struct wfs_session_options options = cli->options.mount.session;
    struct wfs_error err = {0};
    options.strict = false;
    int r = wfs_session_open(&options, &session, &err);
    if (!r)
        r = wfs_session_prove_casts(session, &cli->options.mount.cache, &err);
    if (r) {
        cli->status = wfs_cli_fail(&err);
        return r;
    }
    if (!cli->is_silent)
        print_warnings(session);
    uint64_t n_problems = wfs_session_n_problems(session);
    if (cli->options.mount.session.strict && n_problems) {
        r = wfs_error_set(&err, EINVAL, "%llu problems, and --strict",
                          (unsigned long long)n_problems);
        wfs_cli_fail(&err);
        cli->status = WFS_EXIT_PROBLEMS;
        return r;
    }
    if (reads != WFS_READS_NOTHING)
        r = start_cache(cli, session, reads == WFS_READS_TO_KEEP, &err);
    if (r) {
        cli->status = wfs_cli_fail(&err);
        return r;
    }
    *ret = wfs_steal(&session);
    return 0;
}
