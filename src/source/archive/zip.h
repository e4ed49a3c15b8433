/*
 * zip.h - ZIP directories: where the members of an archive lie in its file.
 *
 * Reads the end records and the central directory only; a member's local header is read when its
 * data is asked for. The central directory rules (as it does for torch, numpy and zipfile): a local
 * header that says something else is reported through `local_differs`, never followed, except for
 * the two lengths that only it knows.
 *
 * Everything lives in the arena that was given. Not thread-safe; for scanning.
 */
#ifndef WEIGHTFS_SOURCE_ARCHIVE_ZIP_H
#define WEIGHTFS_SOURCE_ARCHIVE_ZIP_H

#include "bytes/bytes.h"

#define WFS_ZIP_STORED   0
#define WFS_ZIP_DEFLATED 8

struct wfs_zip_member {
    const char *name; /* as in the directory (no NUL inside, valid UTF-8) */
    uint64_t size_bytes, stored_bytes;
    uint64_t header_off; /* of the local header, absolute in `bytes` */
    uint64_t limit_off;  /* its data must end here: the next local header or the directory */
    uint32_t crc32;
    uint16_t method, flags;
    bool has_case_twin; /* another member's name differs in case only (ASCII) */
    bool local_differs; /* known once wfs_zip_data was called: name, method or sizes disagree */
};

struct wfs_zip {
    struct wfs_arena *arena;
    struct wfs_bytes *bytes;
    uint64_t off, len; /* the archive in `bytes` */
    uint32_t n_members;
    struct wfs_zip_member *members; /* in directory order */
    struct wfs_strmap by_name;
    bool checks_crc; /* of deflated members: numpy does, torch does not and may declare any */
};

/* The archive bytes[off, off + len): it must begin with a local header or be empty. -EINVAL naming
 * the byte: no directory, cut off, several disks, duplicate names, members that overlap each other
 * or the directory, encrypted members, sizes past the end. `bytes` is borrowed. */
int wfs_zip_open(struct wfs_arena *arena, struct wfs_bytes *bytes, uint64_t off, uint64_t len,
                 struct wfs_zip **ret, struct wfs_error *err);
/* By exact name; NULL when there is none. */
struct wfs_zip_member *wfs_zip_find(const struct wfs_zip *zip, const char *name);
/* Where the member's size_bytes bytes are: stored members in zip->bytes itself at their offset,
 * deflated ones in an inflating source at 0 (owned by the arena; random access). */
int wfs_zip_data(struct wfs_zip *zip, struct wfs_zip_member *member, struct wfs_bytes **ret_bytes,
                 uint64_t *ret_off, struct wfs_error *err);
/* The name in a member's local header, in the arena; "?" where it is long or no text. */
int wfs_zip_local_name(struct wfs_zip *zip, const struct wfs_zip_member *member, const char **ret,
                       struct wfs_error *err);
/* A small member whole, NUL-terminated, in the arena; -EFBIG over max_bytes. */
int wfs_zip_slurp(struct wfs_zip *zip, struct wfs_zip_member *member, size_t max_bytes,
                  char **ret_data, size_t *ret_len, struct wfs_error *err);

#endif
