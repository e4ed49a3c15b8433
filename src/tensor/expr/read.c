/*
 * read.c - any range of an expression's row-major bytes.
 *
 *      bytes -> elements -> boxes of axes -> pieces that meet a box -> boxes of factors -> jobs
 *
 * Bytes that are part of an element (at either end of the range) go through one element's cell.
 * Elements of less than a byte are gathered one to a byte and packed at the end.
 */
#include "tensor/tensor.h"

#include <string.h>

#include "tensor/expr/range.h"
#include "tensor/expr/gather.h"
#include "tensor/expr/gather_ops.h"
#include "tensor/expr/run.h"

#define CELL_MAX_BYTES 16
#define RECENT_SOURCES 8u

struct reading {
    struct wfs_reader *reader;
    const struct wfs_expr *expr;
    struct wfs_range range;
    struct wfs_range_box box;
    int64_t dst_stride[WFS_MAX_NDIM];
    struct wfs_error *err;
};

/* The part of a piece that lies within a box of the result. */
struct meeting {
    const struct wfs_piece *piece;
    /* its first index and its extent on each axis, counted within the piece */
    uint64_t first[WFS_MAX_NDIM], count[WFS_MAX_NDIM];
};

/* ---- one piece ----------------------------------------------------------------------------- */

static void add_factors(struct wfs_job *job, const struct wfs_factor *factors, uint32_t n,
                        int64_t dst_stride)
{
    uint32_t first = job->n_axes;
    job->n_axes += n;
    for (uint32_t f = n; f-- > 0;) {
        job->axes[first + f] =
            (struct wfs_job_axis){factors[f].count, dst_stride, factors[f].stride_bits};
        dst_stride *= (int64_t)factors[f].count;
    }
}

static int run_axes(const struct reading *rd, const struct meeting *meet, uint32_t axis,
                    struct wfs_job *job);

/* Reads a part of an axis that has several factors. Such a part is no single strided box, so there
 * is a job for each of its boxes. */
static int run_factored(const struct reading *rd, const struct meeting *meet, uint32_t axis,
                        const struct wfs_job *job)
{
    const struct wfs_factor *factors = wfs_piece_factors(meet->piece, axis);
    uint32_t n = wfs_piece_n_factors(meet->piece, axis);
    struct wfs_range range;
    struct wfs_range_box box;
    uint64_t at = 0;
    wfs_range_init_factors(&range, n, factors, meet->first[axis],
                           meet->first[axis] + meet->count[axis]);
    for (; wfs_range_next(&range, &box); at += box.n_elems) {
        struct wfs_job part;
        wfs_job_copy(&part, job);
        part.dst += (int64_t)at * rd->dst_stride[axis];
        for (uint32_t f = 0; f < n; f++)
            part.base_bits += box.index[f] * (uint64_t)factors[f].stride_bits;
        wfs_job_axis(&part, box.n, rd->dst_stride[axis] * (int64_t)range.suffix[box.axis + 1],
                     factors[box.axis].stride_bits);
        add_factors(&part, factors + box.axis + 1, n - box.axis - 1, rd->dst_stride[axis]);
        int r = run_axes(rd, meet, axis + 1, &part);
        if (r)
            return r;
    }
    return 0;
}

/* Adds the axes from `axis` on to the job, and runs it. */
static int run_axes(const struct reading *rd, const struct meeting *meet, uint32_t axis,
                    struct wfs_job *job)
{
    const struct wfs_piece *piece = meet->piece;
    for (; axis < rd->expr->ndim; axis++) {
        const struct wfs_factor *factors = wfs_piece_factors(piece, axis);
        uint32_t n = wfs_piece_n_factors(piece, axis);
        if (meet->count[axis] == piece->count[axis]) {
            add_factors(job, factors, n, rd->dst_stride[axis]);
        } else if (n == 1) {
            job->base_bits += meet->first[axis] * (uint64_t)factors->stride_bits;
            wfs_job_axis(job, meet->count[axis], rd->dst_stride[axis], factors->stride_bits);
        } else {
            return run_factored(rd, meet, axis, job);
        }
    }
    if (piece->n_ops > 0)
        return wfs_gather_ops(rd->reader, job, piece->dtype, piece->n_ops, piece->ops, rd->err);
    return wfs_gather(rd->reader, job, rd->err);
}

static int run_piece(const struct reading *rd, const struct wfs_piece *piece, uint8_t *dst)
{
    const struct wfs_range_box *box = &rd->box;
    struct meeting meet;
    struct wfs_job job;
    meet.piece = piece;
    for (uint32_t a = 0; a < rd->expr->ndim; a++) {
        uint64_t n = a < box->axis ? 1 : a == box->axis ? box->n : rd->expr->shape[a];
        uint64_t low = wfs_max_u64(box->index[a], piece->start[a]);
        uint64_t high = wfs_min_u64(box->index[a] + n, piece->start[a] + piece->count[a]);
        if (low >= high)
            return 0;
        meet.first[a] = low - piece->start[a];
        meet.count[a] = high - low;
        dst += (int64_t)(low - box->index[a]) * rd->dst_stride[a];
    }
    job.bytes = piece->bytes;
    job.base_bits = piece->base_bits;
    job.bits = wfs_dtype_bits(piece->dtype);
    job.dst = dst;
    job.n_axes = 0;
    return run_axes(rd, &meet, 0, &job);
}

/* ---- all pieces ---------------------------------------------------------------------------- */

/* Finds the first piece that may reach `index` on the axis by which the pieces are sorted. */
static uint32_t first_piece(const struct wfs_expr *expr, uint64_t index)
{
    uint32_t axis = expr->sort_axis, low = 0, high = expr->n_pieces;
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        if (index - wfs_min_u64(index, expr->pieces[middle].start[axis]) < expr->sort_max_count)
            high = middle;
        else
            low = middle + 1;
    }
    return low;
}

static int run_box(const struct reading *rd, uint8_t *dst)
{
    const struct wfs_expr *expr = rd->expr;
    uint32_t axis = expr->sort_axis;
    if (expr->n_pieces == 1)
        return run_piece(rd, &expr->pieces[0], dst);
    uint64_t end = rd->box.index[axis] + (axis < rd->box.axis    ? 1
                                          : axis == rd->box.axis ? rd->box.n
                                                                 : expr->shape[axis]);
    for (uint32_t i = first_piece(expr, rd->box.index[axis]);
         i < expr->n_pieces && expr->pieces[i].start[axis] < end; i++) {
        int r = run_piece(rd, &expr->pieces[i], dst);
        if (r)
            return r;
    }
    return 0;
}

/* Reads the cells of the elements [first, first + n). */
static int read_cells(struct wfs_reader *reader, const struct wfs_expr *expr, uint8_t *dst,
                      uint64_t first, uint64_t n, struct wfs_error *err)
{
    uint32_t cell = wfs_cell_bytes(expr->dtype);
    struct reading rd;
    rd.reader = reader;
    rd.expr = expr;
    rd.err = err;
    wfs_range_init(&rd.range, expr->ndim, expr->shape, first, first + n);
    for (uint32_t a = 0; a < expr->ndim; a++)
        rd.dst_stride[a] = (int64_t)(rd.range.suffix[a + 1] * cell);
    while (wfs_range_next(&rd.range, &rd.box)) {
        int r = run_box(&rd, dst);
        if (r)
            return r;
        dst += rd.box.n_elems * cell;
    }
    return 0;
}

/* ---- bytes --------------------------------------------------------------------------------- */

/* Reads some bytes of one element. */
static int read_part(struct wfs_reader *reader, const struct wfs_expr *expr, uint8_t *buf,
                     size_t len, uint64_t off, struct wfs_error *err)
{
    uint32_t cell = wfs_cell_bytes(expr->dtype);
    uint8_t whole[CELL_MAX_BYTES];
    int r = read_cells(reader, expr, whole, off / cell, 1, err);
    if (!r)
        memcpy(buf, whole + off % cell, len);
    return r;
}

static int read_bytes(struct wfs_reader *reader, const struct wfs_expr *expr, uint8_t *buf,
                      size_t len, uint64_t off, struct wfs_error *err)
{
    uint32_t cell = wfs_cell_bytes(expr->dtype);
    size_t head = wfs_min_u64(len, (cell - off % cell) % cell);
    size_t tail = (len - head) % cell, body = len - head - tail;
    int r = 0;
    if (head > 0)
        r = read_part(reader, expr, buf, head, off, err);
    if (!r && body > 0)
        r = read_cells(reader, expr, buf + head, (off + head) / cell, body / cell, err);
    if (!r && tail > 0)
        r = read_part(reader, expr, buf + head + body, tail, off + head + body, err);
    return r;
}

/* Adds n cells to the bits that start at bit `at` of buf; what lies outside of buf is cut off. */
static void place_bits(uint8_t *buf, size_t len, int64_t at, uint32_t bits, const uint8_t *cells,
                       size_t n)
{
    for (size_t i = 0; i < n; i++, at += bits) {
        uint32_t value = cells[i];
        int64_t byte = at >> 3;
        unsigned shift = (unsigned)(at & 7);
        if (byte >= 0 && byte < (int64_t)len)
            buf[byte] |= (uint8_t)(value << shift);
        if (shift + bits > 8 && byte + 1 >= 0 && byte + 1 < (int64_t)len)
            buf[byte + 1] |= (uint8_t)(value >> (8 - shift));
    }
}

static int read_packed(struct wfs_reader *reader, const struct wfs_expr *expr, uint8_t *buf,
                       size_t len, uint64_t off, struct wfs_error *err)
{
    uint32_t bits = wfs_dtype_bits(expr->dtype);
    uint64_t first = off * 8 / bits, end = ((off + len) * 8 + bits - 1) / bits;
    uint8_t *cells = wfs_reader_scratch(reader, WFS_CELLS, err);
    if (!cells)
        return -ENOMEM;
    memset(buf, 0, len);
    while (first < end) {
        size_t n = wfs_min_u64(end - first, WFS_SCRATCH_CELLS);
        int r = read_cells(reader, expr, cells, first, n, err);
        if (r)
            return r;
        place_bits(buf, len, (int64_t)(first * bits - off * 8), bits, cells, n);
        first += n;
    }
    return 0;
}

int wfs_expr_read(const struct wfs_expr *expr, void *buf, size_t len, uint64_t off,
                  struct wfs_error *err)
{
    struct wfs_reader reader = {0};
    struct wfs_bytes *bytes;
    uint64_t run_off;
    if (off > expr->size_bytes || len > expr->size_bytes - off)
        return wfs_error_set(err, EIO,
                             "bytes %llu to %llu of a tensor were asked for, but it has only %llu",
                             (unsigned long long)off, (unsigned long long)(off + len),
                             (unsigned long long)expr->size_bytes);
    if (len == 0)
        return 0;
    if (wfs_expr_is_any_run(expr, &bytes, &run_off))
        return wfs_bytes_read(bytes, buf, len, run_off + off, err);
    int r = wfs_dtype_bits(expr->dtype) < 8 ? read_packed(&reader, expr, buf, len, off, err)
                                            : read_bytes(&reader, expr, buf, len, off, err);
    if (!r)
        r = wfs_reader_check(&reader, err);
    wfs_reader_free(&reader);
    return r;
}

/* ---- sources ------------------------------------------------------------------------------- */

/* A result has many pieces and few sources, so a source that has been checked lately is not checked
 * again. */
int wfs_expr_check(const struct wfs_expr *expr, struct wfs_error *err)
{
    const struct wfs_bytes *checked[RECENT_SOURCES] = {NULL};
    size_t next = 0;
    for (uint32_t i = 0; i < expr->n_pieces; i++) {
        struct wfs_bytes *bytes = expr->pieces[i].bytes;
        bool is_recent = false;
        for (size_t k = 0; k < RECENT_SOURCES && !is_recent; k++)
            is_recent = checked[k] == bytes;
        if (is_recent)
            continue;
        int r = wfs_bytes_check(bytes, err);
        if (r < 0)
            return r;
        checked[next++ % RECENT_SOURCES] = bytes;
    }
    return 0;
}
