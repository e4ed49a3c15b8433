/*
 * crc.h - CRC-32 (the one of ZIP): of bytes, of a concatenation, of an expression, of a range of a
 * virtual file; and why ZIP members need none of it before their last four bytes are read.
 *
 * The four bytes after any data that hold the data's own CRC, little-endian, bring the CRC of data
 * and bytes together to WFS_CRC_RESIDUE, whatever the data is. So a ZIP member that ends with its
 * own CRC has a CRC that is known before the data is: the directory is a literal.
 */
#ifndef WEIGHTFS_FILE_CRC_H
#define WEIGHTFS_FILE_CRC_H

#include "file/file.h"

#define WFS_CRC_RESIDUE UINT32_C(0x2144df1c)

/* zlib's convention: start with 0, feed the result of the piece before. */
uint32_t wfs_crc32(uint32_t crc, const void *data, size_t len);
/* CRC of A followed by B, from the two and B's length. */
uint32_t wfs_crc32_combine(uint32_t a, uint32_t b, uint64_t b_len);
/* CRC of `len` zero bytes. */
uint32_t wfs_crc32_zeros(uint64_t len);

/* CRCs of ranges that are known already: ascending, none overlaps another. */
#define WFS_CRC_RUNS_MAX 16
struct wfs_crc_run {
    uint64_t off, len;
    uint32_t crc;
};
struct wfs_crc_runs {
    uint32_t n;
    struct wfs_crc_run runs[WFS_CRC_RUNS_MAX];
};

/* CRC of an expression's bytes [off, off + len). That of a whole expression is kept as a fact in
 * the index, and so is that of each whole WFS_CRC_BLOCK_BYTES of a long one: computed once. What
 * `known` (NULL: nothing) covers of a whole one is not read where less than a block is missing. */
#define WFS_CRC_BLOCK_BYTES (UINT64_C(64) << 20)
int wfs_crc32_expr(struct wfs_cache *cache, const struct wfs_expr *expr,
                   const struct wfs_hash *hash, uint64_t off, uint64_t len,
                   const struct wfs_crc_runs *known, uint32_t *ret, struct wfs_error *err);
/* Of the file's bytes [off, off + len), which hold no computed part. */
int wfs_crc32_vfile(const struct wfs_vfile *file, struct wfs_cache *cache, uint64_t off,
                    uint64_t len, uint32_t *ret, struct wfs_error *err);

/* ---- while bytes are served (crc_seen.c) ---------------------------------------------------- */

/* Who reads a member to its end has had all of its bytes served before its correction: their CRC is
 * taken on the way, so that the correction reads nothing twice. A table is shared by the members of
 * one file and bounded: it remembers some ranges of those that were read last. */
struct wfs_crc_table;
struct wfs_crc_table *wfs_crc_table_new(struct wfs_arena *arena); /* NULL: no memory */

/* The CRC of one whole expression, as far as it is known. */
struct wfs_crc_seen {
    struct wfs_crc_table *table;
    atomic_uint_fast64_t whole; /* the CRC, and a bit that says so; kept without an index, too */
};
/* The expression's bytes [off, off + len) are `data`. Thread-safe. */
void wfs_crc_seen_add(struct wfs_crc_seen *seen, uint64_t off, const void *data, size_t len);
/* Of all of it; computes what was not seen. */
int wfs_crc_seen_whole(struct wfs_crc_seen *seen, struct wfs_cache *cache,
                       const struct wfs_expr *expr, const struct wfs_hash *hash, uint32_t *ret,
                       struct wfs_error *err);

#endif
