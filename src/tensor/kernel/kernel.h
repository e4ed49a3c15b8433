/*
 * kernel.h - the contract between the expression engine and the copy kernels.
 *
 * The engine hands over one N-dimensional strided copy; the kernel normalises it (drops axes of
 * count 1, merges axes that continue each other, orders them) and picks runs of memcpy, a
 * transposition or a generic loop. It never reads or writes outside the elements that the axes
 * reach, and `src` may lie in a mapped file: it is run under wfs_guarded, so it holds no lock and
 * allocates nothing.
 */
#ifndef WEIGHTFS_TENSOR_KERNEL_KERNEL_H
#define WEIGHTFS_TENSOR_KERNEL_KERNEL_H

#include "tensor/kernel/copy.h"

void wfs_kernel_copy(const struct wfs_copy *copy);

#endif
