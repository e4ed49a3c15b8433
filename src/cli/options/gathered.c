/*
 * gathered.c - see gathered.h.
 */
#include "cli/options/gathered.h"

#include <stdlib.h>

int wfs_options_init(struct wfs_options *options, struct wfs_error *err)
{
    *options = (struct wfs_options){.arena = wfs_arena_new()};
    options->mount.session.uid = (uid_t)-1;
    options->mount.session.gid = (gid_t)-1;
    return options->arena ? 0 : wfs_error_nomem(err, "options");
}

static void free_spec(struct wfs_view_spec *spec)
{
    free(spec->set.list);
    free(spec->own.list);
}

void wfs_options_free(struct wfs_options *options)
{
    for (size_t i = 0; i < options->n_views; i++)
        free_spec(&options->views[i]);
    free_spec(&options->every);
    free(options->views);
    free(options->view_options);
    free(options->roots.list);
    wfs_buf_free(&options->fuse);
    wfs_arena_free(options->arena);
    *options = (struct wfs_options){0};
}
