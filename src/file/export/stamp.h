/*
 * stamp.h - tells a PATH.partial that an export made from any other file of that name.
 */
#ifndef WEIGHTFS_FILE_EXPORT_STAMP_H
#define WEIGHTFS_FILE_EXPORT_STAMP_H

#include "file/file.h"

enum wfs_export_kind {
    WFS_EXPORT_EMPTY,   /* no bytes: begun just now */
    WFS_EXPORT_BLANK,   /* zeros at the end: long enough, but not stamped */
    WFS_EXPORT_STAMPED, /* of the export that was asked for */
    WFS_EXPORT_FOREIGN,
};
/* How long PATH.partial is until it is published. */
uint64_t wfs_export_stamped_bytes(uint64_t size_bytes);
/* Gives the file that length and puts the export's id behind its bytes. */
int wfs_export_stamp(int fd, const char *partial, uint64_t size_bytes, const struct wfs_hash *id,
                     struct wfs_error *err);
/* What stands at the end of the file; id NULL: the stamp of any export. */
int wfs_export_stamp_kind(int fd, const char *partial, const struct wfs_hash *id,
                          enum wfs_export_kind *ret, uint64_t *ret_size_bytes,
                          struct wfs_error *err);

#endif
