/*
 * test_msgpack.c - Flax msgpack documents: what is shown, what is refused and with which words.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "scan_bytes.h"

#define BYTES(literal) (literal), sizeof(literal) - 1

/* ext8 of n bytes, type 1: [shape, dtype, data] */
#define ARRAY_2F                                                                                   \
    "\xc7\x15\x01\x93\x91\x02\xa7"                                                                 \
    "float32\xc4\x08"                                                                              \
    "\0\0\x80\x3f\0\0\0\x40"

static struct wfs_catalog *accept(const void *data, size_t len)
{
    struct wfs_catalog *catalog = NULL;
    struct wfs_error err = {0};
    if (scan_bytes(&wfs_format_flax_msgpack, data, len, &catalog, &err))
        fail_msg("%s", err.message);
    return catalog;
}

static void refuse(const void *data, size_t len, const char *words)
{
    struct wfs_catalog *catalog = NULL;
    struct wfs_error err = {0};
    assert_int_not_equal(scan_bytes(&wfs_format_flax_msgpack, data, len, &catalog, &err), 0);
    if (!strstr(err.message, words))
        fail_msg("'%s' does not say '%s'", err.message, words);
}

static void test_msgpack__nested_maps_are_paths(void **state)
{
    (void)state;
    struct wfs_catalog *c = accept(BYTES("\x82\xa1p\x81\xa3k/x" ARRAY_2F "\xa4step\x03"));
    assert_int_equal(c->n_tensors, 1);
    assert_string_equal(c->tensors[0].path, "p\xffk/x");
    assert_string_equal(c->tensors[0].name, "p/k%2Fx");
    float v[2];
    assert_int_equal(wfs_expr_read(c->tensors[0].expr, v, sizeof(v), 0, NULL), 0);
    assert_true(v[0] == 1 && v[1] == 2);
    assert_string_equal(c->objects_json, "{\"step\": 3}");
    wfs_catalog_free(c);
}

static void test_msgpack__chunks_are_put_together(void **state)
{
    (void)state;
    struct wfs_catalog *c = accept(BYTES("\x81\xa1w\x83\xb9__msgpack_chunked_array__\xc3\xa5shape"
                                         "\x82\xa1"
                                         "0\x02\xa1"
                                         "1\x02\xa6"
                                         "chunks\x82\xa1"
                                         "0" ARRAY_2F "\xa1"
                                         "1" ARRAY_2F));
    assert_int_equal(c->n_tensors, 1);
    assert_int_equal(c->tensors[0].expr->ndim, 2);
    float v[4];
    assert_int_equal(wfs_expr_read(c->tensors[0].expr, v, sizeof(v), 0, NULL), 0);
    assert_true(v[0] == 1 && v[1] == 2 && v[2] == 1 && v[3] == 2);
    assert_null(c->objects_json);
    wfs_catalog_free(c);
}

static void test_msgpack__hostile(void **state)
{
    (void)state;
    refuse(BYTES(""), "cut off");
    refuse(BYTES("\x81\xa1w" ARRAY_2F "\xc0"), "after the end");
    refuse(BYTES("\x81\xa1w\xc7\x15\x01\x93\x91\x02"), "beyond the end");
    refuse(BYTES("\x81\x01\x01"), "no string");
    refuse(BYTES("\x82\xa1"
                 "a\x01\xa1"
                 "a\x01"),
           "there twice");
    refuse(BYTES("\xdf\xff\xff\xff\xff"), "beyond the end");
    refuse(BYTES("\x81\xa1w\xc1"), "0xc1");
    refuse(BYTES("\x81\xa1w\xc7\x15\x01\x93\x91\x03\xa7"
                 "float32\xc4\x08"
                 "\0\0\x80\x3f\0\0\0\x40"),
           "not as long");
    refuse(BYTES("\x81\xa1w\xc7\x15\x01\x93\x91\x02\xa7"
                 "objectx\xc4\x08"
                 "\0\0\x80\x3f\0\0\0\x40"),
           "unknown dtype");
    refuse(BYTES("\x03"), "no map of arrays");
    char deep[1200];
    memset(deep, 0x91, sizeof(deep));
    refuse(deep, sizeof(deep), "nested deeper");
    /* 2^33 * 2^33 elements of nothing: the product must not wrap */
    refuse(BYTES("\x81\xa1w\xc7\x1f\x01\x93\x93\xcf\0\0\0\2\0\0\0\0\xcf\0\0\0\2\0\0\0\0\x00\xa7"
                 "float32\xc4\x00"),
           "byte");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_msgpack__nested_maps_are_paths),
        cmocka_unit_test(test_msgpack__chunks_are_put_together),
        cmocka_unit_test(test_msgpack__hostile),
    };
    return cmocka_run_group_tests_name("msgpack", tests, NULL, NULL);
}
