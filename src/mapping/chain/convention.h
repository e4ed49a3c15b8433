/*
 * convention.h - whose names a source has.
 */
#ifndef WEIGHTFS_MAPPING_CHAIN_CONVENTION_H
#define WEIGHTFS_MAPPING_CHAIN_CONVENTION_H

#include "mapping/mapping.h"

/* "torch", "flax", "gguf", ...; NULL where names do not tell. Works in `arena`. */
const char *wfs_convention_of(const struct wfs_catalog *catalog, struct wfs_arena *arena);
/* A convolution of PyTorch's names whose channels seem to come last, where nothing but names and
 * shapes tells; or NULL. */
const struct wfs_tensor *wfs_convention_channels_last(const struct wfs_catalog *catalog);
/* Names of PyTorch and of Flax side by side. */
bool wfs_convention_is_mixed(const struct wfs_catalog *catalog);

#endif
