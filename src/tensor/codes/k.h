/*
 * k.h - ggml's K codes. Private to tensor/codes.
 */
#ifndef WEIGHTFS_TENSOR_CODES_K_H
#define WEIGHTFS_TENSOR_CODES_K_H

#include "tensor/codes/block.h"

extern const struct wfs_code_family wfs_codes_k;

#endif
