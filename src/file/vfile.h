/*
 * vfile.h - what the writers and export share beyond file.h: where an offset lies.
 */
#ifndef WEIGHTFS_FILE_VFILE_H
#define WEIGHTFS_FILE_VFILE_H

#include "file/file.h"

/* Files are off_t's long at most. */
#define WFS_VFILE_MAX_BYTES ((uint64_t)INT64_MAX)

/* Index of the part that holds byte `off`; off < file->size_bytes. */
uint32_t wfs_vfile_find(const struct wfs_vfile *file, uint64_t off);

/* One piece of a walk: [off, off + len) of the file, inside one part. */
struct wfs_vfile_span {
    const struct wfs_part *part;
    uint64_t off, len;
};
/* Calls fn for each part's share of [off, off + len), in order; stops at the first that is not 0
 * and returns it. The range is inside the file. */
typedef int (*wfs_vfile_span_fn)(const struct wfs_vfile_span *span, void *ctx,
                                 struct wfs_error *err);
int wfs_vfile_walk(const struct wfs_vfile *file, uint64_t off, uint64_t len, wfs_vfile_span_fn fn,
                   void *ctx, struct wfs_error *err);

/* The span's bytes alone: unlike wfs_vfile_read, no CRC is taken of what is read. loans may be
 * NULL. */
int wfs_vfile_read_span(const struct wfs_vfile *file, struct wfs_cache *cache,
                        const struct wfs_vfile_span *span, void *buf, struct wfs_loans *loans,
                        struct wfs_error *err);

#endif
