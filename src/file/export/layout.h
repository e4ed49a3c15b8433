/*
 * layout.h - a virtual file's layout as a hash that every machine computes alike.
 */
#ifndef WEIGHTFS_FILE_EXPORT_LAYOUT_H
#define WEIGHTFS_FILE_EXPORT_LAYOUT_H

#include "file/file.h"

/* Hashes the layout, not where the source lies: the same on every machine. */
struct wfs_hash wfs_export_plan_hash(const struct wfs_vfile *file);

#endif
