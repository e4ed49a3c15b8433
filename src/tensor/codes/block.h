/*
 * block.h - what the block codes share: a row of their table, unpacking of packed small integers, and
 * float32 arithmetic whose bits are the same on every CPU. Private to tensor/codes and
 * tensor/formula.
 *
 * A code is pure: its decoder is a function of one block's bytes, its encoder one of one block's
 * elements. Both are compiled without contraction (see the top meson.build), use no function of libm
 * whose result is not exact or correctly rounded, and add in a fixed order.
 */
#ifndef WEIGHTFS_TENSOR_CODES_BLOCK_H
#define WEIGHTFS_TENSOR_CODES_BLOCK_H

#include <float.h>
#include <math.h>
#include <string.h>

#include "tensor/tensor.h"

/* float32 operations round to float32 (x87 would keep more). */
_Static_assert(FLT_EVAL_METHOD == 0 || FLT_EVAL_METHOD == 16, "float32 is computed as float32");

/* The largest block that there is. */
#define WFS_CODE_MAX_ELEMS 256
#define WFS_CODE_MAX_BYTES 292

/* Elements and bytes of a block are the dtype's: block_elems, bits / 8. */
struct wfs_code {
    enum wfs_dtype dtype;
    uint32_t version; /* of its results: part of every hash that depends on them */
    void (*decode)(const uint8_t *block, float *out);
    /* False where the block cannot say it: a scale beyond float16. The elements are finite (the
     * caller looked). NULL: there is no encoder. */
    bool (*encode)(const float *in, uint8_t *block);
};

struct wfs_code_family {
    const struct wfs_code *rows;
    size_t n;
};

/* ---- loads --------------------------------------------------------------------------------- */

static inline uint32_t wfs_code_u16(const uint8_t *p)
{
    return (uint32_t)p[0] | (uint32_t)p[1] << 8;
}

static inline uint32_t wfs_code_u32(const uint8_t *p)
{
    return wfs_code_u16(p) | wfs_code_u16(p + 2) << 16;
}

static inline float wfs_code_f32_of(uint32_t bits)
{
    float value;
    memcpy(&value, &bits, sizeof(value));
    return value;
}

/* The value of a float16; NaNs become quiet and keep sign and payload. */
static inline float wfs_code_f16_of(uint32_t half)
{
    uint32_t bits = (half & 0x7fff) << 13, sign = (half & 0x8000) << 16;
    if ((half & 0x7c00) == 0x7c00)
        return wfs_code_f32_of(sign | bits | 0x7f800000 | ((half & 0x3ff) != 0 ? 0x400000 : 0));
    /* The exponent is moved by a multiplication, which makes subnormals normal. */
    float value = wfs_code_f32_of(bits) * 0x1p112f;
    memcpy(&bits, &value, sizeof(bits));
    return wfs_code_f32_of(sign | bits);
}

static inline float wfs_code_f16(const uint8_t *p)
{
    return wfs_code_f16_of(wfs_code_u16(p));
}

/* ---- unpacking ----------------------------------------------------------------------------- */

/* Integers of `bits` bits, first those in the lowest bits of `width` bytes, then those above them,
 * and so on; then the next `width` bytes. Gives n_bytes * 8 / bits values. */
static inline void wfs_code_unpack(const uint8_t *in, size_t n_bytes, size_t width, unsigned bits,
                                   int8_t *q)
{
    for (size_t at = 0; at < n_bytes; at += width)
        for (unsigned shift = 0; shift < 8; shift += bits, q += width)
            for (size_t i = 0; i < width; i++)
                q[i] = (int8_t)(in[at + i] >> shift & ((1u << bits) - 1));
}

/* ---- arithmetic ---------------------------------------------------------------------------- */

/* The NaN of an operation whose result is one: the first operand that is NaN, made quiet, else the
 * one that x86 makes. So NaNs have the same bits on every CPU. */
float wfs_code_nan(float a, float b);

static inline float wfs_code_mul(float a, float b)
{
    float value = a * b;
    return value == value ? value : wfs_code_nan(a, b);
}

/* d * q of n integers. */
void wfs_code_scale_special(float *out, const int8_t *q, size_t n, float d);
static inline void wfs_code_scale(float *out, const int8_t *q, size_t n, float d)
{
    if (!isfinite(d)) {
        wfs_code_scale_special(out, q, n, d);
        return;
    }
    for (size_t i = 0; i < n; i++)
        out[i] = d * (float)q[i];
}

/* d * q + m, or d * q - m, of n integers; each operation is rounded. */
void wfs_code_affine_special(float *out, const int8_t *q, size_t n, float d, float m, bool minus);
static inline void wfs_code_affine(float *out, const int8_t *q, size_t n, float d, float m,
                                   bool minus)
{
    if (!isfinite(d) || !isfinite(m)) {
        wfs_code_affine_special(out, q, n, d, m, minus);
        return;
    }
    float offset = minus ? -m : m;
    for (size_t i = 0; i < n; i++)
        out[i] = d * (float)q[i] + offset;
}

#endif
