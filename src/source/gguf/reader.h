/*
 * reader.h - the numbers and strings of a GGUF header, front to back, in the file's byte order.
 * Public to the stages above.
 */
#ifndef WEIGHTFS_SOURCE_GGUF_READER_H
#define WEIGHTFS_SOURCE_GGUF_READER_H

#include <xxhash.h>

#include "bytes/bytes.h"

/* gguf.cpp's limits. */
#define WFS_GGUF_MAX_STRING (UINT64_C(1) << 30)
#define WFS_GGUF_MAX_ARRAY  (UINT64_C(1) << 30)

/* Zero-initialise; closed with wfs_gguf_close, also where opening failed. */
struct wfs_gguf_reader {
    struct wfs_bytes *bytes;
    struct wfs_cursor *cur;
    XXH3_state_t *hash; /* of what was taken; what was skipped is left out */
    bool is_big_endian;
};
int wfs_gguf_open(struct wfs_gguf_reader *g, struct wfs_bytes *bytes, struct wfs_error *err);
void wfs_gguf_close(struct wfs_gguf_reader *g);
struct wfs_hash wfs_gguf_hash(const struct wfs_gguf_reader *g);
/* -EINVAL "FILE: byte AT: ...". */
int wfs_gguf_fail(const struct wfs_gguf_reader *g, uint64_t at, struct wfs_error *err,
                  const char *fmt, ...) WFS_PRINTF(4, 5);

static inline uint64_t wfs_gguf_at(const struct wfs_gguf_reader *g)
{
    return g->cur->pos;
}
/* An unsigned number of 1, 2, 4 or 8 bytes. A header that ends in it is -EINVAL. */
int wfs_gguf_number(struct wfs_gguf_reader *g, uint32_t n_bytes, uint64_t *ret,
                    struct wfs_error *err);
/* The same, of 4 bytes. */
int wfs_gguf_u32(struct wfs_gguf_reader *g, uint32_t *ret, struct wfs_error *err);
int wfs_gguf_skip(struct wfs_gguf_reader *g, uint64_t n, struct wfs_error *err);
/* A string: `out` is emptied and holds it, where it has at most `max` bytes; of a longer one nothing
 * is kept. *ret_len is its length. Nothing is allocated for bytes that the file does not have. */
int wfs_gguf_string(struct wfs_gguf_reader *g, size_t max, struct wfs_buf *out, uint64_t *ret_len,
                    struct wfs_error *err);

#endif
