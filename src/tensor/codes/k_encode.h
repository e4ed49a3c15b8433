/*
 * k_encode.h - encoders of ggml's K codes (quantize_row_q2_K_ref and so on). Private to tensor/codes.
 */
#ifndef WEIGHTFS_TENSOR_CODES_K_ENCODE_H
#define WEIGHTFS_TENSOR_CODES_K_ENCODE_H

#include "tensor/codes/block.h"

bool wfs_q2_k_encode(const float *in, uint8_t *block);
bool wfs_q3_k_encode(const float *in, uint8_t *block);
bool wfs_q4_k_encode(const float *in, uint8_t *block);
bool wfs_q5_k_encode(const float *in, uint8_t *block);
bool wfs_q6_k_encode(const float *in, uint8_t *block);

#endif
