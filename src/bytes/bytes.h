/*
 * bytes.h - immutable random-access bytes: a file, memory, an inflated ZIP member.
 * All are one interface, so a reader never knows where its bytes lie.
 *
 * Reads are exact: a range that is not there whole is an error that names the file and the byte.
 * A file's identity (device, inode, size, mtime, ctime of the open descriptor) is checked after
 * every read and gather; a file changed in place gives EIO for ever after ("it was this, now it is
 * that" in the message), and never bytes of two versions.
 */
#ifndef WEIGHTFS_BYTES_BYTES_H
#define WEIGHTFS_BYTES_BYTES_H

#include <stdatomic.h>
#include <sys/types.h>

#include "base/base.h"

struct wfs_bytes;
struct wfs_window;

/* All operations may be called from many threads at once. */
struct wfs_bytes_ops {
    const char *kind;
    /* Reads the range whole. The caller has checked that [off, off + len) is inside size_bytes. */
    int (*read)(struct wfs_bytes *bytes, void *buf, size_t len, uint64_t off,
                struct wfs_error *err);
    void (*free)(struct wfs_bytes *bytes);
    /* Optional. A stable pointer to [off, off + len); released with unmap. -ENOTSUP: read it. */
    int (*map)(struct wfs_bytes *bytes, uint64_t off, uint64_t len, struct wfs_window *ret,
               struct wfs_error *err);
    /* Optional. 0 while the bytes are what they were when opened. */
    int (*check)(struct wfs_bytes *bytes, struct wfs_error *err);
    /* Optional. The range will be needed soon (POSIX_FADV_WILLNEED). Never blocks for long. */
    void (*hint)(struct wfs_bytes *bytes, uint64_t off, uint64_t len);
    /* Optional. True where the range seems to be in memory (by samples): no hint is needed. */
    bool (*resident)(struct wfs_bytes *bytes, uint64_t off, uint64_t len);
};

/* Embedded first in every kind. `id` names the content for cache keys: same id = same bytes. */
struct wfs_bytes {
    const struct wfs_bytes_ops *ops;
    atomic_uint n_refs;
    uint64_t size_bytes;
    const char *name; /* for messages; lives as long as this */
    struct wfs_hash id;
};

struct wfs_bytes *wfs_bytes_ref(struct wfs_bytes *bytes);
void wfs_bytes_unref(struct wfs_bytes *bytes); /* NULL is fine */
void wfs_bytes_unrefp(struct wfs_bytes **bytes);
/* For wfs_arena_on_free. */
void wfs_bytes_unref_void(void *bytes);

/* 0; -EIO when the range is not inside the bytes, the file is short, was truncated or changed. */
int wfs_bytes_read(struct wfs_bytes *bytes, void *buf, size_t len, uint64_t off,
                   struct wfs_error *err);
/* All bytes with a NUL behind them, malloc'd. -EFBIG where there are more than max_bytes. */
int wfs_bytes_read_text(struct wfs_bytes *bytes, uint64_t max_bytes, char **ret,
                        struct wfs_error *err);
int wfs_bytes_check(struct wfs_bytes *bytes, struct wfs_error *err);
void wfs_bytes_hint(struct wfs_bytes *bytes, uint64_t off, uint64_t len);
/* True where the range seems to be in memory, told by samples; false also where that is not known.
 */
bool wfs_bytes_resident(struct wfs_bytes *bytes, uint64_t off, uint64_t len);

/* ---- kinds --------------------------------------------------------------------------------- */

struct wfs_identity {
    uint64_t dev, ino, size_bytes;
    int64_t mtime_ns, ctime_ns;
};
/* Which file a wfs_bytes was opened on. */
struct wfs_file_info {
    struct wfs_identity identity;
    mode_t mode;
    uid_t uid;
    gid_t gid;
    bool is_network; /* a network file system (statfs): slow reads, no WAL beside it */
};

/* True where the open file or directory lies on a network file system (or one in user space). */
bool wfs_fd_is_network(int fd);
/* Opens a regular file (symlinks followed; FIFOs, devices, directories and sockets refused without
 * blocking). */
int wfs_bytes_open(const char *path, struct wfs_bytes **ret, struct wfs_error *err);
/* The descriptor's file information; NULL where `bytes` is no file. */
const struct wfs_file_info *wfs_bytes_file_info(const struct wfs_bytes *bytes);
/* Mixes the header's hash into a file's id, once, while the source is scanned: the identity that
 * the index uses is device, inode, size, mtime, ctime and the header. */
void wfs_bytes_mix_id(struct wfs_bytes *bytes, const struct wfs_hash *header);

/* Makes bytes that are a copy of data. */
int wfs_bytes_from_memory(const char *name, const void *data, size_t len, struct wfs_bytes **ret,
                          struct wfs_error *err);
/* The raw-deflate stream parent[off, off + len) inflated, of a declared size. Random access through
 * checkpoints (a bounded set, made as the stream is first passed): reading does not inflate from
 * the start each time. A stream that ends early, runs on or is corrupt is -EIO naming the byte; one
 * that has another CRC-32 than *crc (NULL: none is known) is so for reads that reach its end.
 * Without zlib: -ENOTSUP saying so. */
int wfs_bytes_inflate(struct wfs_bytes *parent, uint64_t off, uint64_t len, uint64_t size_bytes,
                      const uint32_t *crc, const char *name, struct wfs_bytes **ret,
                      struct wfs_error *err);

/* ---- mapped windows for strided gathers ---------------------------------------------------- */

struct wfs_window {
    const uint8_t *data; /* at the offset asked for */
    uint64_t len;
    void *owner; /* internal */
};
/* Windows of a file are kept in a bounded, process-wide set (WFS_WINDOWS_MAX_BYTES of address
 * space), so that panels of one tensor share page tables. -ENOTSUP: the kind cannot be mapped (or
 * the range is too large); gather with wfs_bytes_read instead. */
#define WFS_WINDOWS_MAX_BYTES (UINT64_C(16) << 30)
/* How many bytes of windows are kept when none of them is in use any more: WFS_WINDOWS_MAX_BYTES,
 * or less where one pass over everything would otherwise leave all of it mapped. */
void wfs_windows_keep(uint64_t max_bytes);
int wfs_bytes_map(struct wfs_bytes *bytes, uint64_t off, uint64_t len, struct wfs_window *ret,
                  struct wfs_error *err);
void wfs_window_release(struct wfs_window *window);

/* Runs fn(ctx), which touches mapped windows, with SIGBUS turned into -EIO. fn must hold no lock
 * and own nothing that only it can free: it may be left by a jump. Returns fn's value. */
int wfs_guarded(int (*fn)(void *ctx), void *ctx, const char *name, struct wfs_error *err);

/* ---- the bounded parse cursor -------------------------------------------------------------- */

#define WFS_CURSOR_BUFFER 65536

/* Reads a range front to back through a buffer. Every take is checked against what is left; errors
 * name the file and the byte. Allocate it on the heap or in an arena (it holds its buffer). */
struct wfs_cursor {
    struct wfs_bytes *bytes;
    uint64_t pos, end; /* absolute offsets in `bytes` */
    uint64_t buf_off;  /* offset of buf[0] */
    size_t buf_len;
    uint8_t buf[WFS_CURSOR_BUFFER];
};
/* -EIO where [off, off + len) is not inside. */
int wfs_cursor_init(struct wfs_cursor *cur, struct wfs_bytes *bytes, uint64_t off, uint64_t len,
                    struct wfs_error *err);
static inline uint64_t wfs_cursor_left(const struct wfs_cursor *cur)
{
    return cur->end - cur->pos;
}
/* Takes the next n bytes; -EINVAL "cut off at byte ..." when fewer are left. */
int wfs_cursor_take(struct wfs_cursor *cur, void *buf, size_t n, struct wfs_error *err);
int wfs_cursor_skip(struct wfs_cursor *cur, uint64_t n, struct wfs_error *err);
int wfs_cursor_u8(struct wfs_cursor *cur, uint8_t *ret, struct wfs_error *err);
int wfs_cursor_u16le(struct wfs_cursor *cur, uint16_t *ret, struct wfs_error *err);
int wfs_cursor_u32le(struct wfs_cursor *cur, uint32_t *ret, struct wfs_error *err);
int wfs_cursor_u64le(struct wfs_cursor *cur, uint64_t *ret, struct wfs_error *err);
int wfs_cursor_u16be(struct wfs_cursor *cur, uint16_t *ret, struct wfs_error *err);
int wfs_cursor_u32be(struct wfs_cursor *cur, uint32_t *ret, struct wfs_error *err);
int wfs_cursor_u64be(struct wfs_cursor *cur, uint64_t *ret, struct wfs_error *err);

static inline uint64_t wfs_load_u64le(const uint8_t *p)
{
    uint64_t v = 0;
    for (int i = 7; i >= 0; i--)
        v = v << 8 | p[i];
    return v;
}
static inline uint32_t wfs_load_u32le(const uint8_t *p)
{
    return (uint32_t)p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 | (uint32_t)p[3] << 24;
}
static inline uint16_t wfs_load_u16le(const uint8_t *p)
{
    return (uint16_t)(p[0] | p[1] << 8);
}
static inline void wfs_store_u64le(uint8_t *p, uint64_t v)
{
    for (int i = 0; i < 8; i++)
        p[i] = (uint8_t)(v >> 8 * i);
}
static inline void wfs_store_u32le(uint8_t *p, uint32_t v)
{
    for (int i = 0; i < 4; i++)
        p[i] = (uint8_t)(v >> 8 * i);
}
static inline void wfs_store_u16le(uint8_t *p, uint16_t v)
{
    p[0] = (uint8_t)v;
    p[1] = (uint8_t)(v >> 8);
}

#endif
