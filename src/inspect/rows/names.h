/*
 * names.h - which tensors of two checkpoints are the same by name. Where all names of one
 * side, and not all of the other, begin with a Flax collection ("params."), it is left out.
 */
#ifndef WEIGHTFS_INSPECT_ROWS_NAMES_H
#define WEIGHTFS_INSPECT_ROWS_NAMES_H

#include "base/base.h"

struct wfs_names_side {
    size_t n;
    const char *const *names; /* dotted; borrowed */
    const char **keys;        /* by what each name is paired: it, or its end */
    struct wfs_strmap index;  /* key -> its place in keys */
};
/* Fills keys (in the arena) and index of both; free them with wfs_names_free, on failure too. */
int wfs_names_pair(struct wfs_arena *arena, struct wfs_names_side *a, struct wfs_names_side *b,
                   struct wfs_error *err);
void wfs_names_free(struct wfs_names_side *side);

#endif
