/*
 * folders.h - the table of formats that are whole folders.
 */
#ifndef WEIGHTFS_SOURCE_FOLDERS_H
#define WEIGHTFS_SOURCE_FOLDERS_H

#include "source/folder/listing.h"

/* One row a format, in the order in which they are asked. A row stands for
 * `const struct wfs_folder_format wfs_folder_ROW` at the bottom of its reader. */
#define WFS_FOLDER_FORMATS(ROW)                                                                    \
    ROW(dcp)                                                                                       \
    ROW(dcp_hf)                                                                                    \
    ROW(meta_consolidated)                                                                         \
    ROW(megatron)

#define WFS_DECLARE_FOLDER(row) extern const struct wfs_folder_format wfs_folder_##row;
WFS_FOLDER_FORMATS(WFS_DECLARE_FOLDER)

/* Opens what a folder holds, where it is one of these; *ret_done false: it is none. Not for
 * weights=GLOB. */
int wfs_source_open_folder(struct wfs_catalog *catalog, const struct wfs_listing *listing,
                           const struct wfs_source_options *options, bool *ret_done,
                           struct wfs_error *err);

#endif
