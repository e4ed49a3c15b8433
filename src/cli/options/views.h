/*
 * views.h - the options of views, and which of them reach which view.
 */
#ifndef WEIGHTFS_CLI_OPTIONS_VIEWS_H
#define WEIGHTFS_CLI_OPTIONS_VIEWS_H

#include "cli/options/gathered.h"

/* An option that every view takes: as --view NAME:key=value for one, as -o key=value for all. A new
 * one is a row in views.c, a function, and what takes the field in struct wfs_view_options. */
struct wfs_view_option {
    const char *key;
    int (*set)(struct wfs_options *options, struct wfs_view_spec *spec, const char *value,
               struct wfs_error *err);
};
/* The option with this key, or NULL. */
const struct wfs_view_option *wfs_view_option_find(const char *key);

/* One argument of --view: NAME[:key=value,...]. */
int wfs_options_add_view(struct wfs_options *options, const char *spec, struct wfs_error *err);
/* To be called after the last option: gives each view what was said to it and to all. */
int wfs_options_finish_views(struct wfs_options *options, struct wfs_error *err);

/* After wfs_options_finish_views: where no view was named and -o rules= names none, `name` (borrowed) is the
 * view, with what a plain -o said. */
void wfs_options_default_view(struct wfs_options *options, const char *name);

#endif
