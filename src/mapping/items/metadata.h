/*
 * metadata.h - what a source's own metadata says under the names that rules ask config.json for.
 */
#ifndef WEIGHTFS_MAPPING_ITEMS_METADATA_H
#define WEIGHTFS_MAPPING_ITEMS_METADATA_H

#include "source/source.h"

/* The value of a key, or, of a GGUF file, of the one that config.json calls so; NULL: there is none. */
const char *wfs_metadata_find(const struct wfs_catalog *catalog, const char *path);

#endif
