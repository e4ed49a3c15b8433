/*
 * ternary.c - ggml's ternary codes: 256 elements of -1, 0 or 1 times a float16 scale d.
 *
 *   TQ1_0  48 bytes of five elements, 4 bytes of four, d
 *   TQ2_0  64 bytes of four elements of two bits, d
 *
 * A byte of TQ1_0 is a fraction of 256: times three, what passes 256 is the first of its digits to the
 * base three; elements that follow each other are the same digit of neighbouring bytes. (ggml-quants.c:
 * dequantize_row_tq1_0, dequantize_row_tq2_0; gguf-py's quants.py has the same values.)
 */
#include "tensor/codes/ternary.h"

#define N 256

static int8_t *digits(const uint8_t *in, size_t n_bytes, size_t n_digits, int8_t *q)
{
    static const uint8_t powers[5] = {1, 3, 9, 27, 81};
    for (size_t digit = 0; digit < n_digits; digit++)
        for (size_t i = 0; i < n_bytes; i++) {
            uint8_t rest = (uint8_t)(in[i] * powers[digit]);
            *q++ = (int8_t)((rest * 3 >> 8) - 1);
        }
    return q;
}

static void tq1_0_decode(const uint8_t *block, float *out)
{
    int8_t q[N], *at = digits(block, 32, 5, q);
    at = digits(block + 32, 16, 5, at);
    digits(block + 48, 4, 4, at);
    wfs_code_scale(out, q, N, wfs_code_f16(block + 52));
}

static void tq2_0_decode(const uint8_t *block, float *out)
{
    int8_t q[N];
    wfs_code_unpack(block, 64, 32, 2, q);
    for (size_t i = 0; i < N; i++)
        q[i] = (int8_t)(q[i] - 1);
    wfs_code_scale(out, q, N, wfs_code_f16(block + 64));
}

static const struct wfs_code rows[] = {
    {WFS_TQ1_0, 1, tq1_0_decode, NULL},
    {WFS_TQ2_0, 1, tq2_0_decode, NULL},
};
const struct wfs_code_family wfs_codes_ternary = {rows, WFS_ARRAY_SIZE(rows)};
