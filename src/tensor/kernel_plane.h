/*
 * kernel_plane.h - private to the copy kernels: the transposition of one plane.
 *
 * A plane has source ROWS and source COLUMNS. Elements of a row lie side by side in the source;
 * elements of a column lie side by side in the destination. Both the start of a source row and the
 * start of a destination row are free: they come from CHAINS of axes, which is what lets one kernel
 * serve a matrix, a permuted convolution (OIHW -> HWIO) and flipped axes alike.
 */
#ifndef WFS_TENSOR_KERNEL_PLANE_H
#define WFS_TENSOR_KERNEL_PLANE_H

#include <stddef.h>
#include <stdint.h>

#include "tensor/kernel.h"

/* Axes that act as one: their product of counts is contiguous on one side (dense), and `stride` is
 * the step on the other side. Innermost first. */
struct wfs_chain {
    uint64_t count; /* product */
    uint32_t n_axes;
    struct {
        uint64_t count;
        int64_t stride;
    } axes[WFS_COPY_MAX_AXES];
};

struct wfs_plane {
    uint32_t elem_log2;    /* elements of 1, 2, 4, 8 or 16 bytes */
    struct wfs_chain rows; /* dense in dst; stride: source bytes from row to row */
    struct wfs_chain cols; /* dense in src; stride: destination bytes from column to column */
};

#define WFS_PLANE_MAX_ELEM_LOG2 4

void wfs_plane_transpose(const struct wfs_plane *plane, uint8_t *dst, const uint8_t *src);

/*
 * A strip: a fixed number of source rows, n_cols >= WFS_NARROW_BYTES / elem source columns.
 * Column j of it goes to dst + dst_off[j]; source row i starts at src + src_off[i].
 */
typedef void (*wfs_strip_fn)(uint8_t *dst, const int64_t *dst_off, const uint8_t *src,
                             const int64_t *src_off, size_t n_cols);

#define WFS_WIDE_BYTES   64 /* destination bytes of a wide strip's column: a cache line */
#define WFS_NARROW_BYTES 16 /* ... of a narrow strip's column: a register */

struct wfs_strips {
    wfs_strip_fn wide[WFS_PLANE_MAX_ELEM_LOG2 + 1];
    wfs_strip_fn narrow[WFS_PLANE_MAX_ELEM_LOG2 + 1];
};
/* The best that this CPU runs; NULL where there is only the portable loop. Defined for x86-64. */
const struct wfs_strips *wfs_strips_for_cpu(void);

#endif
