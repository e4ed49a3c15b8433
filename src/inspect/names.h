/*
 * names.h (private) - which tensors of two checkpoints are the same by name. Where all names of one
 * side, and not all of the other, begin with a Flax collection ("params."), it is left out.
 */
#ifndef INSPECT_NAMES_H
#define INSPECT_NAMES_H

#include "base/base.h"

struct names_side {
    size_t n;
    const char *const *names; /* dotted; borrowed */
    const char **keys;        /* into names: by what each is paired */
    struct wfs_strmap index;  /* key -> its place */
};
/* Fills keys (in the arena) and index of both; free them with names_free, on failure too. */
int names_pair(struct wfs_arena *arena, struct names_side *a, struct names_side *b,
               struct wfs_error *err);
void names_free(struct names_side *side);

#endif
