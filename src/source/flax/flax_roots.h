/*
 * flax_roots.h (private) - the tree of a Flax checkpoint that views map.
 */
#ifndef WEIGHTFS_SOURCE_FLAX_FLAX_ROOTS_H
#define WEIGHTFS_SOURCE_FLAX_FLAX_ROOTS_H

#include "source/source.h"

/* Fills the catalog's roots where a train state's parameters are to be told from what training
 * keeps; leaves them alone where the whole is one model. */
int wfs_flax_settle_roots(struct wfs_catalog *catalog, const struct wfs_source_options *options,
                          struct wfs_error *err);

#endif
