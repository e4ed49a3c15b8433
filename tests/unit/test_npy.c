/* The .npy header, byte for byte numpy's. */
#include "file_fixture.h"
#include "file/writers/npy.h"

static const struct wfs_expr *ones(struct wfs_arena *arena, enum wfs_dtype dtype, uint32_t ndim,
                                   const uint64_t *shape)
{
    struct wfs_error err = {0};
    const struct wfs_expr *expr;
    assert_ok(wfs_expr_fill(arena, dtype, ndim, shape, 1, &expr, &err), err);
    return expr;
}

/* numpy.save's header for np.zeros((2, 3), '<f4'): 10 + 118 bytes. */
static void test_npy__golden_matrix(void **state)
{
    (void)state;
    struct wfs_arena *arena = wfs_arena_new();
    struct wfs_error err = {0};
    const uint64_t shape[] = {2, 3};
    const struct wfs_expr *expr = fx_expr(arena, WFS_F32, 2, shape, 1);
    const struct wfs_vfile *file;
    uint8_t *values = fx_read_expr(expr);
    assert_ok(wfs_npy_plan(expr, arena, &file, &err), err);
    uint8_t *data = fx_read(file);
    const char *text = "{'descr': '<f4', 'fortran_order': False, 'shape': (2, 3), }";
    assert_int_equal(file->size_bytes, 128 + 24);
    assert_int_equal(wfs_npy_size(expr), 128 + 24);
    assert_memory_equal(data, "\x93NUMPY\x01\x00\x76\x00", 10);
    assert_memory_equal(data + 10, text, strlen(text));
    for (size_t i = 10 + strlen(text); i < 127; i++)
        assert_int_equal(data[i], ' ');
    assert_int_equal(data[127], '\n');
    assert_memory_equal(data + 128, values, 24);
    free(values);
    free(data);
    wfs_arena_free(arena);
}

struct sized {
    enum wfs_dtype dtype;
    uint32_t ndim;
    uint64_t shape[4];
    const char *descr, *tuple;
    size_t header;
};

static void test_npy__headers(void **state)
{
    (void)state;
    static const struct sized cases[] = {
        {WFS_F32, 0, {0}, "<f4", "()", 128},
        {WFS_F64, 1, {4}, "<f8", "(4,)", 128},
        {WFS_BF16, 2, {0, 3}, "<V2", "(0, 3)", 128},
        {WFS_BOOL, 1, {7}, "|b1", "(7,)", 128},
        {WFS_F8_E4M3FN, 1, {7}, "|V1", "(7,)", 128},
        {WFS_C64, 3, {1, 2, 3}, "<c8", "(1, 2, 3)", 128},
        /* 10 digits and 21: the growth room is for the first axis only. */
        {WFS_U8, 2, {5000000000, 1}, "|u1", "(5000000000, 1)", 128},
    };
    struct wfs_arena *arena = wfs_arena_new();
    for (size_t i = 0; i < WFS_ARRAY_SIZE(cases); i++) {
        const struct sized *c = &cases[i];
        char head[WFS_NPY_HEADER_MAX], want[200];
        size_t n = wfs_npy_header(ones(arena, c->dtype, c->ndim, c->shape), head);
        int len =
            snprintf(want, sizeof(want), "{'descr': '%s', 'fortran_order': False, 'shape': %s, }",
                     c->descr, c->tuple);
        assert_int_equal(n, c->header);
        assert_memory_equal(head + 10, want, (size_t)len);
        assert_int_equal(head[n - 1], '\n');
    }
    wfs_arena_free(arena);
}

static void test_npy__as_many_axes_as_there_can_be(void **state)
{
    (void)state;
    struct wfs_arena *arena = wfs_arena_new();
    uint64_t shape[WFS_MAX_NDIM];
    char head[WFS_NPY_HEADER_MAX];
    for (uint32_t i = 0; i < 32; i++)
        shape[i] = 1;
    assert_int_equal(wfs_npy_header(ones(arena, WFS_F32, 32, shape), head), 192);
    for (uint32_t i = 0; i < WFS_MAX_NDIM; i++)
        shape[i] = i == 0 ? 0 : 1;
    size_t n = wfs_npy_header(ones(arena, WFS_F32, WFS_MAX_NDIM, shape), head);
    assert_true(n > 0 && n % 64 == 0 && n < WFS_NPY_HEADER_MAX);
    wfs_arena_free(arena);
}

static void test_npy__refuses_sub_byte_types(void **state)
{
    (void)state;
    struct wfs_arena *arena = wfs_arena_new();
    struct wfs_error err = {0};
    const uint64_t shape[] = {4};
    const struct wfs_vfile *file = NULL;
    const struct wfs_expr *expr = fx_expr(arena, WFS_F4_E2M1, 1, shape, 1);
    assert_int_equal(wfs_npy_size(expr), 0);
    assert_int_equal(wfs_npy_plan(expr, arena, &file, &err), -ENOTSUP);
    assert_null(file);
    assert_ok(wfs_raw_plan(expr, arena, &file, &err), err);
    assert_int_equal(file->size_bytes, 2);
    wfs_arena_free(arena);
}

static void test_npy__size_agrees_with_plan(void **state)
{
    (void)state;
    struct wfs_arena *arena = wfs_arena_new();
    struct wfs_error err = {0};
    uint64_t rng = fx_seed();
    for (int i = 0; i < 2000; i++) {
        enum wfs_dtype dtype = (enum wfs_dtype)(fx_random(&rng) % WFS_FIRST_BLOCK_DTYPE);
        uint32_t ndim = (uint32_t)(fx_random(&rng) % 9);
        uint64_t shape[8];
        const struct wfs_vfile *file;
        for (uint32_t d = 0; d < ndim; d++)
            shape[d] = fx_random(&rng) % 100;
        if (!wfs_dtype_info(dtype)->npy_descr || wfs_dtype_info(dtype)->kind == WFS_KIND_OPAQUE)
            continue;
        const struct wfs_expr *expr = ones(arena, dtype, ndim, shape);
        assert_ok(wfs_npy_plan(expr, arena, &file, &err), err);
        assert_int_equal(file->size_bytes, wfs_npy_size(expr));
        assert_int_equal((file->size_bytes - expr->size_bytes) % 64, 0);
    }
    wfs_arena_free(arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_npy__golden_matrix),
        cmocka_unit_test(test_npy__headers),
        cmocka_unit_test(test_npy__as_many_axes_as_there_can_be),
        cmocka_unit_test(test_npy__refuses_sub_byte_types),
        cmocka_unit_test(test_npy__size_agrees_with_plan),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
