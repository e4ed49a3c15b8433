/*
 * direct.c - the conversions that whole checkpoints go through: bfloat16 and float16 to and
 * from float32, by AVX2 and F16C where the CPU has them. The portable loops give the same bits:
 * NaNs keep sign and the payload's upper bits and become quiet (bfloat16 to float32 is a shift and
 * changes nothing).
 */
#include "tensor/convert/direct.h"

#include <string.h>

#if defined(__x86_64__)
#include <cpuid.h>
#include <immintrin.h>
#include <stdatomic.h>
#define AVX2 __attribute__((target("avx2,f16c")))
#endif

static inline uint32_t load32(const void *p)
{
    uint32_t v;
    memcpy(&v, p, sizeof(v));
    return v;
}

static inline uint16_t load16(const void *p)
{
    uint16_t v;
    memcpy(&v, p, sizeof(v));
    return v;
}

/* ---- bfloat16 ------------------------------------------------------------------------------ */

static void bf16_to_f32(const void *in, void *out, uint64_t n)
{
    for (uint64_t i = 0; i < n; i++) {
        uint32_t v = (uint32_t)load16((const uint8_t *)in + 2 * i) << 16;
        memcpy((uint8_t *)out + 4 * i, &v, sizeof(v));
    }
}

static void f32_to_bf16(const void *in, void *out, uint64_t n)
{
    for (uint64_t i = 0; i < n; i++) {
        uint32_t v = load32((const uint8_t *)in + 4 * i);
        uint32_t rounded = (v + 0x7fff + (v >> 16 & 1)) >> 16;
        uint32_t nan = v >> 16 | 0x40;
        uint16_t code = (uint16_t)((v & 0x7fffffff) > 0x7f800000 ? nan : rounded);
        memcpy((uint8_t *)out + 2 * i, &code, sizeof(code));
    }
}

/* ---- float16 ------------------------------------------------------------------------------- */

/* The exponent is moved by a multiplication, which makes subnormals normal at once. */
static inline uint32_t widen_one_f16(uint16_t half)
{
    uint32_t shifted = (uint32_t)(half & 0x7fff) << 13;
    float value;
    memcpy(&value, &shifted, sizeof(value));
    value *= 0x1p112f;
    uint32_t bits;
    memcpy(&bits, &value, sizeof(bits));
    if ((half & 0x7c00) == 0x7c00)
        bits = shifted | 0x7f800000 | ((half & 0x3ff) != 0 ? 0x400000 : 0);
    return bits | (uint32_t)(half & 0x8000) << 16;
}

/* Below the smallest normal float16 (2^-14) adding 0.5 puts the ulp of the sum at the ulp of the
 * result, so that the addition rounds. */
static inline uint16_t narrow_one_f16(uint32_t bits)
{
    uint32_t sign = bits >> 16 & 0x8000, magnitude = bits & 0x7fffffff, code;
    if (magnitude > 0x7f800000) {
        code = 0x7e00 | (magnitude >> 13 & 0x3ff);
    } else if (magnitude >= 0x47800000) {
        code = 0x7c00;
    } else if (magnitude < 0x38800000) {
        float value;
        memcpy(&value, &magnitude, sizeof(value));
        value += 0.5f;
        memcpy(&code, &value, sizeof(code));
        code -= 0x3f000000;
    } else {
        code = (magnitude - 0x38000000 + 0xfff + (magnitude >> 13 & 1)) >> 13;
    }
    return (uint16_t)(sign | code);
}

static void f16_to_f32(const void *in, void *out, uint64_t n)
{
    for (uint64_t i = 0; i < n; i++) {
        uint32_t v = widen_one_f16(load16((const uint8_t *)in + 2 * i));
        memcpy((uint8_t *)out + 4 * i, &v, sizeof(v));
    }
}

static void f32_to_f16(const void *in, void *out, uint64_t n)
{
    for (uint64_t i = 0; i < n; i++) {
        uint16_t v = narrow_one_f16(load32((const uint8_t *)in + 4 * i));
        memcpy((uint8_t *)out + 2 * i, &v, sizeof(v));
    }
}

/* ---- with the CPU's help ------------------------------------------------------------------- */

struct pair {
    enum wfs_dtype from, to;
    wfs_convert_fn fn;
};

static wfs_convert_fn find(const struct pair *pairs, size_t n, enum wfs_dtype from,
                           enum wfs_dtype to)
{
    for (size_t i = 0; i < n; i++)
        if (pairs[i].from == from && pairs[i].to == to)
            return pairs[i].fn;
    return NULL;
}

wfs_convert_fn wfs_convert_direct_portable(enum wfs_dtype from, enum wfs_dtype to)
{
    static const struct pair pairs[] = {
        {WFS_BF16, WFS_F32, bf16_to_f32},
        {WFS_F32, WFS_BF16, f32_to_bf16},
        {WFS_F16, WFS_F32, f16_to_f32},
        {WFS_F32, WFS_F16, f32_to_f16},
    };
    return find(pairs, WFS_ARRAY_SIZE(pairs), from, to);
}

#if defined(__x86_64__)

AVX2 static void avx2_bf16_to_f32(const void *in, void *out, uint64_t n)
{
    const uint8_t *from = in;
    uint8_t *to = out;
    uint64_t i = 0;
    for (; i + 8 <= n; i += 8) {
        __m256i wide = _mm256_cvtepu16_epi32(_mm_loadu_si128((const __m128i *)(from + 2 * i)));
        _mm256_storeu_si256((__m256i *)(to + 4 * i), _mm256_slli_epi32(wide, 16));
    }
    bf16_to_f32(from + 2 * i, to + 4 * i, n - i);
}

/* The lower halves hold the results; magnitudes compare as signed integers. */
AVX2 static inline __m256i narrow_eight(__m256i v)
{
    __m256i upper = _mm256_srli_epi32(v, 16);
    __m256i odd = _mm256_and_si256(upper, _mm256_set1_epi32(1));
    __m256i sum = _mm256_add_epi32(_mm256_add_epi32(v, _mm256_set1_epi32(0x7fff)), odd);
    __m256i is_nan = _mm256_cmpgt_epi32(_mm256_and_si256(v, _mm256_set1_epi32(0x7fffffff)),
                                        _mm256_set1_epi32(0x7f800000));
    __m256i nan = _mm256_or_si256(upper, _mm256_set1_epi32(0x40));
    return _mm256_blendv_epi8(_mm256_srli_epi32(sum, 16), nan, is_nan);
}

/* Packing works a lane at a time: the middle quarters change places. */
AVX2 static void avx2_f32_to_bf16(const void *in, void *out, uint64_t n)
{
    const uint8_t *from = in;
    uint8_t *to = out;
    uint64_t i = 0;
    for (; i + 16 <= n; i += 16) {
        __m256i a = narrow_eight(_mm256_loadu_si256((const __m256i *)(from + 4 * i)));
        __m256i b = narrow_eight(_mm256_loadu_si256((const __m256i *)(from + 4 * i + 32)));
        __m256i packed = _mm256_permute4x64_epi64(_mm256_packus_epi32(a, b), 0xd8);
        _mm256_storeu_si256((__m256i *)(to + 2 * i), packed);
    }
    f32_to_bf16(from + 4 * i, to + 2 * i, n - i);
}

AVX2 static void f16c_to_f32(const void *in, void *out, uint64_t n)
{
    const uint8_t *from = in;
    uint8_t *to = out;
    uint64_t i = 0;
    for (; i + 8 <= n; i += 8)
        _mm256_storeu_ps((float *)(to + 4 * i),
                         _mm256_cvtph_ps(_mm_loadu_si128((const __m128i *)(from + 2 * i))));
    f16_to_f32(from + 2 * i, to + 4 * i, n - i);
}

AVX2 static void f16c_from_f32(const void *in, void *out, uint64_t n)
{
    const uint8_t *from = in;
    uint8_t *to = out;
    uint64_t i = 0;
    for (; i + 8 <= n; i += 8)
        _mm_storeu_si128((__m128i *)(to + 2 * i),
                         _mm256_cvtps_ph(_mm256_loadu_ps((const float *)(from + 4 * i)),
                                         _MM_FROUND_TO_NEAREST_INT));
    f32_to_f16(from + 4 * i, to + 2 * i, n - i);
}

/* clang's __builtin_cpu_supports does not know F16C. CPUID leaves a virtual machine: ask once. */
bool wfs_cpu_has_f16c(void)
{
    static atomic_int known; /* 0: not asked yet, 1: no, 2: yes */
    int answer = atomic_load_explicit(&known, memory_order_relaxed);
    if (answer == 0) {
        unsigned a, b, c, d;
        answer = __get_cpuid(1, &a, &b, &c, &d) && (c & bit_F16C) != 0 ? 2 : 1;
        atomic_store_explicit(&known, answer, memory_order_relaxed);
    }
    return answer == 2;
}

wfs_convert_fn wfs_convert_direct(enum wfs_dtype from, enum wfs_dtype to)
{
    static const struct pair pairs[] = {
        {WFS_BF16, WFS_F32, avx2_bf16_to_f32},
        {WFS_F32, WFS_BF16, avx2_f32_to_bf16},
        {WFS_F16, WFS_F32, f16c_to_f32},
        {WFS_F32, WFS_F16, f16c_from_f32},
    };
    if (__builtin_cpu_supports("avx2") && wfs_cpu_has_f16c())
        return find(pairs, WFS_ARRAY_SIZE(pairs), from, to);
    return wfs_convert_direct_portable(from, to);
}

#else

wfs_convert_fn wfs_convert_direct(enum wfs_dtype from, enum wfs_dtype to)
{
    return wfs_convert_direct_portable(from, to);
}

#endif
