/*
 * cache.h - computed blocks, kept twice: in a bounded memory pool shared by all files of a mount,
 * and compressed in the checkpoint's SQLite index. Whose job a miss is: the first reader that asks
 * for a block computes it, the others wait for that one computation (never for memory, never for
 * the database's lock). A damaged, foreign, locked, full or missing index costs speed, never bytes.
 */
#ifndef WEIGHTFS_CACHE_CACHE_H
#define WEIGHTFS_CACHE_CACHE_H

#include <sys/uio.h>

#include "tensor/tensor.h"

enum wfs_cache_mode { WFS_CACHE_AUTO, WFS_CACHE_ALWAYS, WFS_CACHE_OFF };

/* A file that holds the checkpoint's bytes, as it was when it was scanned: what makes an index
 * stale. */
struct wfs_cache_file {
    const char *path;
    struct wfs_identity identity;
};

/* Strings and arrays are borrowed until wfs_cache_free. */
struct wfs_cache_options {
    enum wfs_cache_mode mode;
    uint64_t memory_bytes; /* memory=; 0: min(256 MiB, 1/8 of the cgroup's or machine's memory) */
    uint64_t index_bytes;  /* cache_size=; 0: 10 GiB */
    const char
        *index_path;    /* index=PATH; NULL: $XDG_CACHE_HOME/weightfs/<key>.db; "none": no index */
    const char *source; /* the checkpoint's path, recorded for `weightfs index` */
    struct wfs_hash id; /* the checkpoint's identity: the index's key */
    bool is_network;    /* the source lies on a network file system */
    size_t n_files;     /* recorded in the index; 0: none, the index is never stale */
    const struct wfs_cache_file *files;
};

struct wfs_cache_stats {
    uint64_t blocks_computed, blocks_memory, blocks_index, blocks_dropped;
    uint64_t source_bytes, served_bytes;
    uint64_t elems_overflowed; /* finite ones that casts made infinite or NaN in what was read */
};

struct wfs_cache;

/* Opens (or makes) the index and starts the writer thread: call after the last fork. Problems with
 * the index are one warning each, never a failure. */
int wfs_cache_new(const struct wfs_cache_options *options, struct wfs_cache **ret,
                  struct wfs_error *err);
/* Writes what is queued, closes the index. */
void wfs_cache_free(struct wfs_cache *cache);
void wfs_cache_freep(struct wfs_cache **cache);

/* Parts of an answer that are lent and not copied: a block's memory, pinned until it is returned.
 * The buffer of the read holds the rest; what it holds where a loan stands is undefined. */
#define WFS_LOANS_MAX     8
#define WFS_LOANS_MAX_IOV (2 * WFS_LOANS_MAX + 1)
struct wfs_loan {
    void *data;
    size_t len;
    uint8_t *instead; /* of these bytes of the buffer */
    struct wfs_block *block;
};
/* Zero-initialise. Of one cache, in the buffer's order. */
struct wfs_loans {
    struct wfs_pool *pool;
    unsigned n;
    struct wfs_loan loans[WFS_LOANS_MAX];
};
/* The bytes [off, off + len) of the expression: straight from the source where that is as good,
 * else through blocks. `hash` is wfs_expr_hash(expr), computed once by the caller (who may keep
 * it). cache may be NULL: everything is gathered directly. loans may be NULL: everything is copied;
 * else large parts may be lent, and the caller returns the loans, after an error too.
 * Thread-safe. */
int wfs_cache_read(struct wfs_cache *cache, const struct wfs_expr *expr,
                   const struct wfs_hash *hash, void *buf, size_t len, uint64_t off,
                   struct wfs_loans *loans, struct wfs_error *err);
/* The answer as it lies, in at most WFS_LOANS_MAX_IOV parts; returns how many. */
int wfs_loans_iov(const struct wfs_loans *loans, void *buf, size_t len, struct iovec *ret);
void wfs_loans_return(struct wfs_loans *loans);

void wfs_cache_stats(const struct wfs_cache *cache, struct wfs_cache_stats *ret);
/* Bytes served that did not come through wfs_cache_read (whole passed-through files). */
void wfs_cache_count_served(struct wfs_cache *cache, uint64_t n_bytes);

/* ---- the index beyond blocks --------------------------------------------------------------- */

/* Small facts kept across mounts: statistics, content hashes, CRCs. Key = kind + expression hash.
 * Absent, or no index: false. Values are read back only when their checksum holds. */
bool wfs_cache_get_fact(struct wfs_cache *cache, const char *kind, const struct wfs_hash *hash,
                        void *buf, size_t size_bytes);
void wfs_cache_put_fact(struct wfs_cache *cache, const char *kind, const struct wfs_hash *hash,
                        const void *buf, size_t size_bytes);
/* Waits until what was put is written. Of facts, some thousands may wait at once, and what is put
 * beyond is not kept: who puts many waits in between. */
void wfs_cache_flush(struct wfs_cache *cache);
/* Documented tables for sqlite3 users (src/cache/index/db.h), one for each view. `name` etc. as in
 * info/tensors.tsv. */
struct wfs_index_row {
    const char *name, *dtype, *shape, *operations, *sources; /* NULL where unknown */
    uint64_t n_elems, size_bytes;
    struct wfs_hash hash;
};
struct wfs_index_table {
    const char *view; /* "source" or a view's name */
    size_t n_rows;
    /* Describes row i; what it must make for that it makes in `scratch`. */
    int (*row)(const void *ctx, size_t i, struct wfs_arena *scratch, struct wfs_index_row *ret);
    const void *ctx;
};
/* Written in the background where it is missing or stale: the rows are asked for one by one, on
 * another thread, until wfs_cache_free; view and ctx must live as long. */
void wfs_cache_put_table(struct wfs_cache *cache, const struct wfs_index_table *table);

/* `weightfs index`: all indices of the user (or the one at path). */
struct wfs_index_info {
    char *path, *source;
    uint64_t file_bytes, n_blocks, block_raw_bytes, block_stored_bytes, n_facts;
    int64_t used_at; /* seconds since the epoch */
    int schema_version;
    bool is_stale; /* the source is gone or is not what it was */
};
int wfs_index_list(struct wfs_index_info **ret, size_t *ret_n, struct wfs_error *err);
int wfs_index_stat(const char *path, struct wfs_index_info *ret, struct wfs_error *err);
void wfs_index_info_free(struct wfs_index_info *infos, size_t n);
/* Checks every block's checksum; removes the bad ones when `repair`. */
int wfs_index_verify(const char *path, bool repair, uint64_t *ret_n_blocks, uint64_t *ret_n_bad,
                     struct wfs_error *err);
/* Removes indices whose source is gone or changed, and shrinks the rest to max_bytes (0: keep). */
int wfs_index_prune(uint64_t max_bytes, uint64_t *ret_freed_bytes, struct wfs_error *err);
/* Unlinks one index (path) or all of the user's (NULL), with their -wal and -shm. */
int wfs_index_clear(const char *path, uint64_t *ret_freed_bytes, struct wfs_error *err);
/* The path an index would have. Caller frees. */
char *wfs_index_default_path(const struct wfs_hash *id, struct wfs_error *err);

#endif
