/* ZIP: where corrections lie, zip64, and that listing an archive reads no tensor. */
#include "file_fixture.h"
#include "file/crc.h"
#include "file/vfile.h"
#include "file/archive/zip.h"

#define PAGE  4096
#define BACK  (UINT64_C(2) << 20)
#define LARGE (UINT64_C(1) << 20)

static const struct wfs_expr *filled(struct wfs_arena *arena, uint64_t n)
{
    struct wfs_error err = {0};
    const struct wfs_expr *expr;
    assert_ok(wfs_expr_fill(arena, WFS_U8, 1, &n, 3, &expr, &err), err);
    return expr;
}

static const struct wfs_vfile *archive(struct wfs_arena *arena, const uint64_t *sizes, size_t n)
{
    struct wfs_error err = {0};
    struct wfs_zip zip = {.b.arena = arena};
    const struct wfs_vfile *file;
    wfs_zip_add_literal(&zip, "first", 5, "hello", 5);
    for (size_t i = 0; i < n; i++) {
        char name[16];
        int len = snprintf(name, sizeof(name), "t%zu", i);
        wfs_zip_add_tensor(&zip, name, (size_t)len, "head", 4, filled(arena, sizes[i]), i % 3);
    }
    assert_ok(wfs_zip_finish(&zip, &file, &err), err);
    return file;
}

/* Each member ends with its own CRC: then the declared constant is right. */
static void test_zip__members_have_the_declared_crc(void **state)
{
    (void)state;
    static const uint64_t sizes[] = {1, 3, 4, 100, 4095, 4096, 70000, LARGE + 5, 9};
    struct wfs_arena *arena = wfs_arena_new();
    const struct wfs_vfile *file = archive(arena, sizes, WFS_ARRAY_SIZE(sizes));
    uint8_t *data = fx_read(file);
    unsigned n = 0;
    for (uint32_t i = 0; i < file->n_parts; i++) {
        uint64_t off, len;
        if (!wfs_zip_correction(&file->parts[i], &off, &len))
            continue;
        assert_int_equal(file->parts[i].off, off + len);
        assert_int_equal(off % 64, 0);
        assert_int_equal(wfs_crc32(0, data + off, len + 4), WFS_CRC_RESIDUE);
        n++;
    }
    assert_int_equal(n, WFS_ARRAY_SIZE(sizes));
    free(data);
    wfs_arena_free(arena);
}

/* What follows a correction begins on another page; 2 MiB on after a large member. */
static void test_zip__corrections_stand_alone(void **state)
{
    (void)state;
    struct wfs_arena *arena = wfs_arena_new();
    uint64_t rng = fx_seed(), sizes[200];
    for (size_t i = 0; i < WFS_ARRAY_SIZE(sizes); i++)
        sizes[i] = 1 + fx_random(&rng) % (i % 4 == 0 ? 3 * LARGE : 9000);
    const struct wfs_vfile *file = archive(arena, sizes, WFS_ARRAY_SIZE(sizes));
    unsigned n = 0;
    for (uint32_t i = 0; i + 1 < file->n_parts; i++) {
        uint64_t off, len;
        if (!wfs_zip_correction(&file->parts[i], &off, &len))
            continue;
        const struct wfs_part *next = &file->parts[i + 1];
        if (next->kind == WFS_PART_ZEROS)
            next++;
        uint64_t last_page = (file->parts[i].off + 3) / PAGE;
        assert_true(next->off / PAGE > last_page);
        if (len + 4 > LARGE)
            assert_true(next->off / PAGE > last_page + BACK / PAGE);
        n++;
    }
    assert_int_equal(n, WFS_ARRAY_SIZE(sizes));
    wfs_arena_free(arena);
}

/* Offsets of all local headers, from the directory as a reader finds it. */
static size_t header_offsets(const struct wfs_vfile *file, uint64_t *ret, size_t max)
{
    struct wfs_error err = {0};
    uint8_t tail[PAGE];
    uint64_t at = file->size_bytes - sizeof(tail);
    size_t n = 0, count = 0;
    assert_ok(wfs_vfile_read(file, NULL, tail, sizeof(tail), at, NULL, &n, &err), err);
    const uint8_t *end = tail + sizeof(tail) - 22;
    assert_int_equal(wfs_load_u32le(end), 0x06054b50);
    uint64_t off = wfs_load_u32le(end + 16), size = wfs_load_u32le(end + 12);
    uint8_t *dir = malloc(size);
    assert_ok(wfs_vfile_read(file, NULL, dir, size, off, NULL, &n, &err), err);
    for (const uint8_t *p = dir; p < dir + size && count < max;
         p += 46 + wfs_load_u16le(p + 28) + wfs_load_u16le(p + 30)) {
        assert_int_equal(wfs_load_u32le(p), 0x02014b50);
        ret[count++] = wfs_load_u32le(p + 42);
    }
    free(dir);
    return count;
}

/* What torch.load(mmap=True) and a touch of the first element read: the end, the directory, 8 KiB
 * at each record; then the page of the data with half a 4 MiB readahead window on both sides. */
static void test_zip__listing_and_touching_computes_no_large_crc(void **state)
{
    (void)state;
    static const uint64_t sizes[] = {5 * LARGE, 9000, 3 * LARGE, 17, 4 * LARGE, 12000, 8 * LARGE};
    struct wfs_arena *arena = wfs_arena_new();
    struct wfs_error err = {0};
    const struct wfs_vfile *file = archive(arena, sizes, WFS_ARRAY_SIZE(sizes));
    uint64_t before = wfs_crc32_computed_bytes(), headers[16];
    uint8_t *buf = malloc(2 * BACK + PAGE);
    size_t count = header_offsets(file, headers, WFS_ARRAY_SIZE(headers)), n;
    assert_int_equal(count, WFS_ARRAY_SIZE(sizes) + 1);
    assert_int_equal(wfs_crc32_computed_bytes(), before); /* listing: none at all */
    for (size_t i = 0; i < count; i++)
        assert_ok(wfs_vfile_read(file, NULL, buf, 8192, headers[i], NULL, &n, &err), err);
    for (size_t i = 0; i < count; i++) {
        uint64_t from = headers[i] / PAGE * PAGE;
        from = from > BACK ? from - BACK : 0;
        assert_ok(wfs_vfile_read(file, NULL, buf, 2 * BACK + PAGE, from, NULL, &n, &err), err);
    }
    uint64_t small = 9000 + 17 + 12000;
    assert_true(wfs_crc32_computed_bytes() - before <= small);
    /* And the last bytes of a large member are where it is computed, once, but for the 2 to 4 MiB
     * that the touch read. */
    before = wfs_crc32_computed_bytes();
    for (uint32_t i = 0; i < file->n_parts; i++)
        if (file->parts[i].kind == WFS_PART_COMPUTED)
            for (int again = 0; again < 2; again++)
                assert_ok(wfs_vfile_read(file, NULL, buf, 4, file->parts[i].off, NULL, &n, &err),
                          err);
    assert_true(wfs_crc32_computed_bytes() - before <= (20 - 4 * 2) * LARGE + small);
    assert_true(wfs_crc32_computed_bytes() - before >= 8 * LARGE);
    free(buf);
    wfs_arena_free(arena);
}

static void test_zip__sizes_and_offsets_beyond_32_bits(void **state)
{
    (void)state;
    static const uint64_t sizes[] = {UINT64_C(5) << 30, 10, UINT32_MAX - 4u - 4u - 2u};
    struct wfs_arena *arena = wfs_arena_new();
    struct wfs_error err = {0};
    const struct wfs_vfile *file = archive(arena, sizes, WFS_ARRAY_SIZE(sizes));
    uint8_t tail[400];
    size_t n;
    uint64_t at = file->size_bytes - sizeof(tail);
    assert_ok(wfs_vfile_read(file, NULL, tail, sizeof(tail), at, NULL, &n, &err), err);
    const uint8_t *end = tail + sizeof(tail) - 22, *locator = end - 20, *end64 = locator - 56;
    assert_int_equal(wfs_load_u32le(end), 0x06054b50);
    assert_int_equal(wfs_load_u32le(end + 16), UINT32_MAX);
    assert_int_equal(wfs_load_u32le(locator), 0x07064b50);
    assert_int_equal(wfs_load_u64le(locator + 8), file->size_bytes - 98);
    assert_int_equal(wfs_load_u32le(end64), 0x06064b50);
    assert_int_equal(wfs_load_u64le(end64 + 24), 4);
    uint64_t dir_off = wfs_load_u64le(end64 + 48), dir_len = wfs_load_u64le(end64 + 40);
    assert_int_equal(dir_off + dir_len, file->size_bytes - 98);
    /* t0: sizes in its extra; t1: an offset in its extra; t2: its size is the 32-bit limit. */
    const uint8_t *t0 = tail + (dir_off - at) + 46 + 5;
    assert_int_equal(wfs_load_u32le(t0 + 20), UINT32_MAX);
    assert_int_equal(wfs_load_u64le(t0 + 46 + 2 + 4), sizes[0] + 8);
    const uint8_t *t1 = t0 + 46 + 2 + 20;
    assert_int_equal(wfs_load_u32le(t1 + 20), 10 + 8 + 1);
    assert_int_equal(wfs_load_u32le(t1 + 42), UINT32_MAX);
    uint64_t t1_off = wfs_load_u64le(t1 + 46 + 2 + 4);
    uint8_t local[4];
    assert_ok(wfs_vfile_read(file, NULL, local, 4, t1_off, NULL, &n, &err), err);
    assert_int_equal(wfs_load_u32le(local), 0x04034b50);
    const uint8_t *t2 = t1 + 46 + 2 + 12;
    assert_int_equal(wfs_load_u32le(t2 + 20), UINT32_MAX);
    assert_int_equal(wfs_load_u64le(t2 + 46 + 2 + 4), UINT32_MAX);
    wfs_arena_free(arena);
}

static void test_zip__more_members_than_16_bits(void **state)
{
    (void)state;
    struct wfs_arena *arena = wfs_arena_new();
    struct wfs_error err = {0};
    struct wfs_zip zip = {.b.arena = arena};
    const struct wfs_vfile *file;
    uint8_t tail[98];
    size_t n;
    for (unsigned i = 0; i < 65535; i++) {
        char name[16];
        int len = snprintf(name, sizeof(name), "%u", i);
        wfs_zip_add_literal(&zip, name, (size_t)len, "x", 1);
    }
    assert_ok(wfs_zip_finish(&zip, &file, &err), err);
    assert_ok(wfs_vfile_read(file, NULL, tail, 98, file->size_bytes - 98, NULL, &n, &err), err);
    assert_int_equal(wfs_load_u32le(tail), 0x06064b50);
    assert_int_equal(wfs_load_u64le(tail + 32), 65535);
    assert_int_equal(wfs_load_u16le(tail + 76 + 10), 0xffff);
    wfs_arena_free(arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_zip__members_have_the_declared_crc),
        cmocka_unit_test(test_zip__corrections_stand_alone),
        cmocka_unit_test(test_zip__listing_and_touching_computes_no_large_crc),
        cmocka_unit_test(test_zip__sizes_and_offsets_beyond_32_bits),
        cmocka_unit_test(test_zip__more_members_than_16_bits),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
