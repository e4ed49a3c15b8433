/*
 * gather.h - elements of one source into memory: N-dimensional strided jobs of the reader.
 *
 * Memory holds CELLS: an element's bytes, or one byte for an element of less than 8 bits.
 */
#ifndef WEIGHTFS_TENSOR_EXPR_GATHER_H
#define WEIGHTFS_TENSOR_EXPR_GATHER_H

#include <stddef.h>
#include <string.h>

#include "tensor/expr/piece.h"

/* How a call's scratch (WFS_READ_SCRATCH_MAX, allocated when first needed) is divided. */
#define WFS_SCRATCH_STAGE (192u << 10) /* two: values before and after an operation */
#define WFS_SCRATCH_CELLS (128u << 10) /* sub-byte results before they are packed */
#define WFS_SCRATCH_COVER (512u << 10) /* source bytes that cannot be mapped */

/* One call of wfs_expr_read. */
struct wfs_reader {
    uint8_t *scratch;
    struct wfs_bytes *unchecked; /* gathered from through a mapping, not yet checked */
    bool is_hinted;              /* the job that this one is a part of was announced as a whole */
};
void wfs_reader_free(struct wfs_reader *reader);
/* 0 while all that was gathered is of one version of its source. */
int wfs_reader_check(struct wfs_reader *reader, struct wfs_error *err);
enum wfs_scratch { WFS_STAGE_A, WFS_STAGE_B, WFS_CELLS, WFS_COVER };
/* NULL when out of memory (err is set). */
uint8_t *wfs_reader_scratch(struct wfs_reader *reader, enum wfs_scratch which,
                            struct wfs_error *err);

struct wfs_job_axis {
    uint64_t count;
    int64_t dst_stride; /* bytes */
    int64_t src_stride; /* bits */
};
struct wfs_job {
    struct wfs_bytes *bytes;
    uint64_t base_bits;
    uint32_t bits; /* of a stored element */
    uint8_t *dst;
    uint32_t n_axes;
    struct wfs_job_axis axes[WFS_MAX_FACTORS];
};

static inline uint32_t wfs_cell_bytes(enum wfs_dtype dtype)
{
    return (wfs_dtype_bits(dtype) + 7) / 8;
}
static inline void wfs_job_axis(struct wfs_job *job, uint64_t count, int64_t dst_stride,
                                int64_t src_stride)
{
    if (count != 1)
        job->axes[job->n_axes++] = (struct wfs_job_axis){count, dst_stride, src_stride};
}
/* `to` without the unused axes, which a plain assignment would copy. */
static inline void wfs_job_copy(struct wfs_job *to, const struct wfs_job *from)
{
    memcpy(to, from, offsetof(struct wfs_job, axes) + from->n_axes * sizeof(from->axes[0]));
}
/* The axis that steps furthest in the source. */
uint32_t wfs_job_widest(const struct wfs_job *job);
/* `part` = the n steps from `first` on of an axis of `job`. */
void wfs_job_part(const struct wfs_job *job, uint32_t axis, uint64_t first, uint64_t n,
                  struct wfs_job *part);

/* The cells of a job, as stored. */
int wfs_gather(struct wfs_reader *reader, const struct wfs_job *job, struct wfs_error *err);

#endif
