/*
 * crc_seen.h - CRCs taken of an archive member's bytes while they are served. Whoever reads a
 * member to its end was served all of its bytes before its correction, so the correction then reads
 * nothing a second time.
 */
#ifndef WEIGHTFS_FILE_CRC_SEEN_H
#define WEIGHTFS_FILE_CRC_SEEN_H

#include <stdatomic.h>

#include "cache/cache.h"

/* Shared by the members of one file and bounded: it remembers some ranges of the members that were
 * read last. NULL: no memory. */
struct wfs_crc_table;
struct wfs_crc_table *wfs_crc_table_new(struct wfs_arena *arena);

/* The CRC of one whole expression, as far as it is known. */
struct wfs_crc_seen {
    struct wfs_crc_table *table;
    atomic_uint_fast64_t whole; /* the CRC, and a bit that says so; kept without an index, too */
};
/* The expression's bytes [off, off + len) are `data`. Thread-safe. */
void wfs_crc_seen_add(struct wfs_crc_seen *seen, uint64_t off, const void *data, size_t len);
/* The CRC of the whole expression; computes what was not seen. */
int wfs_crc_seen_whole(struct wfs_crc_seen *seen, struct wfs_cache *cache,
                       const struct wfs_expr *expr, const struct wfs_hash *hash, uint32_t *ret,
                       struct wfs_error *err);

#endif
