/*
 * directory.h - a model's folder as a source.
 */
#ifndef WEIGHTFS_SOURCE_DIRECTORY_H
#define WEIGHTFS_SOURCE_DIRECTORY_H

#include "source/source.h"

/* Chooses the weights, scans them, and passes the other files through. */
int wfs_source_open_directory(struct wfs_catalog *catalog, const char *path,
                              const struct wfs_source_options *options, struct wfs_error *err);

#endif
