/*
 * export_internal.h - what the parts of export share: the corrections and the CRCs they are made of
 * (export_crc.c), the workers that fill chunks (export_chunks.c), what tells a file as ours
 * (export_stamp.c), files, markers and their order (export.c, export_parts.c, export_abort.c).
 */
#ifndef WEIGHTFS_FILE_EXPORT_INTERNAL_H
#define WEIGHTFS_FILE_EXPORT_INTERNAL_H

#include "file/file.h"

static inline uint64_t wfs_export_n_chunks(uint64_t size_bytes)
{
    return (size_bytes + WFS_EXPORT_CHUNK_BYTES - 1) / WFS_EXPORT_CHUNK_BYTES;
}

/* ---- corrections --------------------------------------------------------------------------- */

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

/* ---- chunks -------------------------------------------------------------------------------- */

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

/* ---- files (export.c) ---------------------------------------------------------------------- */

char *wfs_export_partial_path(const char *path); /* PATH.partial; caller frees */
/* Opens PATH.partial for reading and writing; flags: O_CREAT or 0. -EINVAL where it is no file. */
int wfs_export_open(const char *partial, int flags, mode_t mode, int *ret_fd,
                    struct wfs_error *err);
/* True where the open file is the one under that name. */
bool wfs_export_is_at(int fd, const char *partial);
/* Until fd is closed: LOCK_EX keeps everyone out and whoever publishes PATH.partial has it; those
 * who write a part have LOCK_SH. -EBUSY where the lock is taken, or the file has lost its name.
 * Where the file system has no locks all get one. */
int wfs_export_lock(int fd, int operation, const char *partial, struct wfs_error *err);
/* Takes the stamp off, fsyncs, renames to `path`, fsyncs the directory. The stamp is there again
 * where the rename fails. The caller has the exclusive lock. */
int wfs_export_publish(int fd, const char *partial, const char *path, uint64_t size_bytes,
                       const struct wfs_hash *id, struct wfs_error *err);
/* PATH may be missing or a file that is replaced, nothing else. */
int wfs_export_check_replaceable(const char *path, struct wfs_error *err);
/* fsync of the directory that holds `path`. */
int wfs_export_sync_dir(const char *path, struct wfs_error *err);

/* ---- the stamp (export_stamp.c) ------------------------------------------------------------ */

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

/* ---- parts (export_parts.c) and their markers (export_marker.c) ---------------------------- */

int wfs_export_part(const struct wfs_vfile *file, struct wfs_cache *cache,
                    const struct wfs_export_options *options, struct wfs_error *err);

/* What all parts of one export agree on. */
struct wfs_export_plan {
    struct wfs_hash plan, source, state;
    uint64_t size_bytes;
    uint32_t n_parts;
};
/* Hashes the layout, not where the source lies: the same on every machine. */
struct wfs_hash wfs_export_plan_hash(const struct wfs_vfile *file);
/* The id that the stamp holds. */
struct wfs_hash wfs_export_plan_id(const struct wfs_export_plan *plan);
/* Declares the plan for `partial`, or finds it declared. -EEXIST where another one is. */
int wfs_export_declare(const char *partial, const struct wfs_export_plan *plan,
                       struct wfs_error *err);
/* The same, but declares nothing: -ENOENT where nothing is declared. */
int wfs_export_check_declared(const char *partial, const struct wfs_export_plan *plan,
                              struct wfs_error *err);
bool wfs_export_is_declared(const char *partial);
/* How many parts were declared; -ENOENT where nothing was. */
int wfs_export_declared_parts(const char *partial, uint32_t *ret_n, struct wfs_error *err);
/* The chunks of one part. */
void wfs_export_part_chunks(const struct wfs_vfile *file, uint32_t part, uint32_t n_parts,
                            uint64_t *ret_first, uint64_t *ret_end);
/* A part's marker, fsynced and renamed into place: its hashes and its segments' CRCs. */
int wfs_export_mark(const char *partial, const struct wfs_export_plan *plan, uint32_t part,
                    const struct wfs_export_marker *marker, struct wfs_corrections *corrections,
                    uint64_t first_chunk, uint64_t end_chunk, struct wfs_error *err);
bool wfs_export_is_marked(const char *partial, uint32_t part, uint32_t n_parts);
/* True where any part has left a marker, of whatever number of parts. */
bool wfs_export_any_marked(const char *partial);
/* Reads a marker back. -EINVAL where it is damaged, -EEXIST where it is of another plan. */
int wfs_export_read_marker(const char *partial, const struct wfs_export_plan *plan, uint32_t part,
                           struct wfs_corrections *corrections, uint64_t first_chunk,
                           uint64_t end_chunk, struct wfs_export_marker *ret,
                           struct wfs_error *err);
/* Calls fn for each whole marker beside `partial`, whatever its plan: the hash of that chunk of a
 * file of size_bytes. */
typedef void (*wfs_export_head_fn)(void *ctx, uint64_t chunk, uint64_t size_bytes,
                                   const char *head);
void wfs_export_each_head(const char *partial, wfs_export_head_fn fn, void *ctx);
/* Removes the declaration and all markers; returns how many there were. */
unsigned wfs_export_unmark(const char *partial);

#endif
