/*
 * options.h - reading -o and what follows the last option.
 */
#ifndef WEIGHTFS_CLI_OPTIONS_OPTIONS_H
#define WEIGHTFS_CLI_OPTIONS_OPTIONS_H

#include "cli/options/gathered.h"

/* One argument of -o: "key,key=value,..."; "\," is a comma in a value. */
int wfs_options_add_list(struct wfs_options *options, const char *list, struct wfs_error *err);
/* To be called after the last option: completes options->mount. */
int wfs_options_finish(struct wfs_options *options, const char *source, struct wfs_error *err);

#endif
