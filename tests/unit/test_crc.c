/* CRC-32: of bytes, of concatenations, of zeros, of a file's ranges. */
#include "file_fixture.h"
#include "file/crc.h"
#include "file/crc_expr.h"
#include "file/crc_vfile.h"

#include <unistd.h>

/* The definition, bit by bit. */
static uint32_t slow_crc(const uint8_t *data, size_t len)
{
    uint32_t reg = UINT32_MAX;
    for (size_t i = 0; i < len; i++) {
        reg ^= data[i];
        for (int bit = 0; bit < 8; bit++)
            reg = reg & 1 ? reg >> 1 ^ UINT32_C(0xedb88320) : reg >> 1;
    }
    return ~reg;
}

static void test_crc__is_zip_s(void **state)
{
    (void)state;
    assert_int_equal(wfs_crc32(0, "123456789", 9), 0xcbf43926);
    assert_int_equal(wfs_crc32(0, "", 0), 0);
}

static void test_crc__every_length_and_alignment(void **state)
{
    (void)state;
    uint64_t rng = fx_seed();
    uint8_t data[700];
    for (size_t i = 0; i < sizeof(data); i++)
        data[i] = (uint8_t)fx_random(&rng);
    for (size_t off = 0; off < 17; off++)
        for (size_t len = 0; len < 400; len++)
            assert_int_equal(wfs_crc32(0, data + off, len), slow_crc(data + off, len));
}

static void test_crc__continues_and_combines(void **state)
{
    (void)state;
    uint64_t rng = fx_seed();
    uint8_t data[500];
    for (size_t i = 0; i < sizeof(data); i++)
        data[i] = (uint8_t)fx_random(&rng);
    uint32_t whole = slow_crc(data, sizeof(data));
    for (size_t cut = 0; cut <= sizeof(data); cut++) {
        uint32_t head = wfs_crc32(0, data, cut);
        uint32_t tail = wfs_crc32(0, data + cut, sizeof(data) - cut);
        assert_int_equal(wfs_crc32(head, data + cut, sizeof(data) - cut), whole);
        assert_int_equal(wfs_crc32_combine(head, tail, sizeof(data) - cut), whole);
    }
}

static void test_crc__zeros(void **state)
{
    (void)state;
    static const uint8_t zeros[3000];
    for (size_t n = 0; n < sizeof(zeros); n += 7)
        assert_int_equal(wfs_crc32_zeros(n), slow_crc(zeros, n));
    /* 2^40 zeros are two halves of 2^39. */
    uint32_t half = wfs_crc32_zeros(UINT64_C(1) << 39);
    assert_int_equal(wfs_crc32_zeros(UINT64_C(1) << 40),
                     wfs_crc32_combine(half, half, UINT64_C(1) << 39));
}

static void test_crc__own_crc_gives_the_residue(void **state)
{
    (void)state;
    uint64_t rng = fx_seed();
    for (size_t len = 0; len < 100; len++) {
        uint8_t data[104];
        for (size_t i = 0; i < len; i++)
            data[i] = (uint8_t)fx_random(&rng);
        wfs_store_u32le(data + len, wfs_crc32(0, data, len));
        assert_int_equal(wfs_crc32(0, data, len + 4), WFS_CRC_RESIDUE);
    }
}

static void test_crc__of_a_file(void **state)
{
    (void)state;
    struct wfs_arena *arena = wfs_arena_new();
    struct wfs_error err = {0};
    struct wfs_vfile_builder b = {.arena = arena};
    const struct wfs_vfile *file;
    struct wfs_bytes *bytes;
    const uint64_t shape[] = {333};
    assert_ok(wfs_bytes_from_memory("m", "0123456789", 10, &bytes, &err), err);
    assert_int_equal(wfs_arena_on_free(arena, wfs_bytes_unref_void, bytes), 0);
    wfs_vfile_add_literal(&b, "head", 4);
    wfs_vfile_add_expr(&b, fx_expr(arena, WFS_F32, 1, shape, 3));
    wfs_vfile_add_zeros(&b, 100);
    wfs_vfile_add_bytes(&b, bytes, 1, 9);
    assert_ok(wfs_vfile_finish(&b, &file, &err), err);
    uint8_t *data = fx_read(file);
    for (uint64_t off = 0; off < file->size_bytes; off += 13)
        for (uint64_t len = 0; off + len <= file->size_bytes; len += 17) {
            uint32_t crc = 1;
            assert_ok(wfs_crc32_vfile(file, NULL, off, len, &crc, &err), err);
            assert_int_equal(crc, slow_crc(data + off, len));
        }
    free(data);
    wfs_arena_free(arena);
}

/* Longer than a block, so that block CRCs are combined. */
static void test_crc__of_a_long_expression(void **state)
{
    (void)state;
    struct wfs_arena *arena = wfs_arena_new();
    struct wfs_error err = {0};
    const struct wfs_expr *zeros;
    const uint64_t shape[] = {2 * WFS_CRC_BLOCK_BYTES + 12345};
    uint32_t crc;
    assert_ok(wfs_expr_fill(arena, WFS_U8, 1, shape, 0, &zeros, &err), err);
    struct wfs_hash hash = wfs_expr_hash(zeros);
    uint64_t before = wfs_crc32_computed_bytes();
    assert_ok(wfs_crc32_expr(NULL, zeros, &hash, 0, zeros->size_bytes, NULL, &crc, &err), err);
    assert_int_equal(crc, wfs_crc32_zeros(shape[0]));
    assert_int_equal(wfs_crc32_computed_bytes() - before, shape[0]);
    wfs_arena_free(arena);
}

/* What one mount computed the next one finds in the index. */
static void test_crc__is_computed_once(void **state)
{
    (void)state;
    char dir[] = "/tmp/wfs-crc-XXXXXX",
         path[64]; /* an index wants a folder that only we can write */
    struct wfs_arena *arena = wfs_arena_new();
    struct wfs_error err = {0};
    const uint64_t shape[] = {50000};
    const struct wfs_expr *expr = fx_expr(arena, WFS_F32, 1, shape, 5);
    struct wfs_hash hash = wfs_expr_hash(expr);
    uint32_t first = 1, second = 2;
    assert_non_null(mkdtemp(dir));
    snprintf(path, sizeof(path), "%s/index.db", dir);
    struct wfs_cache_options options = {.index_path = path, .source = "fixture"};
    for (int round = 0; round < 2; round++) {
        struct wfs_cache *cache = NULL;
        uint64_t before = wfs_crc32_computed_bytes();
        assert_ok(wfs_cache_new(&options, &cache, &err), err);
        assert_ok(wfs_crc32_expr(cache, expr, &hash, 0, expr->size_bytes, NULL,
                                 round ? &second : &first, &err),
                  err);
        wfs_cache_free(cache);
        assert_int_equal(wfs_crc32_computed_bytes() - before, round ? 0 : expr->size_bytes);
    }
    assert_int_equal(first, second);
    uint64_t freed;
    assert_ok(wfs_index_clear(path, &freed, &err), err);
    assert_int_equal(rmdir(dir), 0);
    wfs_arena_free(arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_crc__is_zip_s),
        cmocka_unit_test(test_crc__every_length_and_alignment),
        cmocka_unit_test(test_crc__continues_and_combines),
        cmocka_unit_test(test_crc__zeros),
        cmocka_unit_test(test_crc__own_crc_gives_the_residue),
        cmocka_unit_test(test_crc__of_a_file),
        cmocka_unit_test(test_crc__of_a_long_expression),
        cmocka_unit_test(test_crc__is_computed_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
