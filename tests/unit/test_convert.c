/*
 * test_convert.c - conversions against their definition. Every code of every format of at most 16
 * bits: the codes' values must come back as these codes, the midpoint of two neighbours must go to
 * the even one, and what is next to the midpoint to the nearer one. (tests/loaders/test_convert.py
 * holds the values themselves against numpy, ml_dtypes and torch.)
 */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "tensor/convert/direct.h"
#include "tensor/convert/lanes.h"
#include "tensor/convert/small.h"
#include "tensor/convert/elem.h"

static bool is_small_float(enum wfs_dtype dtype)
{
    const struct wfs_num_format *fmt = wfs_num_format(dtype);
    return fmt->class == WFS_NUM_FLOAT && fmt->bits <= 16 && fmt->n_components == 1;
}

static uint32_t n_codes(const struct wfs_num_format *fmt)
{
    return 1u << (fmt->exp_bits + fmt->man_bits + (fmt->flavour != WFS_FLOAT_E8M0));
}

static bool same(double a, double b)
{
    return (isnan(a) && isnan(b)) || (a == b && signbit(a) == signbit(b));
}

/* ---- small floats -------------------------------------------------------------------------- */

static void test_convert__every_value_comes_back_as_its_code(void **state)
{
    (void)state;
    for (enum wfs_dtype d = 0; d < WFS_FIRST_BLOCK_DTYPE; d++) {
        const struct wfs_num_format *fmt = wfs_num_format(d);
        if (!is_small_float(d))
            continue;
        for (uint32_t code = 0; code < n_codes(fmt); code++) {
            double value = wfs_small_decode(fmt, code);
            uint32_t back = wfs_small_encode(fmt, value);
            if (isnan(value))
                assert_true(isnan(wfs_small_decode(fmt, back)));
            else
                assert_int_equal(back, code);
        }
    }
}

/* Magnitudes ascend with their codes, so neighbours are codes that differ by one. */
static void test_convert__between_two_values_rounds_to_the_nearest_then_even(void **state)
{
    (void)state;
    for (enum wfs_dtype d = 0; d < WFS_FIRST_BLOCK_DTYPE; d++) {
        const struct wfs_num_format *fmt = wfs_num_format(d);
        if (!is_small_float(d))
            continue;
        for (uint32_t code = 0; code < wfs_small_max_code(fmt); code++) {
            double low = wfs_small_decode(fmt, code), high = wfs_small_decode(fmt, code + 1);
            double middle = low + (high - low) / 2;
            /* a power of two has no even neighbour by its code: 1.5 is nearer in digits to 2 */
            uint32_t even = fmt->flavour == WFS_FLOAT_E8M0 || code % 2 != 0 ? code + 1 : code;
            assert_int_equal(wfs_small_encode(fmt, middle), even);
            assert_int_equal(wfs_small_encode(fmt, nextafter(middle, low)), code);
            assert_int_equal(wfs_small_encode(fmt, nextafter(middle, high)), code + 1);
            if (fmt->flavour != WFS_FLOAT_E8M0 && even != 0)
                assert_int_equal(wfs_small_encode(fmt, -middle), even | n_codes(fmt) / 2);
        }
    }
}

static void test_convert__beyond_the_largest(void **state)
{
    (void)state;
    static const struct {
        enum wfs_dtype dtype;
        double value;
        uint32_t want;
    } cases[] = {
        {WFS_F16, 65519.99, 0x7bff},         {WFS_F16, 65520.0, 0x7c00},
        {WFS_F16, -1e300, 0xfc00},           {WFS_BF16, 3.4e38, 0x7f80},
        {WFS_F8_E4M3FN, 464.0, 0x7e},        {WFS_F8_E4M3FN, 464.1, 0x7f},
        {WFS_F8_E4M3FN, -INFINITY, 0xff},    {WFS_F8_E5M2, 61439.0, 0x7b},
        {WFS_F8_E5M2, 61440.0, 0x7c},        {WFS_F8_E4M3FNUZ, 248.0, 0x80},
        {WFS_F8_E4M3FNUZ, -0.0, 0},          {WFS_F8_E4M3FNUZ, -1e-30, 0},
        {WFS_F4_E2M1_BYTE, 1e9, 7},          {WFS_F4_E2M1_BYTE, -INFINITY, 15},
        {WFS_F4_E2M1_BYTE, NAN, 8},          {WFS_F8_E8M0FNU, 0.0, 0xff},
        {WFS_F8_E8M0FNU, -1.0, 0xff},        {WFS_F8_E8M0FNU, 1e-300, 0},
        {WFS_F8_E8M0FNU, 0x1.8p127, 0xff},   {WFS_F8_E8M0FNU, 0x1p-127, 0},
        {WFS_F8_E8M0FNU, 0x1.7ffffp-127, 0},
    };
    for (size_t i = 0; i < WFS_ARRAY_SIZE(cases); i++)
        assert_int_equal(wfs_small_encode(wfs_num_format(cases[i].dtype), cases[i].value),
                         cases[i].want);
}

/* ---- direct loops -------------------------------------------------------------------------- */

#define BATCH 4096

static double f32_of(uint32_t bits)
{
    float value;
    memcpy(&value, &bits, sizeof(value));
    return (double)value;
}

/* float32 patterns some 500 apart, and all that lie about the boundaries of the narrow formats:
 * with and without the CPU's instructions, and by the definition. */
static void check_narrowing(enum wfs_dtype to)
{
    static uint32_t in[BATCH];
    static uint16_t native[BATCH], portable[BATCH];
    const struct wfs_num_format *fmt = wfs_num_format(to);
    uint64_t pattern = 0;
    while (pattern < UINT64_C(1) << 32) {
        size_t n = 0;
        for (; n < BATCH && pattern < UINT64_C(1) << 32; n++) {
            in[n] = (uint32_t)pattern;
            pattern += (pattern & 0xffff) < 8 ? 1 : 509 - (n & 15);
        }
        wfs_convert_direct(WFS_F32, to)(in, native, n);
        wfs_convert_direct_portable(WFS_F32, to)(in, portable, n);
        assert_memory_equal(native, portable, n * sizeof(native[0]));
        for (size_t i = 0; i < n; i++) {
            uint32_t want = wfs_small_encode(fmt, f32_of(in[i]));
            if (native[i] != want)
                fail_msg("%08x: %04x, not %04x", in[i], native[i], want);
        }
    }
}

static void test_convert__float32_to_16_bits(void **state)
{
    (void)state;
    check_narrowing(WFS_F16);
    check_narrowing(WFS_BF16);
}

static void check_widening(enum wfs_dtype from)
{
    static uint16_t in[65536];
    static uint32_t native[65536], portable[65536];
    for (uint32_t i = 0; i < 65536; i++)
        in[i] = (uint16_t)i;
    wfs_convert_direct(from, WFS_F32)(in, native, 65536);
    wfs_convert_direct_portable(from, WFS_F32)(in, portable, 65536);
    assert_memory_equal(native, portable, sizeof(native));
    for (uint32_t i = 0; i < 65536; i++)
        assert_true(same(f32_of(native[i]), wfs_small_decode(wfs_num_format(from), i)));
}

static void test_convert__16_bits_to_float32(void **state)
{
    (void)state;
    check_widening(WFS_F16);
    check_widening(WFS_BF16);
    uint16_t nan = 0x7f81; /* bfloat16's payload goes along unchanged */
    uint32_t wide;
    assert_int_equal(wfs_convert(WFS_BF16, &nan, WFS_F32, &wide, 1, NULL), 0);
    assert_int_equal(wide, 0x7f810000);
}

/* ---- every pair ---------------------------------------------------------------------------- */

/* All codes of a type of at most 16 bits, packed. */
static uint64_t all_codes(enum wfs_dtype dtype, uint8_t *out)
{
    uint32_t bits = wfs_dtype_bits(dtype);
    memset(out, 0, 2 * 65536);
    for (uint64_t i = 0; i < UINT64_C(1) << bits; i++)
        for (uint32_t b = 0; b < bits; b++)
            out[(i * bits + b) / 8] |= (uint8_t)((i >> b & 1) << (i * bits + b) % 8);
    return UINT64_C(1) << bits;
}

static bool is_numeric(enum wfs_dtype dtype)
{
    return wfs_num_format(dtype)->class != WFS_NUM_NONE;
}

/* Goes through `to` and compares: exact means that nothing changed for any value. */
static void test_convert__is_exact_tells_the_truth(void **state)
{
    (void)state;
    static uint8_t codes[2 * 65536];
    static double values[65536], back[2 * 65536];
    static uint8_t there[16 * 65536];
    for (enum wfs_dtype from = 0; from < WFS_FIRST_BLOCK_DTYPE; from++) {
        if (!is_numeric(from) || wfs_dtype_bits(from) > 16)
            continue;
        uint64_t n = all_codes(from, codes);
        assert_int_equal(wfs_convert_to_f64(from, codes, n, values, NULL), 0);
        for (enum wfs_dtype to = 0; to < WFS_FIRST_BLOCK_DTYPE; to++) {
            if (!is_numeric(to))
                continue;
            uint32_t step = wfs_num_format(to)->n_components;
            bool kept = true;
            assert_int_equal(wfs_convert(from, codes, to, there, n, NULL), 0);
            assert_int_equal(wfs_convert_to_f64(to, there, n, back, NULL), 0);
            for (uint64_t i = 0; i < n; i++)
                kept = kept && same(values[i], back[i * step]);
            if (kept != wfs_convert_is_exact(from, to))
                fail_msg("%s to %s: %s", wfs_dtype_info(from)->name, wfs_dtype_info(to)->name,
                         kept ? "exact, but denied" : "claimed to be exact");
        }
    }
}

static void test_convert__is_exact_of_wide_types(void **state)
{
    (void)state;
    assert_true(wfs_convert_is_exact(WFS_F32, WFS_F64));
    assert_true(wfs_convert_is_exact(WFS_F32, WFS_C64));
    assert_true(wfs_convert_is_exact(WFS_I32, WFS_F64));
    assert_true(wfs_convert_is_exact(WFS_U32, WFS_I64));
    assert_true(wfs_convert_is_exact(WFS_C64, WFS_C128));
    assert_true(wfs_convert_is_exact(WFS_BITS8, WFS_BITS8));
    assert_false(wfs_convert_is_exact(WFS_BITS8, WFS_U8));
    assert_false(wfs_convert_is_exact(WFS_F64, WFS_F32));
    assert_false(wfs_convert_is_exact(WFS_I32, WFS_F32));
    assert_false(wfs_convert_is_exact(WFS_I64, WFS_F64));
    assert_false(wfs_convert_is_exact(WFS_U64, WFS_I64));
    assert_false(wfs_convert_is_exact(WFS_I64, WFS_U64));
    assert_false(wfs_convert_is_exact(WFS_C64, WFS_F32));
    assert_false(wfs_convert_is_exact(WFS_U32, WFS_I32));
}

/* 64-bit integers are rounded once, not first to float64 and then again. */
static void test_convert__wide_integers_round_once(void **state)
{
    (void)state;
    const int64_t in[] = {(INT64_C(1) << 60) + (INT64_C(1) << 36) + 1,
                          -(INT64_C(1) << 60) - (INT64_C(1) << 36) - 1, INT64_MIN, INT64_MAX};
    float out[4];
    assert_int_equal(wfs_convert(WFS_I64, in, WFS_F32, out, 4, NULL), 0);
    for (int i = 0; i < 4; i++)
        assert_true(out[i] == (float)in[i]);
    double wide[4];
    assert_int_equal(wfs_convert(WFS_I64, in, WFS_F64, wide, 4, NULL), 0);
    for (int i = 0; i < 4; i++)
        assert_true(wide[i] == (double)in[i]);
    const uint64_t unsigned_in[] = {UINT64_MAX, UINT64_MAX - 1024, (UINT64_C(1) << 63) + 1};
    assert_int_equal(wfs_convert(WFS_U64, unsigned_in, WFS_F32, out, 3, NULL), 0);
    for (int i = 0; i < 3; i++)
        assert_true(out[i] == (float)unsigned_in[i]);
}

static void test_convert__integers_wrap_and_floats_saturate(void **state)
{
    (void)state;
    const int64_t wide[] = {300, -1, INT64_MAX, 256};
    uint8_t narrow[4];
    assert_int_equal(wfs_convert(WFS_I64, wide, WFS_U8, narrow, 4, NULL), 0);
    const uint8_t wrapped[] = {44, 255, 255, 0};
    assert_memory_equal(narrow, wrapped, 4);
    const double floats[] = {2.9, -2.9, 1e30, -1e30, NAN, 0.5};
    int8_t ints[6];
    assert_int_equal(wfs_convert(WFS_F64, floats, WFS_I8, ints, 6, NULL), 0);
    const int8_t cut[] = {2, -2, 127, -128, 0, 0};
    assert_memory_equal(ints, cut, 6);
    int64_t longs[6];
    assert_int_equal(wfs_convert(WFS_F64, floats, WFS_I64, longs, 6, NULL), 0);
    assert_true(longs[2] == INT64_MAX && longs[3] == INT64_MIN && longs[0] == 2);
    uint64_t ulongs[6];
    assert_int_equal(wfs_convert(WFS_F64, floats, WFS_U64, ulongs, 6, NULL), 0);
    assert_true(ulongs[2] == UINT64_MAX && ulongs[3] == 0);
    /* Two or four bits in a byte wrap as such, and the upper ones stay clear. */
    uint8_t nibbles[4], pairs[4];
    assert_int_equal(wfs_convert(WFS_I64, wide, WFS_I4_BYTE, nibbles, 4, NULL), 0);
    assert_int_equal(wfs_convert(WFS_I64, wide, WFS_U2_BYTE, pairs, 4, NULL), 0);
    const uint8_t four[] = {12, 15, 15, 0}, two[] = {0, 3, 3, 0};
    assert_memory_equal(nibbles, four, 4);
    assert_memory_equal(pairs, two, 4);
    bool truths[6];
    assert_int_equal(wfs_convert(WFS_F64, floats, WFS_BOOL, truths, 6, NULL), 0);
    assert_true(truths[4] && truths[5]);
}

/* Long arrays take a table of 256 results, short ones do not: both must agree. */
static void test_convert__the_table_agrees(void **state)
{
    (void)state;
    enum { N = 4096 };
    static uint8_t in[N], at_once[N * 8], in_parts[N * 8];
    for (size_t i = 0; i < N; i++)
        in[i] = (uint8_t)(i * 37);
    for (enum wfs_dtype from = 0; from < WFS_FIRST_BLOCK_DTYPE; from++) {
        for (enum wfs_dtype to = 0; to < WFS_FIRST_BLOCK_DTYPE; to++) {
            uint32_t width = wfs_dtype_bits(to) / 8;
            if (!is_numeric(from) || !is_numeric(to) || wfs_dtype_bits(from) != 8 || width < 1 ||
                width > 8)
                continue;
            assert_int_equal(wfs_convert(from, in, to, at_once, N, NULL), 0);
            for (size_t i = 0; i < N; i += 64)
                assert_int_equal(wfs_convert(from, in + i, to, in_parts + i * width, 64, NULL), 0);
            assert_memory_equal(at_once, in_parts, N * (size_t)width);
        }
    }
}

static void test_convert__packed_types(void **state)
{
    (void)state;
    const uint8_t fours[] = {0x21, 0xf9, 0x07}; /* .5 1, -.5 -6, 6 */
    double values[8];
    assert_int_equal(wfs_convert_to_f64(WFS_F4_E2M1, fours, 5, values, NULL), 0);
    const double want[] = {0.5, 1.0, -0.5, -6.0, 6.0};
    for (int i = 0; i < 5; i++)
        assert_true(values[i] == want[i]);
    uint8_t packed[4] = {0, 0, 0, 0xee};
    assert_int_equal(wfs_convert(WFS_F64, want, WFS_F4_E2M1, packed, 5, NULL), 0);
    assert_memory_equal(packed, fours, 3);
    assert_int_equal(packed[3], 0xee);
    const double sixes[] = {1.0, -7.5, 0.125, 2.0};
    uint8_t six[4] = {0, 0, 0, 0xee};
    assert_int_equal(wfs_convert(WFS_F64, sixes, WFS_F6_E2M3, six, 4, NULL), 0);
    assert_int_equal(wfs_convert_to_f64(WFS_F6_E2M3, six, 4, values, NULL), 0);
    for (int i = 0; i < 4; i++)
        assert_true(values[i] == sixes[i]);
    assert_int_equal(six[3], 0xee);
}

static void test_convert__complex_numbers(void **state)
{
    (void)state;
    const float in[] = {1.5f, -2.0f, 3.0f, 4.0f};
    double wide[4];
    float real[2];
    assert_int_equal(wfs_convert(WFS_C64, in, WFS_C128, wide, 2, NULL), 0);
    assert_true(wide[0] == 1.5 && wide[1] == -2.0 && wide[2] == 3.0 && wide[3] == 4.0);
    assert_int_equal(wfs_convert(WFS_C64, in, WFS_F32, real, 2, NULL), 0);
    assert_true(real[0] == 1.5f && real[1] == 3.0f);
    assert_int_equal(wfs_convert(WFS_F32, in, WFS_C128, wide, 2, NULL), 0);
    assert_true(wide[0] == 1.5 && wide[1] == 0.0 && wide[2] == -2.0 && wide[3] == 0.0);
}

static void test_convert__in_place(void **state)
{
    (void)state;
    static uint8_t data[4096], copy[4096], want[4096];
    for (enum wfs_dtype from = 0; from < WFS_FIRST_BLOCK_DTYPE; from++) {
        for (enum wfs_dtype to = 0; to < WFS_FIRST_BLOCK_DTYPE; to++) {
            if (!is_numeric(from) || !is_numeric(to) || wfs_dtype_bits(from) != wfs_dtype_bits(to))
                continue;
            uint64_t n = sizeof(data) * 8 / wfs_dtype_bits(from);
            for (size_t i = 0; i < sizeof(data); i++)
                data[i] = (uint8_t)(i * 167 + i / 256);
            memcpy(copy, data, sizeof(data));
            assert_int_equal(wfs_convert(from, data, to, want, n, NULL), 0);
            assert_int_equal(wfs_convert(from, copy, to, copy, n, NULL), 0);
            assert_memory_equal(copy, want, sizeof(data));
        }
    }
}

static void test_convert__opaque_types_are_refused(void **state)
{
    (void)state;
    uint8_t byte = 1;
    double value = 7.0;
    struct wfs_error err = {0};
    assert_int_equal(wfs_convert_to_f64(WFS_BITS8, &byte, 1, &value, &err), -EINVAL);
    assert_non_null(strstr(err.message, "bits8"));
    assert_int_equal(wfs_convert(WFS_F64, &value, WFS_F4_E2M1_X2, &byte, 1, NULL), -EINVAL);
    assert_int_equal(wfs_convert(WFS_BITS16, &byte, WFS_F64, &value, 1, NULL), -EINVAL);
    assert_true(value == 7.0 && byte == 1);
}

/* ---- element operations -------------------------------------------------------------------- */

static int apply(enum wfs_dtype from, enum wfs_elem_op_kind kind, enum wfs_dtype to, double value,
                 const void *in, void *out, uint64_t n)
{
    const struct wfs_elem_op op = {.kind = kind, .dtype = to, .value = value};
    return wfs_elem_apply(from, &op, in, out, n, NULL);
}

static void test_elem__arithmetic_rounds_once(void **state)
{
    (void)state;
    const float in[] = {1.0f, 3.0f, 0x1.000002p0f};
    float out[3];
    assert_int_equal(apply(WFS_F32, WFS_ELEM_SCALE, WFS_F32, 0.1, in, out, 3), 0);
    for (int i = 0; i < 3; i++)
        assert_true(out[i] == (float)((double)in[i] * 0.1));
    assert_int_equal(apply(WFS_F32, WFS_ELEM_ADD, WFS_F32, 1.0, in, out, 3), 0);
    assert_true(out[1] == 4.0f);
    const int8_t small[] = {5, 7, -5, 100};
    int8_t halves[4];
    assert_int_equal(apply(WFS_I8, WFS_ELEM_SCALE, WFS_I8, 0.5, small, halves, 4), 0);
    const int8_t nearest[] = {2, 4, -2, 50};
    assert_memory_equal(halves, nearest, 4);
    assert_int_equal(apply(WFS_I8, WFS_ELEM_SCALE, WFS_I8, 4.0, small, halves, 4), 0);
    assert_int_equal(halves[3], 127);
}

static void test_elem__wide_integers_stay_exact(void **state)
{
    (void)state;
    const int64_t in[] = {INT64_MAX - 1, INT64_MIN + 3, 0};
    int64_t out[3];
    assert_int_equal(apply(WFS_I64, WFS_ELEM_ADD, WFS_I64, 1.0, in, out, 3), 0);
    assert_true(out[0] == INT64_MAX && out[1] == INT64_MIN + 4 && out[2] == 1);
    assert_int_equal(apply(WFS_I64, WFS_ELEM_NEG, WFS_I64, 0, in, out, 3), 0);
    assert_true(out[0] == -(INT64_MAX - 1) && out[1] == INT64_MAX - 2 && out[2] == 0);
}

static void test_elem__negation_of_every_float(void **state)
{
    (void)state;
    static uint8_t codes[2 * 65536], negated[2 * 65536];
    static double before[65536], after[65536];
    for (enum wfs_dtype d = 0; d < WFS_FIRST_BLOCK_DTYPE; d++) {
        if (!is_small_float(d) || d == WFS_F8_E8M0FNU)
            continue;
        bool no_minus_zero = wfs_num_format(d)->flavour == WFS_FLOAT_FNUZ;
        uint64_t n = all_codes(d, codes);
        assert_int_equal(apply(d, WFS_ELEM_NEG, d, 0, codes, negated, n), 0);
        wfs_convert_to_f64(d, codes, n, before, NULL);
        wfs_convert_to_f64(d, negated, n, after, NULL);
        for (uint64_t i = 0; i < n; i++)
            assert_true(same(after[i], -before[i]) ||
                        (no_minus_zero && before[i] == 0.0 && after[i] == 0.0));
    }
}

static void test_elem__signs_of_complex_numbers(void **state)
{
    (void)state;
    float z[] = {1.0f, 2.0f, -3.0f, 0.0f};
    assert_int_equal(apply(WFS_C64, WFS_ELEM_CONJ, WFS_C64, 0, z, z, 2), 0);
    assert_true(z[0] == 1.0f && z[1] == -2.0f && z[2] == -3.0f && signbit(z[3]));
    assert_int_equal(apply(WFS_C64, WFS_ELEM_NEG, WFS_C64, 0, z, z, 2), 0);
    assert_true(z[0] == -1.0f && z[1] == 2.0f && z[2] == 3.0f && !signbit(z[3]));
    assert_int_equal(apply(WFS_C64, WFS_ELEM_ADD, WFS_C64, 1.0, z, z, 2), 0);
    assert_true(z[0] == 0.0f && z[1] == 2.0f);
    assert_int_equal(apply(WFS_C64, WFS_ELEM_SCALE, WFS_C64, 2.0, z, z, 2), 0);
    assert_true(z[1] == 4.0f && z[2] == 8.0f);
}

static void test_elem__byte_order(void **state)
{
    (void)state;
    const uint8_t in[] = {1, 2, 3, 4, 5, 6, 7, 8};
    const uint8_t by_two[] = {2, 1, 4, 3, 6, 5, 8, 7}, by_four[] = {4, 3, 2, 1, 8, 7, 6, 5},
                  by_eight[] = {8, 7, 6, 5, 4, 3, 2, 1};
    uint8_t out[8];
    assert_int_equal(apply(WFS_BF16, WFS_ELEM_BYTESWAP, WFS_BF16, 0, in, out, 4), 0);
    assert_memory_equal(out, by_two, 8);
    assert_int_equal(apply(WFS_C64, WFS_ELEM_BYTESWAP, WFS_C64, 0, in, out, 1), 0);
    assert_memory_equal(out, by_four, 8);
    assert_int_equal(apply(WFS_F64, WFS_ELEM_BYTESWAP, WFS_F64, 0, in, out, 1), 0);
    assert_memory_equal(out, by_eight, 8);
    assert_int_equal(apply(WFS_U8, WFS_ELEM_BYTESWAP, WFS_U8, 0, in, out, 8), 0);
    assert_memory_equal(out, in, 8);
    assert_int_equal(apply(WFS_BITS16, WFS_ELEM_BYTESWAP, WFS_BITS16, 0, in, out, 4), 0);
    assert_memory_equal(out, by_two, 8);
}

static void test_elem__what_has_no_meaning_is_refused(void **state)
{
    (void)state;
    uint8_t x[16] = {0};
    assert_int_equal(apply(WFS_BOOL, WFS_ELEM_NEG, WFS_BOOL, 0, x, x, 1), -EINVAL);
    assert_int_equal(apply(WFS_F8_E8M0FNU, WFS_ELEM_NEG, WFS_F8_E8M0FNU, 0, x, x, 1), -EINVAL);
    assert_int_equal(apply(WFS_F32, WFS_ELEM_CONJ, WFS_F32, 0, x, x, 1), -EINVAL);
    assert_int_equal(apply(WFS_F4_E2M1, WFS_ELEM_BYTESWAP, WFS_F4_E2M1, 0, x, x, 2), -EINVAL);
    assert_int_equal(apply(WFS_BITS8, WFS_ELEM_SCALE, WFS_BITS8, 2, x, x, 1), -EINVAL);
    assert_int_equal(apply(WFS_F32, WFS_ELEM_NEG, WFS_F16, 0, x, x, 1), -EINVAL);
    assert_int_equal(apply(WFS_C64, WFS_ELEM_SCALE, WFS_F32, 2, x, x, 1), -EINVAL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_convert__every_value_comes_back_as_its_code),
        cmocka_unit_test(test_convert__between_two_values_rounds_to_the_nearest_then_even),
        cmocka_unit_test(test_convert__beyond_the_largest),
        cmocka_unit_test(test_convert__float32_to_16_bits),
        cmocka_unit_test(test_convert__16_bits_to_float32),
        cmocka_unit_test(test_convert__is_exact_tells_the_truth),
        cmocka_unit_test(test_convert__is_exact_of_wide_types),
        cmocka_unit_test(test_convert__wide_integers_round_once),
        cmocka_unit_test(test_convert__integers_wrap_and_floats_saturate),
        cmocka_unit_test(test_convert__the_table_agrees),
        cmocka_unit_test(test_convert__packed_types),
        cmocka_unit_test(test_convert__complex_numbers),
        cmocka_unit_test(test_convert__in_place),
        cmocka_unit_test(test_convert__opaque_types_are_refused),
        cmocka_unit_test(test_elem__arithmetic_rounds_once),
        cmocka_unit_test(test_elem__wide_integers_stay_exact),
        cmocka_unit_test(test_elem__negation_of_every_float),
        cmocka_unit_test(test_elem__signs_of_complex_numbers),
        cmocka_unit_test(test_elem__byte_order),
        cmocka_unit_test(test_elem__what_has_no_meaning_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
