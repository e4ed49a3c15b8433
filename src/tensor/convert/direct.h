/*
 * direct.h - loops between 16-bit floats and float32 that need no lanes. Private to tensor/.
 */
#ifndef WEIGHTFS_TENSOR_CONVERT_DIRECT_H
#define WEIGHTFS_TENSOR_CONVERT_DIRECT_H

#include "tensor/tensor.h"

typedef void (*wfs_convert_fn)(const void *in, void *out, uint64_t n);
/* NULL where there is no direct loop. */
wfs_convert_fn wfs_convert_direct(enum wfs_dtype from, enum wfs_dtype to);
#if defined(__x86_64__)
bool wfs_cpu_has_f16c(void);
#endif
/* The loop without the CPU's instructions for it, which gives the same bits; for tests. */
wfs_convert_fn wfs_convert_direct_portable(enum wfs_dtype from, enum wfs_dtype to);

#endif
