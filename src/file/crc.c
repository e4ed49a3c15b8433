/*
 * crc.c - CRC-32 of bytes and of concatenations.
 *
 * Three ways that give the same number: carry-less multiplication where the processor has it (a
 * correction reads a whole tensor, so this is worth 10x), slicing by eight elsewhere, and algebra
 * for what needs no bytes: appending n bytes multiplies by x^8n modulo the polynomial. Reflected
 * polynomial 0xedb88320, as in ZIP.
 */
#include "file/crc.h"

#include <pthread.h>

#define POLY     UINT32_C(0xedb88320)
#define N_SLICES 8

static uint32_t slices[N_SLICES][256];
static uint32_t x_to_2n[32]; /* x^(2^n) modulo the polynomial; the exponents' cycle is 32 long */
static pthread_once_t tables_once = PTHREAD_ONCE_INIT;

/* a * b modulo the polynomial, both reflected; a is not 0. */
static uint32_t multiply(uint32_t a, uint32_t b)
{
    uint32_t product = 0;
    for (uint32_t bit = UINT32_C(1) << 31; bit; bit >>= 1) {
        if (a & bit)
            product ^= b;
        b = b & 1 ? b >> 1 ^ POLY : b >> 1;
    }
    return product;
}

static void make_tables(void)
{
    for (uint32_t i = 0; i < 256; i++) {
        uint32_t crc = i;
        for (int bit = 0; bit < 8; bit++)
            crc = crc & 1 ? crc >> 1 ^ POLY : crc >> 1;
        slices[0][i] = crc;
    }
    for (uint32_t s = 1; s < N_SLICES; s++)
        for (uint32_t i = 0; i < 256; i++)
            slices[s][i] = slices[s - 1][i] >> 8 ^ slices[0][slices[s - 1][i] & 0xff];
    x_to_2n[0] = UINT32_C(1) << 30;
    for (uint32_t n = 1; n < 32; n++)
        x_to_2n[n] = multiply(x_to_2n[n - 1], x_to_2n[n - 1]);
}

/* The register after `len` more bytes; the register is the CRC's complement. */
static uint32_t update_sliced(uint32_t reg, const uint8_t *p, size_t len)
{
    for (; len >= 8; p += 8, len -= 8) {
        uint32_t lo = reg ^ wfs_load_u32le(p), hi = wfs_load_u32le(p + 4);
        reg = slices[7][lo & 0xff] ^ slices[6][lo >> 8 & 0xff] ^ slices[5][lo >> 16 & 0xff] ^
              slices[4][lo >> 24] ^ slices[3][hi & 0xff] ^ slices[2][hi >> 8 & 0xff] ^
              slices[1][hi >> 16 & 0xff] ^ slices[0][hi >> 24];
    }
    for (; len > 0; p++, len--)
        reg = reg >> 8 ^ slices[0][(reg ^ *p) & 0xff];
    return reg;
}

#if defined(__x86_64__)
#include <immintrin.h>

#define FOLD_MIN_BYTES 64
#define FOLD_UNIT      16

/* x * k, shifted on by the distance that k stands for, plus the bytes that lie there. */
__attribute__((target("pclmul,sse4.1"))) static inline __m128i fold(__m128i x, __m128i k,
                                                                    __m128i next)
{
    __m128i low = _mm_clmulepi64_si128(x, k, 0x00), high = _mm_clmulepi64_si128(x, k, 0x11);
    return _mm_xor_si128(_mm_xor_si128(low, high), next);
}

/* 128 bits to the 32 of the register: two folds and Barrett's reduction. */
__attribute__((target("pclmul,sse4.1"))) static uint32_t reduce(__m128i x)
{
    const __m128i k3k4 = _mm_set_epi64x(0x00ccaa009e, 0x01751997d0);
    const __m128i k5 = _mm_set_epi64x(0, 0x0163cd6124);
    const __m128i poly = _mm_set_epi64x(0x01f7011641, 0x01db710641);
    const __m128i low_words = _mm_setr_epi32(~0, 0, ~0, 0);
    x = _mm_xor_si128(_mm_srli_si128(x, 8), _mm_clmulepi64_si128(x, k3k4, 0x10));
    x = _mm_xor_si128(_mm_srli_si128(x, 4),
                      _mm_clmulepi64_si128(_mm_and_si128(x, low_words), k5, 0x00));
    __m128i q = _mm_clmulepi64_si128(_mm_and_si128(x, low_words), poly, 0x10);
    q = _mm_clmulepi64_si128(_mm_and_si128(q, low_words), poly, 0x00);
    return (uint32_t)_mm_extract_epi32(_mm_xor_si128(x, q), 1);
}

__attribute__((target("pclmul,sse4.1"))) static inline __m128i load(const uint8_t *p)
{
    return _mm_loadu_si128((const __m128i *)(const void *)p);
}

/* len >= FOLD_MIN_BYTES and a multiple of FOLD_UNIT (V. Gopal et al., "Fast CRC Computation Using
 * PCLMULQDQ", with their constants for this polynomial). */
__attribute__((target("pclmul,sse4.1"))) static uint32_t update_folded(uint32_t reg,
                                                                       const uint8_t *p, size_t len)
{
    const __m128i k1k2 = _mm_set_epi64x(0x01c6e41596, 0x0154442bd4);
    const __m128i k3k4 = _mm_set_epi64x(0x00ccaa009e, 0x01751997d0);
    __m128i x[4] = {load(p), load(p + 16), load(p + 32), load(p + 48)};
    x[0] = _mm_xor_si128(x[0], _mm_cvtsi32_si128((int)reg));
    for (p += 64, len -= 64; len >= 64; p += 64, len -= 64)
        for (int i = 0; i < 4; i++)
            x[i] = fold(x[i], k1k2, load(p + 16 * i));
    for (int i = 1; i < 4; i++)
        x[0] = fold(x[0], k3k4, x[i]);
    for (; len >= FOLD_UNIT; p += FOLD_UNIT, len -= FOLD_UNIT)
        x[0] = fold(x[0], k3k4, load(p));
    return reduce(x[0]);
}

static uint32_t update(uint32_t reg, const uint8_t *p, size_t len)
{
    if (len < FOLD_MIN_BYTES || !__builtin_cpu_supports("pclmul") ||
        !__builtin_cpu_supports("sse4.1"))
        return update_sliced(reg, p, len);
    size_t folded = len / FOLD_UNIT * FOLD_UNIT;
    reg = update_folded(reg, p, folded);
    return update_sliced(reg, p + folded, len - folded);
}
#else
static uint32_t update(uint32_t reg, const uint8_t *p, size_t len)
{
    return update_sliced(reg, p, len);
}
#endif

uint32_t wfs_crc32(uint32_t crc, const void *data, size_t len)
{
    pthread_once(&tables_once, make_tables);
    return ~update(~crc, data, len);
}

/* x^(8 n) modulo the polynomial. */
static uint32_t x_to_8n(uint64_t n)
{
    pthread_once(&tables_once, make_tables);
    uint32_t power = UINT32_C(1) << 31;
    for (uint32_t k = 3; n > 0; n >>= 1, k++)
        if (n & 1)
            power = multiply(x_to_2n[k & 31], power);
    return power;
}

uint32_t wfs_crc32_combine(uint32_t a, uint32_t b, uint64_t b_len)
{
    return multiply(x_to_8n(b_len), a) ^ b;
}

uint32_t wfs_crc32_zeros(uint64_t len)
{
    return ~multiply(x_to_8n(len), UINT32_MAX);
}
