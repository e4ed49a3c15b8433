/*
 * kernel_plane.h - private to the copy kernels: the transposition of one plane.
 *
 * A plane has source ROWS and source COLUMNS. Elements of a row lie side by side in the source;
 * elements of a column lie side by side in the destination. Where a source row starts and where a
 * column goes is free: both come from CHAINS of axes, which is what lets one kernel serve a matrix,
 * a permuted convolution (OIHW -> HWIO) and flipped axes alike.
 */
#ifndef WFS_TENSOR_KERNEL_PLANE_H
#define WFS_TENSOR_KERNEL_PLANE_H

#include <stdbool.h>
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

/*
 * A strip: N = WFS_STRIP_BYTES / elem source rows (one register of every column) and n_cols >= N
 * source columns. Row i starts at src + src_off[i]; column j goes to out + j * WFS_PITCH_BYTES. The
 * strip may prefetch the rows src_off[WFS_ROWS_AHEAD + i].
 */
#define WFS_STRIP_BYTES         16
#define WFS_ROWS_AHEAD          16
#define WFS_CACHE_LINE          64
#define WFS_RUN_BYTES           512                              /* of a column of a block */
#define WFS_PITCH_BYTES         (WFS_RUN_BYTES + WFS_CACHE_LINE) /* no power of two */
#define WFS_PLANE_MAX_ELEM_LOG2 4
typedef void (*wfs_strip_fn)(uint8_t *out, const uint8_t *src, const int64_t *src_off,
                             size_t n_cols);
struct wfs_strips {
    wfs_strip_fn by_elem_log2[WFS_PLANE_MAX_ELEM_LOG2 + 1];
};

/* Implementations, better ones later: 0 is portable, on x86-64 1 is SSE2 and 2 is AVX2. NULL where
 * this CPU does not run it. */
#define WFS_N_STRIP_LEVELS 3
const struct wfs_strips *wfs_strips_level(unsigned level);
/* Levels 1 and up, of the architecture's own file. */
const struct wfs_strips *wfs_strips_native(unsigned level);

struct wfs_plane {
    uint32_t elem_log2;    /* elements of 1, 2, 4, 8 or 16 bytes */
    struct wfs_chain rows; /* dense in dst; stride: source bytes from row to row */
    struct wfs_chain cols; /* dense in src; stride: destination bytes from column to column */
    const struct wfs_strips *strips;
};

void wfs_plane_transpose(const struct wfs_plane *plane, uint8_t *dst, const uint8_t *src);

#endif
