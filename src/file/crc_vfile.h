/*
 * crc_vfile.h - the CRC-32 of a range of a virtual file.
 */
#ifndef WEIGHTFS_FILE_CRC_VFILE_H
#define WEIGHTFS_FILE_CRC_VFILE_H

#include "file/file.h"

/* Of the file's bytes [off, off + len), which hold no computed part: -EINVAL otherwise. */
int wfs_crc32_vfile(const struct wfs_vfile *file, struct wfs_cache *cache, uint64_t off,
                    uint64_t len, uint32_t *ret, struct wfs_error *err);

#endif
