/*
 * corrections.h - the CRC corrections of a file that is written in chunks, and the
 * CRCs that they are put together from.
 */
#ifndef WEIGHTFS_FILE_EXPORT_CORRECTIONS_H
#define WEIGHTFS_FILE_EXPORT_CORRECTIONS_H

#include "file/file.h"

/* Four bytes at `at` that are the CRC of [off, off + len). Its SEGMENTS are that range's shares of
 * the chunks it lies in, numbered first_segment, first_segment + 1, ... */
struct wfs_correction {
    uint64_t at, off, len, first_segment;
};
/* All of a file's, in order, and the CRCs of their segments as far as they are known. Workers write
 * different segments, so no lock is needed. */
struct wfs_corrections {
    uint32_t n;
    struct wfs_correction *items;
    uint64_t n_segments;
    uint32_t *crcs;
};
/* -EOPNOTSUPP where the file has a computed part of another kind. */
int wfs_corrections_new(const struct wfs_vfile *file, struct wfs_corrections *ret,
                        struct wfs_error *err);
void wfs_corrections_free(struct wfs_corrections *c);
/* Takes the CRCs of all segments in chunk `chunk`, whose bytes are data[0..len). */
void wfs_corrections_take(struct wfs_corrections *c, uint64_t chunk, const uint8_t *data,
                          size_t len);
/* Zeros in place of the corrections' own bytes, as a part leaves them. */
void wfs_corrections_blank(const struct wfs_corrections *c, uint64_t chunk, uint8_t *data,
                           size_t len);
/* Calls fn for the CRC of each segment of the chunks [first, end), in one fixed order; stops at the
 * first that is not 0. */
int wfs_corrections_each(struct wfs_corrections *c, uint64_t first_chunk, uint64_t end_chunk,
                         int (*fn)(uint32_t *crc, void *ctx), void *ctx);
/* Writes all corrections; every segment is known. */
int wfs_corrections_write(const struct wfs_corrections *c, int fd, const char *path,
                          struct wfs_error *err);

#endif
