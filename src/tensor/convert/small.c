/*
 * small.c - the table of numeric formats, and float formats of at most 16 bits by their
 * parameters.
 *
 *     code = sign, exp_bits of exponent, man_bits of mantissa, most significant first
 *     value = (1 + man / 2^man_bits) * 2^(exp - bias), or man / 2^man_bits * 2^(1 - bias) at exp 0
 *
 * Overflow, NaN and zero are ml_dtypes': infinity where there is one, else NaN where there is one,
 * else the largest number. NaN in a format without it becomes a zero of the other sign. E8M0 takes
 * every positive number below its smallest to that, and all that is not positive to NaN.
 */
#include "tensor/convert/small.h"

#include <math.h>
#include <pthread.h>
#include <string.h>

#define FLOAT(bits_, exp_, man_, bias_, flavour_, n_)                                              \
    {                                                                                              \
        .class = WFS_NUM_FLOAT, .bits = (bits_), .n_components = (n_), .exp_bits = (exp_),         \
        .man_bits = (man_), .bias = (bias_), .flavour = WFS_FLOAT_##flavour_                       \
    }
#define INTEGER(class_, bits_, value_bits_)                                                        \
    {                                                                                              \
        .class = WFS_NUM_##class_, .bits = (bits_), .value_bits = (value_bits_), .n_components = 1 \
    }

const struct wfs_num_format *wfs_num_format(enum wfs_dtype dtype)
{
    static const struct wfs_num_format formats[WFS_N_DTYPES] = {
        [WFS_BOOL] = INTEGER(BOOL, 8, 8),
        [WFS_F4_E2M1] = FLOAT(4, 2, 1, 1, FINITE, 1),
        [WFS_F6_E2M3] = FLOAT(6, 2, 3, 1, FINITE, 1),
        [WFS_F6_E3M2] = FLOAT(6, 3, 2, 3, FINITE, 1),
        [WFS_U8] = INTEGER(UINT, 8, 8),
        [WFS_I8] = INTEGER(INT, 8, 8),
        [WFS_F8_E5M2] = FLOAT(8, 5, 2, 15, IEEE, 1),
        [WFS_F8_E4M3FN] = FLOAT(8, 4, 3, 7, FN, 1),
        [WFS_F8_E8M0FNU] = FLOAT(8, 8, 0, 127, E8M0, 1),
        [WFS_F8_E4M3FNUZ] = FLOAT(8, 4, 3, 8, FNUZ, 1),
        [WFS_F8_E5M2FNUZ] = FLOAT(8, 5, 2, 16, FNUZ, 1),
        [WFS_I16] = INTEGER(INT, 16, 16),
        [WFS_U16] = INTEGER(UINT, 16, 16),
        [WFS_F16] = FLOAT(16, 5, 10, 15, IEEE, 1),
        [WFS_BF16] = FLOAT(16, 8, 7, 127, IEEE, 1),
        [WFS_I32] = INTEGER(INT, 32, 32),
        [WFS_U32] = INTEGER(UINT, 32, 32),
        [WFS_F32] = FLOAT(32, 8, 23, 127, IEEE, 1),
        [WFS_C64] = FLOAT(32, 8, 23, 127, IEEE, 2),
        [WFS_F64] = FLOAT(64, 11, 52, 1023, IEEE, 1),
        [WFS_I64] = INTEGER(INT, 64, 64),
        [WFS_U64] = INTEGER(UINT, 64, 64),
        [WFS_C32] = FLOAT(16, 5, 10, 15, IEEE, 2),
        [WFS_C128] = FLOAT(64, 11, 52, 1023, IEEE, 2),
        [WFS_QI8] = INTEGER(INT, 8, 8),
        [WFS_QU8] = INTEGER(UINT, 8, 8),
        [WFS_QI32] = INTEGER(INT, 32, 32),
        [WFS_I2_BYTE] = INTEGER(INT, 8, 2),
        [WFS_U2_BYTE] = INTEGER(UINT, 8, 2),
        [WFS_I4_BYTE] = INTEGER(INT, 8, 4),
        [WFS_U4_BYTE] = INTEGER(UINT, 8, 4),
        [WFS_F4_E2M1_BYTE] = FLOAT(8, 2, 1, 1, FINITE, 1),
        [WFS_F6_E2M3_BYTE] = FLOAT(8, 2, 3, 1, FINITE, 1),
        [WFS_F6_E3M2_BYTE] = FLOAT(8, 3, 2, 3, FINITE, 1),
        [WFS_U1_PACKED] = INTEGER(UINT, 1, 1),
        [WFS_U2_PACKED] = INTEGER(UINT, 2, 2),
        [WFS_U3_PACKED] = INTEGER(UINT, 3, 3),
        [WFS_U4_PACKED] = INTEGER(UINT, 4, 4),
        [WFS_U5_PACKED] = INTEGER(UINT, 5, 5),
        [WFS_U6_PACKED] = INTEGER(UINT, 6, 6),
        [WFS_U7_PACKED] = INTEGER(UINT, 7, 7),
        [WFS_F8_E3M4] = FLOAT(8, 3, 4, 3, IEEE, 1),
        [WFS_F8_E4M3] = FLOAT(8, 4, 3, 7, IEEE, 1),
        [WFS_F8_E4M3B11FNUZ] = FLOAT(8, 4, 3, 11, FNUZ, 1),
    };
    return &formats[dtype];
}

/* ---- code to value ------------------------------------------------------------------------- */

static uint32_t magnitude_bits(const struct wfs_num_format *fmt)
{
    return (uint32_t)fmt->exp_bits + fmt->man_bits;
}

uint32_t wfs_small_max_code(const struct wfs_num_format *fmt)
{
    uint32_t ones = (1u << magnitude_bits(fmt)) - 1;
    switch (fmt->flavour) {
    case WFS_FLOAT_IEEE:
        return ones - (1u << fmt->man_bits);
    case WFS_FLOAT_FN:
    case WFS_FLOAT_E8M0:
        return ones - 1;
    case WFS_FLOAT_FNUZ:
    case WFS_FLOAT_FINITE:
        break;
    }
    return ones;
}

static double decode_magnitude(const struct wfs_num_format *fmt, uint32_t magnitude)
{
    int exp = (int)(magnitude >> fmt->man_bits);
    uint32_t man = magnitude & ((1u << fmt->man_bits) - 1);
    if (fmt->flavour == WFS_FLOAT_E8M0)
        return ldexp(1.0, exp - fmt->bias);
    if (exp == 0)
        return ldexp(man, 1 - fmt->bias - fmt->man_bits);
    return ldexp(man + (1u << fmt->man_bits), exp - fmt->bias - fmt->man_bits);
}

double wfs_small_decode(const struct wfs_num_format *fmt, uint32_t code)
{
    uint32_t ones = (1u << magnitude_bits(fmt)) - 1;
    uint32_t magnitude = code & ones;
    bool negative = fmt->flavour != WFS_FLOAT_E8M0 && (code & (ones + 1)) != 0;
    double value = NAN;
    if (fmt->flavour == WFS_FLOAT_FNUZ && negative && magnitude == 0)
        return -NAN; /* ml_dtypes gives the same */
    if (magnitude <= wfs_small_max_code(fmt))
        value = decode_magnitude(fmt, magnitude);
    else if (fmt->flavour == WFS_FLOAT_IEEE && (magnitude & ((1u << fmt->man_bits) - 1)) == 0)
        value = INFINITY;
    return copysign(value, negative ? -1.0 : 1.0);
}

static double small_tables[WFS_N_DTYPES][256];

static void make_small_tables(void)
{
    for (int d = 0; d < WFS_N_DTYPES; d++) {
        const struct wfs_num_format *fmt = wfs_num_format((enum wfs_dtype)d);
        if (fmt->class != WFS_NUM_FLOAT || fmt->bits > 8)
            continue;
        for (uint32_t code = 0; code < 256; code++)
            small_tables[d][code] = wfs_small_decode(fmt, code);
    }
}

const double *wfs_small_table(enum wfs_dtype dtype)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, make_small_tables);
    return small_tables[dtype];
}

/* ---- value to code ------------------------------------------------------------------------- */

/* The parts of a float64 that is finite and not 0: man * 2^(exp - 52), its top bit at 52. Below
 * 2^-1022 the value is smaller than half the smallest of any format here: any tiny one will do. */
struct parts {
    uint64_t man;
    int exp;
};

static struct parts split(uint64_t bits)
{
    struct parts parts = {(bits & ((UINT64_C(1) << 52) - 1)) | UINT64_C(1) << 52,
                          (int)(bits >> 52 & 0x7ff) - 1023};
    return parts;
}

/* man / 2^shift, rounded to the nearest whole number, ties to even. */
static uint64_t round_shift(uint64_t man, int shift)
{
    if (shift > 54)
        return 0;
    uint64_t half = UINT64_C(1) << (shift - 1);
    uint64_t kept = man >> shift, rest = man & (2 * half - 1);
    return kept + (rest > half || (rest == half && (kept & 1) != 0));
}

/* Rounding up may carry into the exponent: the next code is the next value. */
static uint32_t encode_magnitude(const struct wfs_num_format *fmt, struct parts parts)
{
    int min_exp = 1 - fmt->bias;
    bool normal = parts.exp >= min_exp;
    int shift = 52 - fmt->man_bits + (normal ? 0 : min_exp - parts.exp);
    uint64_t rounded = round_shift(parts.man, shift);
    if (!normal)
        return (uint32_t)rounded;
    return (uint32_t)(((uint64_t)(parts.exp - min_exp) << fmt->man_bits) + rounded);
}

/* To the nearest power of two, halfway up. ml_dtypes before 0.7, and torch, round up at once
 * between the two smallest values, which float32 holds as subnormals. */
static uint32_t encode_e8m0(const struct wfs_num_format *fmt, struct parts parts)
{
    const uint32_t nan_code = 0xff;
    if (parts.exp < -fmt->bias)
        return 0;
    uint64_t code = (uint64_t)(parts.exp + fmt->bias) + round_shift(parts.man, 52) - 1;
    return code < nan_code ? (uint32_t)code : nan_code;
}

static uint32_t encode_nan(const struct wfs_num_format *fmt, uint32_t sign, uint64_t payload)
{
    uint32_t magnitude = wfs_small_max_code(fmt) + 1;
    switch (fmt->flavour) {
    case WFS_FLOAT_IEEE:
        if (fmt->bits == 16)
            magnitude |= (uint32_t)(payload >> (52 - fmt->man_bits));
        return sign | magnitude | 1u << (fmt->man_bits - 1);
    case WFS_FLOAT_FN:
        return sign | magnitude;
    case WFS_FLOAT_FNUZ:
        return 1u << magnitude_bits(fmt);
    case WFS_FLOAT_E8M0:
        return magnitude;
    case WFS_FLOAT_FINITE:
        break;
    }
    return sign ^ 1u << magnitude_bits(fmt);
}

static uint32_t encode_overflow(const struct wfs_num_format *fmt, uint32_t sign)
{
    switch (fmt->flavour) {
    case WFS_FLOAT_IEEE:
        return sign | (wfs_small_max_code(fmt) + 1);
    case WFS_FLOAT_FINITE:
        return sign | wfs_small_max_code(fmt);
    case WFS_FLOAT_FN:
    case WFS_FLOAT_FNUZ:
    case WFS_FLOAT_E8M0:
        break;
    }
    return encode_nan(fmt, sign, 0);
}

uint32_t wfs_small_encode(const struct wfs_num_format *fmt, double value)
{
    uint64_t bits;
    memcpy(&bits, &value, sizeof(bits));
    uint32_t sign = (uint32_t)(bits >> 63) << magnitude_bits(fmt);
    uint64_t payload = bits & ((UINT64_C(1) << 52) - 1);
    bits &= ~(UINT64_C(1) << 63);
    if (isnan(value))
        return encode_nan(fmt, sign, payload);
    if (fmt->flavour == WFS_FLOAT_E8M0)
        return sign != 0 || bits == 0 || isinf(value) ? encode_nan(fmt, 0, 0)
                                                      : encode_e8m0(fmt, split(bits));
    if (isinf(value))
        return encode_overflow(fmt, sign);
    uint32_t magnitude = bits == 0 ? 0 : encode_magnitude(fmt, split(bits));
    if (magnitude > wfs_small_max_code(fmt))
        return encode_overflow(fmt, sign);
    return magnitude == 0 && fmt->flavour == WFS_FLOAT_FNUZ ? 0 : sign | magnitude;
}
