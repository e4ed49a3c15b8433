/*
 * parts.h - an export that N processes share.
 */
#ifndef WEIGHTFS_FILE_EXPORT_PARTS_H
#define WEIGHTFS_FILE_EXPORT_PARTS_H

#include "file/file.h"

int wfs_export_part(const struct wfs_vfile *file, struct wfs_cache *cache,
                    const struct wfs_export_options *options, struct wfs_error *err);

#endif
