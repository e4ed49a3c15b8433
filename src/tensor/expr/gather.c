/*
 * gather.c - one strided job over one source.
 *
 * Few or long runs are read straight into their place. Everything else is copied by the kernels out
 * of a mapped window, under the guard, and the source is checked afterwards. A source that cannot
 * be mapped (an inflated member, a nested expression) is read in spans: where the job uses a fair
 * part of a span it is read whole, else the job is cut along the axis that steps furthest, down to
 * single runs. Spans come in ascending order, as inflating sources want them.
 */
#include "tensor/expr/gather.h"

#include <stdlib.h>
#include <string.h>

#include "tensor/kernel/kernel.h"

/* For a run of at least so many bytes a system call of its own costs less than reading the bytes
 * does. */
#define LONG_RUN_BYTES (16u << 10)
/* So few runs are cheaper to read one by one than to map. */
#define FEW_RUNS 16
/* A span is read whole where at least 1 / SPARSE of it is used. */
#define SPARSE 16
/* A span as small as this is read whole, since mapping it would cost more. */
#define SMALL_SPAN_BYTES (64u << 10)
/* The most that one job maps at once. A job that spans more is cut, so that what is mapped stays
 * bounded. */
#define SPAN_MAP_BYTES (UINT64_C(64) << 20)
/* A job whose widest steps are this far apart is cut there, so that its windows stay small enough
 * to be shared with the jobs that follow. */
#define SPAN_GAP_BYTES (UINT64_C(16) << 20)
/* Where a span is not in memory, the source is asked in advance for all of it, if it is at most so
 * large; of a larger span only for the strips that the job uses. */
#define HINT_MAX_BYTES (UINT64_C(256) << 20)

/* ---- scratch ------------------------------------------------------------------------------- */

_Static_assert(2 * WFS_SCRATCH_STAGE + WFS_SCRATCH_CELLS + WFS_SCRATCH_COVER <=
                   WFS_READ_SCRATCH_MAX,
               "the divisions fit");

uint8_t *wfs_reader_scratch(struct wfs_reader *reader, enum wfs_scratch which,
                            struct wfs_error *err)
{
    static const size_t at[] = {[WFS_STAGE_A] = 0,
                                [WFS_STAGE_B] = WFS_SCRATCH_STAGE,
                                [WFS_CELLS] = 2 * WFS_SCRATCH_STAGE,
                                [WFS_COVER] = 2 * WFS_SCRATCH_STAGE + WFS_SCRATCH_CELLS};
    if (!reader->scratch)
        reader->scratch = malloc(WFS_READ_SCRATCH_MAX);
    if (!reader->scratch) {
        wfs_error_nomem(err, "scratch for a read");
        return NULL;
    }
    return reader->scratch + at[which];
}

void wfs_reader_free(struct wfs_reader *reader)
{
    free(reader->scratch);
}

int wfs_reader_check(struct wfs_reader *reader, struct wfs_error *err)
{
    struct wfs_bytes *bytes = wfs_steal(&reader->unchecked);
    return bytes ? wfs_bytes_check(bytes, err) : 0;
}

/* ---- jobs ---------------------------------------------------------------------------------- */

uint32_t wfs_job_widest(const struct wfs_job *job)
{
    uint32_t widest = 0;
    for (uint32_t i = 1; i < job->n_axes; i++)
        if (llabs(job->axes[i].src_stride) > llabs(job->axes[widest].src_stride))
            widest = i;
    return widest;
}

void wfs_job_part(const struct wfs_job *job, uint32_t axis, uint64_t first, uint64_t n,
                  struct wfs_job *part)
{
    wfs_job_copy(part, job);
    part->base_bits += first * (uint64_t)job->axes[axis].src_stride;
    part->dst += (int64_t)first * job->axes[axis].dst_stride;
    if (n > 1) {
        part->axes[axis].count = n;
        return;
    }
    part->n_axes--;
    memmove(&part->axes[axis], &part->axes[axis + 1],
            (part->n_axes - axis) * sizeof(part->axes[0]));
}

/* Brings a job's axes into a normal form: axes of one step are left out, the others stand with
 * ascending source strides, and axes that continue each other become one. */
static void normalise(struct wfs_job *job)
{
    uint32_t n = 0;
    for (uint32_t i = 0; i < job->n_axes; i++) {
        struct wfs_job_axis axis = job->axes[i], *outer = n > 0 ? &job->axes[n - 1] : NULL;
        if (axis.count == 1)
            continue;
        if (axis.src_stride < 0) {
            job->base_bits += (axis.count - 1) * (uint64_t)axis.src_stride;
            job->dst += (int64_t)(axis.count - 1) * axis.dst_stride;
            axis.src_stride = -axis.src_stride;
            axis.dst_stride = -axis.dst_stride;
        }
        if (outer && outer->src_stride == axis.src_stride * (int64_t)axis.count &&
            outer->dst_stride == axis.dst_stride * (int64_t)axis.count) {
            axis.count *= outer->count;
            *outer = axis;
        } else {
            job->axes[n++] = axis;
        }
    }
    job->n_axes = n;
}

/* How many bits lie between base_bits and the end of the furthest element. */
static uint64_t span_bits(const struct wfs_job *job)
{
    uint64_t bits = job->bits;
    for (uint32_t i = 0; i < job->n_axes; i++)
        bits += (job->axes[i].count - 1) * (uint64_t)job->axes[i].src_stride;
    return bits;
}

struct span {
    uint64_t off, len; /* bytes */
};

static struct span span_of(const struct wfs_job *job)
{
    uint64_t end_bits = job->base_bits + span_bits(job);
    uint64_t off = job->base_bits / 8;
    return (struct span){off, (end_bits + 7) / 8 - off};
}

/* About how many different bytes of the source the job reads. */
static uint64_t used_bytes(const struct wfs_job *job)
{
    uint64_t n = 1;
    for (uint32_t i = 0; i < job->n_axes; i++)
        if (job->axes[i].src_stride != 0)
            n *= job->axes[i].count;
    return n * job->bits / 8 + 1;
}

/* How many bytes the steps of that axis are apart which steps furthest in the source. */
static uint64_t widest_step(const struct wfs_job *job)
{
    return job->n_axes ? (uint64_t)job->axes[wfs_job_widest(job)].src_stride / 8 : 0;
}

/* The innermost axis is a run of bytes on both sides. */
static bool has_runs(const struct wfs_job *job)
{
    if (job->n_axes == 0 || job->bits < 8)
        return false;
    const struct wfs_job_axis *last = &job->axes[job->n_axes - 1];
    return last->src_stride == job->bits && last->dst_stride == job->bits / 8;
}

/* ---- runs ---------------------------------------------------------------------------------- */

static int read_runs(const struct wfs_job *job, uint32_t axis, uint32_t n_outer, size_t run_bytes,
                     uint64_t base_bits, uint8_t *dst, struct wfs_error *err)
{
    if (axis == n_outer)
        return wfs_bytes_read(job->bytes, dst, run_bytes, base_bits / 8, err);
    const struct wfs_job_axis *at = &job->axes[axis];
    for (uint64_t i = 0; i < at->count; i++) {
        int r = read_runs(job, axis + 1, n_outer, run_bytes, base_bits, dst, err);
        if (r)
            return r;
        base_bits += (uint64_t)at->src_stride;
        dst += at->dst_stride;
    }
    return 0;
}

/* True where the job is few or long runs; reads them into *ret_r. */
static bool try_runs(const struct wfs_job *job, int *ret_r, struct wfs_error *err)
{
    uint32_t n_outer = has_runs(job) ? job->n_axes - 1 : job->n_axes;
    uint64_t n_runs = 1, run = job->bits / 8;
    if (job->bits < 8)
        return false;
    if (n_outer < job->n_axes)
        run *= job->axes[n_outer].count;
    for (uint32_t i = 0; i < n_outer && n_runs <= FEW_RUNS; i++)
        n_runs *= job->axes[i].count;
    if (n_runs > FEW_RUNS && run < LONG_RUN_BYTES)
        return false;
    *ret_r = read_runs(job, 0, n_outer, run, job->base_bits, job->dst, err);
    return true;
}

/* ---- copies -------------------------------------------------------------------------------- */

/* Copies a job's elements; src holds the bytes of the source from src_off on. */
struct copy {
    const struct wfs_job *job;
    const uint8_t *src;
    uint64_t src_off;
};

/* The bits of one element, in a byte. */
static uint8_t cell_at(const uint8_t *src, uint64_t bit, uint32_t bits)
{
    unsigned shift = bit % 8;
    unsigned value = src[bit / 8];
    if (shift + bits > 8)
        value |= (unsigned)src[bit / 8 + 1] << 8;
    return (uint8_t)(value >> shift & ((1u << bits) - 1));
}

static void copy_cells(const struct copy *copy, const struct wfs_job_axis *axis, uint64_t bit,
                       uint8_t *dst)
{
    const uint8_t *src = copy->src;
    uint32_t bits = copy->job->bits;
    uint64_t step = (uint64_t)axis->src_stride;
    for (uint64_t i = 0; i < axis->count; i++, bit += step, dst += axis->dst_stride)
        *dst = cell_at(src, bit, bits);
}

static void copy_bits(const struct copy *copy, uint32_t axis, uint64_t bit, uint8_t *dst)
{
    const struct wfs_job *job = copy->job;
    if (axis == job->n_axes) {
        *dst = cell_at(copy->src, bit, job->bits);
        return;
    }
    const struct wfs_job_axis *at = &job->axes[axis];
    if (axis + 1 == job->n_axes) {
        copy_cells(copy, at, bit, dst);
        return;
    }
    for (uint64_t i = 0; i < at->count; i++) {
        copy_bits(copy, axis + 1, bit, dst);
        bit += (uint64_t)at->src_stride;
        dst += at->dst_stride;
    }
}

/* Is run under the SIGBUS guard, so it touches nothing but the two memories. */
static int copy_job(void *ctx)
{
    const struct copy *copy = ctx;
    const struct wfs_job *job = copy->job;
    uint64_t bit = job->base_bits - copy->src_off * 8;
    struct wfs_copy kernel;
    if (job->bits < 8) {
        copy_bits(copy, 0, bit, job->dst);
        return 0;
    }
    kernel.dst = job->dst;
    kernel.src = copy->src + bit / 8;
    kernel.elem_bytes = job->bits / 8;
    kernel.ndim = job->n_axes;
    for (uint32_t i = 0; i < job->n_axes; i++)
        kernel.axes[i] = (struct wfs_copy_axis){job->axes[i].count, job->axes[i].dst_stride,
                                                job->axes[i].src_stride / 8};
    wfs_kernel_copy(&kernel);
    return 0;
}

/* Tells the source in advance which strips a job will read, one by one. */
static void hint_strips(const struct wfs_job *job)
{
    struct span span = span_of(job);
    uint32_t axis = wfs_job_widest(job);
    if (span.len / SPARSE <= used_bytes(job)) {
        wfs_bytes_hint(job->bytes, span.off, span.len);
        return;
    }
    for (uint64_t i = 0; i < job->axes[axis].count; i++) {
        struct wfs_job part;
        wfs_job_part(job, axis, i, 1, &part);
        hint_strips(&part);
    }
}

/* Asked for at once, so that the pages are not read one by one as the copy faults them in. */
static void hint(const struct wfs_job *job, struct span span)
{
    if (wfs_bytes_resident(job->bytes, span.off, span.len))
        return;
    if (span.len <= HINT_MAX_BYTES)
        wfs_bytes_hint(job->bytes, span.off, span.len);
    else
        hint_strips(job);
}

/* -ENOTSUP where the span cannot be mapped. */
static int copy_mapped(struct wfs_reader *reader, const struct wfs_job *job, struct span span,
                       struct wfs_error *err)
{
    struct wfs_window window;
    if (!job->bytes->ops->map || span.len > SPAN_MAP_BYTES)
        return -ENOTSUP;
    int r = wfs_bytes_map(job->bytes, span.off, span.len, &window, err);
    if (r)
        return r;
    if (!reader->is_hinted)
        hint(job, span);
    struct copy copy = {job, window.data, span.off};
    r = wfs_guarded(copy_job, &copy, job->bytes->name, err);
    wfs_window_release(&window);
    if (!r && reader->unchecked != job->bytes)
        r = wfs_reader_check(reader, err);
    reader->unchecked = job->bytes;
    return r;
}

static int copy_covered(struct wfs_reader *reader, const struct wfs_job *job, struct span span,
                        struct wfs_error *err)
{
    uint8_t *cover = wfs_reader_scratch(reader, WFS_COVER, err);
    if (!cover)
        return -ENOMEM;
    int r = wfs_bytes_read(job->bytes, cover, span.len, span.off, err);
    if (r)
        return r;
    struct copy copy = {job, cover, span.off};
    return copy_job(&copy);
}

/* ---- cutting ------------------------------------------------------------------------------- */

static int gather_normal(struct wfs_reader *reader, const struct wfs_job *job,
                         struct wfs_error *err);

/* Runs the job in parts of the axis that steps furthest. Each part spans at most `limit` bytes, if
 * a single step does. */
static int gather_parts(struct wfs_reader *reader, const struct wfs_job *job, uint64_t limit,
                        struct wfs_error *err)
{
    uint32_t axis = wfs_job_widest(job);
    uint64_t count = job->axes[axis].count, step = (uint64_t)job->axes[axis].src_stride;
    uint64_t inner = span_bits(job) - (count - 1) * step, n = 1;
    if (inner + 16 < limit * 8 && step > 0)
        n += (limit * 8 - inner - 16) / step;
    /* Sparse spans gain nothing from being read as one. */
    if (limit <= WFS_SCRATCH_COVER && used_bytes(job) / count * SPARSE * 8 < step)
        n = 1;
    n = wfs_min_u64(n, count - 1); /* always less than the whole: this ends */
    for (uint64_t first = 0; first < count; first += n) {
        struct wfs_job part;
        wfs_job_part(job, axis, first, wfs_min_u64(n, count - first), &part);
        int r = gather_normal(reader, &part, err);
        if (r)
            return r;
    }
    return 0;
}

/* Runs a job that spans too much for one window. What the source is asked for in advance depends on
 * the whole job and not on its parts: for a sparse one these are its strips. */
static int gather_windows(struct wfs_reader *reader, const struct wfs_job *job, struct span span,
                          struct wfs_error *err)
{
    bool is_hinted = reader->is_hinted;
    if (!is_hinted)
        hint(job, span);
    reader->is_hinted = true;
    int r = gather_parts(reader, job, SPAN_MAP_BYTES, err);
    reader->is_hinted = is_hinted;
    return r;
}

static int gather_normal(struct wfs_reader *reader, const struct wfs_job *job,
                         struct wfs_error *err)
{
    int r;
    if (try_runs(job, &r, err))
        return r;
    struct span span = span_of(job);
    bool is_dense = span.len / SPARSE <= used_bytes(job);
    if (span.len <= SMALL_SPAN_BYTES && is_dense)
        return copy_covered(reader, job, span, err);
    if (span.len > SPAN_GAP_BYTES && widest_step(job) > SPAN_GAP_BYTES)
        return gather_parts(reader, job, SPAN_GAP_BYTES, err);
    r = copy_mapped(reader, job, span, err);
    if (r != -ENOTSUP)
        return r;
    if (span.len > SPAN_MAP_BYTES && job->bytes->ops->map)
        return gather_windows(reader, job, span, err);
    if (span.len <= WFS_SCRATCH_COVER && is_dense)
        return copy_covered(reader, job, span, err);
    return gather_parts(reader, job, WFS_SCRATCH_COVER, err);
}

int wfs_gather(struct wfs_reader *reader, const struct wfs_job *job, struct wfs_error *err)
{
    struct wfs_job normal;
    wfs_job_copy(&normal, job);
    normalise(&normal);
    return gather_normal(reader, &normal, err);
}
