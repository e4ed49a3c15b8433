/*
 * explain.h - what every rule of a set says to one tensor, in order: which one takes it, why those
 * whose pattern matches do not, and last, on a line, those whose pattern does not match. Of a
 * condition the part that is false is shown, with the values that it asks for.
 */
#ifndef WEIGHTFS_MAPPING_APPLY_EXPLAIN_H
#define WEIGHTFS_MAPPING_APPLY_EXPLAIN_H

#include "mapping/apply/pick.h"

/* Asks the rules again, after the set was applied, for every item that is called `path` or was made
 * of a source tensor that is. Fails with -ENOMEM only. */
int wfs_explain_apply(struct wfs_apply *apply, const char *path, struct wfs_buf *out,
                      struct wfs_error *err);

#endif
