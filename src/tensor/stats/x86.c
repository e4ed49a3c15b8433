/*
 * x86.c - moments by AVX2 and FMA: 16 numbers a turn, in two registers of eight float32 (of
 * four float64), each sum in four registers, so that no addition waits for another. Minimum,
 * maximum and zeros are taken at the width the numbers come in; sums at float64.
 */
#include "tensor/stats/x86.h"

#if defined(__x86_64__)

#include <immintrin.h>
#include <math.h>

#include "tensor/convert/direct.h"

#define AVX2 __attribute__((target("avx2,fma,f16c")))
#define AVX2_INLINE                                                                                \
    static inline __attribute__((always_inline)) __attribute__((target("avx2,fma,f16c")))

/* Accumulators of float64 lanes. `shifted` is a constant where this is inlined. */
struct sums {
    __m256d sum[4], squares[4], shift;
    bool shifted;
};

AVX2_INLINE void sums_take(struct sums *s, int k, __m256d v)
{
    if (s->shifted)
        v = _mm256_sub_pd(v, s->shift);
    s->sum[k] = _mm256_add_pd(s->sum[k], v);
    s->squares[k] = _mm256_fmadd_pd(v, v, s->squares[k]);
}

AVX2_INLINE struct sums sums_new(double shift, bool shifted)
{
    struct sums s = {.shift = _mm256_set1_pd(shift), .shifted = shifted};
    for (int k = 0; k < 4; k++)
        s.sum[k] = s.squares[k] = _mm256_setzero_pd();
    return s;
}

AVX2_INLINE double total(const __m256d v[4])
{
    double lane[4];
    _mm256_storeu_pd(lane, _mm256_add_pd(_mm256_add_pd(v[0], v[1]), _mm256_add_pd(v[2], v[3])));
    return (lane[0] + lane[1]) + (lane[2] + lane[3]);
}

/* The state of a loop over float32 registers. */
struct floats {
    struct sums sums;
    __m256 min, max;
    __m256i zeros; /* minus the count, a lane */
};

AVX2_INLINE void floats_take(struct floats *f, int half, __m256 v)
{
    if (!f->sums.shifted) {
        f->min = _mm256_min_ps(f->min, v);
        f->max = _mm256_max_ps(f->max, v);
        __m256 zero = _mm256_cmp_ps(v, _mm256_setzero_ps(), _CMP_EQ_OQ);
        f->zeros = _mm256_add_epi32(f->zeros, _mm256_castps_si256(zero));
    }
    sums_take(&f->sums, 2 * half, _mm256_cvtps_pd(_mm256_castps256_ps128(v)));
    sums_take(&f->sums, 2 * half + 1, _mm256_cvtps_pd(_mm256_extractf128_ps(v, 1)));
}

AVX2_INLINE struct floats floats_new(double shift, bool shifted)
{
    struct floats f = {sums_new(shift, shifted), _mm256_set1_ps(INFINITY),
                       _mm256_set1_ps(-INFINITY), _mm256_setzero_si256()};
    return f;
}

AVX2_INLINE void sums_end(const struct sums *s, struct wfs_moments *ret)
{
    *ret = (struct wfs_moments){.min = INFINITY, .max = -INFINITY};
    ret->sum = total(s->sum);
    ret->sum_squares = total(s->squares);
}

AVX2_INLINE void floats_end(const struct floats *f, struct wfs_moments *ret)
{
    float min[8], max[8];
    int32_t zeros[8];
    _mm256_storeu_ps(min, f->min);
    _mm256_storeu_ps(max, f->max);
    _mm256_storeu_si256((__m256i *)zeros, f->zeros);
    sums_end(&f->sums, ret);
    for (int k = 0; k < 8; k++) {
        ret->min = fmin(ret->min, (double)min[k]);
        ret->max = fmax(ret->max, (double)max[k]);
        ret->n_zero += (uint64_t)(-(int64_t)zeros[k]);
    }
}

/* Adds the numbers that are left after the last full turn of the loop. */
static void add_rest(const struct wfs_moments *rest, struct wfs_moments *ret)
{
    ret->sum += rest->sum;
    ret->sum_squares += rest->sum_squares;
    ret->min = fmin(ret->min, rest->min);
    ret->max = fmax(ret->max, rest->max);
    ret->n_zero += rest->n_zero;
}

#define TURN 16

static void end_with_rest(enum wfs_dtype dtype, const uint8_t *in, uint64_t n, double shift,
                          struct wfs_moments *ret)
{
    double rest[TURN];
    struct wfs_moments more;
    if (n == 0 || wfs_convert_to_f64(dtype, in, n, rest, NULL) != 0)
        return;
    wfs_moments_portable(rest, n, shift, &more);
    add_rest(&more, ret);
}

/* Sixteen numbers of each type. Unpacking bfloat16 with zeros below is the shift that widens it;
 * the order of the numbers does not matter. */
AVX2_INLINE void take_f32(struct floats *f, const uint8_t *at)
{
    floats_take(f, 0, _mm256_loadu_ps((const float *)at));
    floats_take(f, 1, _mm256_loadu_ps((const float *)(at + 32)));
}

AVX2_INLINE void take_bf16(struct floats *f, const uint8_t *at)
{
    __m256i none = _mm256_setzero_si256();
    __m256i v = _mm256_loadu_si256((const __m256i *)at);
    floats_take(f, 0, _mm256_castsi256_ps(_mm256_unpacklo_epi16(none, v)));
    floats_take(f, 1, _mm256_castsi256_ps(_mm256_unpackhi_epi16(none, v)));
}

AVX2_INLINE void take_f16(struct floats *f, const uint8_t *at)
{
    floats_take(f, 0, _mm256_cvtph_ps(_mm_loadu_si128((const __m128i *)at)));
    floats_take(f, 1, _mm256_cvtph_ps(_mm_loadu_si128((const __m128i *)(at + 16))));
}

/* A loop of one type, in its two forms. */
#define DEFINE_LOOP(KIND, DTYPE, BYTES)                                                            \
    AVX2_INLINE void loop_##KIND(const uint8_t *in, uint64_t n, double shift, bool shifted,        \
                                 struct wfs_moments *ret)                                          \
    {                                                                                              \
        struct floats f = floats_new(shift, shifted);                                              \
        uint64_t i = 0;                                                                            \
        for (; i + TURN <= n; i += TURN)                                                           \
            take_##KIND(&f, in + (BYTES)*i);                                                       \
        floats_end(&f, ret);                                                                       \
        end_with_rest(DTYPE, in + (BYTES)*i, n - i, shift, ret);                                   \
    }                                                                                              \
    AVX2 static void avx2_##KIND(const void *x, uint64_t n, double shift, struct wfs_moments *ret) \
    {                                                                                              \
        if (shift == 0.0)                                                                          \
            loop_##KIND(x, n, shift, false, ret);                                                  \
        else                                                                                       \
            loop_##KIND(x, n, shift, true, ret);                                                   \
    }
DEFINE_LOOP(f32, WFS_F32, 4)
DEFINE_LOOP(bf16, WFS_BF16, 2)
DEFINE_LOOP(f16, WFS_F16, 2)

struct doubles {
    struct sums sums;
    __m256d min, max;
    __m256i zeros;
};

AVX2_INLINE void doubles_take(struct doubles *f, int k, __m256d v)
{
    f->min = _mm256_min_pd(f->min, v);
    f->max = _mm256_max_pd(f->max, v);
    __m256d zero = _mm256_cmp_pd(v, _mm256_setzero_pd(), _CMP_EQ_OQ);
    f->zeros = _mm256_add_epi64(f->zeros, _mm256_castpd_si256(zero));
    sums_take(&f->sums, k, v);
}

/* This loop is bound by memory, so one form of it is enough. */
AVX2 static void avx2_f64(const void *x, uint64_t n, double shift, struct wfs_moments *ret)
{
    const uint8_t *in = x;
    struct doubles f = {sums_new(shift, true), _mm256_set1_pd(INFINITY), _mm256_set1_pd(-INFINITY),
                        _mm256_setzero_si256()};
    double min[4], max[4];
    int64_t zeros[4];
    uint64_t i = 0;
    for (; i + TURN <= n; i += TURN)
        for (int k = 0; k < 4; k++)
            doubles_take(&f, k, _mm256_loadu_pd((const double *)(in + 8 * i + 32 * k)));
    _mm256_storeu_pd(min, f.min);
    _mm256_storeu_pd(max, f.max);
    _mm256_storeu_si256((__m256i *)zeros, f.zeros);
    sums_end(&f.sums, ret);
    for (int k = 0; k < 4; k++) {
        ret->min = fmin(ret->min, min[k]);
        ret->max = fmax(ret->max, max[k]);
        ret->n_zero += (uint64_t)-zeros[k];
    }
    end_with_rest(WFS_F64, in + 8 * i, n - i, shift, ret);
}

wfs_moments_fn wfs_moments_native(enum wfs_dtype dtype)
{
    if (!__builtin_cpu_supports("avx2") || !__builtin_cpu_supports("fma"))
        return NULL;
    switch (dtype) {
    case WFS_F32:
        return avx2_f32;
    case WFS_BF16:
        return avx2_bf16;
    case WFS_F16:
        return wfs_cpu_has_f16c() ? avx2_f16 : NULL;
    case WFS_F64:
        return avx2_f64;
    default:
        return NULL;
    }
}

#else

wfs_moments_fn wfs_moments_native(enum wfs_dtype dtype)
{
    (void)dtype;
    return NULL;
}

#endif
