/* Virtual files: parts, ranges across them, sizes beyond 4 GiB, what is refused. */
#include "file_fixture.h"
#include "file/vfile.h"

static int fixed_bytes(const struct wfs_vfile *file, struct wfs_cache *cache, const void *ctx,
                       uint8_t *buf, struct wfs_error *err)
{
    (void)file;
    (void)cache;
    (void)err;
    memcpy(buf, ctx, 4);
    return 0;
}

static int failing(const struct wfs_vfile *file, struct wfs_cache *cache, const void *ctx,
                   uint8_t *buf, struct wfs_error *err)
{
    (void)file;
    (void)cache;
    (void)ctx;
    (void)buf;
    return wfs_error_set(err, EIO, "on purpose");
}

/* A part of every kind; *ret_expected is what the file must read as. */
static const struct wfs_vfile *every_kind(struct wfs_arena *arena, uint8_t **ret_expected)
{
    static const uint64_t shape[] = {5, 7};
    struct wfs_error err = {0};
    struct wfs_vfile_builder b = {.arena = arena};
    const struct wfs_vfile *file;
    struct wfs_bytes *bytes;
    const struct wfs_expr *expr = fx_expr(arena, WFS_F32, 2, shape, 3);
    uint8_t *values = fx_read_expr(expr);
    assert_ok(wfs_bytes_from_memory("m", "0123456789", 10, &bytes, &err), err);
    assert_int_equal(wfs_arena_on_free(arena, wfs_bytes_unref_void, bytes), 0);
    wfs_vfile_add_literal(&b, "head", 4);
    wfs_vfile_add_literal(&b, "", 0);
    wfs_vfile_add_expr(&b, expr);
    wfs_vfile_add_zeros(&b, 9);
    wfs_vfile_add_zeros(&b, 0);
    wfs_vfile_add_computed(&b, 4, fixed_bytes, "abcd");
    wfs_vfile_add_expr_range(&b, expr, 13, 31);
    wfs_vfile_add_bytes(&b, bytes, 3, 5);
    assert_ok(wfs_vfile_finish(&b, &file, &err), err);
    assert_int_equal(file->n_parts, 6);
    assert_int_equal(file->size_bytes, 4 + 140 + 9 + 4 + 31 + 5);
    uint8_t *out = calloc(1, file->size_bytes);
    memcpy(out, "head", 4);
    memcpy(out + 4, values, 140);
    memcpy(out + 153, "abcd", 4);
    memcpy(out + 157, values + 13, 31);
    memcpy(out + 188, "34567", 5);
    free(values);
    *ret_expected = out;
    return file;
}

static void test_vfile__reads_every_range(void **state)
{
    (void)state;
    struct wfs_arena *arena = wfs_arena_new();
    struct wfs_error err = {0};
    uint8_t *expected, buf[256];
    const struct wfs_vfile *file = every_kind(arena, &expected);
    for (uint64_t off = 0; off <= file->size_bytes; off++) {
        for (size_t len = 0; off + len <= file->size_bytes; len++) {
            size_t n = 999;
            memset(buf, 0xee, sizeof(buf));
            assert_ok(wfs_vfile_read(file, NULL, buf, len, off, NULL, &n, &err), err);
            assert_int_equal(n, len);
            assert_memory_equal(buf, expected + off, len);
            assert_int_equal(buf[len], 0xee);
        }
    }
    free(expected);
    wfs_arena_free(arena);
}

static void test_vfile__ends_where_it_ends(void **state)
{
    (void)state;
    struct wfs_arena *arena = wfs_arena_new();
    struct wfs_error err = {0};
    uint8_t *expected, buf[256];
    size_t n;
    const struct wfs_vfile *file = every_kind(arena, &expected);
    assert_ok(wfs_vfile_read(file, NULL, buf, sizeof(buf), 190, NULL, &n, &err), err);
    assert_int_equal(n, 3);
    assert_ok(wfs_vfile_read(file, NULL, buf, 10, file->size_bytes, NULL, &n, &err), err);
    assert_int_equal(n, 0);
    assert_ok(wfs_vfile_read(file, NULL, buf, 10, UINT64_MAX, NULL, &n, &err), err);
    assert_int_equal(n, 0);
    free(expected);
    wfs_arena_free(arena);
}

static void test_vfile__empty_file(void **state)
{
    (void)state;
    struct wfs_arena *arena = wfs_arena_new();
    struct wfs_error err = {0};
    struct wfs_vfile_builder b = {.arena = arena};
    const struct wfs_vfile *file;
    size_t n = 1;
    uint8_t byte;
    assert_ok(wfs_vfile_finish(&b, &file, &err), err);
    assert_int_equal(file->size_bytes, 0);
    assert_ok(wfs_vfile_read(file, NULL, &byte, 1, 0, NULL, &n, &err), err);
    assert_int_equal(n, 0);
    wfs_arena_free(arena);
}

static void test_vfile__beyond_4_gib(void **state)
{
    (void)state;
    struct wfs_arena *arena = wfs_arena_new();
    struct wfs_error err = {0};
    struct wfs_vfile_builder b = {.arena = arena};
    const struct wfs_vfile *file;
    const struct wfs_expr *ones;
    const uint64_t shape[] = {70000, 70001}; /* over 2^32 elements */
    uint8_t buf[16];
    size_t n;
    assert_ok(wfs_expr_fill(arena, WFS_U8, 2, shape, 7, &ones, &err), err);
    wfs_vfile_add_literal(&b, "x", 1);
    wfs_vfile_add_expr(&b, ones);
    wfs_vfile_add_zeros(&b, UINT64_C(1) << 40);
    wfs_vfile_add_literal(&b, "end", 3);
    assert_ok(wfs_vfile_finish(&b, &file, &err), err);
    uint64_t seam = 1 + UINT64_C(70000) * 70001;
    assert_int_equal(file->size_bytes, seam + (UINT64_C(1) << 40) + 3);
    assert_ok(wfs_vfile_read(file, NULL, buf, 4, seam - 2, NULL, &n, &err), err);
    assert_memory_equal(buf, "\x07\x07\0\0", 4);
    assert_ok(wfs_vfile_read(file, NULL, buf, 16, file->size_bytes - 5, NULL, &n, &err), err);
    assert_int_equal(n, 5);
    assert_memory_equal(buf, "\0\0end", 5);
    wfs_arena_free(arena);
}

static void test_vfile__refuses_what_no_file_can_be(void **state)
{
    (void)state;
    struct wfs_arena *arena = wfs_arena_new();
    struct wfs_error err = {0};
    struct wfs_vfile_builder b = {.arena = arena};
    const struct wfs_vfile *file = NULL;
    wfs_vfile_add_zeros(&b, INT64_MAX);
    wfs_vfile_add_zeros(&b, 1);
    assert_int_equal(wfs_vfile_finish(&b, &file, &err), -EOVERFLOW);
    assert_null(file);
    wfs_vfile_add_zeros(&b, UINT64_MAX);
    assert_int_equal(wfs_vfile_finish(&b, &file, NULL), -EOVERFLOW);
    wfs_vfile_add_zeros(&b, INT64_MAX); /* the builder is as new after a failure */
    assert_ok(wfs_vfile_finish(&b, &file, &err), err);
    assert_int_equal(file->size_bytes, INT64_MAX);
    wfs_arena_free(arena);
}

static void test_vfile__error_of_a_part_is_the_read_s(void **state)
{
    (void)state;
    struct wfs_arena *arena = wfs_arena_new();
    struct wfs_error err = {0};
    struct wfs_vfile_builder b = {.arena = arena};
    const struct wfs_vfile *file;
    uint8_t buf[8];
    size_t n = 77;
    wfs_vfile_add_literal(&b, "ok", 2);
    wfs_vfile_add_computed(&b, 4, failing, NULL);
    assert_ok(wfs_vfile_finish(&b, &file, &err), err);
    assert_ok(wfs_vfile_read(file, NULL, buf, 2, 0, NULL, &n, &err), err);
    n = 77;
    assert_int_equal(wfs_vfile_read(file, NULL, buf, 8, 0, NULL, &n, &err), -EIO);
    assert_int_equal(n, 77);
    assert_string_equal(err.message, "on purpose");
    wfs_arena_free(arena);
}

static void test_vfile__finds_among_many_parts(void **state)
{
    (void)state;
    struct wfs_arena *arena = wfs_arena_new();
    struct wfs_error err = {0};
    struct wfs_vfile_builder b = {.arena = arena};
    const struct wfs_vfile *file;
    uint64_t rng = fx_seed();
    enum { N = 5000 };
    for (int i = 0; i < N; i++) {
        char text[32];
        int len = snprintf(text, sizeof(text), "%0*d", 1 + (int)(fx_random(&rng) % 20), i);
        wfs_vfile_add_literal(&b, text, (size_t)len);
    }
    assert_ok(wfs_vfile_finish(&b, &file, &err), err);
    for (uint32_t i = 0; i < file->n_parts; i++) {
        assert_int_equal(wfs_vfile_find(file, file->parts[i].off), i);
        assert_int_equal(wfs_vfile_find(file, file->parts[i].off + file->parts[i].size_bytes - 1),
                         i);
    }
    wfs_arena_free(arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_vfile__reads_every_range),
        cmocka_unit_test(test_vfile__ends_where_it_ends),
        cmocka_unit_test(test_vfile__empty_file),
        cmocka_unit_test(test_vfile__beyond_4_gib),
        cmocka_unit_test(test_vfile__refuses_what_no_file_can_be),
        cmocka_unit_test(test_vfile__error_of_a_part_is_the_read_s),
        cmocka_unit_test(test_vfile__finds_among_many_parts),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
