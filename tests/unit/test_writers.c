/* The writers: golden bytes, what they refuse, sizes beyond 4 GiB, and that our own readers find in
 * each file what was planned into it. */
#include "file_fixture.h"
#include "source/source.h"

#include <unistd.h>

#define GIB (UINT64_C(1) << 30)

static const char *const all_writers[] = {"safetensors", "msgpack", "torch", "npz"};

static const struct wfs_expr *filled(struct wfs_arena *arena, enum wfs_dtype dtype, uint64_t n)
{
    struct wfs_error err = {0};
    const struct wfs_expr *expr;
    assert_ok(wfs_expr_fill(arena, dtype, 1, &n, 0, &expr, &err), err);
    return expr;
}

static struct wfs_manifest one(const struct wfs_manifest_entry *entry)
{
    return (struct wfs_manifest){.n = 1, .entries = entry, .sep = '.', .format_tag = "pt"};
}

/* ---- golden bytes -------------------------------------------------------------------------- */

static const char *const golden_metadata[][2] = {{"format", "old"}, {"step", "1\"0"}};

static struct wfs_manifest golden(struct wfs_arena *arena)
{
    static const uint64_t shapes[][3] = {{2, 3}, {0, 4}, {3}, {0}, {5}};
    struct wfs_manifest_entry *e = wfs_arena_array(arena, 5, sizeof(*e));
    e[0].path = "bool";
    e[0].expr = fx_expr(arena, WFS_BOOL, 1, shapes[4], 4);
    e[1].path = "empty";
    e[1].expr = fx_expr(arena, WFS_U8, 2, shapes[1], 0);
    e[2].path = "encoder" WFS_SEP_STR "bias";
    e[2].expr = fx_expr(arena, WFS_BF16, 1, shapes[2], 1);
    e[3].path = "encoder" WFS_SEP_STR "layer" WFS_SEP_STR "0" WFS_SEP_STR "weight";
    e[3].expr = fx_expr(arena, WFS_F32, 2, shapes[0], 2);
    e[4].path = "step";
    e[4].expr = fx_expr(arena, WFS_I64, 0, shapes[3], 3);
    return (struct wfs_manifest){.n = 5,
                                 .entries = e,
                                 .sep = '.',
                                 .format_tag = "pt",
                                 .n_metadata = 2,
                                 .metadata = (const char *(*)[2])golden_metadata};
}

/* WEIGHTFS_WRITE_GOLDEN=1 writes the files that are then compared: only after the real libraries
 * have read the new ones. */
static void check_golden(const char *name, const uint8_t *data, size_t len)
{
    const char *folder = getenv("WEIGHTFS_TEST_DATA");
    char path[4096];
    if (!folder)
        fail_msg("WEIGHTFS_TEST_DATA is not set");
    snprintf(path, sizeof(path), "%s/writers/%s", folder, name);
    bool write = getenv("WEIGHTFS_WRITE_GOLDEN") != NULL;
    FILE *f = fopen(path, write ? "wb" : "rb");
    if (!f)
        fail_msg("%s: cannot be opened", path);
    if (write) {
        assert_int_equal(fwrite(data, 1, len, f), len);
    } else {
        uint8_t *kept = malloc(len + 2);
        assert_int_equal(fread(kept, 1, len + 1, f), len);
        assert_memory_equal(kept, data, len);
        free(kept);
    }
    assert_int_equal(fclose(f), 0);
}

static void test_writers__golden(void **state)
{
    (void)state;
    for (size_t i = 0; i < WFS_ARRAY_SIZE(all_writers); i++) {
        struct wfs_arena *arena = wfs_arena_new();
        struct wfs_manifest m = golden(arena);
        const struct wfs_vfile *file = fx_plan(all_writers[i], &m, arena);
        uint8_t *data = fx_read(file);
        check_golden(wfs_writer_by_name(all_writers[i])->file_name, data, file->size_bytes);
        free(data);
        wfs_arena_free(arena);
    }
}

static void test_writers__safetensors_header(void **state)
{
    (void)state;
    static const char want[] =
        "{\"__metadata__\":{\"format\":\"pt\",\"step\":\"1\\\"0\"},"
        "\"step\":{\"dtype\":\"I64\",\"shape\":[],\"data_offsets\":[0,8]},"
        "\"encoder.layer.0.weight\":{\"dtype\":\"F32\",\"shape\":[2,3],\"data_offsets\":[8,32]},"
        "\"encoder.bias\":{\"dtype\":\"BF16\",\"shape\":[3],\"data_offsets\":[32,38]},"
        "\"empty\":{\"dtype\":\"U8\",\"shape\":[0,4],\"data_offsets\":[38,38]},"
        "\"bool\":{\"dtype\":\"BOOL\",\"shape\":[5],\"data_offsets\":[38,43]}}";
    struct wfs_arena *arena = wfs_arena_new();
    struct wfs_manifest m = golden(arena);
    const struct wfs_vfile *file = fx_plan("safetensors", &m, arena);
    uint8_t *data = fx_read(file);
    uint64_t len = wfs_load_u64le(data);
    assert_int_equal(len % 8, 0);
    assert_true(len - (sizeof(want) - 1) < 8);
    assert_memory_equal(data + 8, want, sizeof(want) - 1);
    for (uint64_t i = sizeof(want) - 1; i < len; i++)
        assert_int_equal(data[8 + i], ' ');
    assert_int_equal(file->size_bytes, 8 + len + 43);
    free(data);
    wfs_arena_free(arena);
}

static void test_writers__msgpack_bytes(void **state)
{
    (void)state;
    static const uint64_t shape[] = {3};
    struct wfs_arena *arena = wfs_arena_new();
    const struct wfs_manifest_entry entries[] = {
        {"a" WFS_SEP_STR "k", fx_expr(arena, WFS_U8, 1, shape, 1)},
        {"b", fx_expr(arena, WFS_BF16, 0, shape, 1)},
        {"a" WFS_SEP_STR "l", fx_expr(arena, WFS_U8, 1, shape, 2)},
    };
    struct wfs_manifest m = {.n = 3, .entries = entries, .sep = '/'};
    const struct wfs_vfile *file = fx_plan("msgpack", &m, arena);
    uint8_t *data = fx_read(file), want[256];
    size_t n = 0;
#define PUT(bytes)                                                                                 \
    do {                                                                                           \
        memcpy(want + n, bytes, sizeof(bytes) - 1);                                                \
        n += sizeof(bytes) - 1;                                                                    \
    } while (0)
    PUT("\x82\xa1"
        "a\x82\xa1k\xc7\x0e\x01\x93\x91\x03\xa5uint8\xc4\x03");
    assert_memory_equal(data, want, n);
    memcpy(want + n, data + n, 3); /* the elements: checked by the readers */
    n += 3;
    PUT("\xa1l\xc7\x0e\x01\x93\x91\x03\xa5uint8\xc4\x03");
    memcpy(want + n, data + n, 3);
    n += 3;
    PUT("\xa1"
        "b\xc7\x0f\x01\x93\x90\xa8"
        "bfloat16\xc4\x02");
    assert_int_equal(file->size_bytes, n + 2);
    assert_memory_equal(data, want, n);
    free(data);
    wfs_arena_free(arena);
}

/* ---- refusals ------------------------------------------------------------------------------ */

static void assert_refused(const char *writer, const struct wfs_manifest *m, const char *why)
{
    struct wfs_arena *arena = wfs_arena_new();
    const char *reason;
    assert_int_equal(wfs_writer_by_name(writer)->refuses(m, arena, &reason), 0);
    if (!reason || !strstr(reason, why))
        fail_msg("%s: \"%s\" has no \"%s\"", writer, reason ? reason : "(nothing)", why);
    wfs_arena_free(arena);
}

static void test_writers__refuse_types(void **state)
{
    (void)state;
    static const struct {
        const char *writer;
        enum wfs_dtype dtype;
        const char *why;
    } cases[] = {
        {"safetensors", WFS_C128, "x.y: safetensors has no complex128"},
        {"msgpack", WFS_F4_E2M1, "flax has no"},
        {"msgpack", WFS_QU8, "flax has no"},
        {"torch", WFS_F6_E2M3, "torch has no float6"},
        {"torch", WFS_QI8, "scale"},
        {"npz", WFS_F4_E2M1, "numpy has no"},
    };
    const uint64_t shape[] = {8};
    for (size_t i = 0; i < WFS_ARRAY_SIZE(cases); i++) {
        struct wfs_arena *arena = wfs_arena_new();
        struct wfs_manifest_entry e = {"x" WFS_SEP_STR "y",
                                       fx_expr(arena, cases[i].dtype, 1, shape, 1)};
        struct wfs_manifest m = one(&e);
        assert_refused(cases[i].writer, &m, cases[i].why);
        wfs_arena_free(arena);
    }
}

static void test_writers__refuse_names(void **state)
{
    (void)state;
    struct wfs_arena *arena = wfs_arena_new();
    const struct wfs_expr *x = filled(arena, WFS_U8, 3);
    char *deep = malloc(4001);
    for (int i = 0; i < 4000; i++)
        deep[i] = i % 2 ? WFS_SEP : 'a';
    deep[4000] = '\0';
    char *wide = malloc(70001);
    memset(wide, 'w', 70000);
    wide[70000] = '\0';
    struct wfs_manifest_entry metadata = {"__metadata__", x}, nul = {"a\xc0\x80z", x},
                              deep_entry = {deep, x}, wide_entry = {wide, x},
                              chunk = {"a" WFS_SEP_STR "__msgpack_chunked_array__", x};
    struct wfs_manifest m = one(&metadata);
    assert_refused("safetensors", &m, "keeps this name");
    m = one(&nul);
    assert_refused("npz", &m, "NUL");
    m = one(&deep_entry);
    assert_refused("msgpack", &m, "nested modules");
    m = one(&wide_entry);
    assert_refused("npz", &m, "too long");
    m = one(&chunk);
    assert_refused("msgpack", &m, "chunked");
    const struct wfs_manifest_entry both[] = {{"a", x}, {"a" WFS_SEP_STR "b", x}},
                                    turned[] = {{"a" WFS_SEP_STR "b", x}, {"a", x}},
                                    pair[] = {{"a", x}, {"a.npy", x}};
    m = (struct wfs_manifest){.n = 2, .entries = both, .sep = '.'};
    assert_refused("msgpack", &m, "a tensor and a module");
    m.entries = turned;
    assert_refused("msgpack", &m, "a tensor and a module");
    m.entries = pair;
    assert_refused("npz", &m, "without .npy");
    free(deep);
    free(wide);
    wfs_arena_free(arena);
}

/* Each tensor is legal; all together are no file. */
static void test_writers__refuse_what_no_file_can_be(void **state)
{
    (void)state;
    struct wfs_arena *arena = wfs_arena_new();
    struct wfs_manifest_entry entries[40];
    for (int i = 0; i < 40; i++) {
        entries[i].path = wfs_arena_printf(arena, "t%d", i);
        entries[i].expr = filled(arena, WFS_U8, UINT64_C(1) << 58);
    }
    struct wfs_manifest m = {.n = 40, .entries = entries, .sep = '.'};
    for (size_t i = 0; i < WFS_ARRAY_SIZE(all_writers); i++)
        assert_refused(all_writers[i], &m, "larger than a file");
    wfs_arena_free(arena);
}

static void test_writers__nothing_is_a_file_too(void **state)
{
    (void)state;
    for (size_t i = 0; i < WFS_ARRAY_SIZE(all_writers); i++) {
        struct wfs_arena *arena = wfs_arena_new();
        struct wfs_manifest m = {.sep = '.', .format_tag = "pt"};
        const struct wfs_vfile *file = fx_plan(all_writers[i], &m, arena);
        assert_true(file->size_bytes > 0);
        free(fx_read(file));
        wfs_arena_free(arena);
    }
}

/* ---- sizes --------------------------------------------------------------------------------- */

static void test_writers__msgpack_chunks_over_1_gib(void **state)
{
    (void)state;
    struct wfs_arena *arena = wfs_arena_new();
    struct wfs_error err = {0};
    struct wfs_manifest_entry e = {"w", filled(arena, WFS_F32, GIB / 4)};
    struct wfs_manifest m = one(&e);
    const struct wfs_vfile *file = fx_plan("msgpack", &m, arena);
    uint8_t buf[128];
    size_t n;
    /* Exactly 2^30 bytes: one extension. */
    assert_ok(wfs_vfile_read(file, NULL, buf, sizeof(buf), 0, NULL, &n, &err), err);
    assert_memory_equal(buf, "\x81\xa1w\xc9\x40\x00\x00\x14\x01\x93\x91\xce\x10\x00\x00\x00", 16);
    /* One element more: chunks of 2^30 and of 4 bytes. */
    e.expr = filled(arena, WFS_F32, GIB / 4 + 1);
    file = fx_plan("msgpack", &m, arena);
    static const char head[] = "\x81\xa1w\x83\xb9__msgpack_chunked_array__\xc3\xa5shape\x81\xa1"
                               "0\xce\x10\x00\x00\x01\xa6"
                               "chunks\x82\xa1"
                               "0\xc9\x40\x00\x00\x14\x01\x93\x91\xce\x10\x00\x00\x00";
    assert_ok(wfs_vfile_read(file, NULL, buf, sizeof(buf), 0, NULL, &n, &err), err);
    assert_memory_equal(buf, head, sizeof(head) - 1);
    static const char tail[] = "\xa1"
                               "1\xc7\x11\x01\x93\x91\x01\xa7"
                               "float32\xc4\x04\0\0\0\0";
    uint64_t off = file->size_bytes - (sizeof(tail) - 1);
    assert_ok(wfs_vfile_read(file, NULL, buf, sizeof(buf), off, NULL, &n, &err), err);
    assert_int_equal(n, sizeof(tail) - 1);
    assert_memory_equal(buf, tail, n);
    wfs_arena_free(arena);
}

static void test_writers__beyond_4_gib(void **state)
{
    (void)state;
    for (size_t i = 0; i < WFS_ARRAY_SIZE(all_writers); i++) {
        struct wfs_arena *arena = wfs_arena_new();
        struct wfs_error err = {0};
        const struct wfs_manifest_entry entries[] = {{"a", filled(arena, WFS_I8, 5 * GIB)},
                                                     {"b", filled(arena, WFS_F64, GIB)}};
        struct wfs_manifest m = {.n = 2, .entries = entries, .sep = '.', .format_tag = "pt"};
        const struct wfs_vfile *file = fx_plan(all_writers[i], &m, arena);
        uint8_t buf[8192];
        size_t n;
        assert_true(file->size_bytes > 13 * GIB && file->size_bytes < 13 * GIB + 16 * 1048576);
        for (uint32_t p = 0; p < file->n_parts; p++) {
            if (file->parts[p].kind == WFS_PART_COMPUTED)
                continue;
            assert_ok(wfs_vfile_read(file, NULL, buf, 1, file->parts[p].off, NULL, &n, &err), err);
        }
        wfs_arena_free(arena);
    }
}

static void test_writers__100000_tensors(void **state)
{
    (void)state;
    enum { N = 100000 };
    struct wfs_arena *names = wfs_arena_new();
    struct wfs_manifest_entry *entries = wfs_arena_array(names, N, sizeof(*entries));
    for (int i = 0; i < N; i++) {
        entries[i].path =
            wfs_arena_printf(names,
                             "encoder" WFS_SEP_STR "layers" WFS_SEP_STR "%d" WFS_SEP_STR
                             "self_attn" WFS_SEP_STR "proj%d" WFS_SEP_STR "weight",
                             i / 10, i % 10);
        entries[i].expr = filled(names, WFS_F32, (uint64_t)(i % 50));
    }
    struct wfs_manifest m = {.n = N, .entries = entries, .sep = '.', .format_tag = "pt"};
    for (size_t i = 0; i < WFS_ARRAY_SIZE(all_writers); i++) {
        struct wfs_arena *arena = wfs_arena_new();
        (void)fx_plan(all_writers[i], &m, arena);
        assert_true(wfs_arena_size_bytes(arena) < 1000 * (size_t)N);
        wfs_arena_free(arena);
    }
    wfs_arena_free(names);
}

/* ---- plan, write, read with our own readers ------------------------------------------------ */

static const struct wfs_writer *writer;

static bool writes_dtype(enum wfs_dtype dtype)
{
    const uint64_t shape[] = {8};
    struct wfs_arena *arena = wfs_arena_new();
    struct wfs_manifest_entry e = {"x", fx_expr(arena, dtype, 1, shape, 1)};
    struct wfs_manifest m = one(&e);
    const char *reason;
    assert_int_equal(writer->refuses(&m, arena, &reason), 0);
    bool ok = reason == NULL;
    wfs_arena_free(arena);
    return ok;
}

static struct wfs_manifest random_manifest(struct wfs_arena *arena, uint64_t *rng)
{
    static const char *const words[] = {"a", "layer", "w\xc3\xa9", "10", "9", "kernel x", "\"q\""};
    uint32_t n = (uint32_t)(fx_random(rng) % 60), at = 0;
    struct wfs_manifest_entry *entries = wfs_arena_array(arena, n + 1, sizeof(*entries));
    for (uint32_t i = 0; i < n; i++) {
        enum wfs_dtype dtype = (enum wfs_dtype)(fx_random(rng) % WFS_FIRST_BLOCK_DTYPE);
        uint32_t ndim = (uint32_t)(fx_random(rng) % 4);
        uint64_t shape[4];
        /* numpy shows complex32 as '<V4', which says nothing to a reader. */
        if (!writes_dtype(dtype) || (dtype == WFS_C32 && strcmp(writer->name, "npz") == 0))
            continue;
        for (uint32_t d = 0; d < ndim; d++)
            shape[d] = fx_random(rng) % 20;
        uint32_t bits = wfs_dtype_bits(dtype);
        if (bits % 8 || dtype == WFS_F4_E2M1_X2) { /* whole bytes, an even last axis */
            if (ndim == 0)
                continue;
            shape[ndim - 1] *= 4;
        }
        const char *word = words[fx_random(rng) % WFS_ARRAY_SIZE(words)];
        entries[at].path = wfs_arena_printf(arena, "%s" WFS_SEP_STR "m%u" WFS_SEP_STR "%s", word,
                                            (unsigned)(i % 5), wfs_arena_printf(arena, "p%u", i));
        entries[at++].expr = fx_expr(arena, dtype, ndim, shape, i);
    }
    return (struct wfs_manifest){.n = at, .entries = entries, .sep = '.', .format_tag = "pt"};
}

static void write_out(const struct wfs_vfile *file, const char *path)
{
    struct wfs_error err = {0};
    struct wfs_export_options options = {.path = path, .n_threads = 2};
    assert_ok(wfs_export(file, NULL, &options, &err), err);
}

/* numpy has no name for most types: bytes and shape must be equal, the type where it has one. */
static void assert_same_type(const struct wfs_expr *a, const struct wfs_expr *b)
{
    bool anonymous =
        strcmp(writer->name, "npz") == 0 && strchr(wfs_dtype_info(a->dtype)->npy_descr, 'V');
    bool quantised_or_bits = a->dtype >= WFS_QI8;
    if (!anonymous && !quantised_or_bits && a->dtype != WFS_F4_E2M1)
        assert_int_equal(a->dtype, b->dtype);
    assert_int_equal(a->size_bytes, b->size_bytes);
    if (a->dtype != WFS_F4_E2M1 && a->dtype != WFS_F4_E2M1_X2)
        assert_true(wfs_shape_equal(a->ndim, a->shape, b->ndim, b->shape));
}

static void assert_reads_back(const struct wfs_manifest *m, const char *path)
{
    struct wfs_error err = {0};
    struct wfs_source_options options = {0};
    struct wfs_catalog *catalog = NULL;
    assert_ok(wfs_catalog_open(path, &options, &catalog, &err), err);
    assert_int_equal(catalog->n_tensors, m->n);
    for (uint32_t i = 0; i < m->n; i++) {
        const struct wfs_tensor *t = wfs_catalog_find(catalog, m->entries[i].path);
        if (!t)
            fail_msg("%s: %s is not there", path, m->entries[i].path);
        assert_same_type(m->entries[i].expr, t->expr);
        uint8_t *a = fx_read_expr(m->entries[i].expr), *b = fx_read_expr(t->expr);
        assert_memory_equal(a, b, t->expr->size_bytes);
        free(a);
        free(b);
    }
    wfs_catalog_free(catalog);
}

static void test_writers__our_readers_read_them(void **state)
{
    (void)state;
    char dir[] = "/tmp/wfs-writers-XXXXXX", path[128];
    uint64_t rng = fx_seed();
    assert_non_null(mkdtemp(dir));
    for (size_t i = 0; i < WFS_ARRAY_SIZE(all_writers); i++) {
        writer = wfs_writer_by_name(all_writers[i]);
        snprintf(path, sizeof(path), "%s/%s", dir, writer->file_name);
        for (int round = 0; round < 30; round++) {
            struct wfs_arena *arena = wfs_arena_new();
            struct wfs_manifest m = random_manifest(arena, &rng);
            if (m.n > 0) {
                write_out(fx_plan(writer->name, &m, arena), path);
                assert_reads_back(&m, path);
            }
            wfs_arena_free(arena);
        }
        unlink(path);
    }
    assert_int_equal(rmdir(dir), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_writers__golden),
        cmocka_unit_test(test_writers__safetensors_header),
        cmocka_unit_test(test_writers__msgpack_bytes),
        cmocka_unit_test(test_writers__refuse_types),
        cmocka_unit_test(test_writers__refuse_names),
        cmocka_unit_test(test_writers__refuse_what_no_file_can_be),
        cmocka_unit_test(test_writers__nothing_is_a_file_too),
        cmocka_unit_test(test_writers__msgpack_chunks_over_1_gib),
        cmocka_unit_test(test_writers__beyond_4_gib),
        cmocka_unit_test(test_writers__100000_tensors),
        cmocka_unit_test(test_writers__our_readers_read_them),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
