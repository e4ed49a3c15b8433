/*
 * options.h - the "key=value" options of wfs_checkpoint_open as a session's options.
 */
#ifndef WEIGHTFS_API_OPTIONS_H
#define WEIGHTFS_API_OPTIONS_H

#include "tree/tree.h"

/* Everything in it points into the caller's strings, or at `lists`. */
struct wfs_api_options {
    struct wfs_session_options session;
    struct wfs_view_options view;
    struct wfs_cache_options cache;
    const char **lists[3]; /* root=, set= and a view's own options; each ends with NULL */
};

/* `path` and `list` as in weightfs.h; both must live as long as *ret. */
int wfs_api_options_parse(const char *path, const char *const *list, struct wfs_api_options *ret,
                          struct wfs_error *err);
void wfs_api_options_free(struct wfs_api_options *options);

#endif
