/*
 * x86.c - the strips of x86.h for x86-64: SSE2, which every such CPU has, and AVX2
 * where the CPU says so at run time.
 *
 * A tile is N x N elements of one 16-byte lane, N = 16 / elem. log2(N) rounds of unpack transpose
 * it: each round interleaves register i with register i + N/2, and the last one leaves column j
 * in register j. An AVX2 register holds two tiles side by side: 32 bytes of a source row, which
 * become columns j and j + N. What is left of the columns is done by a tile that steps back over
 * columns already done.
 */
#include "tensor/kernel/x86.h"

#if defined(__x86_64__)

#include <immintrin.h>

#define ROUND2(d, s, lo, hi) PAIR(d, s, lo, hi, 0, 1)
#define ROUND4(d, s, lo, hi)                                                                       \
    PAIR(d, s, lo, hi, 0, 2);                                                                      \
    PAIR(d, s, lo, hi, 1, 2)
#define ROUND8(d, s, lo, hi)                                                                       \
    PAIR(d, s, lo, hi, 0, 4);                                                                      \
    PAIR(d, s, lo, hi, 1, 4);                                                                      \
    PAIR(d, s, lo, hi, 2, 4);                                                                      \
    PAIR(d, s, lo, hi, 3, 4)
#define ROUND16(d, s, lo, hi)                                                                      \
    PAIR(d, s, lo, hi, 0, 8);                                                                      \
    PAIR(d, s, lo, hi, 1, 8);                                                                      \
    PAIR(d, s, lo, hi, 2, 8);                                                                      \
    PAIR(d, s, lo, hi, 3, 8);                                                                      \
    PAIR(d, s, lo, hi, 4, 8);                                                                      \
    PAIR(d, s, lo, hi, 5, 8);                                                                      \
    PAIR(d, s, lo, hi, 6, 8);                                                                      \
    PAIR(d, s, lo, hi, 7, 8)
#define PAIR(d, s, lo, hi, i, half)                                                                \
    d[2 * (i)] = lo(s[i], s[(i) + (half)]);                                                        \
    d[2 * (i) + 1] = hi(s[i], s[(i) + (half)])

/* All rounds of one element size, in place. */
#define ROUNDS_16(v, t, lo, hi)                                                                    \
    do {                                                                                           \
        (void)t;                                                                                   \
    } while (0)
#define ROUNDS_8(v, t, lo, hi)                                                                     \
    do {                                                                                           \
        ROUND2(t, v, lo, hi);                                                                      \
        EACH2(MOVE, v, t);                                                                         \
    } while (0)
#define ROUNDS_4(v, t, lo, hi)                                                                     \
    do {                                                                                           \
        ROUND4(t, v, lo, hi);                                                                      \
        ROUND4(v, t, lo, hi);                                                                      \
    } while (0)
#define ROUNDS_2(v, t, lo, hi)                                                                     \
    do {                                                                                           \
        ROUND8(t, v, lo, hi);                                                                      \
        ROUND8(v, t, lo, hi);                                                                      \
        ROUND8(t, v, lo, hi);                                                                      \
        EACH8(MOVE, v, t);                                                                         \
    } while (0)
#define ROUNDS_1(v, t, lo, hi)                                                                     \
    do {                                                                                           \
        ROUND16(t, v, lo, hi);                                                                     \
        ROUND16(v, t, lo, hi);                                                                     \
        ROUND16(t, v, lo, hi);                                                                     \
        ROUND16(v, t, lo, hi);                                                                     \
    } while (0)

#define EACH1(op, a, b) op(a, b, 0)
#define EACH2(op, a, b)                                                                            \
    EACH1(op, a, b);                                                                               \
    op(a, b, 1)
#define EACH4(op, a, b)                                                                            \
    EACH2(op, a, b);                                                                               \
    op(a, b, 2);                                                                                   \
    op(a, b, 3)
#define EACH8(op, a, b)                                                                            \
    EACH4(op, a, b);                                                                               \
    op(a, b, 4);                                                                                   \
    op(a, b, 5);                                                                                   \
    op(a, b, 6);                                                                                   \
    op(a, b, 7)
#define EACH16(op, a, b)                                                                           \
    EACH8(op, a, b);                                                                               \
    op(a, b, 8);                                                                                   \
    op(a, b, 9);                                                                                   \
    op(a, b, 10);                                                                                  \
    op(a, b, 11);                                                                                  \
    op(a, b, 12);                                                                                  \
    op(a, b, 13);                                                                                  \
    op(a, b, 14);                                                                                  \
    op(a, b, 15)
#define MOVE(a, b, i) a[i] = b[i]

#define LOAD_SSE(v, in, i)  v[i] = _mm_loadu_si128((const __m128i *)((in) + src_off[i]))
#define LOAD_AVX(v, in, i)  v[i] = _mm256_loadu_si256((const __m256i *)((in) + src_off[i]))
#define STORE_SSE(v, to, i) _mm_storeu_si128((__m128i *)((to) + (i)*WFS_PITCH_BYTES), v[i])
#define STORE_AVX(v, to, i)                                                                        \
    _mm_storeu_si128((__m128i *)((to) + (i)*WFS_PITCH_BYTES), _mm256_castsi256_si128(v[i]));       \
    _mm_storeu_si128((__m128i *)((to) + ((i) + LANE) * WFS_PITCH_BYTES),                           \
                     _mm256_extracti128_si256(v[i], 1))

#define AHEAD(v, in, i)                                                                            \
    __builtin_prefetch((const void *)((uintptr_t)(in) + (uintptr_t)src_off[(i) + WFS_ROWS_AHEAD]), \
                       0, 2)

#define DEFINE_STRIPS(ELEM, N, KIND)                                                               \
    static void sse2_strip_##ELEM(uint8_t *out, const uint8_t *src, const int64_t *src_off,        \
                                  size_t n_cols)                                                   \
    {                                                                                              \
        for (size_t j = 0; j < n_cols; j += (N)) {                                                 \
            if (j + (N) > n_cols)                                                                  \
                j = n_cols - (N);                                                                  \
            __m128i v[N], t[N];                                                                    \
            EACH##N(LOAD_SSE, v, src + j * (ELEM));                                                \
            ROUNDS_##ELEM(v, t, _mm_unpacklo_##KIND, _mm_unpackhi_##KIND);                         \
            EACH##N(STORE_SSE, v, out + j * WFS_PITCH_BYTES);                                      \
        }                                                                                          \
    }                                                                                              \
    __attribute__((target("avx2"))) static void avx2_strip_##ELEM(                                 \
        uint8_t *out, const uint8_t *src, const int64_t *src_off, size_t n_cols)                   \
    {                                                                                              \
        enum { LANE = (N) };                                                                       \
        size_t j = 0;                                                                              \
        for (; j + 2 * (N) <= n_cols; j += 2 * (N)) {                                              \
            if (j * (ELEM) % WFS_CACHE_LINE == 0) {                                                \
                EACH##N(AHEAD, , src + j * (ELEM));                                                \
            }                                                                                      \
            __m256i v[N], t[N];                                                                    \
            EACH##N(LOAD_AVX, v, src + j * (ELEM));                                                \
            ROUNDS_##ELEM(v, t, _mm256_unpacklo_##KIND, _mm256_unpackhi_##KIND);                   \
            EACH##N(STORE_AVX, v, out + j * WFS_PITCH_BYTES);                                      \
        }                                                                                          \
        if (j == n_cols)                                                                           \
            return;                                                                                \
        j = n_cols - j < (N) ? n_cols - (N) : j;                                                   \
        sse2_strip_##ELEM(out + j * WFS_PITCH_BYTES, src + j * (ELEM), src_off, n_cols - j);       \
    }
DEFINE_STRIPS(1, 16, epi8)
DEFINE_STRIPS(2, 8, epi16)
DEFINE_STRIPS(4, 4, epi32)
DEFINE_STRIPS(8, 2, epi64)
DEFINE_STRIPS(16, 1, none)

const struct wfs_strips *wfs_strips_native(unsigned level)
{
    static const struct wfs_strips sse2 = {
        {sse2_strip_1, sse2_strip_2, sse2_strip_4, sse2_strip_8, sse2_strip_16}};
    static const struct wfs_strips avx2 = {
        {avx2_strip_1, avx2_strip_2, avx2_strip_4, avx2_strip_8, avx2_strip_16}};
    if (level == 1)
        return &sse2;
    return level == 2 && __builtin_cpu_supports("avx2") ? &avx2 : NULL;
}

#else

const struct wfs_strips *wfs_strips_native(unsigned level)
{
    (void)level;
    return NULL;
}

#endif
