/*
 * chunks.h - the chunks of an export, written or read back by several threads.
 */
#ifndef WEIGHTFS_FILE_EXPORT_CHUNKS_H
#define WEIGHTFS_FILE_EXPORT_CHUNKS_H

#include "file/export/corrections.h"

/* How many chunks of WFS_EXPORT_CHUNK_BYTES a file of this size has; the last may be shorter. */
static inline uint64_t wfs_export_n_chunks(uint64_t size_bytes)
{
    return (size_bytes + WFS_EXPORT_CHUNK_BYTES - 1) / WFS_EXPORT_CHUNK_BYTES;
}

struct wfs_export_run {
    const struct wfs_vfile *file;
    struct wfs_cache *cache;
    const struct wfs_export_options *options;
    struct wfs_corrections *corrections;
    int fd;
    const char *path; /* of fd, for messages */
    uint64_t first_chunk, end_chunk;
};
/* The hashes of a part's bytes and of its first chunk's, in hex; corrections as zeros. */
struct wfs_export_marker {
    char hash[33], head[33];
};
/* Writes the chunks, by several threads. */
int wfs_export_chunks(const struct wfs_export_run *run, struct wfs_export_marker *ret,
                      struct wfs_error *err);
/* Reads the chunks back instead, from fd: their CRCs, and the hash of each in ret_hashes. */
int wfs_export_read_back(const struct wfs_export_run *run, struct wfs_hash *ret_hashes,
                         struct wfs_error *err);
/* What a part's marker holds, of the hashes of the part's chunks. */
struct wfs_hash wfs_export_join(const struct wfs_hash *hashes, uint64_t n_chunks);

#endif
