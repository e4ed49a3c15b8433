/*
 * index.h - Hugging Face's index of a sharded checkpoint.
 */
#ifndef WEIGHTFS_SOURCE_FOLDER_INDEX_H
#define WEIGHTFS_SOURCE_FOLDER_INDEX_H

#include "source/source.h"

/* An index and the shards that it names, relative to its own folder. */
int wfs_source_open_index(struct wfs_catalog *catalog, const char *path,
                          const struct wfs_source_options *options, struct wfs_error *err);

#endif
