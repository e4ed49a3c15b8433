/*
 * chain.h - the sets that a view applies, in order.
 */
#ifndef WEIGHTFS_MAPPING_CHAIN_CHAIN_H
#define WEIGHTFS_MAPPING_CHAIN_CHAIN_H

#include "mapping/items/mapper.h"

struct wfs_chain {
    uint32_t n;
    const struct wfs_set *sets[8];
    const struct wfs_set *last; /* the set that the view is named after */
    const struct wfs_set *own;  /* the user's, of -o rules=FILE; or NULL */
    const char *text;           /* "torch+mlx" */
};
/* A view's own chain ("NAME=a+b"), or its set, after those that lead there from the source's
 * convention. */
int wfs_chain_find(const struct wfs_mapper *mapper, struct wfs_sink *sink, struct wfs_chain *ret);

#endif
