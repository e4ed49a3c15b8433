/*
 * prove.h - the proof of an inverse on the names at hand.
 */
#ifndef WEIGHTFS_MAPPING_CHAIN_PROVE_H
#define WEIGHTFS_MAPPING_CHAIN_PROVE_H

#include "mapping/items/mapper.h"

/* Maps `out` (made from `in` by an inverse) forward again: what does not come back as the same
 * expression under the same name is reported as ambiguous. */
int wfs_inverse_prove(const struct wfs_mapper *mapper, struct wfs_sink *sink,
                      const struct wfs_set *inverse, const struct wfs_table *in,
                      const struct wfs_table *out);

#endif
