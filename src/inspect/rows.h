/*
 * rows.h (private) - which tensors are rows.
 */
#ifndef INSPECT_ROWS_H
#define INSPECT_ROWS_H

#include "inspect/inspect.h"

/* Whether the globs of the options take a tensor, by its name as it is shown or its dotted one. */
bool rows_want(const struct wfs_inspect_options *options, const char *name, const char *dotted);

#endif
