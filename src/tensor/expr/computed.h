/*
 * computed.h - byte sources that are computations. They live in the arena of their expression and
 * are never freed alone; their ids are hashes of what they compute, so that a cache key covers it.
 */
#ifndef WEIGHTFS_TENSOR_EXPR_COMPUTED_H
#define WEIGHTFS_TENSOR_EXPR_COMPUTED_H

#include "tensor/expr/piece.h"

/* Expressions inside expressions: each level has a frame and scratch of its own while it reads. */
#define WFS_EXPR_MAX_DEPTH 16
/* Elements that are computed at a time: a multiple of every unit. */
#define WFS_CHUNK_ELEMS 16384

struct wfs_computed {
    struct wfs_bytes base;
    enum wfs_dtype dtype;
    uint32_t depth; /* expressions inside each other */
    uint32_t n_operands;
    const struct wfs_expr *const
        *operands; /* what it is computed of, range by range; may be none */
};

/* True where the bytes are made by a computation of this module. */
bool wfs_bytes_computed(const struct wfs_bytes *bytes);
/* `free` of every computed source: the arena frees them. */
void wfs_computed_stay(struct wfs_bytes *bytes);
void wfs_computed_init(struct wfs_computed *c, const struct wfs_bytes_ops *ops, const char *name,
                       enum wfs_dtype dtype, uint64_t size_bytes, const void *key, size_t key_len);
/* What a computed source is computed of; none of any other. */
const struct wfs_expr *const *wfs_computed_operands(const struct wfs_bytes *bytes, uint32_t *ret_n);
uint32_t wfs_computed_depth(const struct wfs_expr *expr);
/* -E2BIG at WFS_EXPR_MAX_DEPTH. */
int wfs_computed_check_depth(uint32_t depth, struct wfs_error *err);

/* Fills n elements from `first` on; both are whole units, the fewest elements that fill bytes. */
typedef int (*wfs_compute_fn)(struct wfs_computed *c, uint8_t *out, uint64_t first, size_t n,
                              void *work, struct wfs_error *err);
/* Reads [off, off + len) by fn, through `chunk` (wfs_computed_chunk_bytes). */
int wfs_computed_read(struct wfs_computed *c, uint8_t *buf, size_t len, uint64_t off,
                      wfs_compute_fn fn, void *work, uint8_t *chunk, struct wfs_error *err);
size_t wfs_computed_chunk_bytes(enum wfs_dtype dtype);

/* Booleans and integers, quantised ones included. */
bool wfs_computed_is_integer(enum wfs_dtype dtype);
/* The low bytes of value as an element. */
void wfs_computed_store(enum wfs_dtype dtype, uint64_t value, uint8_t *out);

#endif
