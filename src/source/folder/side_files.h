/*
 * side_files.h - the files of a folder that hold no weights.
 */
#ifndef WEIGHTFS_SOURCE_FOLDER_SIDE_FILES_H
#define WEIGHTFS_SOURCE_FOLDER_SIDE_FILES_H

#include "source/source.h"

/* Adds every file below `dir` that holds no weights. What cannot be read is noted. */
int wfs_source_add_side_files(struct wfs_catalog *catalog, const char *dir, struct wfs_error *err);
/* Adds config_path alone, which must be set: what a single weight file shows of its folder. */
int wfs_source_add_config_file(struct wfs_catalog *catalog, struct wfs_error *err);

#endif
