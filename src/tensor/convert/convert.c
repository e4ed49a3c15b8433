/*
 * convert.c - conversions between element types: by a direct loop, a table of a narrow type's
 * values, integer lanes (between integers: exact, wrapping) or float64 lanes (everything else), in
 * stretches that stay in the first-level cache.
 *
 * One rounding at most: float64 holds every component of every type but 64-bit integers, and those
 * go through it rounded to odd unless float64 is where they end.
 */
#include "tensor/tensor.h"

#include <math.h>
#include <string.h>

#include "tensor/convert/direct.h"
#include "tensor/convert/lanes.h"
#include "tensor/convert/small.h"

#define STRETCH 512 /* components; a multiple of 8 */

static int refuse_opaque(enum wfs_dtype dtype, struct wfs_error *err)
{
    if (wfs_num_format(dtype)->class != WFS_NUM_NONE)
        return 0;
    return wfs_error_set(err, EINVAL, "%s has no numeric values", wfs_dtype_info(dtype)->name);
}

int wfs_convert_to_f64(enum wfs_dtype dtype, const void *in, uint64_t n, double *out,
                       struct wfs_error *err)
{
    int r = refuse_opaque(dtype, err);
    if (r < 0)
        return r;
    wfs_lanes_from(dtype, in, 0, n * wfs_num_format(dtype)->n_components, WFS_DECODE_NEAREST, out);
    return 0;
}

/* ---- by lanes ------------------------------------------------------------------------------ */

static void convert_integers(enum wfs_dtype from, const void *in, enum wfs_dtype to, void *out,
                             uint64_t n)
{
    uint64_t lanes[STRETCH];
    for (uint64_t i = 0; i < n; i += STRETCH) {
        uint64_t count = wfs_min_u64(STRETCH, n - i);
        wfs_int_lanes_from(from, in, i, count, lanes);
        wfs_int_lanes_to(to, lanes, count, out, i);
    }
}

static enum wfs_decode_rounding rounding_towards(const struct wfs_num_format *to)
{
    return to->class == WFS_NUM_FLOAT && to->bits == 64 ? WFS_DECODE_NEAREST : WFS_DECODE_ODD;
}

/* Real to complex: the imaginary part is 0. Complex to real: it is dropped. */
static void match_components(uint32_t from, uint32_t to, double *lanes, uint64_t n)
{
    if (from == 2 && to == 1)
        for (uint64_t i = 0; i < n; i++)
            lanes[i] = lanes[2 * i];
    if (from == 1 && to == 2)
        for (uint64_t i = n; i-- > 0;) {
            lanes[2 * i] = lanes[i];
            lanes[2 * i + 1] = 0.0;
        }
}

static void convert_lanes(enum wfs_dtype from, const void *in, enum wfs_dtype to, void *out,
                          uint64_t n)
{
    double lanes[2 * STRETCH];
    const struct wfs_num_format *a = wfs_num_format(from), *b = wfs_num_format(to);
    for (uint64_t i = 0; i < n; i += STRETCH) {
        uint64_t count = wfs_min_u64(STRETCH, n - i);
        wfs_lanes_from(from, in, i * a->n_components, count * a->n_components, rounding_towards(b),
                       lanes);
        match_components(a->n_components, b->n_components, lanes, count);
        wfs_lanes_to(to, lanes, count * b->n_components, WFS_ENCODE_TRUNCATE, out,
                     i * b->n_components);
    }
}

/* What float32 holds exactly goes to a 16-bit float by way of it, with the direct loop's speed. */
static void convert_by_f32(enum wfs_dtype from, const void *in, wfs_convert_fn narrow, void *out,
                           uint64_t n)
{
    float lanes[STRETCH];
    wfs_convert_fn widen = wfs_convert_direct(from, WFS_F32);
    for (uint64_t i = 0; i < n; i += STRETCH) {
        uint64_t count = wfs_min_u64(STRETCH, n - i);
        const uint8_t *at = (const uint8_t *)in + i * wfs_dtype_bits(from) / 8;
        if (widen != NULL)
            widen(at, lanes, count);
        else
            convert_lanes(from, at, WFS_F32, lanes, count);
        narrow(lanes, (uint8_t *)out + i * sizeof(uint16_t), count);
    }
}

static void convert_any(enum wfs_dtype from, const void *in, enum wfs_dtype to, void *out,
                        uint64_t n)
{
    wfs_convert_fn narrow = to == WFS_F32 ? NULL : wfs_convert_direct(WFS_F32, to);
    if (wfs_num_is_integer(wfs_num_format(from)) && wfs_num_is_integer(wfs_num_format(to)))
        convert_integers(from, in, to, out, n);
    else if (narrow != NULL && wfs_convert_is_exact(from, WFS_F32))
        convert_by_f32(from, in, narrow, out, n);
    else
        convert_lanes(from, in, to, out, n);
}

/* ---- by table ------------------------------------------------------------------------------ */

/* From so many elements on it pays to convert all 256 codes first and look each element up. */
#define TABLE_MIN_ELEMS 2048

static bool fits_table(enum wfs_dtype from, enum wfs_dtype to, uint64_t n)
{
    uint32_t bits = wfs_dtype_bits(to);
    return n >= TABLE_MIN_ELEMS && wfs_dtype_bits(from) == 8 && bits >= 8 && bits <= 64;
}

static void convert_by_table(enum wfs_dtype from, const uint8_t *in, enum wfs_dtype to,
                             uint8_t *out, uint64_t n)
{
    uint8_t codes[256], table[256 * sizeof(uint64_t)];
    size_t width = wfs_dtype_bits(to) / 8;
    for (size_t i = 0; i < sizeof(codes); i++)
        codes[i] = (uint8_t)i;
    convert_any(from, codes, to, table, sizeof(codes));
    for (uint64_t i = 0; i < n; i++) {
        switch (width) {
        case 1:
            out[i] = table[in[i]];
            break;
        case 2:
            memcpy(out + 2 * i, table + 2 * in[i], 2);
            break;
        case 4:
            memcpy(out + 4 * i, table + 4 * in[i], 4);
            break;
        default:
            memcpy(out + 8 * i, table + 8 * in[i], 8);
        }
    }
}

int wfs_convert(enum wfs_dtype from, const void *in, enum wfs_dtype to, void *out, uint64_t n,
                struct wfs_error *err)
{
    int r = refuse_opaque(from, err);
    if (r == 0)
        r = refuse_opaque(to, err);
    if (r < 0)
        return r;
    wfs_convert_fn direct = wfs_convert_direct(from, to);
    if (from == to)
        memmove(out, in, (n * wfs_dtype_bits(from) + 7) / 8);
    else if (direct != NULL)
        direct(in, out, n);
    else if (fits_table(from, to, n))
        convert_by_table(from, in, to, out, n);
    else
        convert_any(from, in, to, out, n);
    return 0;
}

/* ---- exactness ----------------------------------------------------------------------------- */

/* The values of one format: all of +-m * 2^lowest with m < 2^digits scaled up as far as `max`. */
struct range {
    int digits, lowest;
    double min, max;
    bool has_zero, has_minus_zero, has_inf, has_nan;
};

static struct range integer_range(const struct wfs_num_format *fmt)
{
    int bits = fmt->class == WFS_NUM_BOOL ? 1 : fmt->value_bits;
    bool is_signed = fmt->class == WFS_NUM_INT;
    struct range range = {.digits = bits - is_signed, .has_zero = true};
    range.max = ldexp(1.0, range.digits) - (range.digits <= 53 ? 1.0 : 0.0);
    range.min = is_signed ? -ldexp(1.0, bits - 1) : 0.0;
    return range;
}

static struct range float_range(const struct wfs_num_format *fmt)
{
    struct range range = {.digits = fmt->man_bits + 1, .lowest = 1 - fmt->bias - fmt->man_bits};
    bool e8m0 = fmt->flavour == WFS_FLOAT_E8M0;
    if (fmt->bits <= 16) {
        range.max = wfs_small_decode(fmt, wfs_small_max_code(fmt));
    } else {
        int max_exp = (1 << fmt->exp_bits) - 2 - fmt->bias;
        range.max = ldexp(2.0 - ldexp(1.0, -fmt->man_bits), max_exp);
    }
    range.lowest -= e8m0; /* exponent code 0 is as good as any other */
    range.min = e8m0 ? ldexp(1.0, range.lowest) : -range.max;
    range.has_zero = !e8m0;
    range.has_minus_zero = !e8m0 && fmt->flavour != WFS_FLOAT_FNUZ;
    range.has_inf = fmt->flavour == WFS_FLOAT_IEEE;
    range.has_nan = fmt->flavour != WFS_FLOAT_FINITE;
    return range;
}

static struct range range_of(const struct wfs_num_format *fmt)
{
    return fmt->class == WFS_NUM_FLOAT ? float_range(fmt) : integer_range(fmt);
}

static bool range_within(const struct range *a, const struct range *b)
{
    return a->digits <= b->digits && a->lowest >= b->lowest && a->min >= b->min &&
           a->max <= b->max && b->has_zero >= a->has_zero &&
           b->has_minus_zero >= a->has_minus_zero && b->has_inf >= a->has_inf &&
           b->has_nan >= a->has_nan;
}

double wfs_dtype_max(enum wfs_dtype dtype)
{
    const struct wfs_num_format *fmt = wfs_num_format(dtype);
    return fmt->class == WFS_NUM_NONE ? 0 : range_of(fmt).max;
}

bool wfs_convert_narrows(enum wfs_dtype from, enum wfs_dtype to)
{
    const struct wfs_num_format *a = wfs_num_format(from), *b = wfs_num_format(to);
    return a->class == WFS_NUM_FLOAT && b->class == WFS_NUM_FLOAT &&
           range_of(a).max >= 2 * range_of(b).max;
}

bool wfs_convert_is_exact(enum wfs_dtype from, enum wfs_dtype to)
{
    const struct wfs_num_format *a = wfs_num_format(from), *b = wfs_num_format(to);
    if (a->class == WFS_NUM_NONE || b->class == WFS_NUM_NONE)
        return from == to;
    if (a->n_components > b->n_components)
        return false;
    if (b->class == WFS_NUM_BOOL)
        return a->class == WFS_NUM_BOOL || (a->class == WFS_NUM_UINT && a->bits == 1);
    struct range ra = range_of(a), rb = range_of(b);
    return range_within(&ra, &rb);
}
