/*
 * test_zip.c - ZIP directories: what is found where, lazily, and at an offset inside a file. What
 * is refused has its cases in tests/cli/test_hostile_torch.py; here are the ones that need no
 * PyTorch frame.
 */
#include "source_fixture.h"

#include "source/archive/zip.h"

struct archive {
    struct wfs_buf body, directory;
    uint32_t n;
};

static void put16(struct wfs_buf *b, uint16_t v)
{
    uint8_t p[2];
    wfs_store_u16le(p, v);
    wfs_buf_add(b, p, 2);
}

static void put32(struct wfs_buf *b, uint32_t v)
{
    uint8_t p[4];
    wfs_store_u32le(p, v);
    wfs_buf_add(b, p, 4);
}

/* A stored member whose local header has an extra field that the directory does not know. */
static void add(struct archive *a, const char *name, const char *data)
{
    uint32_t off = (uint32_t)a->body.len, size = (uint32_t)strlen(data);
    put32(&a->body, 0x04034b50);
    for (int i = 0; i < 5; i++)
        put16(&a->body, 0);
    put32(&a->body, 0);
    put32(&a->body, size);
    put32(&a->body, size);
    put16(&a->body, (uint16_t)strlen(name));
    put16(&a->body, 6);
    wfs_buf_str(&a->body, name);
    wfs_buf_add(&a->body, "FB\2\0ZZ", 6);
    wfs_buf_str(&a->body, data);
    put32(&a->directory, 0x02014b50);
    for (int i = 0; i < 6; i++)
        put16(&a->directory, 0);
    put32(&a->directory, 0);
    put32(&a->directory, size);
    put32(&a->directory, size);
    put16(&a->directory, (uint16_t)strlen(name));
    for (int i = 0; i < 6; i++)
        put16(&a->directory, 0);
    put32(&a->directory, off);
    wfs_buf_str(&a->directory, name);
    a->n++;
}

static void finish(struct archive *a, const char *comment)
{
    uint32_t off = (uint32_t)a->body.len;
    wfs_buf_add(&a->body, a->directory.data ? a->directory.data : "", a->directory.len);
    put32(&a->body, 0x06054b50);
    put32(&a->body, 0);
    put16(&a->body, (uint16_t)a->n);
    put16(&a->body, (uint16_t)a->n);
    put32(&a->body, (uint32_t)a->directory.len);
    put32(&a->body, off);
    put16(&a->body, (uint16_t)strlen(comment));
    wfs_buf_str(&a->body, comment);
    assert_true(wfs_buf_ok(&a->body) && wfs_buf_ok(&a->directory));
    wfs_buf_free(&a->directory);
}

/* Opens what stands at `off` of a file of zeros around it. */
static int open_at(const struct archive *a, uint64_t off, struct wfs_arena *arena,
                   struct wfs_bytes **ret_bytes, struct wfs_zip **ret, struct wfs_error *err)
{
    size_t len = (size_t)off + a->body.len + 100;
    char *file = calloc(1, len);
    assert_non_null(file);
    memcpy(file + off, a->body.data, a->body.len);
    assert_int_equal(wfs_bytes_from_memory("x.zip", file, len, ret_bytes, err), 0);
    free(file);
    return wfs_zip_open(arena, *ret_bytes, off, a->body.len, ret, err);
}

static void expect_member(struct wfs_zip *zip, const char *name, const char *data)
{
    struct wfs_error err = {0};
    struct wfs_bytes *bytes = NULL;
    char buf[64];
    uint64_t off = 0;
    struct wfs_zip_member *m = wfs_zip_find(zip, name);
    assert_non_null(m);
    assert_int_equal(m->size_bytes, strlen(data));
    assert_int_equal(wfs_zip_data(zip, m, &bytes, &off, &err), 0);
    assert_ptr_equal(bytes, zip->bytes); /* stored: in the file itself */
    assert_false(m->local_differs);
    assert_int_equal(wfs_bytes_read(bytes, buf, strlen(data), off, &err), 0);
    assert_memory_equal(buf, data, strlen(data));
}

static void check_archive(const char *comment, uint64_t at)
{
    struct archive a = {0};
    struct wfs_error err = {0};
    struct wfs_bytes *bytes = NULL;
    struct wfs_zip *zip = NULL;
    struct wfs_arena *arena = wfs_arena_new();
    char *text;
    size_t len;
    add(&a, "x/one", "first");
    add(&a, "x/empty", "");
    add(&a, "x/two", "second");
    finish(&a, comment);
    assert_int_equal(open_at(&a, at, arena, &bytes, &zip, &err), 0);
    assert_int_equal(zip->n_members, 3);
    expect_member(zip, "x/one", "first");
    expect_member(zip, "x/empty", "");
    expect_member(zip, "x/two", "second");
    assert_null(wfs_zip_find(zip, "x/ONE"));
    assert_null(wfs_zip_find(zip, "one"));
    assert_int_equal(wfs_zip_slurp(zip, wfs_zip_find(zip, "x/two"), 6, &text, &len, &err), 0);
    assert_string_equal(text, "second");
    assert_int_equal(wfs_zip_slurp(zip, wfs_zip_find(zip, "x/two"), 5, &text, &len, &err), -EFBIG);
    wfs_arena_free(arena);
    wfs_bytes_unref(bytes);
    wfs_buf_free(&a.body);
}

static void test_zip__members_are_found(void **state)
{
    (void)state;
    check_archive("", 0);
    check_archive("a comment", 0);
    check_archive("", 1000);
    check_archive("with a comment, inside a file", 77);
}

static void test_zip__an_empty_archive(void **state)
{
    (void)state;
    struct archive a = {0};
    struct wfs_error err = {0};
    struct wfs_bytes *bytes = NULL;
    struct wfs_zip *zip = NULL;
    struct wfs_arena *arena = wfs_arena_new();
    finish(&a, "");
    assert_int_equal(open_at(&a, 5, arena, &bytes, &zip, &err), 0);
    assert_int_equal(zip->n_members, 0);
    wfs_arena_free(arena);
    wfs_bytes_unref(bytes);
    wfs_buf_free(&a.body);
}

static void test_zip__names_that_differ_in_case_are_marked(void **state)
{
    (void)state;
    struct archive a = {0};
    struct wfs_error err = {0};
    struct wfs_bytes *bytes = NULL;
    struct wfs_zip *zip = NULL;
    struct wfs_arena *arena = wfs_arena_new();
    add(&a, "x/A", "1");
    add(&a, "x/b", "2");
    add(&a, "X/a", "3");
    finish(&a, "");
    assert_int_equal(open_at(&a, 0, arena, &bytes, &zip, &err), 0);
    assert_true(wfs_zip_find(zip, "x/A")->has_case_twin);
    assert_true(wfs_zip_find(zip, "X/a")->has_case_twin);
    assert_false(wfs_zip_find(zip, "x/b")->has_case_twin);
    wfs_arena_free(arena);
    wfs_bytes_unref(bytes);
    wfs_buf_free(&a.body);
}

/* Whatever byte of the directory or the end record changes: an error with a message, or members
 * that lie inside the archive. */
static void test_zip__every_byte_may_lie(void **state)
{
    (void)state;
    struct archive a = {0};
    add(&a, "x/one", "first");
    add(&a, "x/two", "second");
    size_t directory = a.body.len;
    finish(&a, "");
    for (size_t i = directory; i < a.body.len; i++) {
        for (int bit = 0; bit < 8; bit++) {
            struct wfs_error err = {0};
            struct wfs_bytes *bytes = NULL;
            struct wfs_zip *zip = NULL;
            struct wfs_arena *arena = wfs_arena_new();
            a.body.data[i] = (char)(a.body.data[i] ^ 1 << bit);
            int r = open_at(&a, 0, arena, &bytes, &zip, &err);
            assert_true(r == 0 || err.message[0]);
            for (uint32_t k = 0; !r && k < zip->n_members; k++) {
                struct wfs_bytes *data;
                uint64_t off;
                struct wfs_zip_member *m = &zip->members[k];
                if (!wfs_zip_data(zip, m, &data, &off, NULL) && data == zip->bytes)
                    assert_true(off + m->size_bytes <= m->limit_off && m->limit_off <= directory);
            }
            a.body.data[i] = (char)(a.body.data[i] ^ 1 << bit);
            wfs_arena_free(arena);
            wfs_bytes_unref(bytes);
        }
    }
    wfs_buf_free(&a.body);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_zip__members_are_found),
        cmocka_unit_test(test_zip__an_empty_archive),
        cmocka_unit_test(test_zip__names_that_differ_in_case_are_marked),
        cmocka_unit_test(test_zip__every_byte_may_lie),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
