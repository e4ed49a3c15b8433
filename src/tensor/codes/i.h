/*
 * i.h - ggml's codes by tables (IQ). Private to tensor/codes.
 */
#ifndef WEIGHTFS_TENSOR_CODES_I_H
#define WEIGHTFS_TENSOR_CODES_I_H

#include "tensor/codes/block.h"

extern const struct wfs_code_family wfs_codes_i;

#endif
