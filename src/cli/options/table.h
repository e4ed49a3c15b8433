/*
 * table.h - the keys of -o.
 */
#ifndef WEIGHTFS_CLI_OPTIONS_TABLE_H
#define WEIGHTFS_CLI_OPTIONS_TABLE_H

#include "cli/options/gathered.h"

/* One key of -o; value NULL where none was given. -ENOENT, without an error, where there is no such
 * key. */
int wfs_options_apply(struct wfs_options *options, const char *key, const char *value,
                      struct wfs_error *err);

#endif
