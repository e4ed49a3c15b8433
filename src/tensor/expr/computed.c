/*
 * computed.c - what all computed sources share.
 */
#include "tensor/expr/computed.h"

#include <string.h>

void wfs_computed_stay(struct wfs_bytes *bytes)
{
    (void)bytes; /* the arena's */
}

bool wfs_bytes_computed(const struct wfs_bytes *bytes)
{
    return bytes->ops->free == wfs_computed_stay;
}

const struct wfs_expr *const *wfs_computed_operands(const struct wfs_bytes *bytes, uint32_t *ret_n)
{
    const struct wfs_computed *c = (const struct wfs_computed *)bytes;
    *ret_n = wfs_bytes_computed(bytes) ? c->n_operands : 0;
    return *ret_n ? c->operands : NULL;
}

uint32_t wfs_computed_depth(const struct wfs_expr *expr)
{
    uint32_t depth = 0;
    for (uint32_t i = 0; i < expr->n_pieces; i++) {
        const struct wfs_bytes *bytes = expr->pieces[i].bytes;
        if (wfs_bytes_computed(bytes) && ((const struct wfs_computed *)bytes)->depth > depth)
            depth = ((const struct wfs_computed *)bytes)->depth;
    }
    return depth;
}

void wfs_computed_init(struct wfs_computed *c, const struct wfs_bytes_ops *ops, const char *name,
                       enum wfs_dtype dtype, uint64_t size_bytes, const void *key, size_t key_len)
{
    atomic_init(&c->base.n_refs, 1);
    c->base.ops = ops;
    c->base.size_bytes = size_bytes;
    c->base.name = name;
    c->base.id = wfs_hash_bytes(key, key_len);
    c->dtype = dtype;
}

int wfs_computed_check_depth(uint32_t depth, struct wfs_error *err)
{
    if (depth < WFS_EXPR_MAX_DEPTH)
        return 0;
    return wfs_error_set(err, E2BIG, "more than %d tensor expressions inside each other",
                         WFS_EXPR_MAX_DEPTH);
}

bool wfs_computed_is_integer(enum wfs_dtype dtype)
{
    enum wfs_dtype_kind kind = wfs_dtype_info(dtype)->kind;
    return kind == WFS_KIND_BOOL || kind == WFS_KIND_INT || kind == WFS_KIND_UINT;
}

void wfs_computed_store(enum wfs_dtype dtype, uint64_t value, uint8_t *out)
{
    for (uint32_t i = 0; i < wfs_dtype_bits(dtype) / 8; i++)
        out[i] = (uint8_t)(value >> (8 * i));
}

/* ---- computed element by element ----------------------------------------------------------- */

/* The fewest elements that fill bytes: a block, or two, four or eight of a sub-byte type. */
static uint32_t unit_elems(enum wfs_dtype dtype)
{
    uint32_t bits = wfs_dtype_bits(dtype);
    if (wfs_dtype_is_block(dtype))
        return wfs_dtype_info(dtype)->block_elems;
    return bits % 8 == 0 ? 1 : 8u >> __builtin_ctz(bits);
}

static uint32_t unit_bytes(enum wfs_dtype dtype)
{
    return wfs_dtype_bits(dtype) * (wfs_dtype_is_block(dtype) ? 1 : unit_elems(dtype)) / 8;
}

size_t wfs_computed_chunk_bytes(enum wfs_dtype dtype)
{
    return (size_t)WFS_CHUNK_ELEMS / unit_elems(dtype) * unit_bytes(dtype);
}

int wfs_computed_read(struct wfs_computed *c, uint8_t *buf, size_t len, uint64_t off,
                      wfs_compute_fn fn, void *work, uint8_t *chunk, struct wfs_error *err)
{
    size_t chunk_bytes = wfs_computed_chunk_bytes(c->dtype);
    uint32_t elems = unit_elems(c->dtype), bytes = unit_bytes(c->dtype);
    while (len > 0) {
        uint64_t unit = off / bytes;
        size_t skip = off % bytes;
        size_t n_units = wfs_min_u64(chunk_bytes / bytes, (skip + len - 1) / bytes + 1);
        int r = fn(c, chunk, unit * elems, n_units * elems, work, err);
        if (r)
            return r;
        size_t n = wfs_min_u64(len, n_units * bytes - skip);
        memcpy(buf, chunk + skip, n);
        buf += n;
        off += n;
        len -= n;
    }
    return 0;
}
