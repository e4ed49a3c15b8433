/*
 * test_base.c - names, paths, natural order, text, maps, arenas and errors.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "base/base.h"

static struct wfs_arena *arena;

static void check_escape(const char *name, const char *expected, bool changed)
{
    struct wfs_buf out = {0};
    assert_int_equal(wfs_name_escape(&out, name, strlen(name), 4), changed);
    assert_string_equal(out.data, expected);
    wfs_buf_free(&out);
}

static void test_name__escape(void **state)
{
    (void)state;
    check_escape("weight", "weight", false);
    check_escape("ünï", "ünï", false);
    check_escape("..", "%2E%2E", true);
    check_escape(".", "%2E", true);
    check_escape("...", "...", false);
    check_escape("a/b", "a%2Fb", true);
    check_escape("100%", "100%25", true);
    check_escape("a\nb\x7f", "a%0Ab%7F", true);
    check_escape("a\xc0\x80z", "a%00z", true);
    check_escape("", "%", true);
}

static void test_name__escape_cuts_long_names(void **state)
{
    (void)state;
    char long_name[400] = {0}, other[400] = {0};
    memset(long_name, 'x', 300);
    memset(other, 'x', 300);
    other[299] = 'y';
    struct wfs_buf a = {0}, b = {0};
    assert_true(wfs_name_escape(&a, long_name, 300, 4));
    assert_true(wfs_name_escape(&b, other, 300, 4));
    assert_true(a.len <= 251 && a.len > 200);
    assert_string_not_equal(a.data, b.data);
    wfs_buf_free(&a);
    wfs_buf_free(&b);
    struct wfs_buf c = {0};
    memset(long_name, 0, sizeof(long_name));
    memset(long_name, 'x', 199);
    memset(long_name + 199, '/', 100); /* "%2F" must not be cut in two */
    wfs_name_escape(&c, long_name, 299, 0);
    assert_non_null(strstr(c.data, "x%~"));
    wfs_buf_free(&c);
}

static void check_join(const char *path, char sep, const char *expected)
{
    struct wfs_buf out = {0};
    wfs_path_join(&out, path, sep);
    assert_string_equal(out.data ? out.data : "", expected);
    wfs_buf_free(&out);
}

static void test_path__join_is_one_to_one(void **state)
{
    (void)state;
    check_join(("a" WFS_SEP_STR "b"), '.', "a.b");
    check_join("a" WFS_SEP_STR "b/c", '.', "a.b/c");
    check_join("a" WFS_SEP_STR "b/c", '/', "a/b%2Fc");
    check_join("50%" WFS_SEP_STR "b", '.', "50%.b");
    check_join("a.b", '.', "a%2Eb");
    check_join("a%2Eb", '.', "a%252Eb");
    check_join("a%252Eb", '.', "a%25252Eb");
    check_join("", '.', "");
}

static void test_path__components(void **state)
{
    (void)state;
    char *path = wfs_path_from_name(arena, "a..bc", '.');
    size_t len;
    assert_int_equal(wfs_path_n_components(path), 3);
    assert_memory_equal(wfs_path_component(path, 2, &len), "bc", 2);
    assert_int_equal(len, 2);
    wfs_path_component(path, 1, &len);
    assert_int_equal(len, 0);
    assert_int_equal(wfs_path_n_components(""), 1);
}

/* The names are given up to NULL; '?' stands for the custom. */
static void check_sep(const char *const *names, char want, bool want_doubt)
{
    struct wfs_sep_votes votes = {0};
    bool is_doubtful = !want_doubt;
    for (; *names; names++)
        wfs_sep_vote(&votes, *names);
    assert_int_equal(wfs_sep_choose(&votes, '?', &is_doubtful), want);
    assert_int_equal(is_doubtful, want_doubt);
}
#define CHECK_SEP(want, want_doubt, ...)                                                           \
    check_sep((const char *const[]){__VA_ARGS__, NULL}, want, want_doubt)

static void test_sep__names_with_one_character_tell(void **state)
{
    (void)state;
    CHECK_SEP('.', false, "a.b", "c");
    CHECK_SEP('/', false, "a/b", "c");
    /* The other character is part of a component. */
    CHECK_SEP('.', false, "a/b.c", "a.b");
    CHECK_SEP('/', false, "a.b/c", "a/b", "a.b/d");
    CHECK_SEP('?', false, "a", "b");
    CHECK_SEP('?', true, "a.b", "c/d");
    CHECK_SEP('?', true, "a.b/c", "d");
    CHECK_SEP('?', true, "a.b/c", "d/e", "f.g");
}

static void test_name__natural_order(void **state)
{
    (void)state;
    static const char *const sorted[] = {"",       "a",       ("a" WFS_SEP_STR "b"),
                                         "a.b",    "a2",      "a10",
                                         "a10b",   "a11",     "b",
                                         "b01",    "b1",      "b002",
                                         "layer2", "layer10", "layer10x"};
    for (size_t i = 0; i < WFS_ARRAY_SIZE(sorted); i++)
        for (size_t j = 0; j < WFS_ARRAY_SIZE(sorted); j++) {
            int c = wfs_natural_cmp(sorted[i], sorted[j]);
            assert_int_equal((c > 0) - (c < 0), (i > j) - (i < j));
        }
}

static void test_utf8__valid(void **state)
{
    (void)state;
    assert_true(wfs_utf8_valid("a\0ü€😀", 11));
    assert_false(wfs_utf8_valid("\xc0\x80", 2));
    assert_false(wfs_utf8_valid("\xed\xa0\x80", 3));
    assert_false(wfs_utf8_valid("\xf4\x90\x80\x80", 4));
    assert_false(wfs_utf8_valid("\xe2\x82", 2));
    assert_false(wfs_utf8_valid("\xff", 1));
}

static void test_buf__json_and_visible(void **state)
{
    (void)state;
    struct wfs_buf out = {0};
    wfs_buf_json(&out, "a\"\\\n\xc0\x80z");
    assert_string_equal(out.data, "\"a\\\"\\\\\\u000a\\u0000z\"");
    out.len = 0;
    wfs_buf_visible(&out, "a\x1b[31m\n\\ü\xc0\x80\xfe\xc2\x85");
    assert_string_equal(out.data, "a\\x1b[31m\\n\\\\ü\\x00\\xfe\\xc2\\x85");
    out.len = 0; /* right-to-left override, left-to-right mark, line separator, isolate; a euro */
    wfs_buf_visible(&out, "\u202e\u200e\u2028\u2066\u20ac");
    assert_string_equal(out.data, "\\xe2\\x80\\xae\\xe2\\x80\\x8e\\xe2\\x80\\xa8"
                                  "\\xe2\\x81\\xa6\u20ac");
    out.len = 0;
    wfs_buf_json(&out, "\x7f\xc2\x9b");
    assert_string_equal(out.data, "\"\\u007f\\u009b\"");
    struct wfs_error err = {0};
    wfs_error_set(&err, EINVAL, "a\x1b\xc2\x9b");
    assert_string_equal(err.message, "a???");
    wfs_buf_free(&out);
}

static void test_strmap__many(void **state)
{
    (void)state;
    struct wfs_strmap map = {0};
    uint64_t v;
    for (uint64_t i = 0; i < 10000; i++)
        assert_int_equal(
            wfs_strmap_add(&map, wfs_arena_printf(arena, "k%llu", (unsigned long long)i), i), 0);
    assert_int_equal(wfs_strmap_add(&map, "k77", 1), -EEXIST);
    assert_true(wfs_strmap_get(&map, "k77", &v));
    assert_int_equal(v, 77);
    assert_int_equal(wfs_strmap_set(&map, "k77", 1), 0);
    assert_true(wfs_strmap_get(&map, "k77", &v));
    assert_int_equal(v, 1);
    assert_false(wfs_strmap_get(&map, "no", &v));
    wfs_strmap_free(&map);
}

static void count_call(void *n)
{
    ++*(int *)n;
}

static void test_arena__zeroed_and_calls_back(void **state)
{
    (void)state;
    struct wfs_arena *a = wfs_arena_new();
    int n = 0;
    for (size_t size = 1; size < 100000; size = size * 3 + 1) {
        uint8_t *p = wfs_arena_alloc(a, size);
        assert_non_null(p);
        assert_int_equal((uintptr_t)p % 16, 0);
        for (size_t i = 0; i < size; i++)
            assert_int_equal(p[i], 0);
        memset(p, 0xff, size);
    }
    assert_null(wfs_arena_array(a, SIZE_MAX / 2, 8));
    assert_int_equal(wfs_arena_on_free(a, count_call, &n), 0);
    wfs_arena_free(a);
    assert_int_equal(n, 1);
}

#ifdef __SANITIZE_ADDRESS__
#include <sanitizer/asan_interface.h>

/* The sanitizer sees a step beyond an allocation of an arena, as beyond one of malloc. */
static void test_arena__gaps_are_watched(void **state)
{
    (void)state;
    for (size_t size = 1; size < 9000; size = size * 3 / 2 + 1) {
        char *p = wfs_arena_alloc(arena, size);
        assert_non_null(p);
        assert_null(__asan_region_is_poisoned(p, size));
        assert_true(__asan_address_is_poisoned(p + size));
    }
}
#endif

static void test_error__first_failure_wins(void **state)
{
    (void)state;
    struct wfs_error err = {0};
    assert_int_equal(wfs_error_set(&err, EIO, "tensor '%s'", "a\x1b"), -EIO);
    assert_int_equal(wfs_error_set(&err, EINVAL, "later"), -EINVAL);
    assert_string_equal(err.message, "tensor 'a?'");
    assert_int_equal(wfs_error_prefix(&err, "file"), -EIO);
    assert_string_equal(err.message, "file: tensor 'a?'");
}

/* What does not fit is cut off the end; a prefix that would leave no room is left out. */
static void test_error__prefixes_of_any_length(void **state)
{
    (void)state;
    char text[WFS_ERROR_MESSAGE_MAX + 8], want[2 * sizeof(text)];
    for (size_t i = 0; i + 1 < sizeof(text); i++)
        text[i] = (char)('a' + i % 26);
    text[sizeof(text) - 1] = '\0';
    for (int prefix = 0; prefix < WFS_ERROR_MESSAGE_MAX + 4; prefix++)
        for (int len = prefix < 4 ? 0 : WFS_ERROR_MESSAGE_MAX - prefix - 6;
             len < WFS_ERROR_MESSAGE_MAX + 4; len += prefix % 7 || len > 700 ? 1 : 97) {
            struct wfs_error err = {0};
            if (len < 0)
                continue;
            wfs_error_set(&err, EIO, "%.*s", len, text);
            assert_int_equal(wfs_error_prefix(&err, "%.*s", prefix, text), -EIO);
            snprintf(want, sizeof(want), "%.*s: %.*s", prefix, text, len, text);
            if (prefix + 2 >= WFS_ERROR_MESSAGE_MAX)
                snprintf(want, sizeof(want), "%.*s", len, text);
            want[WFS_ERROR_MESSAGE_MAX - 1] = '\0';
            assert_string_equal(err.message, want);
            if (len > WFS_ERROR_MESSAGE_MAX - prefix + 4 && prefix < WFS_ERROR_MESSAGE_MAX - 8)
                break;
        }
}

static int setup(void **state)
{
    (void)state;
    arena = wfs_arena_new();
    return arena == NULL;
}

static int teardown(void **state)
{
    (void)state;
    wfs_arena_free(arena);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_name__escape),
        cmocka_unit_test(test_name__escape_cuts_long_names),
        cmocka_unit_test(test_path__join_is_one_to_one),
        cmocka_unit_test(test_path__components),
        cmocka_unit_test(test_sep__names_with_one_character_tell),
        cmocka_unit_test(test_name__natural_order),
        cmocka_unit_test(test_utf8__valid),
        cmocka_unit_test(test_buf__json_and_visible),
        cmocka_unit_test(test_strmap__many),
        cmocka_unit_test(test_arena__zeroed_and_calls_back),
#ifdef __SANITIZE_ADDRESS__
        cmocka_unit_test(test_arena__gaps_are_watched),
#endif
        cmocka_unit_test(test_error__first_failure_wins),
        cmocka_unit_test(test_error__prefixes_of_any_length),
    };
    return cmocka_run_group_tests_name("base", tests, setup, teardown);
}
