/*
 * options.h - what -o, --view, --template, --rules and --strict say, gathered into the options of a
 * session, a cache and a mount.
 */
#ifndef WEIGHTFS_CLI_OPTIONS_H
#define WEIGHTFS_CLI_OPTIONS_H

#include "mount/mount.h"

/* NULL-terminated list of strings. */
struct wfs_strings {
    const char **list;
    size_t n, cap;
};

struct wfs_view_spec {
    const char *name;
    const char *rules, *template_path, *dtype;
    struct wfs_strings set, own; /* "NAME=VALUE", "key=value" */
};

struct wfs_options {
    struct wfs_arena *arena;        /* holds every string */
    struct wfs_mount_options mount; /* complete after wfs_options_finish */
    struct wfs_view_spec *views;
    size_t n_views, views_cap;
    bool source_view;           /* --view source was said; it is none of `views` */
    struct wfs_view_spec every; /* what a plain -o says to all views; `own`: to the one that
                                   takes it */
    struct wfs_strings roots;
    struct wfs_buf fuse; /* passed to libfuse */
    struct wfs_view_options *view_options;
};
int wfs_options_init(struct wfs_options *options, struct wfs_error *err);
void wfs_options_free(struct wfs_options *options);

/* One argument of -o: "key,key=value,..."; "\," is a comma in a value. */
int wfs_options_add_list(struct wfs_options *options, const char *list, struct wfs_error *err);
/* One argument of --view: NAME[:key=value,...]. */
int wfs_options_add_view(struct wfs_options *options, const char *spec, struct wfs_error *err);
/* The same for NAME=VALUE of set=; -EINVAL where the name has a value already. */
int wfs_options_add_setting(struct wfs_options *options, struct wfs_strings *strings,
                            const char *value, struct wfs_error *err);
int wfs_options_add_string(struct wfs_options *options, struct wfs_strings *strings,
                           const char *value, struct wfs_error *err);
/* A path made absolute, links as they are (a snapshot's link names its directory). NULL: failed. */
const char *wfs_options_absolute(struct wfs_options *options, const char *path,
                                 struct wfs_error *err);
/* After the last option. */
int wfs_options_finish(struct wfs_options *options, const char *source, struct wfs_error *err);

/* ---- internal to options*.c ------------------------------------------------------------------ */

/* One key of -o (option_table.c): 0; -ENOENT, without an error, where no row has the key. */
int wfs_options_apply(struct wfs_options *options, const char *key, const char *value,
                      struct wfs_error *err);
/* The views complete, each with what is said to all (option_views.c). */
int wfs_options_finish_views(struct wfs_options *options, struct wfs_error *err);
/* Splits "a,b\,c" at its commas: calls fn for each, in place. */
int wfs_options_split(char *list, int (*fn)(void *ctx, char *item, struct wfs_error *err),
                      void *ctx, struct wfs_error *err);
/* "4096", "64K", "1.5GiB": binary units. */
int wfs_options_parse_size(const char *text, uint64_t *ret, struct wfs_error *err);

#endif
