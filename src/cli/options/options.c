/*
 * options.c - see options.h.
 */
#include "cli/options/options.h"

#include <string.h>
#include <unistd.h>

#include "cli/options/views.h"
#include "cli/options/table.h"

/* A key that has no row may belong to a view. It is kept until all views are known. */
static int add_item(void *ctx, char *item, struct wfs_error *err)
{
    struct wfs_options *options = ctx;
    char *whole = wfs_arena_strdup(options->arena, item);
    char *equals = strchr(item, '=');
    if (!whole)
        return wfs_error_nomem(err, "options");
    if (equals)
        *equals = '\0';
    int r = wfs_options_apply(options, item, equals ? equals + 1 : NULL, err);
    if (r != -ENOENT || (err && err->code))
        return r;
    return wfs_strings_add(&options->every.own, options->arena, whole, err);
}

int wfs_options_add_list(struct wfs_options *options, const char *list, struct wfs_error *err)
{
    char *copy = wfs_arena_strdup(options->arena, list);
    return copy ? wfs_options_split(copy, add_item, options, err) : wfs_error_nomem(err, "options");
}

int wfs_options_finish(struct wfs_options *options, const char *source, struct wfs_error *err)
{
    struct wfs_session_options *session = &options->mount.session;
    int r = wfs_options_finish_views(options, err);
    if (!r)
        r = wfs_options_set_path(options->arena, &session->source, source, err);
    if (r)
        return r;
    /* Where root mounts for another user, that user may not read all that root may. */
    session->is_shared |= session->uid != (uid_t)-1 && session->uid != geteuid() && geteuid() == 0;
    session->source_options.roots = options->roots.list;
    session->source_options.set = options->every.set.list;
    if (!wfs_buf_ok(&options->fuse))
        return wfs_error_nomem(err, "options");
    options->mount.fuse_options = options->fuse.data;
    options->mount.cache.source = session->source;
    return 0;
}
