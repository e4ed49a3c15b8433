/*
 * rows.h - how the globs of --name choose tensors.
 */
#ifndef WEIGHTFS_INSPECT_ROWS_ROWS_H
#define WEIGHTFS_INSPECT_ROWS_ROWS_H

#include "inspect/inspect.h"

/* Whether the globs of the options take a tensor, by its name as it is shown or its dotted one. */
bool wfs_rows_want(const struct wfs_inspect_options *options, const char *name, const char *dotted);

#endif
