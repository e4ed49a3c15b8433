/*
 * lanes.c - components of every type to and from float64 and integer lanes. One plain loop
 * a width: the switch stands outside the loops, so that the compiler vectorises them.
 */
#include "tensor/convert/lanes.h"

#include <math.h>
#include <string.h>

#include "tensor/convert/direct.h"
#include "tensor/convert/small.h"

/* ---- codes of any width -------------------------------------------------------------------- */

static uint32_t load_code(uint32_t bits, const uint8_t *in, uint64_t index)
{
    uint64_t bit = index * bits;
    const uint8_t *p = in + bit / 8;
    uint32_t shift = bit % 8;
    uint32_t code = *p;
    if (shift + bits > 8)
        code |= (uint32_t)p[1] << 8;
    return code >> shift & ((1u << bits) - 1);
}

/* A byte is written when its last code comes, so n codes touch ceil(n * bits / 8) bytes. */
static void store_codes(uint32_t bits, const uint8_t *codes, uint64_t n, uint8_t *out)
{
    uint32_t held = 0, n_held = 0;
    for (uint64_t i = 0; i < n; i++) {
        held |= (uint32_t)codes[i] << n_held;
        n_held += bits;
        if (n_held >= 8) {
            *out++ = (uint8_t)held;
            held >>= 8;
            n_held -= 8;
        }
    }
    if (n_held > 0)
        *out = (uint8_t)held;
}

#define LOAD(type, in, i)                                                                          \
    ({                                                                                             \
        type load_v_;                                                                              \
        memcpy(&load_v_, (const uint8_t *)(in) + (i) * sizeof(type), sizeof(type));                \
        load_v_;                                                                                   \
    })
#define STORE(type, out, i, value)                                                                 \
    do {                                                                                           \
        type store_v_ = (type)(value);                                                             \
        memcpy((uint8_t *)(out) + (i) * sizeof(type), &store_v_, sizeof(type));                    \
    } while (0)

/* ---- float64 lanes ------------------------------------------------------------------------- */

#define LANES_FROM(type)                                                                           \
    for (uint64_t i = 0; i < n; i++)                                                               \
    ret[i] = (double)LOAD(type, in, first + i)

/* The float64 next to v towards 0, its last bit set where that lost something: rounding it again
 * to fewer digits gives what rounding v would. */
static double odd_from_u64(uint64_t v)
{
    int shift = v == 0 ? 0 : 11 - __builtin_clzll(v);
    if (shift <= 0)
        return (double)v;
    uint64_t kept = v >> shift;
    kept |= (v & ((UINT64_C(1) << shift) - 1)) != 0;
    return ldexp((double)kept, shift);
}

static void u64_from(const void *in, uint64_t first, uint64_t n, enum wfs_decode_rounding rounding,
                     double *ret)
{
    for (uint64_t i = 0; i < n; i++) {
        uint64_t v = LOAD(uint64_t, in, first + i);
        ret[i] = rounding == WFS_DECODE_ODD ? odd_from_u64(v) : (double)v;
    }
}

static void i64_from(const void *in, uint64_t first, uint64_t n, enum wfs_decode_rounding rounding,
                     double *ret)
{
    for (uint64_t i = 0; i < n; i++) {
        int64_t v = LOAD(int64_t, in, first + i);
        uint64_t magnitude = v < 0 ? 0 - (uint64_t)v : (uint64_t)v;
        if (rounding == WFS_DECODE_ODD)
            ret[i] = v < 0 ? -odd_from_u64(magnitude) : odd_from_u64(magnitude);
        else
            ret[i] = (double)v;
    }
}

static void integers_from(const struct wfs_num_format *fmt, enum wfs_dtype dtype, const void *in,
                          uint64_t first, uint64_t n, enum wfs_decode_rounding rounding,
                          double *ret)
{
    uint64_t lanes[64];
    bool is_signed = fmt->class == WFS_NUM_INT;
    if (fmt->bits == 64) {
        (is_signed ? i64_from : u64_from)(in, first, n, rounding, ret);
        return;
    }
    for (uint64_t i = 0; i < n; i += WFS_ARRAY_SIZE(lanes)) {
        uint64_t count = wfs_min_u64(WFS_ARRAY_SIZE(lanes), n - i);
        wfs_int_lanes_from(dtype, in, first + i, count, lanes);
        for (uint64_t k = 0; k < count; k++)
            ret[i + k] = (double)(int64_t)lanes[k];
    }
}

static void f16_from(const void *in, uint64_t first, uint64_t n, double *ret)
{
    float lanes[64];
    wfs_convert_fn widen = wfs_convert_direct(WFS_F16, WFS_F32);
    for (uint64_t i = 0; i < n; i += WFS_ARRAY_SIZE(lanes)) {
        uint64_t count = wfs_min_u64(WFS_ARRAY_SIZE(lanes), n - i);
        widen((const uint8_t *)in + (first + i) * 2, lanes, count);
        for (uint64_t k = 0; k < count; k++)
            ret[i + k] = (double)lanes[k];
    }
}

static void bf16_from(const void *in, uint64_t first, uint64_t n, double *ret)
{
    for (uint64_t i = 0; i < n; i++) {
        uint32_t bits = (uint32_t)LOAD(uint16_t, in, first + i) << 16;
        ret[i] = (double)LOAD(float, &bits, 0);
    }
}

static void small_from(const double *table, uint32_t bits, const uint8_t *in, uint64_t first,
                       uint64_t n, double *ret)
{
    if (bits == 8)
        for (uint64_t i = 0; i < n; i++)
            ret[i] = table[in[first + i]];
    else
        for (uint64_t i = 0; i < n; i++)
            ret[i] = table[load_code(bits, in, first + i)];
}

void wfs_lanes_from(enum wfs_dtype dtype, const void *in, uint64_t first, uint64_t n,
                    enum wfs_decode_rounding rounding, double *ret)
{
    const struct wfs_num_format *fmt = wfs_num_format(dtype);
    if (fmt->class != WFS_NUM_FLOAT) {
        integers_from(fmt, dtype, in, first, n, rounding, ret);
    } else if (fmt->bits == 64) {
        LANES_FROM(double);
    } else if (fmt->bits == 32) {
        LANES_FROM(float);
    } else if (fmt->bits == 16) {
        (fmt->man_bits == 7 ? bf16_from : f16_from)(in, first, n, ret);
    } else {
        small_from(wfs_small_table(dtype), fmt->bits, in, first, n, ret);
    }
}

/* ---- to ------------------------------------------------------------------------------------ */

/* Stores as two's complement; what is beyond the format's own limits becomes the limit. */
static uint64_t integer_from_f64(const struct wfs_num_format *fmt, double value,
                                 enum wfs_encode_rounding rounding)
{
    if (fmt->class == WFS_NUM_BOOL)
        return value != 0.0;
    if (isnan(value))
        return 0;
    value = rounding == WFS_ENCODE_TRUNCATE ? trunc(value) : nearbyint(value);
    uint32_t bits = fmt->value_bits;
    if (fmt->class == WFS_NUM_UINT) {
        if (value <= 0.0)
            return 0;
        return value >= ldexp(1.0, (int)bits) ? UINT64_MAX >> (64 - bits) : (uint64_t)value;
    }
    double limit = ldexp(1.0, (int)bits - 1);
    if (value >= limit)
        return UINT64_MAX >> (65 - bits);
    return value < -limit ? UINT64_MAX << (bits - 1) : (uint64_t)(int64_t)value;
}

static void integers_to(const struct wfs_num_format *fmt, enum wfs_dtype dtype, const double *in,
                        uint64_t n, enum wfs_encode_rounding rounding, void *out, uint64_t first)
{
    uint64_t lanes[64];
    for (uint64_t i = 0; i < n; i += WFS_ARRAY_SIZE(lanes)) {
        uint64_t count = wfs_min_u64(WFS_ARRAY_SIZE(lanes), n - i);
        for (uint64_t k = 0; k < count; k++)
            lanes[k] = integer_from_f64(fmt, in[i + k], rounding);
        wfs_int_lanes_to(dtype, lanes, count, out, first + i);
    }
}

static void small_to(const struct wfs_num_format *fmt, const double *in, uint64_t n, void *out,
                     uint64_t first)
{
    uint8_t codes[64];
    if (fmt->bits == 16) {
        for (uint64_t i = 0; i < n; i++)
            STORE(uint16_t, out, first + i, wfs_small_encode(fmt, in[i]));
        return;
    }
    for (uint64_t i = 0; i < n; i += sizeof(codes)) {
        uint64_t count = wfs_min_u64(sizeof(codes), n - i);
        for (uint64_t k = 0; k < count; k++)
            codes[k] = (uint8_t)wfs_small_encode(fmt, in[i + k]);
        store_codes(fmt->bits, codes, count, (uint8_t *)out + (first + i) * fmt->bits / 8);
    }
}

void wfs_lanes_to(enum wfs_dtype dtype, const double *in, uint64_t n,
                  enum wfs_encode_rounding rounding, void *out, uint64_t first)
{
    const struct wfs_num_format *fmt = wfs_num_format(dtype);
    if (fmt->class != WFS_NUM_FLOAT) {
        integers_to(fmt, dtype, in, n, rounding, out, first);
    } else if (fmt->bits == 64) {
        memcpy((double *)out + first, in, n * sizeof(double));
    } else if (fmt->bits == 32) {
        for (uint64_t i = 0; i < n; i++)
            STORE(float, out, first + i, in[i]);
    } else {
        small_to(fmt, in, n, out, first);
    }
}

/* ---- integer lanes ------------------------------------------------------------------------- */

#define INT_LANES_FROM(type)                                                                       \
    for (uint64_t i = 0; i < n; i++)                                                               \
    ret[i] = (uint64_t)LOAD(type, in, first + i)
#define INT_LANES_TO(type)                                                                         \
    for (uint64_t i = 0; i < n; i++)                                                               \
    STORE(type, out, first + i, in[i])

/* Integers of 2 or 4 bits in a byte: the upper bits do not count (ml_dtypes). */
static void narrow_from(const struct wfs_num_format *fmt, const uint8_t *in, uint64_t n,
                        uint64_t *ret)
{
    uint32_t unused = 64 - fmt->value_bits;
    for (uint64_t i = 0; i < n; i++) {
        uint64_t high = (uint64_t)in[i] << unused;
        ret[i] = fmt->class == WFS_NUM_INT ? (uint64_t)((int64_t)high >> unused) : high >> unused;
    }
}

void wfs_int_lanes_from(enum wfs_dtype dtype, const void *in, uint64_t first, uint64_t n,
                        uint64_t *ret)
{
    const struct wfs_num_format *fmt = wfs_num_format(dtype);
    bool is_signed = fmt->class == WFS_NUM_INT;
    if (fmt->class == WFS_NUM_BOOL) {
        for (uint64_t i = 0; i < n; i++)
            ret[i] = ((const uint8_t *)in)[first + i] != 0;
    } else if (fmt->bits < 8) {
        for (uint64_t i = 0; i < n; i++)
            ret[i] = load_code(fmt->bits, in, first + i);
    } else if (fmt->value_bits < 8) {
        narrow_from(fmt, (const uint8_t *)in + first, n, ret);
    } else if (fmt->bits == 8 && is_signed) {
        INT_LANES_FROM(int8_t);
    } else if (fmt->bits == 8) {
        INT_LANES_FROM(uint8_t);
    } else if (fmt->bits == 16 && is_signed) {
        INT_LANES_FROM(int16_t);
    } else if (fmt->bits == 16) {
        INT_LANES_FROM(uint16_t);
    } else if (fmt->bits == 32 && is_signed) {
        INT_LANES_FROM(int32_t);
    } else if (fmt->bits == 32) {
        INT_LANES_FROM(uint32_t);
    } else {
        INT_LANES_FROM(uint64_t);
    }
}

/* Integers of fewer bits than a byte, packed. */
static void store_fields(uint32_t bits, const uint64_t *in, uint64_t n, void *out, uint64_t first)
{
    uint8_t codes[64];
    for (uint64_t i = 0; i < n; i += sizeof(codes)) {
        uint64_t count = wfs_min_u64(sizeof(codes), n - i);
        for (uint64_t k = 0; k < count; k++)
            codes[k] = (uint8_t)(in[i + k] & ((1u << bits) - 1));
        store_codes(bits, codes, count, (uint8_t *)out + (first + i) * bits / 8);
    }
}

void wfs_int_lanes_to(enum wfs_dtype dtype, const uint64_t *in, uint64_t n, void *out,
                      uint64_t first)
{
    const struct wfs_num_format *fmt = wfs_num_format(dtype);
    if (fmt->class == WFS_NUM_BOOL) {
        for (uint64_t i = 0; i < n; i++)
            ((uint8_t *)out)[first + i] = in[i] != 0;
    } else if (fmt->bits < 8) {
        store_fields(fmt->bits, in, n, out, first);
    } else if (fmt->value_bits < 8) {
        for (uint64_t i = 0; i < n; i++)
            ((uint8_t *)out)[first + i] = (uint8_t)(in[i] & ((1u << fmt->value_bits) - 1));
    } else if (fmt->bits == 8) {
        INT_LANES_TO(uint8_t);
    } else if (fmt->bits == 16) {
        INT_LANES_TO(uint16_t);
    } else if (fmt->bits == 32) {
        INT_LANES_TO(uint32_t);
    } else {
        INT_LANES_TO(uint64_t);
    }
}
