/*
 * test_npy_source.c - .npy headers: numpy's literals, its limits, and what is no array of numbers.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "scan_bytes.h"

/* A version 1.0 file with the given dict and 64 bytes of data: 0, 1, 2, ... */
static size_t make(char *out, const char *dict)
{
    size_t len = strlen(dict);
    memcpy(out, "\x93NUMPY\1\0", 8);
    wfs_store_u16le((uint8_t *)out + 8, (uint16_t)len);
    memcpy(out + 10, dict, len);
    for (int i = 0; i < 64; i++)
        out[10 + len + (size_t)i] = (char)i;
    return 10 + len + 64;
}

static int scan(const char *dict, struct wfs_catalog **ret, struct wfs_error *err)
{
    char file[12000];
    return scan_bytes(&wfs_format_npy, file, make(file, dict), ret, err);
}

static void refuse(const char *dict, const char *words)
{
    struct wfs_catalog *c;
    struct wfs_error err = {0};
    assert_int_not_equal(scan(dict, &c, &err), 0);
    if (!strstr(err.message, words))
        fail_msg("%s: '%s' does not say '%s'", dict, err.message, words);
}

static void check(const char *dict, enum wfs_dtype dtype, uint32_t ndim, const char *first)
{
    struct wfs_catalog *c;
    struct wfs_error err = {0};
    char buf[4];
    if (scan(dict, &c, &err))
        fail_msg("%s: %s", dict, err.message);
    assert_int_equal(c->n_tensors, 1);
    assert_int_equal(c->tensors[0].expr->dtype, dtype);
    assert_int_equal(c->tensors[0].expr->ndim, ndim);
    assert_int_equal(wfs_expr_read(c->tensors[0].expr, buf, sizeof(buf), 0, NULL), 0);
    assert_memory_equal(buf, first, sizeof(buf));
    wfs_catalog_free(c);
}

static void test_npy__orders_and_types(void **state)
{
    (void)state;
    check("{'descr': '<f4', 'fortran_order': False, 'shape': (2, 3), }", WFS_F32, 2, "\0\1\2\3");
    check("{'descr':'|u1','fortran_order':True,'shape':(2,3)}", WFS_U8, 2, "\0\2\4\1");
    check("{'descr': '>i2', 'fortran_order': False, 'shape': (4,)}", WFS_I16, 1, "\1\0\3\2");
    check("{'shape': (), 'fortran_order': False, 'descr': '<f8'}", WFS_F64, 0, "\0\1\2\3");
    check("{\"descr\": \"<V2\", 'fortran_order': False, 'shape': (2L,)}   \n", WFS_BF16, 1,
          "\0\1\2\3");
}

static void test_npy__hostile(void **state)
{
    (void)state;
    refuse("{'descr': '|O', 'fortran_order': False, 'shape': (2,)}", "never opened");
    refuse("{'descr': [('a', '<f4')], 'fortran_order': False, 'shape': (2,)}", "records");
    refuse("{'descr': '<U4', 'fortran_order': False, 'shape': (2,)}", "holds no numbers");
    refuse("{'descr': '<f4', 'fortran_order': False, 'shape': (2, 99)}", "of which 64 are there");
    refuse("{'descr': '<f4', 'fortran_order': False, 'shape': (4294967296, 4294967296)}", "test");
    refuse("{'descr': '<f4', 'fortran_order': False, 'shape': (99999999999999999999,)}", "64 bits");
    refuse("{'descr': '<f4', 'fortran_order': False}", "all of descr");
    refuse("{'descr': '<f4', 'descr': '<f4', 'fortran_order': False, 'shape': ()}",
           "each key once");
    refuse("{'descr': '<f4', 'fortran_order': bool(), 'shape': ()}", "True or False");
    refuse("{'descr': '<f4', 'fortran_order': False, 'shape': (-1,)}", "a size");
    refuse("{'descr': '<f4', 'fortran_order': False, 'shape': (3)}", "',' or ')'");
    refuse("{'descr': '<f4', 'fortran_order': False, 'shape': (03,)}", "a size");
    refuse("{'descr': '<f4', 'fortran_order': False, 'shape': (1,)} + exit()", "nothing after");
    refuse("__import__('os')", "expected '{'");
    char many[11000];
    memset(many, ' ', sizeof(many));
    many[sizeof(many) - 1] = '\0';
    refuse(many, "numpy's limit");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_npy__orders_and_types),
        cmocka_unit_test(test_npy__hostile),
    };
    return cmocka_run_group_tests_name("npy_source", tests, NULL, NULL);
}
