/*
 * gathered.h - what the options of a source say, put together: for a session, its cache and a mount
 * of it.
 */
#ifndef WEIGHTFS_CLI_OPTIONS_GATHERED_H
#define WEIGHTFS_CLI_OPTIONS_GATHERED_H

#include "mount/mount.h"
#include "cli/options/list.h"

/* What is said to one view, or by a plain -o to all of them. */
struct wfs_view_spec {
    const char *name;
    const char *rules, *template_path, *dtype, *outtype;
    bool narrow, packed;
    struct wfs_strings set; /* "NAME=VALUE" */
    struct wfs_strings own; /* "key=value", of keys that only this view has */
};

struct wfs_options {
    struct wfs_arena *arena;        /* holds every string */
    struct wfs_mount_options mount; /* complete after wfs_options_finish */
    struct wfs_view_spec *views;
    size_t n_views, views_cap;
    bool source_view;           /* --view source was said; it is none of `views` */
    struct wfs_view_spec every; /* said by a plain -o; `own` goes to the one view that takes it */
    struct wfs_strings roots;
    struct wfs_buf fuse;                   /* passed to libfuse */
    struct wfs_view_options *view_options; /* made of `views` and `every` at the end */
};
int wfs_options_init(struct wfs_options *options, struct wfs_error *err);
void wfs_options_free(struct wfs_options *options);

#endif
