/*
 * file.h - virtual files. A virtual file is a list of parts: literal bytes, a range of a tensor
 * expression, a range of a byte source, zeros, or a short part computed when it is read (a CRC
 * correction). Writers are pure functions from a manifest of tensors to parts, so sizes are exact
 * before a tensor byte is read and two mounts give identical bytes. Only src/file/vfile.c does
 * offset arithmetic across parts.
 */
#ifndef WEIGHTFS_FILE_FILE_H
#define WEIGHTFS_FILE_FILE_H

#include <stdatomic.h>

#include "cache/cache.h"
#include "gguf/gguf.h"

enum wfs_part_kind {
    WFS_PART_LITERAL,
    WFS_PART_EXPR,
    WFS_PART_BYTES,
    WFS_PART_ZEROS,
    WFS_PART_COMPUTED
};

struct wfs_vfile;
/* Fills buf[0..size) of a computed part (size <= WFS_COMPUTED_MAX). It may read the file's own
 * earlier parts through `file` and `cache`. Deterministic. */
#define WFS_COMPUTED_MAX 64
typedef int (*wfs_compute_fn)(const struct wfs_vfile *file, struct wfs_cache *cache,
                              const void *ctx, uint8_t *buf, struct wfs_error *err);

struct wfs_crc_seen; /* src/file/crc_seen.h */

struct wfs_part {
    enum wfs_part_kind kind;
    uint64_t off, size_bytes; /* in the file; parts are contiguous from 0, none is empty */
    union {
        const uint8_t *literal;
        struct {
            const struct wfs_expr *expr;
            struct wfs_hash hash;
            uint64_t off;              /* of the part's first byte in the expression's bytes */
            struct wfs_crc_seen *seen; /* what is read adds to this CRC; NULL: to none */
        } expr;
        struct {
            struct wfs_bytes *bytes;
            uint64_t off;
        } bytes;
        struct {
            wfs_compute_fn fn;
            const void *ctx;
        } computed;
    } u;
};

/* Lives in the arena it was planned in; immutable. */
struct wfs_vfile {
    uint64_t size_bytes;
    uint32_t n_parts;
    const struct wfs_part *parts;
};

/* Reads min(len, size - off) bytes (0 past the end); returns 0 and *ret_n, or -errno. Large parts
 * may be lent instead of copied (cache.h); loans NULL: everything is copied into buf. */
int wfs_vfile_read(const struct wfs_vfile *file, struct wfs_cache *cache, void *buf, size_t len,
                   uint64_t off, struct wfs_loans *loans, size_t *ret_n, struct wfs_error *err);

/* Builds a vfile part by part. Zero-initialise with the arena. */
struct wfs_vfile_builder {
    struct wfs_arena *arena;
    struct wfs_part *parts;
    size_t n, cap;
    uint64_t size_bytes;
    bool failed, overflow;
};
void wfs_vfile_add_literal(struct wfs_vfile_builder *b, const void *data, size_t len); /* copies */
void wfs_vfile_add_expr(struct wfs_vfile_builder *b, const struct wfs_expr *expr);     /* whole */
/* Whole, and what wfs_vfile_read reads of it adds to `seen`, which lives as long as the file. */
void wfs_vfile_add_expr_seen(struct wfs_vfile_builder *b, const struct wfs_expr *expr,
                             struct wfs_crc_seen *seen);
/* [off, off + len) of an expression's bytes. */
void wfs_vfile_add_expr_range(struct wfs_vfile_builder *b, const struct wfs_expr *expr,
                              uint64_t off, uint64_t len);
void wfs_vfile_add_bytes(struct wfs_vfile_builder *b, struct wfs_bytes *bytes, uint64_t off,
                         uint64_t len);
void wfs_vfile_add_zeros(struct wfs_vfile_builder *b, uint64_t len);
void wfs_vfile_add_computed(struct wfs_vfile_builder *b, size_t len, wfs_compute_fn fn,
                            const void *ctx);
/* Moves the parts into the arena; the builder is empty after. */
int wfs_vfile_finish(struct wfs_vfile_builder *b, const struct wfs_vfile **ret,
                     struct wfs_error *err);

/* ---- writers ------------------------------------------------------------------------------- */

struct wfs_manifest_entry {
    const char *path; /* WFS_SEP path */
    const struct wfs_expr *expr;
};
struct wfs_manifest {
    uint32_t n;
    const struct wfs_manifest_entry *entries; /* naturally sorted, paths unique */
    char sep;                                 /* where one string is needed */
    const char *format_tag;                   /* metadata "format" */
    uint32_t n_metadata;
    const char *(*metadata)[2]; /* kept from the source when assembled; may be 0 */
    /* For a file that is written out: no room is left for reads of a mount (see archive/zip.c). */
    bool is_export;
    const struct wfs_gguf_model *gguf; /* the same tensors as a GGUF file has them; or NULL */
};

/* A loader file's format: one row in src/file/writers/writers.c, which is the only list of them. */
#define WFS_WRITER_EXTENSIONS 4
struct wfs_writer {
    const char *name;      /* "safetensors", "msgpack", "torch", "npz": -o files=LIST */
    const char *file_name; /* "model.safetensors", "flax_model.msgpack", ... */
    const char *extensions[WFS_WRITER_EXTENSIONS]; /* by which `export` knows it: ".pt" */
    /* *ret: NULL where every tensor can be written; else why not (in `arena`), naming the tensor.
     * Such a file is not listed and the report says which and why. 0 or -ENOMEM. */
    int (*refuses)(const struct wfs_manifest *manifest, struct wfs_arena *arena, const char **ret);
    int (*plan)(const struct wfs_manifest *manifest, struct wfs_arena *arena,
                const struct wfs_vfile **ret, struct wfs_error *err);
};
const struct wfs_writer *wfs_writer(uint32_t i);                         /* NULL past the last */
const struct wfs_writer *wfs_writer_by_name(const char *name);           /* writer's or file's */
const struct wfs_writer *wfs_writer_by_extension(const char *file_name); /* or NULL */
/* Are these the names of loader files? NULL-terminated, or NULL for none: a rule set's `files`,
 * which is any words to the rules' language. -EINVAL naming the view and the word. */
int wfs_writers_check(const char *const *names, const char *view, struct wfs_error *err);

/* Bytes of expressions that this process read to compute CRCs and for nothing else. */
uint64_t wfs_crc32_computed_bytes(void);

/* ---- sharded safetensors ------------------------------------------------------------------- */

/* One file of the set that `-o shards=SIZE` shows in place of model.safetensors. */
struct wfs_shard {
    const char *file_name; /* "model-00001-of-00003.safetensors" */
    struct wfs_manifest manifest;
};
#define WFS_SHARDS_INDEX_NAME "model.safetensors.index.json"
/* As Hugging Face splits: in the manifest's order, a new file where the next tensor would pass
 * shard_bytes (> 0); a tensor larger than that has a file of its own. One file for everything is
 * called model.safetensors and wants no index. Each is planned with the safetensors writer. */
int wfs_shards_split(const struct wfs_manifest *manifest, uint64_t shard_bytes,
                     struct wfs_arena *arena, const struct wfs_shard **ret, uint32_t *ret_n,
                     struct wfs_error *err);
/* {"metadata": {"total_size": N}, "weight_map": {NAME: file}} as transformers writes it. */
int wfs_shards_index(const struct wfs_shard *shards, uint32_t n, struct wfs_arena *arena,
                     const struct wfs_vfile **ret, struct wfs_error *err);

/* ---- one tensor ---------------------------------------------------------------------------- */

/* One tensor as a .npy (format 1.0, header padded to 64; section C of the formats facts).
 * -ENOTSUP where numpy has no such element type. */
int wfs_npy_plan(const struct wfs_expr *expr, struct wfs_arena *arena, const struct wfs_vfile **ret,
                 struct wfs_error *err);
/* Its size without planning it; pure. 0 where it cannot be planned. */
uint64_t wfs_npy_size(const struct wfs_expr *expr);
/* The bytes alone. */
int wfs_raw_plan(const struct wfs_expr *expr, struct wfs_arena *arena, const struct wfs_vfile **ret,
                 struct wfs_error *err);

/* ---- export -------------------------------------------------------------------------------- */

/* Writes a virtual file out. Until it is whole it is PATH.partial; then it is fsynced and renamed.
 * A PATH.partial that no export made is refused.
 * Runs of zeros are left as holes. A file's layout is a pure function of metadata, so N processes,
 * on N machines with a common file system, can each write their share (n_parts > 0): parts leave
 * PATH.partial, PATH.partial.plan and one PATH.partial.I-of-N each, which wfs_export_finish checks
 * and turns into PATH. */
#define WFS_EXPORT_CHUNK_BYTES (UINT64_C(16) << 20)
#define WFS_EXPORT_MAX_PARTS   65536
struct wfs_export_options {
    const char *path;
    struct wfs_hash source_id;    /* equal on every machine that reads the same checkpoint */
    struct wfs_hash state_id;     /* equal as long as nobody touches its files */
    mode_t mode;                  /* of a new file, under the umask; 0: 0666 */
    unsigned n_threads;           /* 0: one a processor, at least 2 and at most 8 */
    uint32_t part, n_parts;       /* 1 <= part <= n_parts; 0, 0: the whole file */
    const atomic_bool *interrupt; /* set by a signal handler; may be NULL */
    bool progress;                /* a bar where stderr is a terminal */
    /* Finite elements that casts made infinite or NaN in what is written are added; may be NULL. */
    _Atomic uint64_t *n_overflowed;
};
/* -EINTR when interrupted. A whole export that fails leaves nothing behind; a part that fails
 * leaves no marker, and is run again. A part whose marker is there already does nothing. */
int wfs_export(const struct wfs_vfile *file, struct wfs_cache *cache,
               const struct wfs_export_options *options, struct wfs_error *err);
/* Checks that every part is there and of this plan and source, reads the bytes back and compares
 * them with the hashes that the parts left, writes the CRC corrections, fsyncs, renames and removes
 * the markers. -ENOENT naming the parts that are missing, -EBUSY while another process finishes it
 * or writes a part. */
int wfs_export_finish(const struct wfs_vfile *file, const struct wfs_export_options *options,
                      struct wfs_error *err);
/* Removes PATH.partial and all markers; PATH itself stays. -ENOENT where there is nothing, -EEXIST
 * where PATH.partial is not known to be of an export: that stays too; -EBUSY while it is written
 * whole or finished. */
int wfs_export_abort(const char *path, struct wfs_error *err);

#endif
