/*
 * catalog.h - catalogs under construction. What readers of formats need of them is in source.h.
 */
#ifndef WEIGHTFS_SOURCE_CATALOG_H
#define WEIGHTFS_SOURCE_CATALOG_H

#include "source/source.h"

/* An empty catalog for `source`; NULL when out of memory. Freed with wfs_catalog_free. */
struct wfs_catalog *wfs_catalog_new(const char *source);
/* Counts a file that is read but not shown (an index) into times, mode, owner and identity. */
int wfs_catalog_merge_file(struct wfs_catalog *catalog, const struct wfs_bytes *bytes,
                           struct wfs_error *err);
/* Adds one file's plain values to objects_json: as they are, or by the names of several files.
 * Beyond 64 MiB in all they are left out with a note. `file` lives as long as the catalog. */
int wfs_catalog_add_objects(struct wfs_catalog *catalog, const char *file, const char *json,
                            struct wfs_error *err);
/* Keeps a reference on `bytes` until the catalog is freed. 0 or -ENOMEM. */
int wfs_catalog_hold(struct wfs_catalog *catalog, struct wfs_bytes *bytes);
/* Settles what needs every file: roots, identity, the whole-file flag. Call once, last. */
int wfs_catalog_finish(struct wfs_catalog *catalog, const struct wfs_source_options *options,
                       struct wfs_error *err);

#endif
