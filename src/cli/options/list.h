/*
 * list.h - the smallest parts of options: lists of strings, "a,b,c", and paths.
 */
#ifndef WEIGHTFS_CLI_OPTIONS_LIST_H
#define WEIGHTFS_CLI_OPTIONS_LIST_H

#include "base/base.h"

/* NULL-terminated once something was added; NULL before. The list is freed by its owner, the
 * strings live in the arena. */
struct wfs_strings {
    const char **list;
    size_t n, cap;
};
int wfs_strings_add(struct wfs_strings *strings, struct wfs_arena *arena, const char *value,
                    struct wfs_error *err);
/* The same for NAME=VALUE of set=; -EINVAL where the name has a value already. */
int wfs_strings_add_setting(struct wfs_strings *strings, struct wfs_arena *arena, const char *value,
                            struct wfs_error *err);

/* Splits "a,b\,c" at its commas, in place, and calls fn for each item that is not empty. */
int wfs_options_split(char *list, int (*fn)(void *ctx, char *item, struct wfs_error *err),
                      void *ctx, struct wfs_error *err);

/* Copies a value into the arena. */
int wfs_options_set_string(struct wfs_arena *arena, const char **field, const char *value,
                           struct wfs_error *err);
/* The same for a path, which is made absolute; links stay as they are, since the name of a link to
 * a snapshot names its directory. */
int wfs_options_set_path(struct wfs_arena *arena, const char **field, const char *value,
                         struct wfs_error *err);

#endif
