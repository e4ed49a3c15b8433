/*
 * plane.h - private to the copy kernels: the transposition of one plane.
 *
 * A plane has source ROWS and source COLUMNS. Elements of a row lie side by side in the source;
 * elements of a column lie side by side in the destination. Where a source row starts and where a
 * column goes is free: both come from CHAINS of axes, which is what lets one kernel serve a matrix,
 * a permuted convolution (OIHW -> HWIO) and flipped axes alike.
 */
#ifndef WEIGHTFS_TENSOR_KERNEL_PLANE_H
#define WEIGHTFS_TENSOR_KERNEL_PLANE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "tensor/kernel/copy.h"
#include "tensor/kernel/x86.h"

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

/* The strips of one level, 0 being portable C; NULL where this CPU does not run that level. */
const struct wfs_strips *wfs_strips_level(unsigned level);

struct wfs_plane {
    uint32_t elem_log2;    /* elements of 1, 2, 4, 8 or 16 bytes */
    struct wfs_chain rows; /* dense in dst; stride: source bytes from row to row */
    struct wfs_chain cols; /* dense in src; stride: destination bytes from column to column */
    const struct wfs_strips *strips;
};

void wfs_plane_transpose(const struct wfs_plane *plane, uint8_t *dst, const uint8_t *src);

#endif
