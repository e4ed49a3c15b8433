/*
 * leaf.c - the expressions that others are made of: elements that lie in a source. Everything that an element can reach is checked here, once; no operation
 * reaches further.
 */
#include "tensor/tensor.h"

#include "tensor/expr/draft.h"

/* The lowest and highest bit that the strides reach from the first element on. */
static bool reach(enum wfs_dtype dtype, uint64_t off, uint32_t ndim, const uint64_t *shape,
                  const int64_t *strides, int64_t *ret_first, int64_t *ret_end)
{
    int64_t bits = wfs_dtype_bits(dtype), low, high;
    if (off > WFS_EXPR_MAX_BITS / 8)
        return false;
    low = (int64_t)(off * 8);
    high = low + bits;
    for (uint32_t i = 0; i < ndim; i++) {
        int64_t span;
        if (shape[i] <= 1)
            continue;
        if (shape[i] > WFS_EXPR_MAX_BITS && strides[i] != 0)
            return false;
        if (__builtin_mul_overflow((int64_t)(shape[i] - 1), strides[i], &span) ||
            __builtin_mul_overflow(span, bits, &span) ||
            __builtin_add_overflow(span < 0 ? low : high, span, span < 0 ? &low : &high))
            return false;
    }
    *ret_first = low;
    *ret_end = high;
    return true;
}

/* Makes the expression of whole blocks of a block type, which lie one after another: a box without
 * factors. */
static int block_piece(struct wfs_arena *arena, struct wfs_bytes *bytes, uint64_t off,
                       enum wfs_dtype dtype, uint32_t ndim, const uint64_t *shape, bool is_empty,
                       const struct wfs_expr **ret, struct wfs_error *err)
{
    struct wfs_draft draft;
    struct wfs_sketch sketch;
    const struct wfs_piece source = {.bytes = bytes, .base_bits = off * 8, .dtype = dtype};
    wfs_draft_init(&draft, ndim);
    wfs_sketch_begin(&sketch, &source);
    for (uint32_t i = 0; i < ndim; i++)
        wfs_sketch_axis(&sketch, 0, shape[i]);
    if (!is_empty && wfs_draft_add(&draft, &sketch)) {
        wfs_draft_free(&draft);
        return wfs_error_nomem(err, "a tensor expression");
    }
    return wfs_draft_finish(&draft, arena, dtype, shape, ret, err);
}

/* One piece of the given element strides over [off, ...) of bytes; NULL strides: row-major. */
static int one_piece(struct wfs_arena *arena, struct wfs_bytes *bytes, uint64_t off,
                     enum wfs_dtype dtype, uint32_t ndim, const uint64_t *shape,
                     const int64_t *strides, bool is_empty, const struct wfs_expr **ret,
                     struct wfs_error *err)
{
    struct wfs_draft draft;
    struct wfs_sketch sketch;
    const struct wfs_piece source = {.bytes = bytes, .base_bits = off * 8, .dtype = dtype};
    wfs_draft_init(&draft, ndim);
    if (!is_empty) {
        wfs_sketch_begin(&sketch, &source);
        for (uint32_t i = 0; i < ndim; i++) {
            wfs_sketch_axis(&sketch, 0, shape[i]);
            if (shape[i] > 1)
                wfs_sketch_factor(&sketch, shape[i], strides[i] * (int64_t)wfs_dtype_bits(dtype));
        }
        if (wfs_draft_add(&draft, &sketch)) {
            wfs_draft_free(&draft);
            return wfs_error_nomem(err, "a tensor expression");
        }
    }
    return wfs_draft_finish(&draft, arena, dtype, shape, ret, err);
}

int wfs_expr_strided(struct wfs_arena *arena, struct wfs_bytes *bytes, uint64_t off,
                     enum wfs_dtype dtype, uint32_t ndim, const uint64_t *shape,
                     const int64_t *strides, const struct wfs_expr **ret, struct wfs_error *err)
{
    uint64_t n_elems, size_bytes;
    int64_t first, end;
    int r = wfs_shape_size(dtype, ndim, shape, &n_elems, &size_bytes, err);
    if (!r && wfs_dtype_is_block(dtype))
        r = wfs_error_set(err, ENOTSUP, "%s: blocks of %s have no strides", bytes->name,
                          wfs_dtype_info(dtype)->name);
    if (r)
        return r;
    if (n_elems > 0) {
        if (!reach(dtype, off, ndim, shape, strides, &first, &end) ||
            end > (int64_t)WFS_EXPR_MAX_BITS || first < -(int64_t)WFS_EXPR_MAX_BITS)
            return wfs_error_set(err, EINVAL, "%s: a tensor at byte %llu reaches out of 64 bits",
                                 bytes->name, (unsigned long long)off);
        if (first < 0 || ((uint64_t)end + 7) / 8 > bytes->size_bytes)
            return wfs_error_set(err, EINVAL,
                                 "%s: a tensor at byte %llu reaches from byte %lld to %lld, but "
                                 "there are only %llu",
                                 bytes->name, (unsigned long long)off, (long long)(first / 8),
                                 (long long)((end + 7) / 8), (unsigned long long)bytes->size_bytes);
    }
    return one_piece(arena, bytes, off, dtype, ndim, shape, strides, n_elems == 0, ret, err);
}

int wfs_expr_contiguous(struct wfs_arena *arena, struct wfs_bytes *bytes, uint64_t off,
                        enum wfs_dtype dtype, uint32_t ndim, const uint64_t *shape,
                        const struct wfs_expr **ret, struct wfs_error *err)
{
    uint64_t n_elems, size_bytes, inner = 1;
    int64_t strides[WFS_MAX_NDIM];
    int r = wfs_shape_size(dtype, ndim, shape, &n_elems, &size_bytes, err);
    if (r)
        return r;
    if (n_elems > 0 && (off > bytes->size_bytes || size_bytes > bytes->size_bytes - off))
        return wfs_error_set(err, EINVAL,
                             "%s: a tensor of %llu bytes at byte %llu, but there are only %llu",
                             bytes->name, (unsigned long long)size_bytes, (unsigned long long)off,
                             (unsigned long long)bytes->size_bytes);
    if (n_elems > 0 && wfs_dtype_is_block(dtype) && off > WFS_EXPR_MAX_BITS / 8 - size_bytes)
        return wfs_error_set(err, EINVAL, "%s: a tensor at byte %llu reaches out of 64 bits",
                             bytes->name, (unsigned long long)off);
    if (wfs_dtype_is_block(dtype))
        return block_piece(arena, bytes, off, dtype, ndim, shape, n_elems == 0, ret, err);
    for (uint32_t i = ndim; i-- > 0;) {
        strides[i] = n_elems > 0 ? (int64_t)inner : 0;
        inner *= shape[i];
    }
    return wfs_expr_strided(arena, bytes, off, dtype, ndim, shape, strides, ret, err);
}
