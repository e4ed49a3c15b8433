/*
 * test_codec.c - chunks come back as they were, shrink where weights do, and every damage is seen.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <cmocka.h>

#include "cache/index/codec.h"

static uint64_t rng_state;

static uint64_t rng(void)
{
    rng_state ^= rng_state << 13;
    rng_state ^= rng_state >> 7;
    rng_state ^= rng_state << 17;
    return rng_state;
}

/* bf16 of a bell curve around 0, as weights are: a sum of uniform numbers. */
static void fill_bf16(uint8_t *raw, size_t len)
{
    for (size_t i = 0; i + 2 <= len; i += 2) {
        float x = 0;
        uint32_t bits;
        for (int k = 0; k < 12; k++)
            x += (float)(rng() >> 40) / (float)(1 << 24);
        x = (x - 6) * 0.02f;
        memcpy(&bits, &x, sizeof bits);
        raw[i] = (uint8_t)(bits >> 16);
        raw[i + 1] = (uint8_t)(bits >> 24);
    }
}

static void fill_noise(uint8_t *raw, size_t len)
{
    for (size_t i = 0; i < len; i++)
        raw[i] = (uint8_t)(rng() >> 32);
}

struct codec {
    struct wfs_encoder *encoder;
    struct wfs_decoder *decoder;
    uint8_t *raw, *back;
};

static int set_up(void **state)
{
    struct codec *c = calloc(1, sizeof *c);
    c->encoder = wfs_encoder_new();
    c->decoder = wfs_decoder_new();
    c->raw = malloc(WFS_CODEC_CHUNK_BYTES);
    c->back = malloc(WFS_CODEC_CHUNK_BYTES);
    *state = c;
    return c->encoder && c->decoder && c->raw && c->back ? 0 : -1;
}

static int tear_down(void **state)
{
    struct codec *c = *state;
    wfs_encoder_free(c->encoder);
    wfs_decoder_free(c->decoder);
    free(c->raw);
    free(c->back);
    free(c);
    return 0;
}

static size_t round_trip(struct codec *c, uint32_t elem_bytes, size_t len)
{
    const uint8_t *data = NULL;
    size_t stored = wfs_encode_chunk(c->encoder, elem_bytes, c->raw, len, &data);
    assert_true(stored > 0);
    memset(c->back, 0xa5, WFS_CODEC_CHUNK_BYTES);
    assert_true(wfs_decode_chunk(c->decoder, elem_bytes, data, stored, c->back, len));
    assert_memory_equal(c->raw, c->back, len);
    return stored;
}

static void test_codec__round_trip(void **state)
{
    static const size_t lens[] = {1,  2,  3,    7,      8,      9,      63,
                                  64, 65, 4096, 131071, 131072, 524287, WFS_CODEC_CHUNK_BYTES};
    struct codec *c = *state;
    for (uint32_t elem = 1; elem <= 8; elem *= 2)
        for (size_t i = 0; i < sizeof lens / sizeof lens[0]; i++) {
            fill_noise(c->raw, lens[i]);
            round_trip(c, elem, lens[i]);
            fill_bf16(c->raw, lens[i]);
            round_trip(c, elem, lens[i]);
            memset(c->raw, 0, lens[i]);
            round_trip(c, elem, lens[i]);
        }
}

static void test_codec__weights_shrink(void **state)
{
    struct codec *c = *state;
    fill_bf16(c->raw, WFS_CODEC_CHUNK_BYTES);
    assert_true(round_trip(c, 2, WFS_CODEC_CHUNK_BYTES) < WFS_CODEC_CHUNK_BYTES * 72ull / 100);
    memset(c->raw, 0, WFS_CODEC_CHUNK_BYTES);
    assert_true(round_trip(c, 4, WFS_CODEC_CHUNK_BYTES) < 1024);
    fill_noise(c->raw, WFS_CODEC_CHUNK_BYTES);
    assert_true(round_trip(c, 4, WFS_CODEC_CHUNK_BYTES) <= WFS_CODEC_CHUNK_BYTES + 16);
}

static void test_codec__wrong_sizes_are_refused(void **state)
{
    struct codec *c = *state;
    const uint8_t *data = NULL;
    fill_bf16(c->raw, 8192);
    size_t stored = wfs_encode_chunk(c->encoder, 2, c->raw, 8192, &data);
    assert_false(wfs_decode_chunk(c->decoder, 2, data, stored, c->back, 8190));
    assert_false(wfs_decode_chunk(c->decoder, 2, data, stored, c->back, 8194));
    assert_false(wfs_decode_chunk(c->decoder, 4, data, stored, c->back, 8192));
    assert_false(wfs_decode_chunk(c->decoder, 3, data, stored, c->back, 8192));
    assert_false(wfs_decode_chunk(c->decoder, 2, data, stored, c->back, WFS_CODEC_CHUNK_BYTES + 1));
    for (size_t cut = 0; cut < stored; cut++)
        assert_false(wfs_decode_chunk(c->decoder, 2, data, cut, c->back, 8192));
    assert_int_equal(wfs_encode_chunk(c->encoder, 2, c->raw, 0, &data), 0);
    assert_int_equal(wfs_encode_chunk(c->encoder, 5, c->raw, 10, &data), 0);
}

/* Whatever the damage: no crash, and either refused or caught by the checksum. */
static void test_codec__damage_is_seen(void **state)
{
    struct codec *c = *state;
    const struct wfs_block_key key = {.number = 7};
    const uint8_t *data = NULL;
    const size_t len = 16384;
    fill_bf16(c->raw, len);
    struct wfs_hash checksum = wfs_block_checksum(&key, c->raw, len);
    size_t stored = wfs_encode_chunk(c->encoder, 2, c->raw, len, &data);
    uint8_t *bad = malloc(stored);
    for (int i = 0; i < 5000; i++) {
        memcpy(bad, data, stored);
        size_t at = i < 64 ? (size_t)i % 16 : rng() % stored;
        bad[at] ^= (uint8_t)(1u << rng() % 8);
        if (!wfs_decode_chunk(c->decoder, 2, bad, stored, c->back, len))
            continue;
        struct wfs_hash now = wfs_block_checksum(&key, c->back, len);
        assert_true(memcmp(c->raw, c->back, len) == 0 ||
                    memcmp(now.bytes, checksum.bytes, sizeof now.bytes) != 0);
    }
    free(bad);
}

static void test_codec__checksum_covers_the_key(void **state)
{
    struct codec *c = *state;
    struct wfs_block_key a = {.number = 1}, b = {.number = 2}, d = {.number = 1};
    d.hash.bytes[15] = 1;
    memset(c->raw, 1, 100);
    struct wfs_hash ha = wfs_block_checksum(&a, c->raw, 100);
    struct wfs_hash hb = wfs_block_checksum(&b, c->raw, 100);
    struct wfs_hash hd = wfs_block_checksum(&d, c->raw, 100);
    assert_memory_not_equal(ha.bytes, hb.bytes, sizeof ha.bytes);
    assert_memory_not_equal(ha.bytes, hd.bytes, sizeof ha.bytes);
}

int main(void)
{
    rng_state = (uint64_t)time(NULL) * 2654435761u | 1;
    if (getenv("WEIGHTFS_SEED"))
        rng_state = strtoull(getenv("WEIGHTFS_SEED"), NULL, 0) | 1;
    print_message("WEIGHTFS_SEED=%llu\n", (unsigned long long)rng_state);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_codec__round_trip, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_codec__weights_shrink, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_codec__wrong_sizes_are_refused, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_codec__damage_is_seen, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_codec__checksum_covers_the_key, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
