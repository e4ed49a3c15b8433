/*
 * kernel.h - the contract between the expression engine and the copy kernels.
 *
 * The engine hands over one N-dimensional strided copy; the kernel normalises it (drops axes of
 * count 1, merges axes that continue each other, orders them) and picks runs of memcpy, a
 * transposition or a generic loop. It never reads or writes outside the elements that the axes
 * reach, and `src` may lie in a mapped file: it is run under wfs_guarded, so it holds no lock and
 * allocates nothing.
 */
#ifndef WFS_TENSOR_KERNEL_H
#define WFS_TENSOR_KERNEL_H

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

void wfs_kernel_copy(const struct wfs_copy *copy);

#endif
