/*
 * roots.h - the trees of a source that was read.
 */
#ifndef WEIGHTFS_SOURCE_ROOTS_H
#define WEIGHTFS_SOURCE_ROOTS_H

#include "source/source.h"

/* A reader that knows of trees has filled roots; for the others the whole is the one root, unless
 * the user named some (-o root=): each must have tensors below it. */
int wfs_catalog_settle_roots(struct wfs_catalog *catalog, const struct wfs_source_options *options,
                             struct wfs_error *err);

#endif
