/*
 * test_safetensors.c - the header parser against the reference reader's rules: what it takes, what
 * it refuses, and that a refusal names the tensor and the byte.
 */
#include "source_fixture.h"

#define T(name, dtype, shape, begin, end)                                                          \
    "\"" name "\":{\"dtype\":\"" dtype "\",\"shape\":[" shape "],\"data_offsets\":[" begin "," end \
    "]}"
#define A4 T("a", "F32", "1", "0", "4")

/* ---- friendly ------------------------------------------------------------------------------ */

static void test_safetensors__reads_names_shapes_and_places(void **state)
{
    (void)state;
    struct wfs_error err = {0};
    struct wfs_catalog *c = NULL;
    const char *header = "{\"__metadata__\":{\"format\":\"pt\",\"note\":\"\\u00e9\\n\"}," T(
        "layer.0.weight", "F16", "2,3", "4", "16") "," A4 "," T("s", "I64", "", "16", "24") "}  ";
    assert_int_equal(scan_header(header, 24, &c, &err), 0);
    assert_int_equal(c->n_tensors, 3);
    const struct wfs_tensor *t = &c->tensors[0];
    assert_string_equal(t->name, "layer.0.weight");
    assert_string_equal(t->path, "layer" WFS_SEP_STR "0" WFS_SEP_STR "weight");
    assert_int_equal(t->expr->dtype, WFS_F16);
    assert_int_equal(t->expr->ndim, 2);
    assert_int_equal(t->expr->shape[0], 2);
    assert_int_equal(t->expr->shape[1], 3);
    assert_int_equal(t->file, 0);
    assert_int_equal(t->file_off, 8 + strlen(header) + 4);
    assert_int_equal(t->alias_of, WFS_NO_INDEX);
    assert_int_equal(t->n_shards, 1);
    assert_int_equal(t->shard_axis, -1);
    assert_int_equal(c->tensors[2].expr->ndim, 0);
    assert_string_equal(c->convention, "torch");
    assert_int_equal(c->whole_safetensors_file, 0);
    assert_int_equal(c->n_metadata, 2);
    assert_string_equal(c->metadata[1][0], "note");
    assert_string_equal(c->metadata[1][1], "\xc3\xa9\n");
    assert_int_equal(c->n_roots, 1);
    assert_true(c->roots[0].is_whole && c->roots[0].is_chosen);
    wfs_catalog_free(c);
}

static void test_safetensors__tensors_are_their_bytes(void **state)
{
    (void)state;
    struct wfs_error err = {0};
    struct wfs_catalog *c = NULL;
    assert_int_equal(scan_header("{" T("b", "U8", "3", "4", "7") "," A4 "}", 7, &c, &err), 0);
    uint8_t buf[4];
    struct wfs_bytes *bytes;
    uint64_t off;
    const struct wfs_tensor *b = wfs_catalog_find(c, "b");
    assert_non_null(b);
    assert_true(wfs_expr_is_run(b->expr, &bytes, &off));
    assert_int_equal(off, b->file_off);
    assert_int_equal(wfs_expr_read(b->expr, buf, 3, 0, &err), 0);
    assert_memory_equal(buf, "\4\5\6", 3);
    wfs_catalog_free(c);
}

static void test_safetensors__knows_every_dtype(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        unsigned bits;
    } dtypes[] = {
        {"BOOL", 8},        {"F4", 4},      {"F6_E2M3", 6}, {"F6_E3M2", 6}, {"U8", 8},
        {"I8", 8},          {"F8_E5M2", 8}, {"F8_E4M3", 8}, {"F8_E8M0", 8}, {"F8_E4M3FNUZ", 8},
        {"F8_E5M2FNUZ", 8}, {"I16", 16},    {"U16", 16},    {"F16", 16},    {"BF16", 16},
        {"I32", 32},        {"U32", 32},    {"F32", 32},    {"C64", 64},    {"F64", 64},
        {"I64", 64},        {"U64", 64},
    };
    for (size_t i = 0; i < WFS_ARRAY_SIZE(dtypes); i++) {
        struct wfs_error err = {0};
        struct wfs_catalog *c = NULL;
        char header[256];
        unsigned size = 8 * dtypes[i].bits / 8;
        snprintf(header, sizeof(header),
                 "{\"x\":{\"dtype\":\"%s\",\"shape\":[2,4],\"data_offsets\":[0,%u]}}",
                 dtypes[i].name, size);
        if (scan_header(header, size, &c, &err))
            fail_msg("%s: %s", dtypes[i].name, err.message);
        assert_int_equal(c->tensors[0].expr->n_elems, 8);
        assert_string_equal(wfs_dtype_info(c->tensors[0].expr->dtype)->safetensors, dtypes[i].name);
        wfs_catalog_free(c);
    }
}

static void test_safetensors__finds_by_name_and_by_path(void **state)
{
    (void)state;
    struct wfs_error err = {0};
    struct wfs_catalog *c = NULL;
    assert_int_equal(
        scan_header("{" T("a.b", "U8", "1", "0", "1") "," T("", "U8", "1", "1", "2") "," T(
                        "n\\u0000.x", "U8", "1", "2", "3") "}",
                    3, &c, &err),
        0);
    assert_ptr_equal(wfs_catalog_find(c, "a.b"), &c->tensors[0]);
    assert_ptr_equal(wfs_catalog_find(c, "a" WFS_SEP_STR "b"), &c->tensors[0]);
    assert_ptr_equal(wfs_catalog_find(c, ""), &c->tensors[1]);
    assert_ptr_equal(wfs_catalog_find(c, "n\xc0\x80.x"), &c->tensors[2]);
    assert_null(wfs_catalog_find(c, "a"));
    assert_null(wfs_catalog_find(c, "a.b.c"));
    char *longer = malloc(5001);
    memset(longer, '.', 5000);
    longer[5000] = '\0';
    assert_null(wfs_catalog_find(c, longer));
    free(longer);
    wfs_catalog_free(c);
}

static void test_safetensors__finds_long_names(void **state)
{
    (void)state;
    struct wfs_error err = {0};
    struct wfs_catalog *c = NULL;
    char name[4001] = {0}, header[4200];
    memset(name, 'x', 4000);
    name[2000] = '.';
    snprintf(header, sizeof(header),
             "{\"%s\":{\"dtype\":\"U8\",\"shape\":[1],\"data_offsets\":[0,1]}}", name);
    assert_int_equal(scan_header(header, 1, &c, &err), 0);
    assert_ptr_equal(wfs_catalog_find(c, name), &c->tensors[0]);
    assert_ptr_equal(wfs_catalog_find(c, c->tensors[0].path), &c->tensors[0]);
    name[2001] = '.';
    assert_null(wfs_catalog_find(c, name));
    wfs_catalog_free(c);
}

static void test_safetensors__identity_covers_the_header(void **state)
{
    (void)state;
    struct wfs_error err = {0};
    struct wfs_catalog *a = NULL, *b = NULL, *c = NULL;
    assert_int_equal(scan_header("{" A4 "}", 4, &a, &err), 0);
    assert_int_equal(scan_header("{" A4 "}", 4, &b, &err), 0);
    assert_int_equal(scan_header("{" T("b", "F32", "1", "0", "4") "}", 4, &c, &err), 0);
    assert_memory_equal(&a->id, &b->id, sizeof(a->id));
    assert_memory_not_equal(&a->id, &c->id, sizeof(a->id));
    wfs_catalog_free(a);
    wfs_catalog_free(b);
    wfs_catalog_free(c);
}

/* ---- the rules ----------------------------------------------------------------------------- */

struct row {
    const char *header;
    size_t data_len;
    const char *refusal; /* a part of the message; NULL: accepted */
};

static const struct row rows[] = {
    /* White space, empties, order, alignment. */
    {"{}", 0, NULL},
    {" \t\r\n{ } \t\r\n", 0, NULL},
    {"{\"__metadata__\":{}}", 0, NULL},
    {"{\"__metadata__\":null}", 0, NULL},
    {"{\"__metadata__\":{\"a\":\"b\"}}", 0, NULL},
    {"{" T("b", "U8", "1", "0", "1") "," T("c", "F32", "1", "1", "5") "}", 5, NULL},
    {"{" T("b", "U8", "1", "4", "5") "," A4 "}", 5, NULL},
    {"{\"a\" : {\"shape\" : [ 1 ] , \"data_offsets\" : [ 0 , 4 ] , \"dtype\" : \"F32\" } }", 4,
     NULL},
    {"{\"a\":{\"x\":[1,{\"y\":null}],\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0,4]}}", 4,
     NULL},
    {"{\"a\":[\"F32\",[1],[0,4]]}", 4, NULL},
    {"{\"a\":[\"F32\",[1],[0,4],1]}", 4, "expected"},
    {"{\"a\":[\"F32\",[1]]}", 4, "expected"},
    /* Names. */
    {"{" T("a\\u0000b", "U8", "1", "0", "1") "}", 1, NULL},
    {"{" T("\\ud83d\\ude00", "U8", "1", "0", "1") "}", 1, NULL},
    {"{" T("", "U8", "1", "0", "1") "}", 1, NULL},
    {"{\"\\u0061\":{\"\\u0064type\":\"U8\",\"shape\":[1],\"data_offsets\":[0,1]}}", 1, NULL},
    {"{" T("\\ud83d", "U8", "1", "0", "1") "}", 1, "surrogate"},
    {"{" T("\\ude00", "U8", "1", "0", "1") "}", 1, "surrogate"},
    {"{" T("\\ud83d\\u0061", "U8", "1", "0", "1") "}", 1, "surrogate"},
    {"{" T("\\x41", "U8", "1", "0", "1") "}", 1, "escape"},
    {"{" T("\\u00g1", "U8", "1", "0", "1") "}", 1, "hexadecimal"},
    {"{" T("a\nb", "U8", "1", "0", "1") "}", 1, "control"},
    {"{" T("\xff", "U8", "1", "0", "1") "}", 1, "UTF-8"},
    {"{" T("\xc0\x80", "U8", "1", "0", "1") "}", 1, "UTF-8"},
    {"{" T("\xed\xa0\x80", "U8", "1", "0", "1") "}", 1, "UTF-8"},
    {"{" T("\xf5\x80\x80\x80", "U8", "1", "0", "1") "}", 1, "UTF-8"},
    {"{" T("\xc3\xa9", "U8", "1", "0", "1") "}", 1, NULL},
    /* Duplicates. */
    {"{" A4 "," A4 "}", 4, "there twice"},
    {"{" A4 "," T("a", "F32", "1", "4", "8") "}", 8, "there twice"},
    {"{" A4 "," T("\\u0061", "F32", "1", "4", "8") "}", 8, "there twice"},
    {"{\"__metadata__\":{},\"__metadata__\":{}}", 0, "there twice"},
    {"{\"__metadata__\":{\"a\":\"b\",\"\\u0061\":\"b\"}}", 0, "there twice"},
    {"{\"a\":{\"dtype\":\"F32\",\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0,4]}}", 4,
     "there twice"},
    {"{\"a\":{\"dtype\":\"F32\",\"shape\":[1],\"shape\":[1],\"data_offsets\":[0,4]}}", 4,
     "there twice"},
    {"{\"a\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0,4],\"data_offsets\":[0,4]}}", 4,
     "there twice"},
    /* Metadata. */
    {"{\"__metadata__\":{\"a\":1}}", 0, "expected"},
    {"{\"__metadata__\":{\"a\":null}}", 0, "expected"},
    {"{\"__metadata__\":[]}", 0, "expected"},
    {"{\"__metadata__\":{\"a\":{}}}", 0, "expected"},
    /* What tiles the data and what does not. */
    {"{" A4 "," T("b", "F32", "1", "8", "12") "}", 12, "belong to no tensor"},
    {"{" T("a", "F32", "1", "4", "8") "}", 8, "belong to no tensor"},
    {"{" A4 "," T("b", "F32", "1", "2", "6") "}", 6, "inside the tensor before it"},
    {"{" A4 "," T("b", "F32", "1", "0", "4") "}", 4, "inside the tensor before it"},
    {"{" T("a", "F32", "1", "4", "0") "}", 4, "backwards"},
    {"{" A4 "}", 5, "the tensors end at byte"},
    {"{}", 1, "the tensors end at byte"},
    {"{" A4 "}", 3, "end beyond"},
    {"{" T("a", "F32", "1", "18446744073709551612", "18446744073709551615") "}", 4, "end beyond"},
    {"{" T("a", "F32", "1", "0", "18446744073709551616") "}", 4, "beyond 2^64"},
    /* Zero sizes. */
    {"{" T("a", "F32", "0", "0", "0") "}", 0, NULL},
    {"{" T("z", "F32", "0", "0", "0") "," A4 "," T("y", "F32", "3,0", "4",
                                                   "4") "," T("x", "F32", "0", "4", "4") "}",
     4, NULL},
    {"{" T("z", "F32", "0", "2", "2") "," A4 "}", 4, "inside the tensor before it"},
    {"{" T("a", "F32", "0,9223372036854775808,4", "0", "0") "}", 0, NULL},
    {"{" T("a", "F32", "9223372036854775808,4,0", "0", "0") "}", 0, "overflow"},
    /* Sizes. */
    {"{" T("a", "F32", "2", "0", "4") "}", 4, "make 8 bytes"},
    {"{" T("a", "F32", "2305843009213693952,8", "0", "0") "}", 0, "overflow"},
    {"{" T("a", "F32", "4611686018427387904", "0", "0") "}", 0, "overflow"},
    {"{" T("a", "F4", "3", "0", "2") "}", 2, "whole bytes"},
    {"{" T("a", "F6_E2M3", "2", "0", "2") "}", 2, "whole bytes"},
    {"{" T("a", "F6_E2M3", "4", "0", "3") "}", 3, NULL},
    {"{" T("a", "F4", "4", "0", "2") "}", 2, NULL},
    {"{" T("a", "F32", "", "0", "4") "}", 4, NULL},
    /* Numbers. */
    {"{" T("a", "F32", "-1", "0", "4") "}", 4, "whole number"},
    {"{" T("a", "F32", "1.0", "0", "4") "}", 4, "whole number"},
    {"{" T("a", "F32", "1e0", "0", "4") "}", 4, "whole number"},
    {"{" T("a", "F32", "-0", "0", "4") "}", 4, "whole number"},
    {"{" T("a", "F32", "01", "0", "4") "}", 4, "leading zero"},
    {"{" T("a", "F32", "1", "0", "4e0") "}", 4, "whole number"},
    {"{" T("a", "F32", "1", "0", "04") "}", 4, "leading zero"},
    {"{" T("a", "F32", "\"1\"", "0", "4") "}", 4, "whole number"},
    {"{" T("a", "F32", "1,", "0", "4") "}", 4, "whole number"},
    {"{\"a\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0]}}", 4, "expected"},
    {"{\"a\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0,4,8]}}", 4, "expected"},
    {"{\"a\":{\"dtype\":\"F32\",\"shape\":null,\"data_offsets\":[0,4]}}", 4, "expected"},
    /* Fields. */
    {"{\"a\":{\"shape\":[1],\"data_offsets\":[0,4]}}", 4, "no \"dtype\""},
    {"{\"a\":{\"dtype\":\"F32\",\"data_offsets\":[0,4]}}", 4, "no \"shape\""},
    {"{\"a\":{\"dtype\":\"F32\",\"shape\":[1]}}", 4, "no \"data_offsets\""},
    {"{" T("a", "f32", "1", "0", "4") "}", 4, "unknown dtype"},
    {"{" T("a", "F31", "1", "0", "4") "}", 4, "unknown dtype"},
    {"{" T("a", "F32\\u0000", "1", "0", "4") "}", 4, "unknown dtype"},
    {"{\"a\":null}", 0, "expected"},
    {"{\"a\":1}", 0, "expected"},
    {"{\"a\":{\"x\":01,\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0,4]}}", 4, "no JSON"},
    {"{\"a\":{\"x\":1e999,\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0,4]}}", 4, "no JSON"},
    {"{\"a\":{\"x\":tru,\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0,4]}}", 4, "no JSON"},
    {"{\"a\":{\"x\":-1.5e-3,\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0,4]}}", 4, NULL},
    /* No object, more than one, none. */
    {"", 0, "cut off"},
    {" ", 0, "cut off"},
    {"[]", 0, "expected"},
    {"\"a\"", 0, "expected"},
    {"\xef\xbb\xbf{}", 0, "expected"},
    {"{}{}", 0, "after the end"},
    {"{} x", 0, "after the end"},
    {"{" A4, 4, "cut off"},
    {"{" A4 ",}", 4, "expected"},
    {"{,}", 0, "expected"},
    {"{\"a", 0, "cut off"},
    {"{\"a\\", 0, "cut off"},
    {"{\"a\\ud8", 0, "cut off"},
    {"{\"a\"", 0, "cut off"},
    {"{'a':1}", 0, "expected"},
};

static void test_safetensors__follows_the_reference_reader(void **state)
{
    (void)state;
    for (size_t i = 0; i < WFS_ARRAY_SIZE(rows); i++) {
        struct wfs_error err = {0};
        struct wfs_catalog *c = NULL;
        int r = scan_header(rows[i].header, rows[i].data_len, &c, &err);
        if (!rows[i].refusal != !r)
            fail_msg("%s: %s", rows[i].header, r ? err.message : "accepted");
        if (r && !strstr(err.message, rows[i].refusal))
            fail_msg("%s: %s", rows[i].header, err.message);
        if (r && !strstr(err.message, "x.safetensors"))
            fail_msg("%s: the file is not named: %s", rows[i].header, err.message);
        if (!r)
            assert_int_equal(err.code, 0);
        wfs_catalog_free(c);
    }
}

static void expect_refused(const void *file, size_t len, const char *refusal)
{
    struct wfs_error err = {0};
    struct wfs_catalog *c = NULL;
    assert_true(scan_memory(file, len, &c, &err) < 0);
    assert_null(c);
    if (!strstr(err.message, refusal))
        fail_msg("\"%s\" expected: %s", refusal, err.message);
}

static void test_safetensors__refuses_trailing_bytes_in_the_header(void **state)
{
    (void)state;
    size_t len;
    uint8_t *file = make_safetensors("{}\0", 3, 0, &len);
    expect_refused(file, len, "after the end");
    free(file);
}

static void test_safetensors__refuses_wrong_lengths(void **state)
{
    (void)state;
    uint8_t file[64] = {0};
    expect_refused(file, 0, "too short");
    expect_refused(file, 7, "too short");
    expect_refused(file, 8, "cut off");
    memcpy(file + 8, "{}", 2);
    wfs_store_u64le(file, 3);
    expect_refused(file, 10, "cut off");
    wfs_store_u64le(file, 100000000);
    expect_refused(file, 10, "cut off");
    wfs_store_u64le(file, 100000001);
    expect_refused(file, 10, "limit");
    wfs_store_u64le(file, UINT64_MAX);
    expect_refused(file, 10, "limit");
    wfs_store_u64le(file, (uint64_t)1 << 63);
    expect_refused(file, 10, "limit");
}

static void test_safetensors__refuses_every_truncation(void **state)
{
    (void)state;
    size_t len;
    const char *header = "{\"__metadata__\":{\"a\":\"\\ud83d\\ude00\xc3\xa9\"}," A4
                         "," T("b.c", "U8", "2,3", "4", "10") "}";
    uint8_t *file = make_safetensors(header, strlen(header), 10, &len);
    for (size_t cut = 0; cut < len; cut++) {
        struct wfs_error err = {0};
        struct wfs_catalog *c = NULL;
        if (scan_memory(file, cut, &c, &err) == 0)
            fail_msg("accepted when cut at byte %zu", cut);
        /* And with a length that hides it. */
        if (cut < 8)
            continue;
        uint8_t *copy = malloc(cut);
        memcpy(copy, file, cut);
        wfs_store_u64le(copy, wfs_min_u64(cut - 8, strlen(header)));
        err = (struct wfs_error){0};
        if (scan_memory(copy, cut, &c, &err) == 0)
            fail_msg("accepted when cut at byte %zu with its length", cut);
        free(copy);
    }
    free(file);
}

static void test_safetensors__refuses_deep_nesting(void **state)
{
    (void)state;
    static const char *const openers[] = {"[", "{\"a\":"};
    for (size_t o = 0; o < 2; o++) {
        struct wfs_buf header = {0};
        struct wfs_error err = {0};
        struct wfs_catalog *c = NULL;
        wfs_buf_str(&header, "{\"a\":{\"x\":");
        for (int i = 0; i < 10000; i++)
            wfs_buf_str(&header, openers[o]);
        assert_true(wfs_buf_ok(&header));
        assert_int_equal(scan_header(header.data, 0, &c, &err), -EINVAL);
        assert_non_null(strstr(err.message, "nested deeper"));
        wfs_buf_free(&header);
    }
}

static void test_safetensors__takes_no_more_axes_than_the_engine(void **state)
{
    (void)state;
    for (int ndim = WFS_MAX_NDIM; ndim <= WFS_MAX_NDIM + 1; ndim++) {
        struct wfs_buf header = {0};
        struct wfs_error err = {0};
        struct wfs_catalog *c = NULL;
        wfs_buf_str(&header, "{\"a\":{\"dtype\":\"U8\",\"data_offsets\":[0,1],\"shape\":[1");
        for (int i = 1; i < ndim; i++)
            wfs_buf_str(&header, ",1");
        wfs_buf_str(&header, "]}}");
        int r = scan_header(header.data, 1, &c, &err);
        assert_int_equal(r, ndim == WFS_MAX_NDIM ? 0 : -EINVAL);
        if (r)
            assert_non_null(strstr(err.message, "axes"));
        wfs_catalog_free(c);
        wfs_buf_free(&header);
    }
}

static void test_safetensors__bounds_the_metadata(void **state)
{
    (void)state;
    struct wfs_buf header = {0};
    struct wfs_error err = {0};
    struct wfs_catalog *c = NULL;
    wfs_buf_str(&header, "{\"__metadata__\":{\"\":\"\"");
    for (int i = 0; i < 70000; i++)
        wfs_buf_printf(&header, ",\"%d\":\"\"", i);
    wfs_buf_str(&header, "}}");
    assert_int_equal(scan_header(header.data, 0, &c, &err), -EINVAL);
    assert_non_null(strstr(err.message, "metadata"));
    wfs_buf_free(&header);
}

static void test_safetensors__messages_name_the_tensor_and_the_byte(void **state)
{
    (void)state;
    struct wfs_error err = {0};
    struct wfs_catalog *c = NULL;
    assert_int_equal(scan_header("{" A4 ",\"b\":{\"dtype\":\"F33\"}}", 4, &c, &err), -EINVAL);
    assert_string_equal(err.message, "tensor \"b\": x.safetensors: byte 80: unknown dtype \"F33\"");
}

/* ---- strings and numbers across the parser's chunks ---------------------------------------- */

static void test_safetensors__chunks_do_not_show(void **state)
{
    (void)state;
    /* Padding moves every byte of an entry over the 65536-byte seam once. */
    const char *entry = T("n\\u00e9\\ud83d\\ude00\xf0\x9f\x98\x80.w", "F32", "10,10", "0", "400");
    size_t entry_len = strlen(entry);
    static char header[65536 + 512];
    assert_true(2 * entry_len < 512);
    for (size_t shift = 0; shift < entry_len + 2; shift++) {
        struct wfs_error err = {0};
        struct wfs_catalog *c = NULL;
        size_t pad = 65536 - shift;
        memset(header, ' ', pad);
        snprintf(header + pad - 1, sizeof(header) - pad + 1, "{%s}", entry);
        if (scan_header(header, 400, &c, &err))
            fail_msg("shift %zu: %s", shift, err.message);
        assert_string_equal(c->tensors[0].name, "n\xc3\xa9\xf0\x9f\x98\x80\xf0\x9f\x98\x80.w");
        assert_int_equal(c->tensors[0].expr->shape[0], 10);
        wfs_catalog_free(c);
    }
}

/* Anything at all is an answer, not a crash: mutations of a good header. */
static void test_safetensors__survives_mutations(void **state)
{
    (void)state;
    const char *header =
        "{\"__metadata__\":{\"format\":\"pt\"}," A4
        "," T("b.\\u00e9", "BF16", "2,3", "4", "16") "," T("z", "U8", "0", "16", "16") "}";
    size_t len;
    uint8_t *good = make_safetensors(header, strlen(header), 16, &len), *bad = malloc(len);
    const char *seed_text = getenv("WEIGHTFS_SEED");
    uint64_t seed = seed_text ? strtoull(seed_text, NULL, 10) : (uint64_t)getpid(), x = seed;
    print_message("WEIGHTFS_SEED=%llu\n", (unsigned long long)seed);
    for (int round = 0; round < 20000; round++) {
        struct wfs_error err = {0};
        struct wfs_catalog *c = NULL;
        memcpy(bad, good, len);
        for (int flips = 1 + round % 3; flips > 0; flips--) {
            x = x * 6364136223846793005u + 1442695040888963407u;
            size_t at = (size_t)(x >> 33) % (round % 8 ? len : 8);
            bad[at] = (uint8_t)(x >> 24);
        }
        if (scan_memory(bad, len, &c, &err) == 0)
            wfs_catalog_free(c);
        else
            assert_true(err.code != 0 && err.message[0] != '\0');
    }
    free(good);
    free(bad);
}

/* ---- size ---------------------------------------------------------------------------------- */

static void test_safetensors__sorts_a_shuffled_header(void **state)
{
    (void)state;
    enum { N = 10007 };
    struct wfs_buf header = {0};
    struct wfs_error err = {0};
    struct wfs_catalog *c = NULL;
    wfs_buf_char(&header, '{');
    for (unsigned i = 0; i < N; i++) {
        unsigned k = (unsigned)((uint64_t)i * 5003 % N);
        wfs_buf_printf(&header,
                       "%s\"t.%u\":{\"dtype\":\"U8\",\"shape\":[2],\"data_offsets\":[%u,%u]}",
                       i ? "," : "", k, 2 * k, 2 * k + 2);
    }
    wfs_buf_char(&header, '}');
    assert_int_equal(scan_header(header.data, 2 * N, &c, &err), 0);
    assert_int_equal(c->n_tensors, N);
    assert_string_equal(c->tensors[1].name, "t.5003");
    wfs_catalog_free(c);
    c = NULL;
    assert_int_equal(scan_header(header.data, 2 * N + 1, &c, &err), -EINVAL);
    wfs_buf_free(&header);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_safetensors__reads_names_shapes_and_places),
        cmocka_unit_test(test_safetensors__tensors_are_their_bytes),
        cmocka_unit_test(test_safetensors__knows_every_dtype),
        cmocka_unit_test(test_safetensors__finds_by_name_and_by_path),
        cmocka_unit_test(test_safetensors__finds_long_names),
        cmocka_unit_test(test_safetensors__identity_covers_the_header),
        cmocka_unit_test(test_safetensors__follows_the_reference_reader),
        cmocka_unit_test(test_safetensors__refuses_trailing_bytes_in_the_header),
        cmocka_unit_test(test_safetensors__refuses_wrong_lengths),
        cmocka_unit_test(test_safetensors__refuses_every_truncation),
        cmocka_unit_test(test_safetensors__refuses_deep_nesting),
        cmocka_unit_test(test_safetensors__takes_no_more_axes_than_the_engine),
        cmocka_unit_test(test_safetensors__bounds_the_metadata),
        cmocka_unit_test(test_safetensors__messages_name_the_tensor_and_the_byte),
        cmocka_unit_test(test_safetensors__chunks_do_not_show),
        cmocka_unit_test(test_safetensors__survives_mutations),
        cmocka_unit_test(test_safetensors__sorts_a_shuffled_header),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
