/*
 * test_stats.c - statistics against long double sums over the same numbers: types, lengths about
 * the stretch and the registers, means far above their deviations, NaN, infinity, merging.
 */
#include <float.h>
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
#include "tensor/stats/stats.h"
#include "tensor/stats/x86.h"

#define TOLERANCE 1e-13

static uint64_t rng_state = 88172645463325252ull;

static double uniform(void)
{
    rng_state ^= rng_state << 13;
    rng_state ^= rng_state >> 7;
    rng_state ^= rng_state << 17;
    return (double)(rng_state >> 11) * 0x1p-53;
}

static void assert_near(double got, double want, double scale)
{
    if (!(fabs(got - want) <= TOLERANCE * scale))
        fail_msg("%.17g, not %.17g", got, want);
}

/* The definition, in two passes. */
static void check(const struct wfs_stats *stats, const double *x, uint64_t n)
{
    long double sum = 0, squares = 0, magnitudes = 0, deviations = 0;
    double min = INFINITY, max = -INFINITY;
    uint64_t n_zero = 0;
    for (uint64_t i = 0; i < n; i++) {
        sum += (long double)x[i];
        squares += (long double)x[i] * (long double)x[i];
        magnitudes += fabsl((long double)x[i]);
        min = fmin(min, x[i]);
        max = fmax(max, x[i]);
        n_zero += x[i] == 0.0;
    }
    for (uint64_t i = 0; i < n; i++) {
        long double d = (long double)x[i] - sum / (long double)n;
        deviations += d * d;
    }
    double std = (double)sqrtl(deviations / (long double)n);
    assert_int_equal(stats->n, n);
    assert_int_equal(stats->n_zero, n_zero);
    assert_int_equal(stats->n_nan + stats->n_inf, 0);
    assert_near(wfs_stats_l2(stats), (double)sqrtl(squares), (double)sqrtl(squares));
    assert_near(wfs_stats_mean(stats), (double)(sum / (long double)n),
                (double)(magnitudes / (long double)n));
    assert_near(wfs_stats_std(stats), std, std + DBL_EPSILON * fmax(fabs(min), fabs(max)));
    assert_true(stats->min == min && stats->max == max);
}

#define ROOM 70000

/* Numbers of a normal-looking spread in any type: what comes back from it is what counts. */
static void fill(enum wfs_dtype dtype, double mean, double spread, uint64_t n, void *data,
                 double *values)
{
    for (uint64_t i = 0; i < n; i++)
        values[i] = i % 97 == 5 ? 0.0 : mean + spread * (uniform() + uniform() - 1.0);
    assert_int_equal(wfs_convert(WFS_F64, values, dtype, data, n, NULL), 0);
    assert_int_equal(wfs_convert_to_f64(dtype, data, n, values, NULL), 0);
}

static void test_stats__every_real_type(void **state)
{
    (void)state;
    static double values[ROOM];
    static uint8_t data[ROOM * 8];
    static const uint64_t lengths[] = {1, 2, 3, 15, 16, 17, 31, 4095, 4096, 4097, 8200, 69999};
    for (enum wfs_dtype d = 0; d < WFS_FIRST_BLOCK_DTYPE; d++) {
        const struct wfs_num_format *fmt = wfs_num_format(d);
        if (fmt->class == WFS_NUM_NONE || fmt->n_components != 1 || d == WFS_F8_E8M0FNU)
            continue;
        bool is_unsigned = fmt->class == WFS_NUM_BOOL || fmt->class == WFS_NUM_UINT;
        for (size_t i = 0; i < WFS_ARRAY_SIZE(lengths); i++) {
            struct wfs_stats stats = {0};
            fill(d, is_unsigned ? 2.0 : 0.0, 2.0, lengths[i], data, values);
            assert_int_equal(wfs_stats_add(&stats, d, data, lengths[i], NULL), 0);
            check(&stats, values, lengths[i]);
        }
    }
}

/* The deviation is a millionth of the mean and keeps its digits. */
static void test_stats__a_large_mean_costs_no_digits(void **state)
{
    (void)state;
    static double values[ROOM];
    static uint8_t data[ROOM * 8];
    static const enum wfs_dtype types[] = {WFS_F64, WFS_F32, WFS_I32, WFS_BF16};
    for (size_t i = 0; i < WFS_ARRAY_SIZE(types); i++) {
        struct wfs_stats stats = {0};
        fill(types[i], 1e6, 10.0, ROOM, data, values);
        for (uint64_t k = 0; k < ROOM; k++)
            values[k] = values[k] == 0.0 ? 1e6 : values[k];
        assert_int_equal(wfs_convert(WFS_F64, values, types[i], data, ROOM, NULL), 0);
        assert_int_equal(wfs_convert_to_f64(types[i], data, ROOM, values, NULL), 0);
        assert_int_equal(wfs_stats_add(&stats, types[i], data, ROOM, NULL), 0);
        check(&stats, values, ROOM);
    }
}

/* Many stretches whose means are apart by less than the means' own rounding. */
static void test_stats__a_very_large_mean_costs_no_digits(void **state)
{
    (void)state;
    enum { N = 300001 };
    static double values[N];
    for (size_t i = 0; i < N; i++)
        values[i] = 1e8 + ((double)(i * 2654435761u % 4096) - 2048) / 1048576;
    long double sum = 0, deviations = 0;
    for (size_t i = 0; i < N; i++)
        sum += (long double)(values[i] - 1e8);
    for (size_t i = 0; i < N; i++) {
        long double d = (long double)(values[i] - 1e8) - sum / N;
        deviations += d * d;
    }
    struct wfs_stats stats = {0};
    assert_int_equal(wfs_stats_add(&stats, WFS_F64, values, N, NULL), 0);
    double want = (double)sqrtl(deviations / N);
    assert_true(fabs(wfs_stats_std(&stats) - want) <= 1e-13 * want);
}

static void test_stats__constants_have_no_deviation(void **state)
{
    (void)state;
    static float ones[10001];
    struct wfs_stats stats = {0};
    for (size_t i = 0; i < WFS_ARRAY_SIZE(ones); i++)
        ones[i] = 0.1f;
    assert_int_equal(wfs_stats_add(&stats, WFS_F32, ones, WFS_ARRAY_SIZE(ones), NULL), 0);
    assert_true(wfs_stats_std(&stats) == 0.0);
    assert_near(wfs_stats_mean(&stats), (double)0.1f, 0.1);
}

static void test_stats__parts_merge_to_the_whole(void **state)
{
    (void)state;
    static double values[ROOM];
    static uint8_t data[ROOM * 8];
    struct wfs_stats total = {0}, none = {0};
    fill(WFS_F32, 3.0, 1.0, ROOM, data, values);
    for (uint64_t i = 0, n; i < ROOM; i += n) {
        struct wfs_stats part = {0};
        n = wfs_min_u64(1 + (uint64_t)(uniform() * 9000), ROOM - i);
        assert_int_equal(wfs_stats_add(&part, WFS_F32, data + 4 * i, n, NULL), 0);
        wfs_stats_merge(&total, &part);
        wfs_stats_merge(&total, &none);
    }
    check(&total, values, ROOM);
}

static void test_stats__nan_and_infinity(void **state)
{
    (void)state;
    static float x[9000];
    for (size_t i = 0; i < WFS_ARRAY_SIZE(x); i++)
        x[i] = (float)i - 4000.0f;
    struct wfs_stats stats = {0};
    x[5000] = NAN;
    x[5001] = -NAN;
    assert_int_equal(wfs_stats_add(&stats, WFS_F32, x, WFS_ARRAY_SIZE(x), NULL), 0);
    assert_int_equal(stats.n_nan, 2);
    assert_int_equal(stats.n_inf, 0);
    assert_int_equal(stats.n_zero, 1);
    assert_true(isnan(wfs_stats_l2(&stats)) && isnan(wfs_stats_mean(&stats)));
    assert_true(isnan(wfs_stats_std(&stats)));
    assert_true(stats.min == -4000.0 && stats.max == 4999.0);
    x[5000] = INFINITY;
    x[5001] = INFINITY;
    stats = (struct wfs_stats){0};
    assert_int_equal(wfs_stats_add(&stats, WFS_F32, x, WFS_ARRAY_SIZE(x), NULL), 0);
    assert_int_equal(stats.n_inf, 2);
    assert_true(isinf(wfs_stats_l2(&stats)) && isinf(wfs_stats_mean(&stats)));
    assert_true(isnan(wfs_stats_std(&stats)));
    assert_true(stats.min == -4000.0 && isinf(stats.max));
}

static void test_stats__only_nan_has_no_extremes(void **state)
{
    (void)state;
    const double nans[] = {NAN, NAN, NAN}, numbers[] = {1.0, 2.0};
    struct wfs_stats a = {0}, b = {0};
    assert_int_equal(wfs_stats_add(&a, WFS_F64, nans, 3, NULL), 0);
    assert_int_equal(a.n, a.n_nan);
    assert_int_equal(wfs_stats_add(&b, WFS_F64, numbers, 2, NULL), 0);
    wfs_stats_merge(&a, &b);
    assert_true(a.min == 1.0 && a.max == 2.0 && a.n == 5);
    wfs_stats_add(&b, WFS_F64, nans, 3, NULL);
    assert_true(b.min == 1.0 && b.max == 2.0 && isnan(wfs_stats_mean(&b)));
}

static void test_stats__nothing(void **state)
{
    (void)state;
    struct wfs_stats stats = {0};
    assert_int_equal(wfs_stats_add(&stats, WFS_F32, NULL, 0, NULL), 0);
    assert_true(wfs_stats_l2(&stats) == 0.0);
    assert_true(isnan(wfs_stats_mean(&stats)) && isnan(wfs_stats_std(&stats)));
}

static void test_stats__squares_beyond_float64(void **state)
{
    (void)state;
    const double x[] = {1e200, 2e200, -1e200};
    struct wfs_stats stats = {0};
    assert_int_equal(wfs_stats_add(&stats, WFS_F64, x, 3, NULL), 0);
    assert_true(isinf(wfs_stats_l2(&stats)) && stats.n_inf == 0 && stats.n_nan == 0);
    assert_near(wfs_stats_mean(&stats), 2e200 / 3, 1e200);
    assert_true(stats.max == 2e200 && stats.min == -1e200 && isinf(wfs_stats_std(&stats)));
    const double same[] = {1e200, 1e200}, sum_too[] = {1.5e308, 1.5e308};
    stats = (struct wfs_stats){0};
    assert_int_equal(wfs_stats_add(&stats, WFS_F64, same, 2, NULL), 0);
    assert_true(wfs_stats_std(&stats) == 0.0 && isinf(wfs_stats_l2(&stats)));
    stats = (struct wfs_stats){0};
    assert_int_equal(wfs_stats_add(&stats, WFS_F64, sum_too, 2, NULL), 0);
    assert_true(wfs_stats_std(&stats) == 0.0); /* also where the mean is beyond float64 */
}

static void test_stats__complex_numbers_count_by_modulus(void **state)
{
    (void)state;
    const float z[] = {3.0f, 4.0f, 0.0f, 0.0f, -5.0f, 12.0f};
    const double moduli[] = {5.0, 0.0, 13.0};
    struct wfs_stats stats = {0};
    assert_int_equal(wfs_stats_add(&stats, WFS_C64, z, 3, NULL), 0);
    check(&stats, moduli, 3);
    const double lost[] = {INFINITY, NAN, 1.0, INFINITY};
    stats = (struct wfs_stats){0};
    assert_int_equal(wfs_stats_add(&stats, WFS_C128, lost, 2, NULL), 0);
    assert_int_equal(stats.n_nan, 1);
    assert_int_equal(stats.n_inf, 1);
}

static void test_stats__opaque_types_are_refused(void **state)
{
    (void)state;
    uint8_t byte = 1;
    struct wfs_stats stats = {0};
    struct wfs_error err = {0};
    assert_int_equal(wfs_stats_add(&stats, WFS_BITS8, &byte, 1, &err), -EINVAL);
    assert_non_null(strstr(err.message, "bits8"));
    assert_int_equal(stats.n, 0);
}

/* The loops of this CPU and the portable one, over all remainders. */
static void test_stats__every_loop_agrees(void **state)
{
    (void)state;
    static const enum wfs_dtype types[] = {WFS_F32, WFS_BF16, WFS_F16, WFS_F64};
    static double values[300];
    static uint8_t data[300 * 8];
    for (size_t t = 0; t < WFS_ARRAY_SIZE(types); t++) {
        wfs_moments_fn native = wfs_moments_native(types[t]);
        if (native == NULL) {
            print_message("%s: no loop of its own on this CPU\n", wfs_dtype_info(types[t])->name);
            continue;
        }
        for (uint64_t n = 1; n < 300; n++) {
            struct wfs_moments a, b;
            double shift = n % 2 == 0 ? 0.0 : 0.25;
            fill(types[t], 0.5, 2.0, n, data, values);
            native(data, n, shift, &a);
            wfs_moments_portable(values, n, shift, &b);
            assert_near(a.sum, b.sum, 3.0 * (double)n);
            assert_near(a.sum_squares, b.sum_squares, b.sum_squares);
            if (shift == 0.0)
                assert_true(a.min == b.min && a.max == b.max && a.n_zero == b.n_zero);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_stats__every_real_type),
        cmocka_unit_test(test_stats__a_large_mean_costs_no_digits),
        cmocka_unit_test(test_stats__a_very_large_mean_costs_no_digits),
        cmocka_unit_test(test_stats__constants_have_no_deviation),
        cmocka_unit_test(test_stats__parts_merge_to_the_whole),
        cmocka_unit_test(test_stats__nan_and_infinity),
        cmocka_unit_test(test_stats__only_nan_has_no_extremes),
        cmocka_unit_test(test_stats__nothing),
        cmocka_unit_test(test_stats__squares_beyond_float64),
        cmocka_unit_test(test_stats__complex_numbers_count_by_modulus),
        cmocka_unit_test(test_stats__opaque_types_are_refused),
        cmocka_unit_test(test_stats__every_loop_agrees),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
