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

#include "tensor/codes/search.h"

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

/* ---- encoders (quantize_row_q4_0_ref and so on) -------------------------------------------- */

static float inverse(float d)
{
    return d != 0.0f ? 1.0f / d : 0.0f;
}

/* Codes of a scale that gives the element of the largest magnitude the code 0. */
static bool encode_signed(const float *in, int half, uint8_t *d, uint8_t *q)
{
    float scale = wfs_code_extreme(in, N) / -(float)half, id = inverse(scale);
    for (size_t i = 0; i < N; i++) {
        int8_t code = (int8_t)wfs_code_truncate(in[i] * id + ((float)half + 0.5f));
        q[i] = (uint8_t)(code > 2 * half - 1 ? 2 * half - 1 : code);
    }
    return wfs_code_put_f16(d, scale);
}

/* Codes between the lowest and the highest element. */
static bool encode_affine(const float *in, int top, uint8_t *d, uint8_t *q)
{
    float low = FLT_MAX, high = -FLT_MAX;
    for (size_t i = 0; i < N; i++) {
        low = in[i] < low ? in[i] : low;
        high = in[i] > high ? in[i] : high;
    }
    float scale = (high - low) / (float)top, id = inverse(scale);
    for (size_t i = 0; i < N; i++)
        q[i] = (uint8_t)wfs_code_truncate((in[i] - low) * id + 0.5f);
    bool fits = wfs_code_put_f16(d, scale);
    return wfs_code_put_f16(d + 2, low) && fits;
}

static void put_fifth_bits(uint8_t *out, const uint8_t *q)
{
    memset(out, 0, 4);
    for (size_t i = 0; i < N; i++)
        out[i / 8] |= (uint8_t)((q[i] >> 4 & 1) << i % 8);
}

static bool q4_0_encode(const float *in, uint8_t *block)
{
    uint8_t q[N];
    if (!encode_signed(in, 8, block, q))
        return false;
    wfs_code_pack(block + 2, 16, 16, 4, q);
    return true;
}

static bool q4_1_encode(const float *in, uint8_t *block)
{
    uint8_t q[N];
    if (!encode_affine(in, 15, block, q))
        return false;
    for (size_t i = 0; i < N; i++) {
        int8_t code = (int8_t)q[i];
        q[i] = (uint8_t)(code > 15 ? 15 : code);
    }
    wfs_code_pack(block + 4, 16, 16, 4, q);
    return true;
}

static bool q5_0_encode(const float *in, uint8_t *block)
{
    uint8_t q[N];
    if (!encode_signed(in, 16, block, q))
        return false;
    put_fifth_bits(block + 2, q);
    wfs_code_pack(block + 6, 16, 16, 4, q);
    return true;
}

static bool q5_1_encode(const float *in, uint8_t *block)
{
    uint8_t q[N];
    if (!encode_affine(in, 31, block, q))
        return false;
    put_fifth_bits(block + 4, q);
    wfs_code_pack(block + 8, 16, 16, 4, q);
    return true;
}

static bool q8_0_encode(const float *in, uint8_t *block)
{
    float d = fabsf(wfs_code_extreme(in, N)) / 127.0f, id = inverse(d);
    for (size_t i = 0; i < N; i++)
        block[2 + i] = (uint8_t)wfs_code_truncate(roundf(in[i] * id)); /* halves away from 0 */
    return wfs_code_put_f16(block, d);
}

static const struct wfs_code rows[] = {
    {WFS_Q4_0, 1, q4_0_decode, q4_0_encode}, {WFS_Q4_1, 1, q4_1_decode, q4_1_encode},
    {WFS_Q5_0, 1, q5_0_decode, q5_0_encode}, {WFS_Q5_1, 1, q5_1_decode, q5_1_encode},
    {WFS_Q8_0, 1, q8_0_decode, q8_0_encode},
};
const struct wfs_code_family wfs_codes_legacy = {rows, WFS_ARRAY_SIZE(rows)};
