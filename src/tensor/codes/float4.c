/*
 * float4.c - codes of four-bit floats (E2M1: 0, 0.5, 1, 1.5, 2, 3, 4, 6 and their negatives).
 *
 *   MXFP4  32 elements: a power of two (E8M0), 16 bytes of nibbles
 *   NVFP4  64 elements: 4 unsigned E4M3 scales, for 16 elements each, 4 x 8 bytes of nibbles
 *
 * The low nibbles of a group are its first half. Scales are taken at half their value and elements at
 * twice theirs, which are integers. (ggml-quants.c: dequantize_row_mxfp4, dequantize_row_nvfp4; gguf-py's
 * quants.py has the same values.)
 */
#include "tensor/codes/float4.h"

#include "tensor/codes/search.h"

static const int8_t twice[16] = {0, 1, 2, 3, 4, 6, 8, 12, 0, -1, -2, -3, -4, -6, -8, -12};

static void look_up(int8_t *q, size_t n)
{
    for (size_t i = 0; i < n; i++)
        q[i] = twice[q[i]];
}

/* 2^(e - 128). */
static float half_e8m0(uint8_t e)
{
    return wfs_code_f32_of(e < 2 ? (uint32_t)0x00200000 << e : (uint32_t)(e - 1) << 23);
}

static void mxfp4_decode(const uint8_t *block, float *out)
{
    int8_t q[32];
    wfs_code_unpack(block + 1, 16, 16, 4, q);
    look_up(q, 32);
    wfs_code_scale(out, q, 32, half_e8m0(block[0]));
}

/* floorf(log2f(x)) of x > 0, log2f correctly rounded: what lies so closely below 2^k that its logarithm
 * rounds to k is k. With t units of 2^-24 between x / 2^k and 1 that is t / ln 2 <= half a unit of
 * the last place below k; no t comes near the bound. */
static int floor_log2(float x)
{
    int exponent;
    float fraction = frexpf(x, &exponent); /* [0.5, 1) * 2^exponent */
    if (fraction == 0.5f)
        return exponent - 1;
    int k = exponent < 0 ? -exponent : exponent, place = 0;
    while ((2 << place) <= k)
        place++;
    if (exponent > 0 && (1 << place) == k)
        place--; /* below a power of two units are half as large */
    float t = (1.0f - fraction) * 0x1p24f;
    return k != 0 && t * 1.442695f <= ldexpf(1.0f, place) ? exponent : exponent - 1;
}

/* The code of the least error, the first of equals; the exponent wraps as the reference's uint8_t. */
static bool mxfp4_encode(const float *in, uint8_t *block)
{
    uint8_t q[32];
    float largest = fabsf(wfs_code_extreme(in, 32));
    block[0] = largest > 0.0f ? (uint8_t)(floor_log2(largest) - 2 + 127) : 0;
    float d = half_e8m0(block[0]);
    for (size_t i = 0; i < 32; i++) {
        float least = fabsf((float)twice[0] * d - in[i]);
        q[i] = 0;
        for (uint8_t code = 1; code < 16; code++) {
            float error = fabsf((float)twice[code] * d - in[i]);
            if (error < least) {
                least = error;
                q[i] = code;
            }
        }
    }
    wfs_code_pack(block + 1, 16, 16, 4, q);
    return true;
}

/* Half of an E4M3 without its sign, where all ones (NaN in E4M3FN) is 0; with a sign bit it is 480. */
static float half_e4m3(uint8_t code)
{
    uint32_t exponent = code >> 3 & 15, mantissa = code & 7;
    if (code == 0x7f)
        return 0.0f;
    if (exponent == 0)
        return (float)mantissa * 0x1p-10f;
    return (float)(8 + mantissa) * wfs_code_f32_of((exponent + 127 - 7 - 3 - 1) << 23);
}

static void nvfp4_decode(const uint8_t *block, float *out)
{
    int8_t q[64];
    wfs_code_unpack(block + 4, 32, 8, 4, q);
    look_up(q, 64);
    for (size_t g = 0; g < 4; g++)
        wfs_code_scale(out + 16 * g, q + 16 * g, 16, half_e4m3(block[g]));
}

static const struct wfs_code rows[] = {
    {WFS_MXFP4, 1, mxfp4_decode, mxfp4_encode},
    {WFS_NVFP4, 1, nvfp4_decode, NULL},
};
const struct wfs_code_family wfs_codes_float4 = {rows, WFS_ARRAY_SIZE(rows)};
