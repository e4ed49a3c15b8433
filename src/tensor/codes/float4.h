/*
 * float4.h - codes of four-bit floats. Private to tensor/codes.
 */
#ifndef WEIGHTFS_TENSOR_CODES_FLOAT4_H
#define WEIGHTFS_TENSOR_CODES_FLOAT4_H

#include "tensor/codes/block.h"

extern const struct wfs_code_family wfs_codes_float4;

#endif
