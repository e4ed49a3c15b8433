/*
 * legacy.h - ggml's first codes. Private to tensor/codes.
 */
#ifndef WEIGHTFS_TENSOR_CODES_LEGACY_H
#define WEIGHTFS_TENSOR_CODES_LEGACY_H

#include "tensor/codes/block.h"

extern const struct wfs_code_family wfs_codes_legacy;

#endif
