/*
 * search.h - the searches by which ggml's encoders choose scales, step by step as ggml-quants.c has them:
 * every sum in its order, every operation rounded. Private to tensor/codes.
 */
#ifndef WEIGHTFS_TENSOR_CODES_SEARCH_H
#define WEIGHTFS_TENSOR_CODES_SEARCH_H

#include "tensor/codes/block.h"

/* Groups whose largest element is below this are taken for zeros (GROUP_MAX_EPS). */
#define WFS_CODE_ZERO 1e-15f

/* To the nearest integer, ties to even, while |value| <= 2^22; beyond, the low bits of the sum's
 * mantissa, as the reference's release builds have them (nearest_int). */
static inline int wfs_code_nearest(float value)
{
    float sum = value + 12582912.0f;
    uint32_t bits;
    memcpy(&bits, &sum, sizeof(bits));
    return (int)(bits & 0x007fffff) - 0x00400000;
}

static inline int wfs_code_nearest_in(float value, int low, int high)
{
    int n = wfs_code_nearest(value);
    return n < low ? low : n > high ? high : n;
}

/* Towards zero; what an int does not hold is the lowest one, as x86 has it. */
static inline int wfs_code_truncate(float value)
{
    return fabsf(value) < 0x1p31f ? (int)value : INT32_MIN;
}

/* The first element of the largest magnitude; 0 where all are. */
static inline float wfs_code_extreme(const float *x, size_t n)
{
    float extreme = 0.0f;
    for (size_t i = 0; i < n; i++)
        if (fabsf(x[i]) > fabsf(extreme))
            extreme = x[i];
    return extreme;
}

/* False where an element is 2^31 or more: no scale of a searched code reaches it, and the search's sums
 * might become infinite and find a scale of 0. */
bool wfs_code_in_reach(const float *x, size_t n);
/* Rounds to float16. False where that is no number. */
bool wfs_code_put_f16(uint8_t *out, float value);
/* bits (1, 2 or 4) of each value, laid out as wfs_code_unpack reads them; higher bits are left out.
 * n_bytes * 8 / bits values. */
void wfs_code_pack(uint8_t *out, size_t n_bytes, size_t width, unsigned bits, const uint8_t *q);

/* x ~ scale * q - minus, q in [0, top] (make_qkx2_quants). Tries the steps first, first + 0.1, ... */
struct wfs_affine_search {
    size_t n; /* at most 32 */
    int top;
    float first;
    int n_steps;
    bool is_absolute; /* the error is |e|, not e^2 */
};
struct wfs_affine_found {
    float scale, minus;
};
struct wfs_affine_found wfs_search_affine(const struct wfs_affine_search *search, const float *x,
                                          const float *weights, uint8_t *q);
/* x ~ scale * (q - 32), 16 elements, q in [0, 63] (make_qx_quants). */
float wfs_search_signed(const float *x, uint8_t *q);
/* x ~ scale * (q - 4), 16 elements, q in [0, 7], improved one by one (make_q3_quants). */
float wfs_search_by_sweeps(const float *x, uint8_t *q);

#endif
