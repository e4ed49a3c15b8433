/*
 * test_gguf.c - GGUF headers: both byte orders and versions, blocks, keys of every type, splits, and
 * each thing that the reader refuses. Real files are compared with gguf-py's reader in
 * tests/loaders/test_gguf_source.py.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "gguf_fixture.h"
#include "scan_bytes.h"
#include "source_fixture.h"

static struct gguf g; /* the file that a test makes */

static struct wfs_catalog *scan(void)
{
    struct wfs_catalog *c = NULL;
    struct wfs_error err = {0};
    if (scan_bytes(&wfs_format_gguf, g.data, g.len, &c, &err))
        fail_msg("%s", err.message);
    return c;
}

static void refuse(const char *words)
{
    struct wfs_catalog *c;
    struct wfs_error err = {0};
    assert_int_not_equal(scan_bytes(&wfs_format_gguf, g.data, g.len, &c, &err), 0);
    if (!strstr(err.message, words) || strncmp(err.message, "test: byte ", 6) != 0)
        fail_msg("'%s' does not say '%s'", err.message, words);
}

static const char *metadata(const struct wfs_catalog *c, const char *key)
{
    for (uint32_t i = 0; i < c->n_metadata; i++)
        if (strcmp(c->metadata[i][0], key) == 0)
            return c->metadata[i][1];
    return NULL;
}

static void assert_bytes(const struct wfs_expr *expr, const void *want, size_t n)
{
    uint8_t got[64];
    assert_int_equal(expr->size_bytes, n);
    assert_int_equal(wfs_expr_read(expr, got, n, 0, NULL), 0);
    assert_memory_equal(got, want, n);
}

/* ---- what is read -------------------------------------------------------------------------- */

static void test_gguf__shapes_are_turned_round(void **state)
{
    (void)state;
    for (uint32_t version = 2; version <= 3; version++) {
        g_start(&g, false, version, 3, 0);
        g_tensor(&g, "a.weight", SIZES(3, 2), 0, 0);
        g_tensor(&g, "b", SIZES(2), 24, 32);
        g_tensor(&g, "scalar", 0, NULL, 25, 64);
        g_data(&g, 32, 66); /* the padding of the last is not there */
        struct wfs_catalog *c = scan();
        assert_int_equal(c->n_tensors, 3);
        assert_string_equal(c->convention, "gguf");
        assert_string_equal(c->tensors[0].path, "a\xffweight");
        const struct wfs_expr *a = c->tensors[0].expr;
        assert_int_equal(a->dtype, WFS_F32);
        assert_int_equal(a->ndim, 2);
        assert_int_equal(a->shape[0], 2);
        assert_int_equal(a->shape[1], 3);
        assert_int_equal(c->tensors[0].file_off, g.len - 66);
        assert_bytes(a, g.data + g.len - 66, 24);
        assert_int_equal(c->tensors[1].expr->dtype, WFS_I8);
        assert_bytes(c->tensors[1].expr, "\x20\x21", 2);
        assert_int_equal(c->tensors[2].expr->ndim, 0);
        assert_bytes(c->tensors[2].expr, "\x40\x41", 2);
        assert_int_equal(c->n_notes, 0);
        wfs_catalog_free(c);
    }
}

static void test_gguf__big_endian_numbers_are_swapped_and_blocks_refused(void **state)
{
    (void)state;
    g_start(&g, true, 3, 4, 2);
    g_key_u32(&g, "n", 258);
    g_key_u32(&g, "general.alignment", 64);
    g_tensor(&g, "w", SIZES(2), 0, 0);
    g_tensor(&g, "bytes", SIZES(2), 24, 64);
    g_tensor(&g, "blocks", SIZES(32), 8, 128);
    g_tensor(&g, "fours", SIZES(32), 39, 192); /* MXFP4: bytes alone */
    g_data(&g, 64, 256);
    struct wfs_catalog *c = scan();
    assert_string_equal(metadata(c, "n"), "258");
    assert_int_equal(c->n_tensors, 3);
    assert_bytes(c->tensors[0].expr, "\3\2\1\0\7\6\5\4", 8);
    assert_bytes(c->tensors[1].expr, "\x40\x41", 2);
    assert_string_equal(c->tensors[2].name, "fours");
    assert_int_equal(c->n_notes, 1);
    assert_int_equal(c->notes[0].kind, WFS_NOTE_REFUSED);
    assert_string_equal(c->notes[0].subject, "blocks");
    wfs_catalog_free(c);
}

/* Numbers and sizes of ggml.h and ggml-common.h. */
static void test_gguf__every_block_type(void **state)
{
    (void)state;
    static const struct {
        uint32_t number, elems, bytes;
        const char *name;
    } types[] = {
        {2, 32, 18, "q4_0"},      {3, 32, 20, "q4_1"},      {6, 32, 22, "q5_0"},
        {7, 32, 24, "q5_1"},      {8, 32, 34, "q8_0"},      {9, 32, 36, "q8_1"},
        {10, 256, 84, "q2_k"},    {11, 256, 110, "q3_k"},   {12, 256, 144, "q4_k"},
        {13, 256, 176, "q5_k"},   {14, 256, 210, "q6_k"},   {15, 256, 292, "q8_k"},
        {16, 256, 66, "iq2_xxs"}, {17, 256, 74, "iq2_xs"},  {18, 256, 98, "iq3_xxs"},
        {19, 256, 50, "iq1_s"},   {20, 32, 18, "iq4_nl"},   {21, 256, 110, "iq3_s"},
        {22, 256, 82, "iq2_s"},   {23, 256, 136, "iq4_xs"}, {29, 256, 56, "iq1_m"},
        {34, 256, 54, "tq1_0"},   {35, 256, 66, "tq2_0"},   {39, 32, 17, "mxfp4"},
        {40, 64, 36, "nvfp4"},    {41, 128, 18, "q1_0"},
    };
    for (size_t i = 0; i < WFS_ARRAY_SIZE(types); i++) {
        g_start(&g, false, 3, 1, 0);
        g_tensor(&g, "w", SIZES(2 * types[i].elems, 3), types[i].number, 0);
        g_data(&g, 32, 6 * types[i].bytes);
        struct wfs_catalog *c = scan();
        const struct wfs_expr *e = c->tensors[0].expr;
        assert_string_equal(wfs_dtype_info(e->dtype)->name, types[i].name);
        assert_int_equal(e->n_elems, 6 * types[i].elems);
        assert_int_equal(e->size_bytes, 6 * types[i].bytes);
        assert_int_equal(e->shape[1], 2 * types[i].elems);
        assert_int_equal(c->n_notes, 0);
        wfs_catalog_free(c);
        g.len--;
        refuse("tensor \"w\": its");
        g_start(&g, false, 3, 1, 0);
        g_tensor(&g, "w", SIZES(types[i].elems / 2, 6), types[i].number, 0);
        g_data(&g, 32, 6 * types[i].bytes);
        refuse("does not divide into");
    }
}

static void test_gguf__keys_of_every_type(void **state)
{
    (void)state;
    g_start(&g, false, 3, 0, 12);
    g_key(&g, "u8", G_U8), g_number(&g, 1, 255);
    g_key(&g, "i8", G_I8), g_number(&g, 1, 255);
    g_key(&g, "u16", G_U16), g_number(&g, 2, 65535);
    g_key(&g, "i16", G_I16), g_number(&g, 2, 0x8000);
    g_key(&g, "i32", G_I32), g_number(&g, 4, 0xffffffff);
    g_key(&g, "f32", G_F32), g_number(&g, 4, 0x3fc00000);
    g_key(&g, "nan", G_F32), g_number(&g, 4, 0x7fc00000);
    g_key(&g, "yes", G_BOOL), g_number(&g, 1, 1);
    g_key(&g, "u64", G_U64), g_number(&g, 8, UINT64_MAX);
    g_key(&g, "i64", 11), g_number(&g, 8, UINT64_MAX);
    g_key(&g, "f64", 12), g_number(&g, 8, UINT64_C(0x3ff8000000000000));
    g_key_text(&g, "text", "a\"b\xff");
    struct wfs_catalog *c = scan();
    assert_string_equal(c->objects_json,
                        "{\"u8\": 255, \"i8\": -1, \"u16\": 65535, \"i16\": -32768, \"i32\": -1, "
                        "\"f32\": 1.5, \"nan\": \"NaN\", \"yes\": true, "
                        "\"u64\": 18446744073709551615, \"i64\": -1, \"f64\": 1.5, "
                        "\"text\": \"a\\\"b\\\\xff\"}");
    assert_string_equal(metadata(c, "i16"), "-32768");
    assert_string_equal(metadata(c, "yes"), "true");
    assert_string_equal(metadata(c, "f32"), "1.5");
    assert_null(metadata(c, "nan"));
    assert_null(metadata(c, "text")); /* no UTF-8 */
    wfs_catalog_free(c);
}

static void test_gguf__long_arrays_and_texts_are_summarised(void **state)
{
    (void)state;
    char text[5001];
    memset(text, 'x', 5000);
    text[5000] = '\0';
    g_start(&g, false, 3, 0, 5);
    g_key(&g, "short", G_ARR), g_number(&g, 4, G_U8), g_number(&g, 8, 2), g_number(&g, 2, 0x201);
    g_key(&g, "tokens", G_ARR), g_number(&g, 4, G_STR), g_number(&g, 8, 1000);
    for (int i = 0; i < 1000; i++)
        g_text(&g, i == 1 ? "" : "tok");
    g_key(&g, "ids", G_ARR), g_number(&g, 4, G_I32), g_number(&g, 8, 33);
    for (int i = 0; i < 33; i++)
        g_number(&g, 4, (uint32_t)-i);
    g_key_text(&g, "template", text);
    g_key_u32(&g, "last", 7);
    struct wfs_catalog *c = scan();
    assert_string_equal(metadata(c, "last"), "7");
    assert_null(metadata(c, "template"));
    assert_non_null(strstr(c->objects_json, "\"short\": [1, 2]"));
    assert_non_null(strstr(c->objects_json, "{\"$array\": \"string\", \"count\": 1000, \"first\": "
                                            "[\"tok\", \"\", \"tok\", "));
    assert_non_null(strstr(c->objects_json, "{\"$array\": \"int32\", \"count\": 33, \"first\": "
                                            "[0, -1, -2, -3, -4, -5, -6, -7]}"));
    assert_non_null(strstr(c->objects_json, text));
    wfs_catalog_free(c);
}

static void test_gguf__bytes_behind_the_tensors_are_noted(void **state)
{
    (void)state;
    g_start(&g, false, 3, 1, 0);
    g_tensor(&g, "w", SIZES(2), 0, 0);
    g_data(&g, 32, 33);
    struct wfs_catalog *c = scan();
    assert_int_equal(c->n_notes, 1);
    assert_non_null(strstr(c->notes[0].text, "1 bytes behind"));
    wfs_catalog_free(c);
}

/* ---- what is refused ----------------------------------------------------------------------- */

static void test_gguf__starts(void **state)
{
    (void)state;
    static const struct {
        uint32_t version;
        const char *words;
    } rows[] = {{0, "version 0"}, {1, "version 1"}, {4, "version 4"}, {0x10000, "version 256"}};
    for (size_t i = 0; i < WFS_ARRAY_SIZE(rows); i++) {
        g_start(&g, false, rows[i].version, 0, 0);
        refuse(rows[i].words);
    }
    g_start(&g, true, 4, 0, 0);
    refuse("version 4");
    g_start(&g, false, 3, 0, 0);
    g.data[3] = 'f';
    refuse("no \"GGUF\"");
    g_start(&g, false, 3, 0, 0);
    for (g.len = 23; g.len > 3; g.len--)
        refuse("cut off");
    g_start(&g, false, 3, UINT64_MAX, 0);
    refuse("-1 tensors do not fit");
    g_start(&g, false, 3, 1, 0);
    refuse("1 tensors do not fit");
    g_start(&g, false, 3, 0, UINT64_C(1) << 40);
    refuse("keys do not fit");
}

/* So many keys are a model's, and are looked at one by one; one more are not. The keys are zeros: empty
 * names of type uint8. */
static void test_gguf__too_many_keys(void **state)
{
    (void)state;
    enum { MOST = 65536, MORE = 1 << 20 };
    g_start(&g, false, 3, 0, 0);
    uint8_t *data = calloc(1, g.len + MORE);
    assert_non_null(data);
    for (uint32_t n = MOST; n <= MOST + 1; n++) {
        struct wfs_catalog *c;
        struct wfs_error err = {0};
        memcpy(data, g.data, g.len);
        wfs_store_u32le(data + 16, n);
        assert_int_not_equal(scan_bytes(&wfs_format_gguf, data, g.len + MORE, &c, &err), 0);
        assert_int_equal(strstr(err.message, "are no model's") != NULL, n > MOST);
    }
    free(data);
}

/* One tensor whose description is given; its data begin where they should. */
static void one(const char *name, uint32_t n_axes, const uint64_t *sizes, uint32_t type,
                uint64_t off)
{
    g_start(&g, false, 3, 1, 0);
    g_tensor(&g, name, n_axes, sizes, type, off);
    g_data(&g, 32, 4096);
}

static void test_gguf__tensors(void **state)
{
    (void)state;
    const uint64_t two31 = UINT64_C(1) << 31, two62 = UINT64_C(1) << 62;
    one("w", SIZES(1, 1, 1, 1, 1), 0, 0);
    refuse("byte 24: tensor \"w\": it has more than 4 axes");
    g_start(&g, false, 3, 1, 0);
    g_text(&g, "w"), g_number(&g, 4, UINT32_MAX);
    g.len = 4096;
    refuse("more than 4 axes");
    one("w", SIZES(0), 0, 0);
    refuse("no size");
    one("w", SIZES(UINT64_MAX), 0, 0);
    refuse("negative");
    one("w", SIZES(two31, two31, 2), 0, 0);
    refuse("overflows 63 bits");
    one("w", SIZES(two62), 0, 0);
    refuse("overflows 64 bits");
    one("w", SIZES(4), 0, 32);
    refuse("its offset is 32, but 0 is next");
    one("w", SIZES(1025), 0, 0);
    refuse("past the end of the file");
    one("w", SIZES(4), 42, 0);
    refuse("type 42 is none of ggml's");
    one("w", SIZES(4), UINT32_MAX, 0);
    refuse("is none of ggml's");
    for (uint32_t type = 31; type <= 38; type++)
        if (type != 34 && type != 35) {
            one("w", SIZES(32), type, 0);
            refuse("no longer has");
        }
    one("w", 0, NULL, 8, 0);
    refuse("does not divide");
    one("\xff", SIZES(4), 0, 0);
    refuse("no UTF-8");
    char name[65];
    memset(name, 'n', 64);
    name[64] = '\0';
    one(name, SIZES(4), 0, 0);
    refuse("name of 64 bytes");
    one(name + 1, SIZES(4), 0, 0);
    wfs_catalog_free(scan());
}

static void test_gguf__tensors_after_others(void **state)
{
    (void)state;
    static const struct {
        uint64_t off;
        const char *name, *words;
    } rows[] = {
        {16, "b", "its offset is 16, but 32 is next"},
        {64, "b", "its offset is 64, but 32 is next"},
        {0, "b", "its offset is 0, but 32 is next"},
        {32, "a", "tensor \"a\": it is there twice"},
    };
    for (size_t i = 0; i < WFS_ARRAY_SIZE(rows); i++) {
        g_start(&g, false, 3, 2, 0);
        g_tensor(&g, "a", SIZES(4), 0, 0);
        g_tensor(&g, rows[i].name, SIZES(4), 0, rows[i].off);
        g_data(&g, 32, 128);
        refuse(rows[i].words);
    }
}

static void test_gguf__keys(void **state)
{
    (void)state;
    static const uint32_t alignments[] = {0, 3, 48, UINT32_MAX};
    for (size_t i = 0; i < WFS_ARRAY_SIZE(alignments); i++) {
        g_start(&g, false, 3, 0, 1);
        g_key_u32(&g, "general.alignment", alignments[i]);
        refuse("byte 24: key \"general.alignment\": it is no power of two");
    }
    g_start(&g, false, 3, 0, 1);
    g_key(&g, "general.alignment", G_U64), g_number(&g, 8, 32);
    refuse("it is no uint32");
    g_start(&g, false, 3, 0, 1);
    g_key_text(&g, "general.alignment", "32");
    refuse("it is no uint32");
    g_start(&g, false, 3, 0, 2);
    g_key_u32(&g, "a", 1);
    g_key_u32(&g, "a", 1);
    refuse("key \"a\": it is there twice");
    g_start(&g, false, 3, 0, 1);
    g_key(&g, "a", 13), g_number(&g, 8, 0);
    refuse("type 13");
    g_start(&g, false, 3, 0, 1);
    g_key(&g, "a", G_ARR), g_number(&g, 4, G_ARR), g_number(&g, 8, 0);
    refuse("array of arrays");
    g_start(&g, false, 3, 0, 1);
    g_key(&g, "a", G_ARR), g_number(&g, 4, 99), g_number(&g, 8, 0);
    refuse("a type that GGUF does not have");
    g_start(&g, false, 3, 0, 1);
    g_key(&g, "a", G_ARR), g_number(&g, 4, G_U32), g_number(&g, 8, UINT64_C(1) << 62);
    refuse("longer than the file");
    g_start(&g, false, 3, 0, 1);
    g_key(&g, "a", G_ARR), g_number(&g, 4, G_STR), g_number(&g, 8, 3), g_text(&g, "x");
    g_number(&g, 8, UINT64_MAX), g_number(&g, 8, 0);
    refuse("only 8 are left");
    g_start(&g, false, 3, 0, 1);
    g_key(&g, "a", G_STR), g_number(&g, 8, 100);
    refuse("a string of 100 bytes, but only 0");
    g_start(&g, false, 3, 0, 1);
    g_key_u32(&g, "\xfe", 1);
    refuse("no UTF-8");
    g_start(&g, false, 3, 0, 1);
    g_number(&g, 8, 65536), g.len += 65536 - 64; /* as far as the buffer goes */
    g.len = GGUF_FILE_MAX;
    refuse("a string of 65536 bytes");
}

static void test_gguf__every_prefix_is_refused_or_whole(void **state)
{
    (void)state;
    g_start(&g, false, 3, 1, 2);
    g_key_text(&g, "general.name", "x");
    g_key(&g, "list", G_ARR), g_number(&g, 4, G_STR), g_number(&g, 8, 1), g_text(&g, "y");
    g_tensor(&g, "w", SIZES(4), 0, 0);
    g_data(&g, 32, 16);
    for (size_t len = g.len - 1; len > 0; len--) {
        g.len = len;
        refuse("test");
    }
}

/* ---- splits -------------------------------------------------------------------------------- */

static void split_file(uint32_t no, uint32_t count, uint32_t n_tensors, const char *tensor)
{
    g_start(&g, false, 3, 1, 3);
    g_key(&g, "split.no", G_U16), g_number(&g, 2, no);
    g_key(&g, "split.count", G_U16), g_number(&g, 2, count);
    g_key(&g, "split.tensors.count", G_I32), g_number(&g, 4, n_tensors);
    g_tensor(&g, tensor, SIZES(4), 0, 0);
    g_data(&g, 32, 32);
}

static int open_folder(struct scratch *s, struct wfs_catalog **ret, struct wfs_error *err)
{
    memset(err, 0, sizeof(*err));
    return wfs_catalog_open(s->dir, &(struct wfs_source_options){0}, ret, err);
}

static void refuse_folder(struct scratch *s, const char *words)
{
    struct wfs_catalog *c;
    struct wfs_error err;
    assert_int_not_equal(open_folder(s, &c, &err), 0);
    if (!strstr(err.message, words))
        fail_msg("'%s' does not say '%s'", err.message, words);
}

static void test_gguf__splits(void **state)
{
    (void)state;
    struct scratch s;
    struct wfs_catalog *c;
    struct wfs_error err;
    scratch_make(&s);
    split_file(0, 2, 2, "a");
    scratch_write(&s, "m-00001-of-00002.gguf", g.data, g.len);
    refuse_folder(&s, "1 of the 2 files");
    const struct wfs_source_options options = {0};
    memset(&err, 0, sizeof(err));
    assert_int_equal(
        wfs_catalog_open(scratch_path(&s, "m-00001-of-00002.gguf"), &options, &c, &err), -ENOENT);
    assert_non_null(strstr(err.message, "m-00002-of-00002.gguf"));
    split_file(1, 2, 2, "b");
    scratch_write(&s, "m-00002-of-00002.gguf", g.data, g.len);
    /* The first file stands for all, another one for itself. */
    assert_int_equal(
        wfs_catalog_open(scratch_path(&s, "m-00001-of-00002.gguf"), &options, &c, NULL), 0);
    assert_int_equal(c->n_tensors, 2);
    assert_int_equal(c->n_notes, 0);
    wfs_catalog_free(c);
    assert_int_equal(
        wfs_catalog_open(scratch_path(&s, "m-00002-of-00002.gguf"), &options, &c, NULL), 0);
    assert_int_equal(c->n_tensors, 1);
    assert_int_equal(c->n_notes, 1);
    assert_non_null(strstr(c->notes[0].text, "one of the 2 files"));
    wfs_catalog_free(c);
    if (open_folder(&s, &c, &err))
        fail_msg("%s", err.message);
    assert_int_equal(c->n_tensors, 2);
    assert_int_equal(c->tensors[1].file, 1);
    assert_non_null(strstr(c->objects_json, "\"split.no\": 1"));
    for (uint32_t i = 0; i < c->n_notes; i++)
        assert_int_equal(c->notes[i].kind, WFS_NOTE_INFO);
    wfs_catalog_free(c);

    split_file(1, 2, 3, "b");
    scratch_write(&s, "m-00002-of-00002.gguf", g.data, g.len);
    refuse_folder(&s, "split.tensors.count is 3");
    split_file(0, 2, 2, "b");
    scratch_write(&s, "m-00002-of-00002.gguf", g.data, g.len);
    refuse_folder(&s, "is file 0 of its model, where 1 is next");
    split_file(1, 3, 2, "b");
    scratch_write(&s, "m-00002-of-00002.gguf", g.data, g.len);
    refuse_folder(&s, "one of 3 files");
    split_file(0, 3, 3, "a"); /* a third one is not there */
    scratch_write(&s, "m-00001-of-00002.gguf", g.data, g.len);
    refuse_folder(&s, "call for a name that ends in \"-00001-of-00003.gguf\"");
    split_file(0, 2, 2, "a");
    scratch_write(&s, "m-00001-of-00002.gguf", g.data, g.len);
    split_file(1, 2, 2, "a");
    scratch_write(&s, "m-00002-of-00002.gguf", g.data, g.len);
    refuse_folder(&s, "tensor \"a\" is in m-00001-of-00002.gguf and in");
    one("b", SIZES(4), 0, 0);
    scratch_write(&s, "m-00002-of-00002.gguf", g.data, g.len);
    refuse_folder(&s, "choose with -o weights=GLOB");
    scratch_remove(&s);
}

static void test_gguf__two_models_in_a_folder(void **state)
{
    (void)state;
    struct scratch s;
    scratch_make(&s);
    one("w", SIZES(4), 0, 0);
    scratch_write(&s, "m-F16.gguf", g.data, g.len);
    scratch_write(&s, "m-Q8_0.gguf", g.data, g.len);
    refuse_folder(&s, "choose with -o weights=GLOB");
    scratch_remove(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_gguf__shapes_are_turned_round),
        cmocka_unit_test(test_gguf__big_endian_numbers_are_swapped_and_blocks_refused),
        cmocka_unit_test(test_gguf__every_block_type),
        cmocka_unit_test(test_gguf__keys_of_every_type),
        cmocka_unit_test(test_gguf__long_arrays_and_texts_are_summarised),
        cmocka_unit_test(test_gguf__bytes_behind_the_tensors_are_noted),
        cmocka_unit_test(test_gguf__starts),
        cmocka_unit_test(test_gguf__too_many_keys),
        cmocka_unit_test(test_gguf__tensors),
        cmocka_unit_test(test_gguf__tensors_after_others),
        cmocka_unit_test(test_gguf__keys),
        cmocka_unit_test(test_gguf__every_prefix_is_refused_or_whole),
        cmocka_unit_test(test_gguf__splits),
        cmocka_unit_test(test_gguf__two_models_in_a_folder),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
