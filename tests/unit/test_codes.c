/*
 * Block codes: hand-made blocks, scales that are no numbers, and expressions read in any ranges. That
 * every type's values are the reference's is shown by tests/loaders/test_codes.py.
 */
#include "expr_fixture.h"

#include "tensor/codes/codes.h"

/* More than two chunks of what a computed source makes at a time, and a multiple of every block. */
#define N_ELEMS ((uint64_t)40960)

static uint32_t bits_of(float value)
{
    uint32_t bits;
    memcpy(&bits, &value, sizeof(bits));
    return bits;
}

static uint32_t next_random(uint32_t *state)
{
    *state = *state * 1664525 + 1013904223;
    return *state >> 8;
}

/* A vector of n_elems in random blocks; the fixture's arena frees their source. */
static const struct wfs_expr *random_blocks(struct fixture *f, enum wfs_dtype dtype,
                                            uint64_t n_elems, uint32_t seed)
{
    const struct wfs_dtype_info *info = wfs_dtype_info(dtype);
    size_t len = n_elems / info->block_elems * info->bits / 8;
    uint8_t *data = malloc(len);
    struct wfs_bytes *bytes = NULL;
    assert_non_null(data);
    for (size_t i = 0; i < len; i++)
        data[i] = (uint8_t)next_random(&seed);
    assert_int_equal(wfs_bytes_from_memory("blocks", data, len, &bytes, &f->err), 0);
    assert_int_equal(wfs_arena_on_free(f->arena, wfs_bytes_unref_void, bytes), 0);
    free(data);
    return leaf_of(f, bytes, 0, dtype, SHAPE(n_elems));
}

static const struct wfs_expr *decoded(struct fixture *f, const struct wfs_expr *in,
                                      enum wfs_dtype dtype)
{
    const struct wfs_expr *out = NULL;
    int r = wfs_expr_decode(f->arena, in, dtype, &out, &f->err);
    if (r)
        fail_msg("%s", f->err.message);
    return out;
}

/* ---- blocks -------------------------------------------------------------------------------- */

static void decode_block(enum wfs_dtype dtype, const uint8_t *block, float *out)
{
    const struct wfs_code *code = wfs_code_of(dtype);
    assert_non_null(code);
    code->decode(block, out);
}

static void test_rows(void **state)
{
    (void)state;
    for (int d = 0; d < WFS_N_DTYPES; d++) {
        const struct wfs_code *code = wfs_code_of((enum wfs_dtype)d);
        bool is_open = d == WFS_Q8_1 || d == WFS_Q8_K || d == WFS_Q1_0;
        assert_int_equal(code != NULL, wfs_dtype_is_block((enum wfs_dtype)d) && !is_open);
        if (!code)
            continue;
        assert_int_equal(code->dtype, d);
        assert_true(code->version > 0);
        assert_true(wfs_code_elems(code) <= WFS_CODE_MAX_ELEMS);
        assert_true(wfs_code_bytes(code) <= WFS_CODE_MAX_BYTES);
        assert_int_equal(WFS_CODE_MAX_ELEMS % wfs_code_elems(code), 0);
    }
}

/* 2.0 * (nibble - 8): element i has nibble i % 16, first the low ones. */
static void test_q4_0(void **state)
{
    (void)state;
    uint8_t block[18] = {0x00, 0x40};
    float out[32];
    for (uint8_t i = 0; i < 16; i++)
        block[2 + i] = (uint8_t)(i | i << 4);
    decode_block(WFS_Q4_0, block, out);
    for (int i = 0; i < 32; i++)
        assert_int_equal(bits_of(out[i]), bits_of(2.0f * (float)(i % 16 - 8)));
}

static void test_mxfp4(void **state)
{
    (void)state;
    static const float values[16] = {0, 0.5f,  1,  1.5f,  2,  3,  4,  6,
                                     0, -0.5f, -1, -1.5f, -2, -3, -4, -6};
    uint8_t block[17] = {128}; /* 2^1 */
    float out[32];
    for (uint8_t i = 0; i < 16; i++)
        block[1 + i] = (uint8_t)(i | (15 - i) << 4);
    decode_block(WFS_MXFP4, block, out);
    for (int i = 0; i < 16; i++) {
        assert_int_equal(bits_of(out[i]), bits_of(2 * values[i]));
        assert_int_equal(bits_of(out[16 + i]), bits_of(2 * values[15 - i]));
    }
    block[0] = 0; /* 2^-127, of which the half is subnormal */
    decode_block(WFS_MXFP4, block, out);
    assert_int_equal(bits_of(out[1]), 0x00200000);
    block[0] = 255;
    decode_block(WFS_MXFP4, block, out);
    assert_int_equal(bits_of(out[1]), 254u << 23);
    assert_int_equal(bits_of(out[7]), 0x7f800000);
    assert_int_equal(bits_of(out[15]), 0xff800000);
}

/* NaNs keep sign and payload; infinity times 0 is the NaN that x86 makes, on every CPU. */
static void test_scales_that_are_no_numbers(void **state)
{
    (void)state;
    uint8_t block[34] = {0};
    float out[32];
    block[2] = 1;
    block[3] = 255;
    static const struct {
        uint8_t low, high;
        uint32_t one, minus_one, zero;
    } cases[] = {
        {0x00, 0x7c, 0x7f800000, 0xff800000, 0xffc00000}, /* inf */
        {0x00, 0xfc, 0xff800000, 0x7f800000, 0xffc00000},
        {0x01, 0x7c, 0x7fc02000, 0x7fc02000, 0x7fc02000}, /* NaN, signalling */
        {0x03, 0xfe, 0xffc06000, 0xffc06000, 0xffc06000},
        {0x01, 0x00, 0x33800000, 0xb3800000, 0x00000000}, /* the smallest subnormal */
        {0xff, 0x83, 0xb87fc000, 0x387fc000, 0x80000000}, /* minus the largest one */
    };
    for (size_t i = 0; i < WFS_ARRAY_SIZE(cases); i++) {
        block[0] = cases[i].low;
        block[1] = cases[i].high;
        decode_block(WFS_Q8_0, block, out);
        assert_int_equal(bits_of(out[0]), cases[i].one);
        assert_int_equal(bits_of(out[1]), cases[i].minus_one);
        assert_int_equal(bits_of(out[2]), cases[i].zero);
    }
}

/* Of two NaNs the product's stays; a minimum's keeps its sign where it is subtracted. */
static void test_two_scales_that_are_no_numbers(void **state)
{
    (void)state;
    uint8_t q4_1[20] = {0x11, 0x7c, 0x22, 0xfc}, q2_k[84] = {0};
    float out[256];
    decode_block(WFS_Q4_1, q4_1, out);
    assert_int_equal(bits_of(out[0]), 0x7fc22000);
    memset(q2_k, 0x11, 16); /* sc 1, m 1 */
    q2_k[81] = 0x3c;
    q2_k[82] = 0x22;
    q2_k[83] = 0x7c;
    decode_block(WFS_Q2_K, q2_k, out);
    assert_int_equal(bits_of(out[255]), 0x7fc44000);
    q2_k[82] = 0x00; /* 0 - inf */
    decode_block(WFS_Q2_K, q2_k, out);
    assert_int_equal(bits_of(out[255]), 0xff800000);
    q2_k[80] = 0x00; /* inf * 0 is NaN already */
    q2_k[81] = 0x7c;
    decode_block(WFS_Q2_K, q2_k, out);
    assert_int_equal(bits_of(out[255]), 0xffc00000);
}

/* ---- expressions --------------------------------------------------------------------------- */

static void assert_ranges_equal_whole(struct fixture *f, const struct wfs_expr *expr, uint32_t seed)
{
    uint8_t *whole = malloc(expr->size_bytes), *part = malloc(expr->size_bytes);
    assert_true(whole && part);
    assert_int_equal(wfs_expr_read(expr, whole, expr->size_bytes, 0, &f->err), 0);
    for (int i = 0; i < 60; i++) {
        uint64_t off = next_random(&seed) % expr->size_bytes;
        uint64_t len = next_random(&seed) % (i % 2 ? 700 : expr->size_bytes);
        len = wfs_min_u64(len, expr->size_bytes - off);
        assert_int_equal(wfs_expr_read(expr, part, len, off, &f->err), 0);
        assert_memory_equal(part, whole + off, len);
    }
    /* The last byte, and ranges at the border of a chunk. */
    assert_int_equal(wfs_expr_read(expr, part, 1, expr->size_bytes - 1, &f->err), 0);
    assert_int_equal(part[0], whole[expr->size_bytes - 1]);
    for (uint64_t off = expr->size_bytes / 5 * 2 - 3; off < expr->size_bytes / 5 * 2 + 3; off++) {
        assert_int_equal(wfs_expr_read(expr, part, 6, off, &f->err), 0);
        assert_memory_equal(part, whole + off, 6);
    }
    free(whole);
    free(part);
}

/* Any range is the whole's, and the whole is the blocks one by one, rounded. */
static void test_decode_expressions(void **state)
{
    struct fixture *f = *state;
    static const enum wfs_dtype to[] = {WFS_F32, WFS_F16, WFS_BF16, WFS_F64};
    float lanes[WFS_CODE_MAX_ELEMS];
    for (int d = WFS_FIRST_BLOCK_DTYPE; d < WFS_N_DTYPES; d++) {
        const struct wfs_code *code = wfs_code_of((enum wfs_dtype)d);
        if (!code)
            continue;
        const struct wfs_expr *in = random_blocks(f, (enum wfs_dtype)d, N_ELEMS, (uint32_t)d);
        size_t n = wfs_code_elems(code), size = wfs_code_bytes(code);
        for (size_t t = 0; t < WFS_ARRAY_SIZE(to); t++) {
            const struct wfs_expr *out = decoded(f, in, to[t]);
            uint8_t block[WFS_CODE_MAX_BYTES], want[2048], got[2048];
            size_t width = wfs_dtype_bits(to[t]) / 8;
            assert_int_equal(out->n_elems, N_ELEMS);
            assert_int_equal(out->dtype, to[t]);
            for (uint64_t b = 0; b < N_ELEMS / n; b += 7) {
                assert_int_equal(wfs_expr_read(in, block, size, b * size, &f->err), 0);
                code->decode(block, lanes);
                assert_int_equal(wfs_convert(WFS_F32, lanes, to[t], want, n, &f->err), 0);
                assert_int_equal(wfs_expr_read(out, got, n * width, b * n * width, &f->err), 0);
                assert_memory_equal(got, want, n * width);
            }
            assert_ranges_equal_whole(f, out, (uint32_t)t);
        }
    }
}

/* Values are laid out as any other's are. */
static void test_decode_then_permute(void **state)
{
    struct fixture *f = *state;
    const struct wfs_expr *out = decoded(f, random_blocks(f, WFS_Q5_0, 64 * 96, 5), WFS_BF16);
    const struct wfs_expr *rows = reshaped(f, out, SHAPE(64, 96));
    const struct wfs_expr *turned = permuted(f, rows, PERM(1, 0));
    uint16_t a[64 * 96], b[64 * 96];
    assert_int_equal(wfs_expr_read(rows, a, sizeof(a), 0, &f->err), 0);
    assert_int_equal(wfs_expr_read(turned, b, sizeof(b), 0, &f->err), 0);
    for (size_t i = 0; i < 64; i++)
        for (size_t j = 0; j < 96; j++)
            assert_int_equal(b[j * 64 + i], a[i * 96 + j]);
}

static void test_hashes(void **state)
{
    struct fixture *f = *state;
    const struct wfs_expr *a = leaf_of(f, f->bytes, 0, WFS_Q4_0, SHAPE(32 * 64));
    const struct wfs_expr *later = leaf_of(f, f->bytes, 18, WFS_Q4_0, SHAPE(32 * 64));
    const struct wfs_expr *other = leaf_of(f, f->bytes, 0, WFS_IQ4_NL, SHAPE(32 * 64));
    assert_same_hash(decoded(f, a, WFS_F32), decoded(f, a, WFS_F32));
    assert_other_hash(decoded(f, a, WFS_F32), decoded(f, a, WFS_F16));
    assert_other_hash(decoded(f, a, WFS_BF16), decoded(f, a, WFS_F16));
    assert_other_hash(decoded(f, a, WFS_F32), decoded(f, later, WFS_F32));
    assert_other_hash(decoded(f, a, WFS_F32), decoded(f, other, WFS_F32));
}

static void test_refusals(void **state)
{
    struct fixture *f = *state;
    const struct wfs_expr *q4 = leaf_of(f, f->bytes, 0, WFS_Q4_0, SHAPE(32));
    assert_refused(f, ENOTSUP,
                   wfs_expr_decode(f->arena, leaf(f, 0, SHAPE(32)), WFS_F32, &out, &f->err));
    assert_refused(f, ENOTSUP,
                   wfs_expr_decode(f->arena, leaf_of(f, f->bytes, 0, WFS_Q8_K, SHAPE(256)), WFS_F32,
                                   &out, &f->err));
    assert_refused(f, EINVAL, wfs_expr_decode(f->arena, q4, WFS_I32, &out, &f->err));
    assert_refused(f, EINVAL, wfs_expr_decode(f->arena, q4, WFS_Q4_1, &out, &f->err));
}

/* What fails below fails here; what changed below is told. */
static void test_failures_pass_through(void **state)
{
    struct fixture *f = *state;
    struct failing source = failing(f->bytes);
    const struct wfs_expr *in = leaf_of(f, &source.base, 0, WFS_Q8_0, SHAPE(32 * 100));
    const struct wfs_expr *out = decoded(f, in, WFS_F32);
    float value[2];
    source.bad_from = 34 * 50;
    assert_int_equal(wfs_expr_read(out, value, 8, 50 * 128 - 8, &f->err), 0);
    assert_int_equal(wfs_expr_read(out, value, 8, 50 * 128 - 4, &f->err), -EIO);
    assert_int_equal(wfs_expr_check(out, &f->err), 0);
    source.check_fails = true;
    assert_int_equal(wfs_expr_check(out, &f->err), -EIO);
}

/* ---- encoders ------------------------------------------------------------------------------ */

static const struct wfs_expr *encoded(struct fixture *f, const struct wfs_expr *in,
                                      enum wfs_dtype code)
{
    const struct wfs_expr *out = NULL;
    int r = wfs_expr_encode(f->arena, in, code, &out, &f->err);
    if (r)
        fail_msg("%s", f->err.message);
    return out;
}

/* n_elems values of a dtype, made of small integers and quarters. */
static const struct wfs_expr *values(struct fixture *f, enum wfs_dtype dtype, size_t ndim,
                                     const uint64_t *shape)
{
    const struct wfs_expr *integers = leaf(f, 0, ndim, shape);
    const struct wfs_expr *floats = mapped(f, integers, WFS_ELEM_CAST, WFS_F32, 0);
    return mapped(f, mapped(f, floats, WFS_ELEM_ADD, WFS_F32, -31000), WFS_ELEM_SCALE, dtype,
                  0.25 / 1024);
}

/* Any range is the whole's, and the whole is the blocks one by one; the input is transposed, so that a
 * block's elements lie apart. */
static void test_encode_expressions(void **state)
{
    struct fixture *f = *state;
    static const enum wfs_dtype from[] = {WFS_F32, WFS_F16, WFS_BF16, WFS_F64};
    int n_codes = 0;
    for (int d = WFS_FIRST_BLOCK_DTYPE; d < WFS_N_DTYPES; d++) {
        const struct wfs_code *code = wfs_code_of((enum wfs_dtype)d);
        if (!code || !code->encode)
            continue;
        enum wfs_dtype dtype = from[n_codes++ % 4];
        const struct wfs_expr *in = permuted(f, values(f, dtype, SHAPE(512, 80)), PERM(1, 0));
        const struct wfs_expr *out = encoded(f, in, (enum wfs_dtype)d);
        size_t n = wfs_code_elems(code), size = wfs_code_bytes(code),
               width = wfs_dtype_bits(dtype) / 8;
        assert_int_equal(out->size_bytes, N_ELEMS / n * size);
        for (uint64_t b = 0; b < N_ELEMS / n; b += 5) {
            uint8_t stored[8 * WFS_CODE_MAX_ELEMS], want[WFS_CODE_MAX_BYTES],
                got[WFS_CODE_MAX_BYTES];
            float lanes[WFS_CODE_MAX_ELEMS];
            assert_int_equal(wfs_expr_read(in, stored, n * width, b * n * width, &f->err), 0);
            assert_int_equal(wfs_convert(dtype, stored, WFS_F32, lanes, n, &f->err), 0);
            assert_true(code->encode(lanes, want));
            assert_int_equal(wfs_expr_read(out, got, size, b * size, &f->err), 0);
            assert_memory_equal(got, want, size);
        }
        assert_ranges_equal_whole(f, out, (uint32_t)d);
    }
    assert_int_equal(n_codes, 13);
}

/* A float32 expression over numbers that the test holds. */
static const struct wfs_expr *held(struct fixture *f, const float *data, size_t n)
{
    struct wfs_bytes *bytes = NULL;
    assert_int_equal(wfs_bytes_from_memory("values", data, n * sizeof(*data), &bytes, &f->err), 0);
    assert_int_equal(wfs_arena_on_free(f->arena, wfs_bytes_unref_void, bytes), 0);
    return leaf_of(f, bytes, 0, WFS_F32, SHAPE(n));
}

/* Zeros are the reference's zeros: minus zero as the scale, codes in the middle. */
static void test_encode_zeros(void **state)
{
    (void)state;
    static const float zeros[256];
    uint8_t block[WFS_CODE_MAX_BYTES], q4_0[18] = {0, 0x80}, none[210] = {0};
    memset(q4_0 + 2, 0x88, 16);
    assert_true(wfs_code_of(WFS_Q4_0)->encode(zeros, block));
    assert_memory_equal(block, q4_0, sizeof(q4_0));
    assert_true(wfs_code_of(WFS_Q6_K)->encode(zeros, block));
    assert_memory_equal(block, none, 210);
    assert_true(wfs_code_of(WFS_MXFP4)->encode(zeros, block));
    assert_memory_equal(block, none, 17);
}

/* The exponent is floorf(log2f(x)): what lies next to a power of two counts as it where log2f rounds. */
static void test_encode_mxfp4_exponents(void **state)
{
    (void)state;
    static const struct {
        float largest;
        uint8_t exponent;
    } cases[] = {
        {1.0f, 125},           {0x1.fffffep0f, 125},   {2.0f, 126},
        {0x1.fffffep10f, 136}, {0x1.ffff00p10f, 135},  {0x1.fffffep-1f, 124},
        {0x1.fffffep-9f, 117}, {0x1p-125f, 0},         {0x1p-126f, 255},
        {-3.0f, 126},          {0x1.fffffep127f, 253},
    };
    for (size_t i = 0; i < WFS_ARRAY_SIZE(cases); i++) {
        float in[32] = {0};
        uint8_t block[17];
        in[7] = cases[i].largest;
        assert_true(wfs_code_of(WFS_MXFP4)->encode(in, block));
        assert_int_equal(block[0], cases[i].exponent);
    }
}

/* The block that holds it fails, and no other. */
static void test_encode_refuses_elements(void **state)
{
    struct fixture *f = *state;
    static float data[2048];
    uint8_t got[34];
    for (size_t i = 0; i < 2048; i++)
        data[i] = (float)(i % 17);
    data[1000] = NAN;
    data[1100] = -INFINITY;
    data[1200] = 1e9f;
    const struct wfs_expr *out = encoded(f, held(f, data, 2048), WFS_Q8_0);
    static const struct {
        size_t elem;
        const char *message;
    } cases[] = {{1000, "element 1000 is NaN"},
                 {1100, "element 1100 is infinite"},
                 {1200, "elements 1184 to 1215 are too large for q8_0"}};
    for (size_t i = 0; i < WFS_ARRAY_SIZE(cases); i++) {
        uint64_t block = cases[i].elem / 32;
        memset(&f->err, 0, sizeof(f->err));
        assert_int_equal(wfs_expr_read(out, got, 1, 34 * block, &f->err), -ERANGE);
        assert_non_null(strstr(f->err.message, cases[i].message));
        assert_int_equal(wfs_expr_read(out, got, 34, 34 * (block - 1), &f->err), 0);
        assert_int_equal(wfs_expr_read(out, got, 34, 34 * (block + 1), &f->err), 0);
    }
}

static void test_encode_refusals(void **state)
{
    struct fixture *f = *state;
    const struct wfs_expr *in = values(f, WFS_F32, SHAPE(4, 48));
    const struct wfs_expr *q4 = leaf_of(f, f->bytes, 0, WFS_Q4_0, SHAPE(256));
    assert_refused(f, EINVAL, wfs_expr_encode(f->arena, in, WFS_Q4_0, &out, &f->err));
    assert_refused(f, ENOTSUP, wfs_expr_encode(f->arena, in, WFS_F16, &out, &f->err));
    in = values(f, WFS_F32, SHAPE(4, 256));
    assert_refused(f, ENOTSUP, wfs_expr_encode(f->arena, in, WFS_IQ2_S, &out, &f->err));
    assert_refused(f, EINVAL,
                   wfs_expr_encode(f->arena, leaf(f, 0, SHAPE(256)), WFS_Q4_0, &out, &f->err));
    assert_refused(f, EINVAL, wfs_expr_encode(f->arena, q4, WFS_Q4_1, &out, &f->err));
}

static void test_encode_hashes(void **state)
{
    struct fixture *f = *state;
    const struct wfs_expr *in = values(f, WFS_F32, SHAPE(4, 256));
    const struct wfs_expr *half = values(f, WFS_F16, SHAPE(4, 256));
    assert_same_hash(encoded(f, in, WFS_Q4_0), encoded(f, in, WFS_Q4_0));
    assert_other_hash(encoded(f, in, WFS_Q4_0), encoded(f, in, WFS_IQ4_NL));
    assert_other_hash(encoded(f, in, WFS_Q4_0), encoded(f, half, WFS_Q4_0));
}

/* Each level of codes counts as an expression inside another one. */
static void test_depth(void **state)
{
    struct fixture *f = *state;
    const struct wfs_expr *at = values(f, WFS_F32, SHAPE(1, 256)), *out = NULL;
    int r = 0;
    for (int i = 0; !r && i < 40; i++) {
        r = wfs_expr_encode(f->arena, at, WFS_Q8_0, &out, &f->err);
        if (!r)
            r = wfs_expr_decode(f->arena, out, WFS_F32, &at, &f->err);
    }
    assert_int_equal(r, -E2BIG);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_rows),
        cmocka_unit_test(test_q4_0),
        cmocka_unit_test(test_mxfp4),
        cmocka_unit_test(test_scales_that_are_no_numbers),
        cmocka_unit_test(test_two_scales_that_are_no_numbers),
        EXPR_TEST(test_decode_expressions),
        EXPR_TEST(test_decode_then_permute),
        EXPR_TEST(test_hashes),
        EXPR_TEST(test_refusals),
        EXPR_TEST(test_failures_pass_through),
        EXPR_TEST(test_encode_expressions),
        cmocka_unit_test(test_encode_zeros),
        cmocka_unit_test(test_encode_mxfp4_exponents),
        EXPR_TEST(test_encode_refuses_elements),
        EXPR_TEST(test_encode_refusals),
        EXPR_TEST(test_encode_hashes),
        EXPR_TEST(test_depth),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
