/*
 * i.c - ggml's codes whose elements are looked up: IQ4 in a table of 16 values, IQ1 to IQ3 in grids of
 * 8 or 4 elements at once, with the signs beside. 256 elements (IQ4_NL: 32) and one float16 scale d.
 *
 *   IQ4_NL   d, 16 bytes of nibbles
 *   IQ4_XS   d, 2 bytes and 4 bytes of 6-bit sc, 128 bytes of nibbles; groups of 32: d * (sc - 32) * value
 *   IQ2_XXS  d, 8 x (4 grid indices, 4 x 7 bits of signs, 4 bits sc); groups of 32
 *   IQ2_XS   d, 32 x (9 bits of index, 7 of signs), 8 bytes of 4-bit sc; groups of 16
 *   IQ2_S    d, 32 indices, 32 bytes of signs, 8 bytes of the indices' top bits, 8 of 4-bit sc; groups of 16
 *   IQ3_XXS  d, 64 indices, 8 x (4 x 7 bits of signs, 4 bits sc); groups of 32
 *   IQ3_S    d, 64 indices, 8 bytes of their top bits, 32 of signs, 4 of 4-bit sc; groups of 32
 *   IQ1_S    d, 32 indices, 8 x (4 x 3 bits above them, 3 bits sc, the sign of 1/8); groups of 32
 *   IQ1_M    32 indices, 16 bytes of (3 bits above them, the sign of 1/8), 4 x (4 x 3 bits sc, 4 bits of d)
 *
 * Seven bits of signs are those of seven elements; that of the eighth makes their number even.
 * (ggml-quants.c: dequantize_row_iq4_nl and so on; gguf-py's quants.py has the same values.)
 */
#include "tensor/codes/i.h"

#include "tensor/codes/grids.h"
#include "tensor/codes/search.h"

#define N 256

static const int8_t iq4_values[16] = {-127, -104, -83, -65, -49, -35, -22, -10,
                                      1,    13,   25,  38,  53,  69,  89,  113};

static void look_up(int8_t *q, size_t n)
{
    for (size_t i = 0; i < n; i++)
        q[i] = iq4_values[q[i]];
}

static void iq4_nl_decode(const uint8_t *block, float *out)
{
    int8_t q[32];
    wfs_code_unpack(block + 2, 16, 16, 4, q);
    look_up(q, 32);
    wfs_code_scale(out, q, 32, wfs_code_f16(block));
}

static void iq4_xs_decode(const uint8_t *block, float *out)
{
    int8_t q[N];
    float d = wfs_code_f16(block);
    uint32_t high = wfs_code_u16(block + 2);
    wfs_code_unpack(block + 8, 128, 16, 4, q);
    look_up(q, N);
    for (size_t g = 0; g < 8; g++) {
        int low = block[4 + g / 2] >> 4 * (g % 2) & 15;
        int sc = (int)(low | (high >> 2 * g & 3) << 4) - 32;
        wfs_code_scale(out + 32 * g, q + 32 * g, 32, wfs_code_mul(d, (float)sc));
    }
}

/* ---- encoders of IQ4 (quantize_row_iq4_nl_impl) --------------------------------------------- */

/* The nearest of the 16 values; in the middle the higher one. */
static uint8_t nearest_value(float x)
{
    if (x <= (float)iq4_values[0])
        return 0;
    if (x >= (float)iq4_values[15])
        return 15;
    uint8_t above = 1;
    while (x >= (float)iq4_values[above])
        above++;
    bool is_lower = x - (float)iq4_values[above - 1] < (float)iq4_values[above] - x;
    return is_lower ? above - 1 : above;
}

/* Sums of w x v and w v^2 with the weights x^2 for the values v next to inverse * x. */
static void iq4_sums(const float *x, float inverse, float *ret_xv, float *ret_v2)
{
    float xv = 0.0f, v2 = 0.0f;
    for (size_t i = 0; i < 32; i++) {
        float v = (float)iq4_values[nearest_value(inverse * x[i])], w = x[i] * x[i];
        xv += w * v * x[i];
        v2 += w * v * v;
    }
    *ret_xv = xv;
    *ret_v2 = v2;
}

/* The scale of 32 elements: 16 are tried. */
static float iq4_search(const float *x)
{
    float extreme = wfs_code_extreme(x, 32), lowest = (float)iq4_values[0], xv, v2;
    if (fabsf(extreme) < WFS_CODE_ZERO)
        return 0.0f;
    iq4_sums(x, 1.0f / (-extreme / lowest), &xv, &v2);
    float d = xv / v2, best = d * xv;
    for (int step = -7; step <= 7; step++) {
        iq4_sums(x, ((float)step + lowest) / extreme, &xv, &v2);
        if (v2 > 0.0f && xv * xv > best * v2) {
            d = xv / v2;
            best = d * xv;
        }
    }
    return d;
}

static void iq4_codes(const float *x, float d, uint8_t *q)
{
    float inverse = d != 0.0f ? 1.0f / d : 0.0f;
    for (size_t i = 0; i < 32; i++)
        q[i] = nearest_value(inverse * x[i]);
}

static bool iq4_nl_encode(const float *in, uint8_t *block)
{
    uint8_t q[32];
    if (!wfs_code_in_reach(in, 32))
        return false;
    float d = iq4_search(in);
    iq4_codes(in, d, q); /* by the scale before it is rounded to float16 */
    wfs_code_pack(block + 2, 16, 16, 4, q);
    return wfs_code_put_f16(block, d);
}

static bool iq4_xs_encode(const float *in, uint8_t *block)
{
    uint8_t q[N], sc[8];
    float scales[8];
    if (!wfs_code_in_reach(in, N))
        return false;
    for (size_t g = 0; g < 8; g++)
        scales[g] = iq4_search(in + 32 * g);
    float d = -wfs_code_extreme(scales, 8) / 32.0f, inverse = d != 0.0f ? 1.0f / d : 0.0f;
    uint32_t high = 0;
    for (size_t g = 0; g < 8; g++) {
        int n = wfs_code_nearest_in(inverse * scales[g], -32, 31);
        iq4_codes(in + 32 * g, d * (float)n, q + 32 * g);
        sc[g] = (uint8_t)(n + 32);
        high |= (uint32_t)(sc[g] >> 4) << 2 * g;
    }
    block[2] = (uint8_t)high;
    block[3] = (uint8_t)(high >> 8);
    for (size_t g = 0; g < 8; g += 2)
        block[4 + g / 2] = (uint8_t)((sc[g] & 15) | (sc[g + 1] & 15) << 4);
    wfs_code_pack(block + 8, 128, 16, 4, q);
    return wfs_code_put_f16(block, d);
}

/* ---- grids --------------------------------------------------------------------------------- */

/* Bit i of `signs` set: element i is negative. */
static void negate(int8_t *q, size_t n, uint32_t signs)
{
    for (size_t i = 0; i < n; i++)
        if (signs >> i & 1)
            q[i] = (int8_t)-q[i];
}

/* Eight signs of seven bits. */
static uint32_t even_signs(uint32_t bits)
{
    return (bits & 127) | (uint32_t)__builtin_parity(bits & 127) << 7;
}

static void iq2_elems(uint16_t entry, uint32_t signs, int8_t *q)
{
    static const int8_t values[4] = {8, 25, 43, 0};
    for (size_t i = 0; i < 8; i++)
        q[i] = values[entry >> 2 * i & 3];
    negate(q, 8, signs);
}

static void iq3_elems(uint16_t entry, const int8_t *values, uint32_t signs, int8_t *q)
{
    for (size_t i = 0; i < 4; i++)
        q[i] = values[entry >> 4 * i & 7];
    negate(q, 4, signs);
}

/* Eighths: 8 * (-1, 0 or 1) +- 1. */
static void iq1_elems(uint16_t entry, bool is_minus, int8_t *q)
{
    for (size_t i = 0; i < 8; i++)
        q[i] = (int8_t)(((entry >> 2 * i & 3) - 1) * 8 + (is_minus ? -1 : 1));
}

static uint32_t nibble(const uint8_t *in, size_t i)
{
    return in[i / 2] >> 4 * (i % 2) & 15;
}

/* d * (sc + 1/2) * unit, rounded twice as the reference does. */
static float iq_scale(float d, uint32_t sc, float unit)
{
    return wfs_code_mul(wfs_code_mul(d, 0.5f + (float)sc), unit);
}

static void iq2_xxs_decode(const uint8_t *block, float *out)
{
    float d = wfs_code_f16(block);
    for (size_t g = 0; g < 8; g++, out += 32) {
        int8_t q[32];
        const uint8_t *in = block + 2 + 8 * g;
        uint32_t word = wfs_code_u32(in + 4);
        for (size_t i = 0; i < 4; i++)
            iq2_elems(wfs_grid_iq2_xxs[in[i]], even_signs(word >> 7 * i), q + 8 * i);
        wfs_code_scale(out, q, 32, iq_scale(d, word >> 28, 0.25f));
    }
}

static void iq2_xs_decode(const uint8_t *block, float *out)
{
    float d = wfs_code_f16(block);
    for (size_t g = 0; g < 16; g++, out += 16) {
        int8_t q[16];
        for (size_t i = 0; i < 2; i++) {
            uint32_t code = wfs_code_u16(block + 2 + 4 * g + 2 * i);
            iq2_elems(wfs_grid_iq2_xs[code & 511], even_signs(code >> 9), q + 8 * i);
        }
        wfs_code_scale(out, q, 16, iq_scale(d, nibble(block + 66, g), 0.25f));
    }
}

static void iq2_s_decode(const uint8_t *block, float *out)
{
    float d = wfs_code_f16(block);
    const uint8_t *qs = block + 2, *signs = block + 34, *qh = block + 66;
    for (size_t g = 0; g < 16; g++, out += 16) {
        int8_t q[16];
        for (size_t i = 2 * g; i < 2 * g + 2; i++) {
            uint32_t index = qs[i] | (uint32_t)(qh[i / 4] >> 2 * (i % 4) & 3) << 8;
            iq2_elems(wfs_grid_iq2_s[index], signs[i], q + 8 * (i % 2));
        }
        wfs_code_scale(out, q, 16, iq_scale(d, nibble(block + 74, g), 0.25f));
    }
}

static void iq3_xxs_decode(const uint8_t *block, float *out)
{
    static const int8_t values[8] = {4, 12, 20, 28, 36, 44, 52, 62};
    float d = wfs_code_f16(block);
    for (size_t g = 0; g < 8; g++, out += 32) {
        int8_t q[32];
        uint32_t word = wfs_code_u32(block + 66 + 4 * g);
        for (size_t i = 0; i < 8; i++)
            iq3_elems(wfs_grid_iq3_xxs[block[2 + 8 * g + i]], values,
                      even_signs(word >> 7 * (i / 2)) >> 4 * (i % 2), q + 4 * i);
        wfs_code_scale(out, q, 32, iq_scale(d, word >> 28, 0.5f));
    }
}

static void iq3_s_decode(const uint8_t *block, float *out)
{
    static const int8_t values[8] = {1, 3, 5, 7, 9, 11, 13, 15};
    float d = wfs_code_f16(block);
    const uint8_t *qs = block + 2, *qh = block + 66, *signs = block + 74;
    for (size_t g = 0; g < 8; g++, out += 32) {
        int8_t q[32];
        for (size_t i = 0; i < 8; i++) {
            uint32_t index = qs[8 * g + i] | (uint32_t)(qh[g] >> i & 1) << 8;
            uint32_t sign = nibble(signs, 8 * g + i);
            iq3_elems(wfs_grid_iq3_s[index], values, sign, q + 4 * i);
        }
        wfs_code_scale(out, q, 32, wfs_code_mul(d, (float)(1 + 2 * nibble(block + 106, g))));
    }
}

/* ---- one bit ------------------------------------------------------------------------------- */

/* d * (2 sc + 1) / 8; the division is exact. */
static float iq1_scale(float d, uint32_t sc)
{
    return wfs_code_mul(wfs_code_mul(d, (float)(2 * sc + 1)), 0.125f);
}

static void iq1_s_decode(const uint8_t *block, float *out)
{
    float d = wfs_code_f16(block);
    for (size_t g = 0; g < 8; g++, out += 32) {
        int8_t q[32];
        uint32_t word = wfs_code_u16(block + 34 + 2 * g);
        for (size_t i = 0; i < 4; i++) {
            uint32_t index = block[2 + 4 * g + i] | (word >> 3 * i & 7) << 8;
            iq1_elems(wfs_grid_iq1[index], word >> 15, q + 8 * i);
        }
        wfs_code_scale(out, q, 32, iq1_scale(d, word >> 12 & 7));
    }
}

static void iq1_m_decode(const uint8_t *block, float *out)
{
    uint32_t half = 0;
    for (size_t i = 0; i < 4; i++)
        half |= wfs_code_u16(block + 48 + 2 * i) >> 12 << 4 * i;
    float d = wfs_code_f16_of(half);
    for (size_t g = 0; g < 16; g++, out += 16) {
        int8_t q[16];
        for (size_t i = 2 * g; i < 2 * g + 2; i++) {
            uint32_t high = nibble(block + 32, i);
            iq1_elems(wfs_grid_iq1[block[i] | (high & 7) << 8], high >> 3, q + 8 * (i % 2));
        }
        uint32_t word = wfs_code_u16(block + 48 + 2 * (g / 4));
        wfs_code_scale(out, q, 16, iq1_scale(d, word >> 3 * (g % 4) & 7));
    }
}

static const struct wfs_code rows[] = {
    {WFS_IQ4_NL, 1, iq4_nl_decode, iq4_nl_encode},
    {WFS_IQ4_XS, 1, iq4_xs_decode, iq4_xs_encode},
    {WFS_IQ2_XXS, 1, iq2_xxs_decode, NULL},
    {WFS_IQ2_XS, 1, iq2_xs_decode, NULL},
    {WFS_IQ2_S, 1, iq2_s_decode, NULL},
    {WFS_IQ3_XXS, 1, iq3_xxs_decode, NULL},
    {WFS_IQ3_S, 1, iq3_s_decode, NULL},
    {WFS_IQ1_S, 1, iq1_s_decode, NULL},
    {WFS_IQ1_M, 1, iq1_m_decode, NULL},
};
const struct wfs_code_family wfs_codes_i = {rows, WFS_ARRAY_SIZE(rows)};
