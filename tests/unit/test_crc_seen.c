/* CRCs taken while members are served: right whatever was read in which order, and for who reads in
 * order without a second pass over the source. */
#include "file_fixture.h"
#include "file/crc.h"
#include "file/crc_expr.h"
#include "file/crc_seen.h"
#include "file/archive/zip.h"

#include <pthread.h>

#define MIB       (UINT64_C(1) << 20)
#define N_MEMBERS 50 /* more than a table remembers */

static const struct wfs_vfile *archive(struct wfs_arena *arena, const struct wfs_expr *const *exprs,
                                       size_t n)
{
    struct wfs_error err = {0};
    struct wfs_zip zip = {.b.arena = arena};
    const struct wfs_vfile *file;
    for (size_t i = 0; i < n; i++) {
        char name[16];
        int len = snprintf(name, sizeof(name), "t%zu", i);
        wfs_zip_add_tensor(&zip, name, (size_t)len, "head", 4, exprs[i], i % 4);
    }
    assert_ok(wfs_zip_finish(&zip, &file, &err), err);
    return file;
}

static const struct wfs_vfile *small_archive(struct wfs_arena *arena, uint64_t *rng)
{
    const struct wfs_expr *exprs[N_MEMBERS];
    for (unsigned i = 0; i < N_MEMBERS; i++) {
        uint64_t n = 1 + fx_random(rng) % 40000;
        exprs[i] = fx_expr(arena, WFS_U8, 1, &n, i);
    }
    return archive(arena, exprs, N_MEMBERS);
}

static void read_range(const struct wfs_vfile *file, void *buf, uint64_t off, uint64_t len)
{
    struct wfs_error err = {0};
    size_t n;
    assert_ok(wfs_vfile_read(file, NULL, buf, len, off, NULL, &n, &err), err);
    assert_int_equal(n, len);
}

static void read_in_order(const struct wfs_vfile *file, size_t step, uint8_t *ret)
{
    for (uint64_t off = 0; off < file->size_bytes; off += step)
        read_range(file, ret + off, off, wfs_min_u64(step, file->size_bytes - off));
}

/* Every member with its correction has the constant CRC. */
static void check_members(const struct wfs_vfile *file, const uint8_t *data)
{
    for (uint32_t i = 0; i < file->n_parts; i++) {
        uint64_t off, len;
        if (wfs_zip_correction(&file->parts[i], &off, &len))
            assert_int_equal(wfs_crc32(0, data + off, len + 4), WFS_CRC_RESIDUE);
    }
}

static void test_seen__reading_in_order_computes_nothing(void **state)
{
    (void)state;
    static const size_t steps[] = {1, 513, 4096, 131072, 1 << 30};
    uint64_t rng = fx_seed();
    for (size_t i = 0; i < WFS_ARRAY_SIZE(steps); i++) {
        struct wfs_arena *arena = wfs_arena_new();
        const struct wfs_vfile *file = small_archive(arena, &rng);
        uint8_t *data = malloc(file->size_bytes);
        uint64_t before = wfs_crc32_computed_bytes();
        read_in_order(file, steps[i], data);
        assert_int_equal(wfs_crc32_computed_bytes(), before);
        check_members(file, data);
        free(data);
        wfs_arena_free(arena);
    }
}

/* Longer than what is computed in one go, and only its beginning left out. */
static void test_seen__a_long_member_computes_what_is_missing(void **state)
{
    (void)state;
    struct wfs_arena *arena = wfs_arena_new();
    struct wfs_error err = {0};
    const struct wfs_expr *expr;
    const uint64_t n = 2 * WFS_CRC_BLOCK_BYTES + 12345, skipped = 100000;
    assert_ok(wfs_expr_fill(arena, WFS_U8, 1, &n, 7, &expr, &err), err);
    const struct wfs_vfile *file = archive(arena, &expr, 1);
    uint8_t *data = malloc(file->size_bytes);
    uint64_t off = 0, len = 0, before = wfs_crc32_computed_bytes();
    for (uint32_t i = 0; i < file->n_parts && len == 0; i++)
        wfs_zip_correction(&file->parts[i], &off, &len);
    for (uint64_t at = off + 4 + skipped; at < off + len; at += MIB)
        read_range(file, data + at, at, wfs_min_u64(MIB, off + len - at));
    assert_int_equal(wfs_crc32_computed_bytes(), before);
    read_range(file, data + off + len, off + len, 4);
    assert_int_equal(wfs_crc32_computed_bytes() - before, skipped);
    read_range(file, data + off, off, 4 + skipped);
    check_members(file, data);
    free(data);
    wfs_arena_free(arena);
}

/* The last bytes alone: all of it is read, as nothing of it was seen. */
static void test_seen__the_end_alone_computes_all(void **state)
{
    (void)state;
    struct wfs_arena *arena = wfs_arena_new();
    struct wfs_error err = {0};
    const struct wfs_expr *expr;
    const uint64_t n = WFS_CRC_BLOCK_BYTES + MIB;
    uint8_t start[4096], end[4];
    assert_ok(wfs_expr_fill(arena, WFS_U8, 1, &n, 7, &expr, &err), err);
    const struct wfs_vfile *file = archive(arena, &expr, 1);
    uint64_t off = 0, len = 0, before = wfs_crc32_computed_bytes();
    for (uint32_t i = 0; i < file->n_parts && len == 0; i++)
        wfs_zip_correction(&file->parts[i], &off, &len);
    read_range(file, start, 0, sizeof(start)); /* as who lists the archive */
    read_range(file, end, off + len, 4);
    assert_int_equal(wfs_crc32_computed_bytes() - before, n);
    read_range(file, end, off + len, 4);
    assert_int_equal(wfs_crc32_computed_bytes() - before, n);
    wfs_arena_free(arena);
}

/* Ranges that overlap, repeat, leave holes and fill all room that there is. */
static void test_seen__any_order_is_right(void **state)
{
    (void)state;
    uint64_t rng = fx_seed();
    for (int round = 0; round < 60; round++) {
        struct wfs_arena *arena = wfs_arena_new();
        const struct wfs_vfile *file = small_archive(arena, &rng);
        uint8_t *want = malloc(file->size_bytes), *got = malloc(file->size_bytes);
        unsigned n_reads = (unsigned)(fx_random(&rng) % 3000);
        for (unsigned i = 0; i < n_reads; i++) {
            uint64_t off = fx_random(&rng) % file->size_bytes;
            uint64_t len = 1 + fx_random(&rng) % (round % 2 ? 300 : 30000);
            len = wfs_min_u64(len, file->size_bytes - off);
            read_range(file, got + off, off, len);
        }
        read_in_order(file, 1 << 30, got);
        check_members(file, got);
        read_in_order(file, 999, want);
        assert_memory_equal(got, want, file->size_bytes);
        free(want);
        free(got);
        wfs_arena_free(arena);
    }
}

struct reader {
    const struct wfs_vfile *file;
    const uint8_t *want;
    uint64_t rng;
    atomic_uint *n_wrong;
};

static void *read_pages(void *reader_void)
{
    struct reader *reader = reader_void;
    const struct wfs_vfile *file = reader->file;
    uint8_t page[4096];
    uint64_t n_pages = file->size_bytes / sizeof(page), at = fx_random(&reader->rng) % n_pages;
    for (uint64_t i = 0; i < n_pages; i++, at = (at + 1) % n_pages) {
        struct wfs_error err = {0};
        size_t n;
        if (fx_random(&reader->rng) % 50 == 0)
            at = fx_random(&reader->rng) % n_pages;
        if (wfs_vfile_read(file, NULL, page, sizeof(page), at * sizeof(page), NULL, &n, &err) ||
            memcmp(page, reader->want + at * sizeof(page), n) != 0)
            atomic_fetch_add(reader->n_wrong, 1);
    }
    return NULL;
}

static void test_seen__readers_side_by_side(void **state)
{
    (void)state;
    uint64_t rng = fx_seed(), again = rng;
    struct wfs_arena *arena = wfs_arena_new();
    const struct wfs_vfile *file = small_archive(arena, &rng), *twin = small_archive(arena, &again);
    uint8_t *want = fx_read(twin);
    atomic_uint n_wrong = 0;
    struct reader readers[8];
    pthread_t threads[8];
    check_members(twin, want);
    for (unsigned i = 0; i < 8; i++) {
        readers[i] = (struct reader){file, want, fx_random(&rng), &n_wrong};
        assert_int_equal(pthread_create(&threads[i], NULL, read_pages, &readers[i]), 0);
    }
    for (unsigned i = 0; i < 8; i++)
        pthread_join(threads[i], NULL);
    assert_int_equal(n_wrong, 0);
    free(want);
    wfs_arena_free(arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_seen__reading_in_order_computes_nothing),
        cmocka_unit_test(test_seen__a_long_member_computes_what_is_missing),
        cmocka_unit_test(test_seen__the_end_alone_computes_all),
        cmocka_unit_test(test_seen__any_order_is_right),
        cmocka_unit_test(test_seen__readers_side_by_side),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
