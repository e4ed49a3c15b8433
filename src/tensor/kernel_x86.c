/*
 * kernel_x86.c - the strips of kernel_plane.h for x86-64: SSE2, which every such CPU has, and AVX2
 * where the CPU says so at run time.
 *
 * A tile is N x N elements of one 16-byte lane, N = 16 / elem. log2(N) rounds of unpack transpose
 * it: each round interleaves register i with register i + N/2, and the last one leaves column j
 * in register j. An AVX2 register holds two lanes, source rows i and i + N, and tiles are stacked
 * until the columns they write are whole cache lines.
 */
#if defined(__x86_64__)

#include <immintrin.h>

#include "tensor/kernel_plane.h"

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

/* Loads and stores of register i of a tile; `rows` are the tile's source offsets. */
#define LOAD_SSE(v, rows, i) v[i] = _mm_loadu_si128((const __m128i *)(in + rows[i]))
#define STORE_SSE(v, at, i)  _mm_storeu_si128((__m128i *)(dst + cols[i] + (at)), v[i])
#define LOAD_AVX(v, rows, i)                                                                       \
    v[i] = _mm256_inserti128_si256(                                                                \
        _mm256_castsi128_si256(_mm_loadu_si128((const __m128i *)(in + rows[i]))),                  \
        _mm_loadu_si128((const __m128i *)(in + rows[(i) + LANE])), 1)
#define STORE_AVX(v, at, i) _mm256_storeu_si256((__m256i *)(dst + cols[i] + (at)), v[i])

/*
 * A strip function: VEC registers, N = 16 / ELEM of them a tile, each of TILE_BYTES of a column;
 * N_TILES tiles stacked. The last columns are done by a step back over columns already done.
 */
#define DEFINE_STRIP(NAME, TARGET, VEC, SIMD, ELEM, N, TILE_BYTES, N_TILES, lo, hi)                \
    TARGET static void NAME(uint8_t *dst, const int64_t *dst_off, const uint8_t *src,              \
                            const int64_t *src_off, size_t n_cols)                                 \
    {                                                                                              \
        enum { LANE = (N), TILE_ROWS = (TILE_BYTES) / (ELEM) };                                    \
        for (size_t j = 0; j < n_cols; j += (N)) {                                                 \
            if (j + (N) > n_cols)                                                                  \
                j = n_cols - (N);                                                                  \
            const uint8_t *in = src + j * (ELEM);                                                  \
            const int64_t *cols = dst_off + j;                                                     \
            for (size_t k = 0; k < (N_TILES); k++) {                                               \
                const int64_t *rows = src_off + k * TILE_ROWS;                                     \
                VEC v[N], t[N];                                                                    \
                EACH##N(LOAD_##SIMD, v, rows);                                                     \
                ROUNDS_##ELEM(v, t, lo, hi);                                                       \
                EACH##N(STORE_##SIMD, v, k *(TILE_BYTES));                                         \
            }                                                                                      \
        }                                                                                          \
        (void)LANE;                                                                                \
    }

#define NO_TARGET
#define SSE(NAME, ELEM, N, N_TILES, lo, hi)                                                        \
    DEFINE_STRIP(NAME, NO_TARGET, __m128i, SSE, ELEM, N, 16, N_TILES, lo, hi)
#define AVX2                       __attribute__((target("avx2")))
#define AVX(NAME, ELEM, N, lo, hi) DEFINE_STRIP(NAME, AVX2, __m256i, AVX, ELEM, N, 32, 2, lo, hi)

SSE(sse2_narrow_1, 1, 16, 1, _mm_unpacklo_epi8, _mm_unpackhi_epi8)
SSE(sse2_narrow_2, 2, 8, 1, _mm_unpacklo_epi16, _mm_unpackhi_epi16)
SSE(sse2_narrow_4, 4, 4, 1, _mm_unpacklo_epi32, _mm_unpackhi_epi32)
SSE(sse2_narrow_8, 8, 2, 1, _mm_unpacklo_epi64, _mm_unpackhi_epi64)
SSE(sse2_narrow_16, 16, 1, 1, , )
SSE(sse2_wide_1, 1, 16, 4, _mm_unpacklo_epi8, _mm_unpackhi_epi8)
SSE(sse2_wide_2, 2, 8, 4, _mm_unpacklo_epi16, _mm_unpackhi_epi16)
SSE(sse2_wide_4, 4, 4, 4, _mm_unpacklo_epi32, _mm_unpackhi_epi32)
SSE(sse2_wide_8, 8, 2, 4, _mm_unpacklo_epi64, _mm_unpackhi_epi64)
SSE(sse2_wide_16, 16, 1, 4, , )
AVX(avx2_wide_1, 1, 16, _mm256_unpacklo_epi8, _mm256_unpackhi_epi8)
AVX(avx2_wide_2, 2, 8, _mm256_unpacklo_epi16, _mm256_unpackhi_epi16)
AVX(avx2_wide_4, 4, 4, _mm256_unpacklo_epi32, _mm256_unpackhi_epi32)
AVX(avx2_wide_8, 8, 2, _mm256_unpacklo_epi64, _mm256_unpackhi_epi64)
AVX(avx2_wide_16, 16, 1, , )

const struct wfs_strips *wfs_strips_for_cpu(void)
{
    static const struct wfs_strips sse2 = {
        .wide = {sse2_wide_1, sse2_wide_2, sse2_wide_4, sse2_wide_8, sse2_wide_16},
        .narrow = {sse2_narrow_1, sse2_narrow_2, sse2_narrow_4, sse2_narrow_8, sse2_narrow_16},
    };
    static const struct wfs_strips avx2 = {
        .wide = {avx2_wide_1, avx2_wide_2, avx2_wide_4, avx2_wide_8, avx2_wide_16},
        .narrow = {sse2_narrow_1, sse2_narrow_2, sse2_narrow_4, sse2_narrow_8, sse2_narrow_16},
    };
    return __builtin_cpu_supports("avx2") ? &avx2 : &sse2;
}

#else
typedef int wfs_kernel_x86_is_empty_here;
#endif
