/*
 * k.c - ggml's K codes: super-blocks of 256 elements with float16 scales d (and dmin) and, for groups
 * of 16 or 32, small integers sc (and m) that these are multiplied by.
 *
 *   Q2_K  16 bytes sc | m << 4, 64 of q, d, dmin               d * sc * q - dmin * m, groups of 16
 *   Q3_K  32 bytes of third bits, 64 of q, 12 of 6-bit sc, d   d * (sc - 32) * (q - 4), 16
 *   Q4_K  d, dmin, 12 bytes of 6-bit sc and m, 128 of q        d * sc * q - dmin * m, 32
 *   Q5_K  the same with 32 bytes of fifth bits before q
 *   Q6_K  128 bytes of low nibbles, 64 of the bits above them, 16 signed sc, d
 *                                                              d * sc * (q - 32), 16
 *
 * (ggml-quants.c: dequantize_row_q2_K and so on; gguf-py's quants.py has the same values.)
 */
#include "tensor/codes/k.h"

#include "tensor/codes/k_encode.h"

#define N 256

static void q2_k_decode(const uint8_t *block, float *out)
{
    int8_t q[N];
    float d = wfs_code_f16(block + 80), dmin = wfs_code_f16(block + 82);
    wfs_code_unpack(block + 16, 64, 32, 2, q);
    for (size_t g = 0; g < 16; g++)
        wfs_code_affine(out + 16 * g, q + 16 * g, 16, wfs_code_mul(d, (float)(block[g] & 15)),
                        wfs_code_mul(dmin, (float)(block[g] >> 4)), true);
}

/* 16 scales of 6 bits: 8 bytes of nibbles, 4 of the two bits above them. */
static void q3_k_scales(const uint8_t *in, int8_t *sc)
{
    int8_t high[16];
    wfs_code_unpack(in, 8, 8, 4, sc);
    wfs_code_unpack(in + 8, 4, 4, 2, high);
    for (size_t g = 0; g < 16; g++)
        sc[g] = (int8_t)((sc[g] | high[g] << 4) - 32);
}

static void q3_k_decode(const uint8_t *block, float *out)
{
    int8_t q[N], high[N], sc[16];
    float d = wfs_code_f16(block + 108);
    wfs_code_unpack(block + 32, 64, 32, 2, q);
    wfs_code_unpack(block, 32, 32, 1, high);
    q3_k_scales(block + 96, sc);
    for (size_t i = 0; i < N; i++)
        q[i] = (int8_t)(q[i] + 4 * high[i] - 4);
    for (size_t g = 0; g < 16; g++)
        wfs_code_scale(out + 16 * g, q + 16 * g, 16, wfs_code_mul(d, (float)sc[g]));
}

/* Scale and minimum of group g out of 12 bytes: the first four groups' lie whole in the low six bits of
 * the first 8 bytes; the others' low nibbles share the last 4 bytes, their top bits the first 8. */
static void six_bits(const uint8_t *in, size_t g, float *ret_sc, float *ret_m)
{
    if (g < 4) {
        *ret_sc = (float)(in[g] & 63);
        *ret_m = (float)(in[g + 4] & 63);
    } else {
        *ret_sc = (float)((in[g + 4] & 15) | (in[g - 4] >> 6) << 4);
        *ret_m = (float)((in[g + 4] >> 4) | (in[g] >> 6) << 4);
    }
}

static void scale_groups(const uint8_t *block, const int8_t *q, float *out)
{
    float d = wfs_code_f16(block), dmin = wfs_code_f16(block + 2);
    for (size_t g = 0; g < 8; g++) {
        float sc, m;
        six_bits(block + 4, g, &sc, &m);
        wfs_code_affine(out + 32 * g, q + 32 * g, 32, wfs_code_mul(d, sc), wfs_code_mul(dmin, m),
                        true);
    }
}

static void q4_k_decode(const uint8_t *block, float *out)
{
    int8_t q[N];
    wfs_code_unpack(block + 16, 128, 32, 4, q);
    scale_groups(block, q, out);
}

static void q5_k_decode(const uint8_t *block, float *out)
{
    int8_t q[N], high[N];
    wfs_code_unpack(block + 48, 128, 32, 4, q);
    wfs_code_unpack(block + 16, 32, 32, 1, high);
    for (size_t i = 0; i < N; i++)
        q[i] = (int8_t)(q[i] | high[i] << 4);
    scale_groups(block, q, out);
}

static void q6_k_decode(const uint8_t *block, float *out)
{
    int8_t q[N], high[N];
    float d = wfs_code_f16(block + 208);
    wfs_code_unpack(block, 128, 64, 4, q);
    wfs_code_unpack(block + 128, 64, 32, 2, high);
    for (size_t i = 0; i < N; i++)
        q[i] = (int8_t)((q[i] | high[i] << 4) - 32);
    for (size_t g = 0; g < 16; g++)
        wfs_code_scale(out + 16 * g, q + 16 * g, 16,
                       wfs_code_mul(d, (float)(int8_t)block[192 + g]));
}

static const struct wfs_code rows[] = {
    {WFS_Q2_K, 1, q2_k_decode, wfs_q2_k_encode}, {WFS_Q3_K, 1, q3_k_decode, wfs_q3_k_encode},
    {WFS_Q4_K, 1, q4_k_decode, wfs_q4_k_encode}, {WFS_Q5_K, 1, q5_k_decode, wfs_q5_k_encode},
    {WFS_Q6_K, 1, q6_k_decode, wfs_q6_k_encode},
};
const struct wfs_code_family wfs_codes_k = {rows, WFS_ARRAY_SIZE(rows)};
