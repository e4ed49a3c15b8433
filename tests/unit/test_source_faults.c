/*
 * test_source_faults.c - opening a source while memory runs out or reads fail: an error with a
 * message each time, nothing leaked (the sanitizer build tells), nothing guessed.
 *
 * Linked with --wrap for the allocation functions: the n-th call and all after it fail, for every
 * n until a run succeeds.
 */
#include "failing_open.h"
#include "gguf_fixture.h"

/* ---- memory -------------------------------------------------------------------------------- */

static void test_source_faults__memory_runs_out_in_a_folder(void **state)
{
    (void)state;
    struct scratch s;
    scratch_make(&s);
    scratch_safetensors(&s, "m-1-of-2.safetensors",
                        "{\"__metadata__\":{\"format\":\"pt\",\"x\":\"1\"},"
                        "\"b\\u00e9.c\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[4,12]},"
                        "\"a\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0,4]}}",
                        12);
    scratch_safetensors(&s, "m-2-of-2.safetensors",
                        "{\"__metadata__\":{\"x\":\"2\"},"
                        "\"d\":{\"dtype\":\"F32\",\"shape\":[0,2],\"data_offsets\":[0,0]}}",
                        0);
    scratch_text(&s, "config.json", "{}");
    scratch_text(&s, "sub/file", "text");
    scratch_text(&s, "sub/model.bin", "text");
    scratch_text(&s, "vague.bin", "text");
    open_out_of_memory(s.dir);
    scratch_text(
        &s, "model.safetensors.index.json",
        "{\"weight_map\":{\"a\":\"m-1-of-2.safetensors\",\"d\":\"m-2-of-2.safetensors\"}}");
    open_out_of_memory(s.dir);
    scratch_remove(&s);
}

static void test_source_faults__memory_runs_out_in_a_gguf_file(void **state)
{
    (void)state;
    static struct gguf g;
    struct scratch s;
    scratch_make(&s);
    g_start(&g, true, 3, 2, 3);
    g_key_text(&g, "general.architecture", "llama");
    g_key(&g, "list", G_ARR), g_number(&g, 4, G_STR), g_number(&g, 8, 2);
    g_text(&g, "a"), g_text(&g, "\xff");
    g_key_u32(&g, "general.alignment", 8);
    g_tensor(&g, "blk.0.w", SIZES(2), 0, 0);
    g_tensor(&g, "blk.1.w", SIZES(32), 39, 8);
    g_data(&g, 8, 32);
    scratch_write(&s, "model.gguf", g.data, g.len);
    open_out_of_memory(s.dir);
    scratch_remove(&s);
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

static void test_source_faults__reads_fail(void **state)
{
    (void)state;
    static const struct wfs_bytes_ops ops = {
        .kind = "faulty", .read = faulty_read, .free = faulty_free};
    struct wfs_buf header = {0};
    size_t len;
    int r = -1;
    /* Several buffers of the cursor. */
    wfs_buf_str(&header, "{\"a\":{\"dtype\":\"U8\",\"shape\":[1],\"data_offsets\":[0,1]}");
    for (int i = 0; i < 300000; i++)
        wfs_buf_char(&header, ' ');
    wfs_buf_char(&header, '}');
    uint8_t *file = make_safetensors(header.data, header.len, 1, &len);
    long n = 0;
    for (; r; n++) {
        struct faulty faulty = {
            .base = {.ops = &ops, .n_refs = 1, .size_bytes = len, .name = "faulty"},
            .data = file,
            .reads_left = n};
        struct wfs_error err = {0};
        uint32_t index;
        struct wfs_catalog *c = wfs_catalog_new("faulty");
        assert_int_equal(wfs_catalog_add_file(c, "faulty", "faulty", &faulty.base, &index, &err),
                         0);
        r = wfs_source_scan_as(c, index, &wfs_format_safetensors, NULL, &err);
        assert_true(r == 0 || (r == -EIO && strstr(err.message, "cannot read")));
        wfs_catalog_free(c);
        const struct wfs_format *format = NULL;
        faulty.reads_left = 0;
        err = (struct wfs_error){0};
        assert_int_equal(wfs_source_recognise(&faulty.base, "x.safetensors", &format, &err), -EIO);
    }
    assert_true(n >= 5);
    free(file);
    wfs_buf_free(&header);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_source_faults__memory_runs_out_in_a_folder),
        cmocka_unit_test(test_source_faults__memory_runs_out_in_a_gguf_file),
        cmocka_unit_test(test_source_faults__reads_fail),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
