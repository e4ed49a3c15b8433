/*
 * copy.h - one N-dimensional strided copy, as the expression engine describes it to the kernels.
 */
#ifndef WEIGHTFS_TENSOR_KERNEL_COPY_H
#define WEIGHTFS_TENSOR_KERNEL_COPY_H

#include <stdint.h>

#define WFS_COPY_MAX_AXES 128

/* Strides are bytes, zero and negative ones included. */
struct wfs_copy_axis {
    uint64_t count;
    int64_t dst_stride, src_stride;
};

/* dst and src point at the element of index 0 on every axis. They do not overlap. No count is 0. */
struct wfs_copy {
    uint8_t *dst;
    const uint8_t *src;
    uint32_t elem_bytes; /* any size >= 1; 1, 2, 4, 8 are fast */
    uint32_t ndim;       /* 0: one element */
    struct wfs_copy_axis axes[WFS_COPY_MAX_AXES];
};

#endif
