/*
 * test_torch_faults.c - opening PyTorch files while memory runs out or reads fail: an error with a
 * message each time or the same catalog, nothing leaked (the sanitizer build tells). The files are
 * seeds of the fuzz corpus: every container, deflated records, attacks, broken storages.
 *
 * Linked with --wrap for the allocation functions.
 */
#include "failing_open.h"

static const char *const seeds[] = {
    "good",           "legacy",       "tar-good",    "attack-getattr",  "storage-two-types",
    "foreign-class",  "record-short", "record-long", "contains-itself", "zip-local-name",
    "stride-0-small",
#if HAVE_ZLIB
    "deflated",
#endif
};

static const char *seed_path(const char *name)
{
    static char path[4096];
    snprintf(path, sizeof(path), "%s/../fuzz/corpus/torch/%s", getenv("WEIGHTFS_TEST_DATA"), name);
    return path;
}

/* ---- memory -------------------------------------------------------------------------------- */

static void test_torch_faults__memory_runs_out(void **state)
{
    (void)state;
    for (size_t i = 0; i < WFS_ARRAY_SIZE(seeds); i++)
        open_out_of_memory(seed_path(seeds[i]));
}

/* ---- reads --------------------------------------------------------------------------------- */

struct faulty {
    struct wfs_bytes base;
    const uint8_t *data;
    long reads_left;
};

static int faulty_read(struct wfs_bytes *bytes, void *buf, size_t len, uint64_t off,
                       struct wfs_error *err)
{
    struct faulty *f = (struct faulty *)bytes;
    if (f->reads_left == 0)
        return wfs_error_set(err, EIO, "faulty: cannot read at byte %llu", (unsigned long long)off);
    f->reads_left--;
    memcpy(buf, f->data + off, len);
    return 0;
}

static void faulty_free(struct wfs_bytes *bytes)
{
    (void)bytes;
}

static uint8_t *read_seed(const char *name, size_t *ret_len)
{
    FILE *f = fopen(seed_path(name), "rb");
    assert_non_null(f);
    assert_int_equal(fseek(f, 0, SEEK_END), 0);
    *ret_len = (size_t)ftell(f);
    rewind(f);
    uint8_t *data = malloc(*ret_len);
    assert_non_null(data);
    assert_int_equal(fread(data, 1, *ret_len, f), *ret_len);
    fclose(f);
    return data;
}

/* Each read fails once, as the last that is made. */
static void reads_fail(const struct wfs_format *format, const char *name)
{
    static const struct wfs_bytes_ops ops = {
        .kind = "faulty", .read = faulty_read, .free = faulty_free};
    size_t len;
    uint8_t *data = read_seed(name, &len);
    int r = -1;
    long n = 0;
    for (; r; n++) {
        struct faulty faulty = {
            .base = {.ops = &ops, .n_refs = 1, .size_bytes = len, .name = "faulty"},
            .data = data,
            .reads_left = n};
        struct wfs_error err = {0};
        uint32_t index;
        struct wfs_catalog *c = wfs_catalog_new("faulty");
        assert_int_equal(wfs_catalog_add_file(c, "faulty", "faulty", &faulty.base, &index, &err),
                         0);
        r = wfs_source_scan_as(c, index, format, NULL, &err);
        if (r && (r != -EIO || !strstr(err.message, "cannot read")))
            fail_msg("%s: read %ld: %d: %s", name, n, r, err.message);
        wfs_catalog_free(c);
    }
    assert_true(n >= 2);
    free(data);
}

static void test_torch_faults__reads_fail(void **state)
{
    (void)state;
    reads_fail(&wfs_format_torch_zip, "good");
#if HAVE_ZLIB
    reads_fail(&wfs_format_torch_zip, "deflated");
#endif
    reads_fail(&wfs_format_torch_legacy, "legacy");
    reads_fail(&wfs_format_torch_tar, "tar-good");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_torch_faults__memory_runs_out),
        cmocka_unit_test(test_torch_faults__reads_fail),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
