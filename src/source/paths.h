/*
 * paths.h - the paths that a source is opened by.
 */
#ifndef WEIGHTFS_SOURCE_PATHS_H
#define WEIGHTFS_SOURCE_PATHS_H

#include "source/source.h"

const char *wfs_source_base_name(const char *path);
/* In the catalog's arena; "." for a bare name. */
int wfs_source_dir_name(struct wfs_catalog *catalog, const char *path, const char **ret,
                        struct wfs_error *err);
/* Sets config_path where `dir` holds config.json or params.json. */
int wfs_source_find_config(struct wfs_catalog *catalog, const char *dir, struct wfs_error *err);

#endif
