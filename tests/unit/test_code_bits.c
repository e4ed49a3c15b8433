/*
 * test_code_bits.c - every block code's results on made-up numbers, as hashes: a code whose results
 * change, by one bit of one block, is another code and must get another version. That the results
 * are the reference's is shown by tests/loaders/test_codes.py, which needs the reference.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "tensor/codes/codes.h"

#define N_BLOCKS 3000

/* The hashes of decoded random blocks and, where the type has an encoder, of encoded numbers. */
static const struct {
    enum wfs_dtype dtype;
    const char *decoded, *encoded;
} rows[] = {
    {WFS_Q4_0, "20bcc7fbbff4cf0de8278901d51c48cc", "aaa9d5898996d6b9662784462a600c43"},
    {WFS_Q4_1, "5f936f07c051a6f7418b1d0f6cf54af4", "370316c9db62352f16a76df462cbbd6b"},
    {WFS_Q5_0, "97059aec5f31e144a363f09e61ee953b", "074e0590bcd6bd7c72cb5ab02ae759e3"},
    {WFS_Q5_1, "aa2e98cf3adcd50cb3726e6f55010d8b", "f6a93a25ec984c5c4a054219605895c4"},
    {WFS_Q8_0, "88b1b4c24f5cdd8500e521409ac0bc5c", "30801431965f96495a71121a03299459"},
    {WFS_Q2_K, "46af87f3883b2cb986e7508b4400142d", "50a12ede41df869db7b85af919aa7568"},
    {WFS_Q3_K, "fb9b170447458594982ea0b8ddb17b14", "28ba0bf917c5e7da4b6ddf91a846bc4f"},
    {WFS_Q4_K, "96333fe9db977f9878f65875d27ea556", "b1387aacb8d91b0cf0cf9a904b4f7236"},
    {WFS_Q5_K, "6f1d16a7e3cfe4ffc0bdea208206d6a4", "7e06e9e4ba62279e0c93944288d76699"},
    {WFS_Q6_K, "292509d1cadf0a6e23f4853efb359c1d", "1af38301740ae9e9dadfa9a1360466b8"},
    {WFS_IQ2_XXS, "7def85635543e94521e21e865eae2879", ""},
    {WFS_IQ2_XS, "18566a6a55cad21da71a44adb9afd948", ""},
    {WFS_IQ3_XXS, "fb7442150a5ece38f5120c5fe635e96d", ""},
    {WFS_IQ1_S, "4dc804c2e246d51cb2bd446694d80bfd", ""},
    {WFS_IQ4_NL, "7fc207b0cf5cfe7d89e1d3fdd8910e4d", "975bde02038e67716c9b003118267680"},
    {WFS_IQ3_S, "b2199c6b1c98b7ee8c6ea73b421584ff", ""},
    {WFS_IQ2_S, "0ac40dde5cc7537b8d223f5bf8ca908e", ""},
    {WFS_IQ4_XS, "18a6e6f6e452fa273212ede63fa60113", "9db7fbb1c2db45fa653383bd2f769610"},
    {WFS_IQ1_M, "0bce336f1c710317eee801c225ebc811", ""},
    {WFS_TQ1_0, "dc4b48764508e33bd5f063c33826e01c", ""},
    {WFS_TQ2_0, "61a3971cd7b931370f1901b8d7807406", ""},
    {WFS_MXFP4, "7664be44da2361bf479cc583d7a7e7b6", "3db724e3f42781dcdbdc110009505ff3"},
    {WFS_NVFP4, "f28353795688a3b7bc6f670819e04586", ""},
};

static uint32_t next_random(uint32_t *state)
{
    *state = *state * 1664525 + 1013904223;
    return *state >> 8;
}

/* About normal: the sum of four numbers of one distribution. */
static float bell(uint32_t *state)
{
    int32_t sum = 0;
    for (int i = 0; i < 4; i++)
        sum += (int32_t)(next_random(state) & 0xffff) - 0x8000;
    return (float)sum / 0x8000;
}

/* n numbers as weights have them, in blocks of every kind: wide, narrow, one-sided, with one number
 * that is far from the others, of few different numbers, equal, zero. */
static void fill(float *x, size_t n, uint32_t which, uint32_t *state)
{
    static const float scales[] = {1, 0.02f, 1e-3f, 40, 3e-7f, 900};
    float scale = scales[next_random(state) % 6];
    size_t odd = next_random(state) % n;
    for (size_t i = 0; i < n; i++) {
        float v = bell(state);
        x[i] = scale * (which % 8 == 1   ? (v < 0 ? -v : v)
                        : which % 8 == 2 ? (v < 0 ? v : -v)
                        : which % 8 == 3 ? (i == odd ? 30 * v : v)
                        : which % 8 == 4 ? (float)(int)(2 * v)
                        : which % 8 == 5 ? (i == odd ? v : 0)
                                         : v);
        if (which % 64 == 6 || which % 64 == 14)
            x[i] = which % 64 == 6 ? 0 : scale;
    }
}

static void hash_hex(const void *data, size_t len, char ret_hex[33])
{
    struct wfs_hash hash = wfs_hash_bytes(data, len);
    wfs_hash_hex(&hash, ret_hex);
}

static void decode_all(const struct wfs_code *code, char ret_hex[33])
{
    size_t n = wfs_code_elems(code), size = wfs_code_bytes(code);
    float *values = calloc(N_BLOCKS * n, sizeof(*values));
    uint32_t state = 1;
    assert_non_null(values);
    for (size_t b = 0; b < N_BLOCKS; b++) {
        uint8_t block[WFS_CODE_MAX_BYTES];
        for (size_t i = 0; i < size; i++)
            block[i] = (uint8_t)next_random(&state);
        code->decode(block, values + b * n);
    }
    hash_hex(values, N_BLOCKS * n * sizeof(*values), ret_hex);
    free(values);
}

static void encode_all(const struct wfs_code *code, char ret_hex[33])
{
    size_t n = wfs_code_elems(code), size = wfs_code_bytes(code);
    uint8_t *blocks = calloc(N_BLOCKS, size);
    uint32_t state = 2;
    assert_non_null(blocks);
    for (size_t b = 0; b < N_BLOCKS; b++) {
        float x[WFS_CODE_MAX_ELEMS];
        fill(x, n, (uint32_t)b, &state);
        if (!code->encode(x, blocks + b * size))
            memset(blocks + b * size, 0xee, size);
    }
    hash_hex(blocks, N_BLOCKS * size, ret_hex);
    free(blocks);
}

/* A name in capitals, as the enum has it. */
static void upper(const char *name, char ret[16])
{
    size_t i = 0;
    for (; name[i] && i < 15; i++)
        ret[i] = name[i] >= 'a' && name[i] <= 'z' ? (char)(name[i] - 'a' + 'A') : name[i];
    ret[i] = 0;
}

/* One line a type, as in the table, so that a new one can be copied from the failure. */
static void test_bits(void **state)
{
    (void)state;
    size_t n_rows = 0, n_wrong = 0;
    for (int d = WFS_FIRST_BLOCK_DTYPE; d < WFS_N_DTYPES; d++) {
        const struct wfs_code *code = wfs_code_of((enum wfs_dtype)d);
        char decoded[33], encoded[33] = "", name[16];
        if (!code)
            continue;
        decode_all(code, decoded);
        if (code->encode)
            encode_all(code, encoded);
        bool is_row = n_rows < WFS_ARRAY_SIZE(rows) && rows[n_rows].dtype == (enum wfs_dtype)d &&
                      strcmp(rows[n_rows].decoded, decoded) == 0 &&
                      strcmp(rows[n_rows].encoded, encoded) == 0;
        upper(wfs_dtype_info((enum wfs_dtype)d)->name, name);
        if (!is_row)
            print_error("    {WFS_%s, \"%s\", \"%s\"},\n", name, decoded, encoded);
        n_wrong += !is_row;
        n_rows++;
    }
    assert_int_equal(n_wrong, 0);
    assert_int_equal(n_rows, WFS_ARRAY_SIZE(rows));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_bits),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
