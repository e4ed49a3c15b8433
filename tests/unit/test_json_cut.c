/*
 * Members cut out of JSON text: what stays is byte for byte what it was.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "tree/contents/json_cut.h"

static void expect(const char *text, const char *want)
{
    static const char *const names[] = {"q", "quantization", NULL};
    wfs_cleanup(wfs_buf_free) struct wfs_buf out = {0};
    wfs_json_cut(text, strlen(text), names, &out);
    wfs_buf_char(&out, 0);
    assert_true(wfs_buf_ok(&out));
    assert_string_equal(out.data, want);
}

static void test_json_cut__wherever_it_stands(void **state)
{
    (void)state;
    expect("{\"q\": 1}", "{}");
    expect("{\"q\": 1, \"a\": 2}", "{\"a\": 2}");
    expect("{ \"a\": 2,\n  \"q\": {\"x\": [1, {\"y\": \"}\"}]} }", "{ \"a\": 2 }");
    expect("{\"a\": 1, \"q\": null, \"b\": 3}", "{\"a\": 1, \"b\": 3}");
    expect("{\"text\": {\"quantization\": \"q\\\"}\", \"a\": []}, \"q\": -1.5e3}",
           "{\"text\": {\"a\": []}}");
    expect("{\"q\": [], \"quantization\": {}}", "{}");
    expect("{\"q\" : true , \"a\" : Infinity}", "{\"a\" : Infinity}");
}

static void test_json_cut__what_only_looks_so_stays(void **state)
{
    (void)state;
    static const char *const texts[] = {
        "{\"a\": \"q\", \"b\": [\"q\", \"quantization\"], \"qq\": 1}",
        "{\"a\": \"\\\"q\\\": 1\", \"b\": \"{\"}",
        "[1, 2]",
        "",
        "{\"a\": \"never closed",
    };
    for (size_t i = 0; i < WFS_ARRAY_SIZE(texts); i++)
        expect(texts[i], texts[i]);
}

/* Text that is no JSON is never read beyond its end. */
static void test_json_cut__cut_off(void **state)
{
    (void)state;
    static const char text[] = "{\"a\": 1, \"q\": {\"b\": [1, \"x\\\"\"]}, \"c\": 2}";
    static const char *const names[] = {"q", NULL};
    for (size_t len = 0; len < sizeof(text); len++) {
        wfs_cleanup(wfs_buf_free) struct wfs_buf out = {0};
        char *exact = malloc(len ? len : 1);
        memcpy(exact, text, len);
        wfs_json_cut(exact, len, names, &out);
        assert_true(out.len <= len);
        free(exact);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_json_cut__wherever_it_stands),
        cmocka_unit_test(test_json_cut__what_only_looks_so_stays),
        cmocka_unit_test(test_json_cut__cut_off),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
