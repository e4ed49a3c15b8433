/*
 * legacy.c - ggml's first codes: 32 elements that share a float16 scale d and, in those named _1, a
 * float16 minimum m.
 *
 *   Q4_0  d, 16 bytes of nibbles                  d * (q - 8)
 *   Q4_1  d, m, 16 bytes of nibbles               d * q + m
 *   Q5_0  d, 32 fifth bits, 16 bytes of nibbles   d * (q - 16)
 *   Q5_1  d, m, 32 fifth bits, 16 bytes           d * q + m
 *   Q8_0  d, 32 signed bytes                      d * q
 *
 * The low nibbles are the first 16 elements, the high ones the others. (ggml-quants.c:
 * dequantize_row_q4_0 and so on; gguf-py's quants.py has the same values.)
 */
#include "tensor/codes/legacy.h"

#define N 32

static void shift_down(int8_t *q, int8_t by)
{
    for (size_t i = 0; i < N; i++)
        q[i] = (int8_t)(q[i] - by);
}

static void add_fifth_bits(int8_t *q, const uint8_t *in)
{
    uint32_t bits = wfs_code_u32(in);
    for (size_t i = 0; i < N; i++)
        q[i] = (int8_t)(q[i] | (bits >> i & 1) << 4);
}

static void q4_0_decode(const uint8_t *block, float *out)
{
    int8_t q[N];
    wfs_code_unpack(block + 2, 16, 16, 4, q);
    shift_down(q, 8);
    wfs_code_scale(out, q, N, wfs_code_f16(block));
}

static void q4_1_decode(const uint8_t *block, float *out)
{
    int8_t q[N];
    wfs_code_unpack(block + 4, 16, 16, 4, q);
    wfs_code_affine(out, q, N, wfs_code_f16(block), wfs_code_f16(block + 2), false);
}

static void q5_0_decode(const uint8_t *block, float *out)
{
    int8_t q[N];
    wfs_code_unpack(block + 6, 16, 16, 4, q);
    add_fifth_bits(q, block + 2);
    shift_down(q, 16);
    wfs_code_scale(out, q, N, wfs_code_f16(block));
}

static void q5_1_decode(const uint8_t *block, float *out)
{
    int8_t q[N];
    wfs_code_unpack(block + 8, 16, 16, 4, q);
    add_fifth_bits(q, block + 4);
    wfs_code_affine(out, q, N, wfs_code_f16(block), wfs_code_f16(block + 2), false);
}

static void q8_0_decode(const uint8_t *block, float *out)
{
    int8_t q[N];
    memcpy(q, block + 2, N);
    wfs_code_scale(out, q, N, wfs_code_f16(block));
}

static const struct wfs_code rows[] = {
    {WFS_Q4_0, 1, q4_0_decode, NULL}, {WFS_Q4_1, 1, q4_1_decode, NULL},
    {WFS_Q5_0, 1, q5_0_decode, NULL}, {WFS_Q5_1, 1, q5_1_decode, NULL},
    {WFS_Q8_0, 1, q8_0_decode, NULL},
};
const struct wfs_code_family wfs_codes_legacy = {rows, WFS_ARRAY_SIZE(rows)};
