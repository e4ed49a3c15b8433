/*
 * gather_ops.c - element operations on the way from a source to its place, and the packing of
 * elements that are smaller than a byte.
 *
 * Where every type on the way has one size and the place is one run, the values are changed where
 * they lie. Otherwise the job is cut into chunks that fit two stages of scratch, along the axis
 * that steps furthest in the source: so a chunk of a transposition keeps the width of its strips.
 */
#include "tensor/expr/gather_ops.h"

#include <string.h>

#include "tensor/convert/elem.h"
#include "tensor/kernel/kernel.h"

/* ---- packing ------------------------------------------------------------------------------- */

void wfs_pack_cells(uint32_t bits, uint8_t *packed, const uint8_t *cells, size_t n)
{
    uint32_t held = 0, n_held = 0;
    for (size_t i = 0; i < n; i++) {
        held |= (uint32_t)cells[i] << n_held;
        n_held += bits;
        if (n_held >= 8) {
            *packed++ = (uint8_t)held;
            held >>= 8;
            n_held -= 8;
        }
    }
    if (n_held > 0)
        *packed = (uint8_t)held;
}

/* Goes from the last cell to the first: a cell never lies before its packed bits, so none is
 * overwritten before it is read. */
void wfs_unpack_cells(uint32_t bits, uint8_t *cells, const uint8_t *packed, size_t n)
{
    for (size_t i = n; i-- > 0;) {
        size_t bit = i * bits;
        uint32_t value = packed[bit / 8];
        if (bit % 8 + bits > 8)
            value |= (uint32_t)packed[bit / 8 + 1] << 8;
        cells[i] = (uint8_t)(value >> bit % 8 & ((1u << bits) - 1));
    }
}

/* ---- the chain ----------------------------------------------------------------------------- */

struct ops {
    enum wfs_dtype dtype, out_dtype;
    uint32_t n;
    const struct wfs_elem_op *ops;
    uint32_t widest; /* the largest cell that any of the operations takes or gives */
};

/* Applies one operation to n cells. Cells of less than 8 bits are packed first, which may be done
 * in `in` itself. */
static int apply(enum wfs_dtype dtype, const struct wfs_elem_op *op, uint8_t *in, uint8_t *out,
                 size_t n, struct wfs_error *err)
{
    uint32_t in_bits = wfs_dtype_bits(dtype), out_bits = wfs_dtype_bits(op->dtype);
    if (wfs_dtype_is_field(dtype) && op->kind == WFS_ELEM_CAST && op->dtype == WFS_U8) {
        memmove(out, in, n); /* a cell of a field is its value */
        return 0;
    }
    if (in_bits < 8)
        wfs_pack_cells(in_bits, in, in, n);
    int r = wfs_elem_apply(dtype, op, in, out, n, err);
    if (!r && out_bits < 8)
        wfs_unpack_cells(out_bits, out, out, n);
    return r;
}

/* All operations on n cells in `in`; the last writes to `last`, the others between in and other. */
static int apply_all(const struct ops *ops, uint8_t *in, uint8_t *other, uint8_t *last, size_t n,
                     struct wfs_error *err)
{
    enum wfs_dtype dtype = ops->dtype;
    for (uint32_t i = 0; i < ops->n; i++) {
        uint8_t *out = i + 1 == ops->n ? last : other;
        int r = apply(dtype, &ops->ops[i], in, out, n, err);
        if (r)
            return r;
        other = in;
        in = out;
        dtype = ops->ops[i].dtype;
    }
    return 0;
}

/* ---- places -------------------------------------------------------------------------------- */

static uint64_t n_elems_of(const struct wfs_job *job)
{
    uint64_t n = 1;
    for (uint32_t i = 0; i < job->n_axes; i++)
        n *= job->axes[i].count;
    return n;
}

/* `to` = the job with its cells side by side at dst. */
static void compact(const struct wfs_job *job, uint8_t *dst, uint32_t cell, struct wfs_job *to)
{
    int64_t stride = cell;
    wfs_job_copy(to, job);
    to->dst = dst;
    for (uint32_t i = to->n_axes; i-- > 0;) {
        to->axes[i].dst_stride = stride;
        stride *= (int64_t)to->axes[i].count;
    }
}

static bool is_compact(const struct wfs_job *job, uint32_t cell)
{
    int64_t stride = cell;
    for (uint32_t i = job->n_axes; i-- > 0;) {
        if (job->axes[i].dst_stride != stride)
            return false;
        stride *= (int64_t)job->axes[i].count;
    }
    return true;
}

static bool is_in_place(const struct wfs_job *job, const struct ops *ops)
{
    uint32_t cell = job->bits / 8;
    bool same = job->bits >= 8;
    for (uint32_t i = 0; same && i < ops->n; i++)
        same = wfs_dtype_bits(ops->ops[i].dtype) == job->bits;
    return same && is_compact(job, cell);
}

static int run_in_place(struct wfs_reader *reader, const struct wfs_job *job, const struct ops *ops,
                        struct wfs_error *err)
{
    int r = wfs_gather(reader, job, err);
    return r ? r : apply_all(ops, job->dst, job->dst, job->dst, n_elems_of(job), err);
}

/* Copies results that lie side by side to where the job wants them. */
static void scatter(const struct wfs_job *job, const uint8_t *cells, uint32_t cell)
{
    struct wfs_copy copy = {.dst = job->dst, .src = cells, .elem_bytes = cell, .ndim = job->n_axes};
    int64_t stride = cell;
    for (uint32_t i = job->n_axes; i-- > 0;) {
        copy.axes[i] = (struct wfs_copy_axis){job->axes[i].count, job->axes[i].dst_stride, stride};
        stride *= (int64_t)job->axes[i].count;
    }
    wfs_kernel_copy(&copy);
}

static int run_staged(struct wfs_reader *reader, const struct wfs_job *job, const struct ops *ops,
                      struct wfs_error *err)
{
    uint32_t out_cell = wfs_cell_bytes(ops->out_dtype);
    bool direct = is_compact(job, out_cell);
    uint8_t *a = wfs_reader_scratch(reader, WFS_STAGE_A, err);
    uint8_t *b = wfs_reader_scratch(reader, WFS_STAGE_B, err);
    uint64_t n = n_elems_of(job);
    struct wfs_job staged;
    if (!a || !b)
        return -ENOMEM;
    compact(job, a, wfs_cell_bytes(ops->dtype), &staged);
    int r = wfs_gather(reader, &staged, err);
    uint8_t *last = direct ? job->dst : ops->n % 2 ? b : a;
    if (!r)
        r = apply_all(ops, a, b, last, n, err);
    if (!r && !direct)
        scatter(job, last, out_cell);
    return r;
}

static int run_chunks(struct wfs_reader *reader, const struct wfs_job *job, const struct ops *ops,
                      struct wfs_error *err)
{
    uint64_t n = n_elems_of(job), max = WFS_SCRATCH_STAGE / ops->widest;
    if (n <= max)
        return run_staged(reader, job, ops, err);
    uint32_t axis = wfs_job_widest(job);
    uint64_t count = job->axes[axis].count, step = wfs_max_u64(1, max / (n / count));
    for (uint64_t first = 0; first < count; first += step) {
        struct wfs_job part;
        wfs_job_part(job, axis, first, wfs_min_u64(step, count - first), &part);
        int r = run_chunks(reader, &part, ops, err);
        if (r)
            return r;
    }
    return 0;
}

int wfs_gather_ops(struct wfs_reader *reader, const struct wfs_job *job, enum wfs_dtype dtype,
                   uint32_t n_ops, const struct wfs_elem_op *op, struct wfs_error *err)
{
    struct ops ops = {.dtype = dtype,
                      .out_dtype = op[n_ops - 1].dtype,
                      .n = n_ops,
                      .ops = op,
                      .widest = wfs_cell_bytes(dtype)};
    if (is_in_place(job, &ops))
        return run_in_place(reader, job, &ops, err);
    for (uint32_t i = 0; i < n_ops; i++)
        if (wfs_cell_bytes(op[i].dtype) > ops.widest)
            ops.widest = wfs_cell_bytes(op[i].dtype);
    return run_chunks(reader, job, &ops, err);
}
