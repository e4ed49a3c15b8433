/*
 * test_expr_geometry.c - hashes, runs and blocks of expressions, types and shapes.
 */
#include "expr_fixture.h"

/* ---- types and shapes ---------------------------------------------------------------------- */

static void test_dtype__every_name_leads_back_to_its_row(void **state)
{
    (void)state;
    for (int i = 0; i < WFS_FIRST_BLOCK_DTYPE; i++) {
        const struct wfs_dtype_info *info = wfs_dtype_info((enum wfs_dtype)i);
        enum wfs_dtype found;
        assert_non_null(info->name);
        assert_true(info->bits > 0);
        assert_true(wfs_dtype_by_name(info->name, &found) && found == (enum wfs_dtype)i);
        if (info->safetensors)
            assert_true(wfs_dtype_by_safetensors(info->safetensors, &found) &&
                        found == (enum wfs_dtype)i);
        if (info->torch)
            assert_true(wfs_dtype_by_torch(info->torch, &found) && found == (enum wfs_dtype)i);
        if (info->torch_storage)
            assert_true(wfs_dtype_by_torch_storage(info->torch_storage, &found) &&
                        found == (enum wfs_dtype)i);
        if (info->flax)
            assert_true(wfs_dtype_by_flax(info->flax, &found) && found == (enum wfs_dtype)i);
    }
}

static void test_dtype__unknown_names_are_unknown(void **state)
{
    enum wfs_dtype dtype = WFS_BOOL;
    (void)state;
    assert_false(wfs_dtype_by_safetensors("f32", &dtype));
    assert_false(wfs_dtype_by_name("", &dtype));
    assert_true(wfs_dtype_by_torch("half", &dtype));
    assert_int_equal(dtype, WFS_F16);
}

static void test_shape__products_are_checked_from_the_left(void **state)
{
    uint64_t n, size;
    struct wfs_error err = {0};
    (void)state;
    assert_int_equal(wfs_shape_size(WFS_F32, SHAPE(0, UINT64_C(1) << 63, 4), &n, &size, &err), 0);
    assert_int_equal(n, 0);
    assert_int_equal(wfs_shape_size(WFS_F32, SHAPE(UINT64_C(1) << 63, 4, 0), &n, &size, &err),
                     -EOVERFLOW);
    assert_int_equal(wfs_shape_size(WFS_F32, SHAPE(UINT64_C(1) << 59), &n, &size, &err),
                     -EOVERFLOW);
    assert_int_equal(wfs_shape_size(WFS_F4_E2M1, SHAPE(3), &n, &size, NULL), -EINVAL);
    assert_int_equal(wfs_shape_size(WFS_F6_E2M3, SHAPE(6), &n, &size, NULL), -EINVAL);
    assert_int_equal(wfs_shape_size(WFS_F6_E2M3, SHAPE(4), &n, &size, NULL), 0);
    assert_int_equal(size, 3);
}

static void test_shape__formats_as_python_does(void **state)
{
    struct wfs_buf buf wfs_cleanup(wfs_buf_free) = {0};
    (void)state;
    wfs_shape_format(&buf, 0, NULL);
    wfs_shape_format(&buf, SHAPE(4));
    wfs_shape_format(&buf, SHAPE(2, 3));
    assert_string_equal(buf.data, "()(4,)(2, 3)");
}

/* ---- hashes, runs, blocks ------------------------------------------------------------------ */

static void test_expr__equal_functions_have_equal_hashes(void **state)
{
    struct fixture *f = *state;
    const struct wfs_expr *e = leaf(f, 0, SHAPE(4, 6)), *strided, *twice;
    assert_int_equal(wfs_expr_strided(f->arena, f->bytes, 0, WFS_U16, SHAPE(6, 4), STRIDES(1, 6),
                                      &strided, &f->err),
                     0);
    assert_same_hash(permuted(f, e, PERM(1, 0)), strided);
    assert_int_equal(wfs_expr_reverse_axes(f->arena, e, &twice, &f->err), 0);
    assert_same_hash(twice, strided);
    assert_same_hash(permuted(f, permuted(f, e, PERM(1, 0)), PERM(1, 0)), e);
    assert_same_hash(flipped(f, flipped(f, e, 0), 0), e);
    assert_same_hash(reshaped(f, reshaped(f, e, SHAPE(2, 2, 2, 3)), SHAPE(4, 6)), e);
    assert_same_hash(sliced(f, e, 0, 0, 4, 1), e);
    assert_same_hash(sliced(f, sliced(f, e, 0, 1, 4, 1), 0, 1, 3, 1), sliced(f, e, 0, 2, 4, 1));
    assert_same_hash(sliced(f, e, 0, 2, 4, 1), leaf(f, 12, SHAPE(2, 6)));
    /* An axis of one step has no stride. */
    assert_same_hash(sliced(f, e, 0, 0, 1, 1), leaf(f, 0, SHAPE(1, 6)));
}

static void test_expr__different_functions_have_different_hashes(void **state)
{
    struct fixture *f = *state;
    const struct wfs_expr *e = leaf(f, 0, SHAPE(4, 4)), *bits;
    struct wfs_bytes *other;
    char data[32] = {1};
    assert_other_hash(e, permuted(f, e, PERM(1, 0)));
    assert_other_hash(e, flipped(f, e, 0));
    assert_other_hash(e, leaf(f, 1, SHAPE(4, 4)));
    assert_other_hash(e, reshaped(f, e, SHAPE(16)));
    assert_int_equal(wfs_expr_bitcast(f->arena, e, WFS_I16, &bits, &f->err), 0);
    assert_other_hash(e, bits);
    assert_other_hash(e, mapped(f, e, WFS_ELEM_NEG, WFS_U16, 0));
    /* Of several operations each counts. */
    const struct wfs_expr *cast = mapped(f, e, WFS_ELEM_CAST, WFS_F32, 0);
    const struct wfs_expr *twice = mapped(f, cast, WFS_ELEM_SCALE, WFS_F32, 2);
    assert_other_hash(twice, mapped(f, cast, WFS_ELEM_SCALE, WFS_F32, 3));
    assert_other_hash(twice, mapped(f, cast, WFS_ELEM_ADD, WFS_F32, 2));
    assert_other_hash(mapped(f, twice, WFS_ELEM_ADD, WFS_F32, 1),
                      mapped(f, twice, WFS_ELEM_ADD, WFS_F32, 4));
    assert_other_hash(mapped(f, e, WFS_ELEM_SCALE, WFS_U16, 2),
                      mapped(f, e, WFS_ELEM_SCALE, WFS_U16, 3));
    assert_int_equal(wfs_bytes_from_memory("other", data, 32, &other, &f->err), 0);
    assert_int_equal(wfs_arena_on_free(f->arena, wfs_bytes_unref_void, other), 0);
    assert_other_hash(e, leaf_of(f, other, 0, WFS_U16, SHAPE(4, 4)));
}

static void test_expr__computed_sources_have_hashes_of_their_own(void **state)
{
    struct fixture *f = *state;
    const struct wfs_expr *fills[2], *counts[2], *sums[2];
    const struct wfs_expr *in[] = {leaf(f, 0, SHAPE(4)), leaf(f, 9, SHAPE(4)),
                                   leaf(f, 8, SHAPE(4))};
    for (int i = 0; i < 2; i++) {
        assert_int_equal(wfs_expr_fill(f->arena, WFS_U16, SHAPE(4), i, &fills[i], &f->err), 0);
        assert_int_equal(
            wfs_expr_arange(f->arena, WFS_U16, SHAPE(4), 0, i + 1, &counts[i], &f->err), 0);
        assert_int_equal(wfs_expr_sum(f->arena, 2, in + i, &sums[i], &f->err), 0);
    }
    assert_other_hash(fills[0], fills[1]);
    assert_other_hash(counts[0], counts[1]);
    assert_other_hash(sums[0], sums[1]);
    const struct wfs_expr *again;
    assert_int_equal(wfs_expr_sum(f->arena, 2, in, &again, &f->err), 0);
    assert_same_hash(again, sums[0]);
    assert_int_equal(wfs_expr_fill(f->arena, WFS_U16, SHAPE(4), 1, &again, &f->err), 0);
    assert_same_hash(again, fills[1]);
}

static void test_expr__runs_are_recognised(void **state)
{
    struct fixture *f = *state;
    const struct wfs_expr *e = leaf(f, 3, SHAPE(4, 6)), *counted;
    struct wfs_bytes *bytes = NULL;
    uint64_t off = 0;
    assert_true(wfs_expr_is_run(e, &bytes, &off));
    assert_ptr_equal(bytes, f->bytes);
    assert_int_equal(off, 6);
    assert_true(wfs_expr_is_run(sliced(f, e, 0, 2, 4, 1), &bytes, &off));
    assert_int_equal(off, 30);
    assert_false(wfs_expr_is_run(permuted(f, e, PERM(1, 0)), &bytes, &off));
    assert_false(wfs_expr_is_run(sliced(f, e, 1, 0, 5, 1), &bytes, &off));
    assert_false(wfs_expr_is_run(mapped(f, e, WFS_ELEM_NEG, WFS_U16, 0), &bytes, &off));
    assert_false(wfs_expr_is_run(leaf(f, 0, SHAPE(0)), &bytes, &off));
    assert_int_equal(wfs_expr_arange(f->arena, WFS_U16, SHAPE(4), 0, 1, &counted, &f->err), 0);
    assert_false(wfs_expr_is_run(counted, &bytes, &off));
}

/* A source that is never read: only geometry is asked for. */
static struct failing large(void)
{
    struct failing b = {.can_map = true};
    b.base.ops = &failing_ops;
    b.base.n_refs = 1;
    b.base.size_bytes = UINT64_C(1) << 40;
    b.base.name = "large";
    return b;
}

static void test_expr__blocks_of_transpositions_hold_strips(void **state)
{
    struct fixture *f = *state;
    struct failing b = large();
    const struct wfs_expr *e = leaf_of(f, &b.base, 0, WFS_BF16, SHAPE(4096, 11008));
    assert_int_equal(wfs_expr_block_bytes(e), 0);
    uint64_t block = wfs_expr_block_bytes(permuted(f, e, PERM(1, 0)));
    assert_int_equal(block, 4096 * 1024);
    e = leaf_of(f, &b.base, 0, WFS_F32, SHAPE(768, 3072));
    block = wfs_expr_block_bytes(permuted(f, e, PERM(1, 0)));
    assert_int_equal(block % (768 * 4), 0);
    assert_true(block >= 1 << 20 && block <= 4 << 20);
    e = leaf_of(f, &b.base, 0, WFS_F32, SHAPE(500000, 4096));
    block = wfs_expr_block_bytes(permuted(f, e, PERM(1, 0)));
    assert_int_equal(block % (500000 * 4), 0);
    assert_true(block <= 32 << 20 && block > 30 << 20);
    e = leaf_of(f, &b.base, 0, WFS_F32, SHAPE(UINT64_C(100) << 20, 16));
    assert_int_equal(wfs_expr_block_bytes(permuted(f, e, PERM(1, 0))), 32 << 20);
}

static void test_expr__blocks_of_other_layouts(void **state)
{
    struct fixture *f = *state;
    struct failing b = large();
    /* OIHW > HWIO: whole */
    const struct wfs_expr *e = leaf_of(f, &b.base, 0, WFS_F32, SHAPE(512, 512, 3, 3));
    e = permuted(f, e, PERM(2, 3, 1, 0));
    assert_int_equal(wfs_expr_block_bytes(e), e->size_bytes);
    /* Long runs, columns in order, casts, small tensors: read directly. */
    e = leaf_of(f, &b.base, 0, WFS_F32, SHAPE(64, 16, 8192));
    assert_int_equal(wfs_expr_block_bytes(permuted(f, e, PERM(1, 0, 2))), 0);
    e = leaf_of(f, &b.base, 0, WFS_F32, SHAPE(4096, 4096));
    assert_int_equal(wfs_expr_block_bytes(sliced(f, e, 1, 0, 64, 1)), 0);
    assert_int_equal(wfs_expr_block_bytes(mapped(f, e, WFS_ELEM_CAST, WFS_F64, 0)), 0);
    e = leaf_of(f, &b.base, 0, WFS_F32, SHAPE(32, 64));
    assert_int_equal(wfs_expr_block_bytes(permuted(f, e, PERM(1, 0))), 0);
    /* Heads to the front: short runs far apart. */
    e = leaf_of(f, &b.base, 0, WFS_BF16, SHAPE(4096, 32, 64));
    assert_true(wfs_expr_block_bytes(permuted(f, e, PERM(1, 0, 2))) >= 1 << 20);
}

static void test_expr__blocks_reach_through_computed_sources(void **state)
{
    struct fixture *f = *state;
    struct failing b = large();
    const struct wfs_expr *e = leaf_of(f, &b.base, 0, WFS_BF16, SHAPE(4096, 11008)), *out;
    e = permuted(f, e, PERM(1, 0));
    const struct wfs_expr *both[] = {e, flipped(f, e, 0)};
    assert_int_equal(wfs_expr_sum(f->arena, 2, both, &out, &f->err), 0);
    assert_int_equal(wfs_expr_block_bytes(out), wfs_expr_block_bytes(e));
    out = reshaped(f, e, SHAPE(16384, 2752)); /* tears a factor: nested */
    assert_false(out->pieces[0].bytes == &b.base);
    assert_int_equal(wfs_expr_block_bytes(out), wfs_expr_block_bytes(e));
    /* What has to be computed again for every block gets large ones. */
    assert_true(wfs_expr_block_bytes(permuted(f, out, PERM(1, 0))) > 16 << 20);
}

static void test_expr__blocks_of_one_step_are_enlarged(void **state)
{
    struct fixture *f = *state;
    struct failing b = large();
    /* Strips need 128 KiB of the result: blocks of several. */
    const struct wfs_expr *e = leaf_of(f, &b.base, 0, WFS_F32, SHAPE(4096, 32, 8));
    uint64_t block = wfs_expr_block_bytes(permuted(f, e, PERM(1, 0, 2)));
    assert_true(block >= 1 << 20 && block < 8 << 20);
    e = leaf_of(f, &b.base, 0, WFS_F32, SHAPE(64, 4096, 8));
    assert_int_equal(wfs_expr_block_bytes(permuted(f, e, PERM(0, 2, 1))), 1 << 20);
    e = leaf_of(f, &b.base, 0, WFS_F32, SHAPE(8192, 128));
    block = wfs_expr_block_bytes(permuted(f, e, PERM(1, 0)));
    assert_int_equal(block, 8192 * 128 * 4);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        EXPR_TEST(test_dtype__every_name_leads_back_to_its_row),
        EXPR_TEST(test_dtype__unknown_names_are_unknown),
        EXPR_TEST(test_shape__products_are_checked_from_the_left),
        EXPR_TEST(test_shape__formats_as_python_does),
        EXPR_TEST(test_expr__equal_functions_have_equal_hashes),
        EXPR_TEST(test_expr__different_functions_have_different_hashes),
        EXPR_TEST(test_expr__computed_sources_have_hashes_of_their_own),
        EXPR_TEST(test_expr__runs_are_recognised),
        EXPR_TEST(test_expr__blocks_of_transpositions_hold_strips),
        EXPR_TEST(test_expr__blocks_of_other_layouts),
        EXPR_TEST(test_expr__blocks_reach_through_computed_sources),
        EXPR_TEST(test_expr__blocks_of_one_step_are_enlarged),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
