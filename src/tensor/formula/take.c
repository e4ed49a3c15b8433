/*
 * take.c - rows of a tensor in an order that another tensor gives, as a source: the group of each
 * input row of a quantised weight is data (g_idx), and no stride can say it. wfs_expr_take is
 * declared in tensor/tensor.h.
 */
#include "tensor/tensor.h"

#include <stdlib.h>

#include "tensor/expr/computed.h"

struct take {
    struct wfs_computed computed;
    const struct wfs_expr *in, *index;
    size_t row_bytes;
};

/* Numbers of the index that are read at a time. */
#define ROWS 256

static int row_of(const struct take *take, double at, uint64_t row, uint64_t *ret,
                  struct wfs_error *err)
{
    if (!(at >= 0 && at < (double)take->in->shape[0]))
        return wfs_error_set(err, ERANGE, "row %llu is to be taken from row %.0f of %llu",
                             (unsigned long long)row, at, (unsigned long long)take->in->shape[0]);
    *ret = (uint64_t)at;
    return 0;
}

/* The index's numbers [first, first + n). */
static int read_index(const struct take *take, uint64_t first, size_t n, double *ret,
                      struct wfs_error *err)
{
    uint8_t raw[ROWS * 8];
    size_t width = wfs_dtype_bits(take->index->dtype) / 8;
    int r = wfs_expr_read(take->index, raw, n * width, first * width, err);
    return r ? r : wfs_convert_to_f64(take->index->dtype, raw, n, ret, err);
}

/* The bytes [off, off + len) of the rows that begin with `first`; len ends within n rows. */
static int read_rows(const struct take *take, uint64_t first, size_t n, uint8_t *buf, size_t len,
                     size_t skip, struct wfs_error *err)
{
    double index[ROWS];
    int r = read_index(take, first, n, index, err);
    for (size_t i = 0; !r && len > 0; i++, skip = 0) {
        size_t now = wfs_min_u64(len, take->row_bytes - skip);
        uint64_t row;
        r = row_of(take, index[i], first + i, &row, err);
        if (!r)
            r = wfs_expr_read(take->in, buf, now, row * take->row_bytes + skip, err);
        buf += now;
        len -= now;
    }
    return r;
}

static int take_read(struct wfs_bytes *bytes, void *buf, size_t len, uint64_t off,
                     struct wfs_error *err)
{
    const struct take *take = (struct take *)bytes;
    uint8_t *out = buf;
    int r = 0;
    while (!r && len > 0) {
        uint64_t row = off / take->row_bytes;
        size_t skip = off % take->row_bytes;
        size_t n = wfs_min_u64(ROWS, (skip + len - 1) / take->row_bytes + 1);
        size_t now = wfs_min_u64(len, n * take->row_bytes - skip);
        r = read_rows(take, row, n, out, now, skip, err);
        out += now;
        off += now;
        len -= now;
    }
    return r;
}

static int take_check(struct wfs_bytes *bytes, struct wfs_error *err)
{
    const struct take *take = (struct take *)bytes;
    int r = wfs_expr_check(take->in, err);
    return r ? r : wfs_expr_check(take->index, err);
}

static const struct wfs_bytes_ops take_ops = {
    .kind = "rows", .read = take_read, .free = wfs_computed_stay, .check = take_check};

static int check(const struct wfs_expr *in, const struct wfs_expr *index, struct wfs_error *err)
{
    if (in->ndim == 0 || wfs_dtype_bits(in->dtype) < 8 || wfs_dtype_is_block(in->dtype))
        return wfs_error_set(err, EINVAL, "take: rows of whole bytes are needed");
    if (index->ndim != 1 || !wfs_computed_is_integer(index->dtype) ||
        wfs_dtype_bits(index->dtype) < 8)
        return wfs_error_set(err, EINVAL, "take: the index is no list of integers");
    return wfs_computed_check_depth(
        (uint32_t)wfs_max_u64(wfs_computed_depth(in), wfs_computed_depth(index)), err);
}

int wfs_expr_take(struct wfs_arena *arena, const struct wfs_expr *in, const struct wfs_expr *index,
                  const struct wfs_expr **ret, struct wfs_error *err)
{
    uint64_t shape[WFS_MAX_NDIM], n_elems, size_bytes;
    int r = check(in, index, err);
    if (r)
        return r;
    for (uint32_t i = 0; i < in->ndim; i++)
        shape[i] = i ? in->shape[i] : index->shape[0];
    r = wfs_shape_size(in->dtype, in->ndim, shape, &n_elems, &size_bytes, err);
    if (r)
        return r;
    struct take *take = wfs_arena_alloc(arena, sizeof(*take));
    if (!take)
        return wfs_error_nomem(err, "a tensor expression");
    struct {
        char kind[8];
        struct wfs_hash in, index;
    } key = {"take", wfs_expr_hash(in), wfs_expr_hash(index)};
    wfs_computed_init(&take->computed, &take_ops, "rows of a tensor", in->dtype, size_bytes, &key,
                      sizeof(key));
    take->computed.depth =
        1 + (uint32_t)wfs_max_u64(wfs_computed_depth(in), wfs_computed_depth(index));
    take->in = in;
    take->index = index;
    take->computed.n_operands = 1;
    take->computed.operands = &take->in;
    take->row_bytes = n_elems ? size_bytes / index->shape[0] : 1;
    return wfs_expr_contiguous(arena, &take->computed.base, 0, in->dtype, in->ndim, shape, ret,
                               err);
}
