/*
 * ternary.h - ggml's ternary codes. Private to tensor/codes.
 */
#ifndef WEIGHTFS_TENSOR_CODES_TERNARY_H
#define WEIGHTFS_TENSOR_CODES_TERNARY_H

#include "tensor/codes/block.h"

extern const struct wfs_code_family wfs_codes_ternary;

#endif
