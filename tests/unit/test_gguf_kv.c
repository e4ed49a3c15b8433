/*
 * test_gguf_kv.c - the key-value pairs of a GGUF header: the bytes that gguf-py 0.19 writes, the place
 * of a key that is put twice, and what is read back.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <string.h>

#include "gguf/gguf.h"

/* GGUFWriter(arch="llama"): add_uint32("n", 7), add_bool("b", True), add_float32("f", 0.5),
 * add_int32("i", -2), add_uint64("q", 1 << 40), add_array("list", ["a", "b\0c", ""]),
 * add_array("ints", [1, -1]), add_array("truths", [True, False]); without the 24 bytes of header. */
static const char gguf_py[] =
    "\024\000\000\000\000\000\000\000general.architec"
    "ture\010\000\000\000\005\000\000\000\000\000\000\000llama\001\000\000"
    "\000\000\000\000\000n\004\000\000\000\007\000\000\000\001\000\000\000\000\000\000\000b\007"
    "\000\000\000\001\001\000\000\000\000\000\000\000f\006\000\000\000\000\000\000?\001\000\000"
    "\000\000\000\000\000i\005\000\000\000\376\377\377\377\001\000\000\000\000\000\000\000q\012"
    "\000\000\000\000\000\000\000\000\001\000\000\004\000\000\000\000\000\000\000list\011"
    "\000\000\000\010\000\000\000\003\000\000\000\000\000\000\000\001\000\000\000\000\000\000\000a"
    "\003\000\000\000\000\000\000\000b\000c\000\000\000\000\000\000\000\000\004\000\000\000\000"
    "\000\000\000ints\011\000\000\000\005\000\000\000\002\000\000\000\000\000\000\000\001"
    "\000\000\000\377\377\377\377\006\000\000\000\000\000\000\000truths\011\000\000"
    "\000\007\000\000\000\002\000\000\000\000\000\000\000\001\000";

static void put_all(struct wfs_gguf_kv *kv)
{
    const struct wfs_gguf_str list[] = {{"a", 1}, {"b\0c", 3}, {"", 0}};
    wfs_gguf_put_str(kv, "general.architecture", "llama");
    wfs_gguf_put_u32(kv, "n", 7);
    wfs_gguf_put_bool(kv, "b", true);
    wfs_gguf_put_f32(kv, "f", 0.5f);
    wfs_gguf_put_i32(kv, "i", -2);
    wfs_gguf_put_u64(kv, "q", UINT64_C(1) << 40);
    wfs_gguf_put_array(kv, "list", WFS_GGUF_STR, 3, list);
    wfs_gguf_put_array(kv, "ints", WFS_GGUF_I32, 2, (int32_t[]){1, -1});
    wfs_gguf_put_array(kv, "truths", WFS_GGUF_BOOL, 2, (uint8_t[]){1, 0});
}

static void assert_encodes(const struct wfs_gguf_kv *kv, const char *want, size_t len)
{
    wfs_cleanup(wfs_buf_free) struct wfs_buf got = {0};
    assert_int_equal(wfs_gguf_kv_encode(kv, &got), 0);
    assert_int_equal(got.len, len);
    assert_memory_equal(got.data, want, len);
}

static void test_gguf_kv__bytes_are_gguf_pys(void **state)
{
    (void)state;
    wfs_cleanup(wfs_arena_freep) struct wfs_arena *arena = wfs_arena_new();
    struct wfs_gguf_kv *kv = wfs_gguf_kv_new(arena);
    put_all(kv);
    assert_encodes(kv, gguf_py, sizeof(gguf_py) - 1);
}

static void test_gguf_kv__a_key_keeps_its_place_and_takes_the_last_value(void **state)
{
    (void)state;
    wfs_cleanup(wfs_arena_freep) struct wfs_arena *arena = wfs_arena_new();
    struct wfs_gguf_kv *kv = wfs_gguf_kv_new(arena), *copy = wfs_gguf_kv_new(arena);
    wfs_gguf_put_str(kv, "general.architecture", "gpt2");
    wfs_gguf_put_array(kv, "n", WFS_GGUF_F32, 1, (float[]){1});
    put_all(kv);
    put_all(kv);
    assert_int_equal(kv->n, 9);
    assert_encodes(kv, gguf_py, sizeof(gguf_py) - 1);
    for (size_t i = 0; i < kv->n; i++)
        wfs_gguf_put_pair(copy, &kv->pairs[i]);
    assert_encodes(copy, gguf_py, sizeof(gguf_py) - 1);
}

static void test_gguf_kv__values_are_read_back(void **state)
{
    (void)state;
    wfs_cleanup(wfs_arena_freep) struct wfs_arena *arena = wfs_arena_new();
    struct wfs_gguf_kv *kv = wfs_gguf_kv_new(arena);
    int64_t number;
    double value;
    size_t pos = 0;
    struct wfs_gguf_str text;
    put_all(kv);
    assert_null(wfs_gguf_kv_find(kv, "none"));
    assert_true(wfs_gguf_int_at(wfs_gguf_kv_find(kv, "ints"), 1, &number));
    assert_int_equal(number, -1);
    assert_true(wfs_gguf_int_at(wfs_gguf_kv_find(kv, "q"), 0, &number));
    assert_true(number == INT64_C(1) << 40);
    assert_true(wfs_gguf_float_at(wfs_gguf_kv_find(kv, "f"), 0, &value));
    assert_true(value == 0.5);
    assert_false(wfs_gguf_float_at(wfs_gguf_kv_find(kv, "n"), 0, &value));
    assert_false(wfs_gguf_int_at(wfs_gguf_kv_find(kv, "f"), 0, &number));
    assert_false(wfs_gguf_int_at(wfs_gguf_kv_find(kv, "list"), 0, &number));
    const struct wfs_gguf_pair *list = wfs_gguf_kv_find(kv, "list");
    assert_int_equal(list->count, 3);
    assert_true(wfs_gguf_next_text(list, &pos, &text) && wfs_gguf_next_text(list, &pos, &text));
    assert_int_equal(text.len, 3);
    assert_memory_equal(text.ptr, "b\0c", 3);
    assert_true(wfs_gguf_next_text(list, &pos, &text));
    assert_false(wfs_gguf_next_text(list, &pos, &text));
}

/* A pair as a damaged file might have it: a text longer than its bytes. */
static void test_gguf_kv__no_text_goes_beyond_its_bytes(void **state)
{
    (void)state;
    const uint8_t data[] = {4, 0, 0, 0, 0, 0, 0, 0, 'a', 'b', 'c'};
    const struct wfs_gguf_pair pair = {"k", WFS_GGUF_STR, WFS_GGUF_STR, 1, data, sizeof(data)};
    struct wfs_gguf_str text;
    size_t pos = 0;
    assert_false(wfs_gguf_next_text(&pair, &pos, &text));
    pos = 8;
    assert_false(wfs_gguf_next_text(&pair, &pos, &text));
}

static void test_gguf_kv__many_keys(void **state)
{
    (void)state;
    wfs_cleanup(wfs_arena_freep) struct wfs_arena *arena = wfs_arena_new();
    struct wfs_gguf_kv *kv = wfs_gguf_kv_new(arena);
    char key[32];
    int64_t number;
    for (uint32_t i = 0; i < 1000; i++) {
        snprintf(key, sizeof(key), "key.%u", i);
        wfs_gguf_put_u32(kv, key, i);
    }
    assert_int_equal(kv->n, 1000);
    for (uint32_t i = 0; i < 1000; i++) {
        snprintf(key, sizeof(key), "key.%u", i);
        assert_true(wfs_gguf_int_at(wfs_gguf_kv_find(kv, key), 0, &number));
        assert_int_equal(number, i);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_gguf_kv__bytes_are_gguf_pys),
        cmocka_unit_test(test_gguf_kv__a_key_keeps_its_place_and_takes_the_last_value),
        cmocka_unit_test(test_gguf_kv__values_are_read_back),
        cmocka_unit_test(test_gguf_kv__no_text_goes_beyond_its_bytes),
        cmocka_unit_test(test_gguf_kv__many_keys),
    };
    return cmocka_run_group_tests_name("gguf_kv", tests, NULL, NULL);
}
