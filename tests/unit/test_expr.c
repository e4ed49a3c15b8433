/*
 * test_expr.c - what expressions refuse and what they keep: bounds, hostile shapes and strides,
 * limits, values. That every operation moves the right bytes is tested against numpy
 * (tests/cli/test_expr_numpy.py).
 */
#include "expr_fixture.h"

/* ---- leaves -------------------------------------------------------------------------------- */

static void test_expr__leaf_must_lie_inside_its_source(void **state)
{
    struct fixture *f = *state;
    struct wfs_arena *a = f->arena;
    struct wfs_error *err = &f->err;
    leaf(f, N_VALUES - 4, SHAPE(4));
    assert_refused(f, EINVAL,
                   wfs_expr_contiguous(a, f->bytes, 2, WFS_U16, SHAPE(N_VALUES), &out, err));
    assert_non_null(strstr(f->err.message, "values"));
    assert_refused(f, EINVAL,
                   wfs_expr_contiguous(a, f->bytes, UINT64_MAX, WFS_U8, SHAPE(1), &out, err));
    assert_refused(f, EINVAL,
                   wfs_expr_contiguous(a, f->bytes, UINT64_MAX - 1, WFS_U16, SHAPE(4), &out, err));
    assert_refused(
        f, EOVERFLOW,
        wfs_expr_contiguous(a, f->bytes, 0, WFS_U16, SHAPE(UINT64_C(1) << 62, 8), &out, err));
}

static void test_expr__strides_must_stay_inside(void **state)
{
    struct fixture *f = *state;
    struct wfs_arena *a = f->arena;
    struct wfs_bytes *b = f->bytes;
    struct wfs_error *err = &f->err;
    assert_refused(f, EINVAL, wfs_expr_strided(a, b, 0, WFS_U16, SHAPE(2), STRIDES(-1), &out, err));
    assert_refused(f, EINVAL,
                   wfs_expr_strided(a, b, 2, WFS_U16, SHAPE(3, 2), STRIDES(-1, 1), &out, err));
    assert_refused(f, EINVAL,
                   wfs_expr_strided(a, b, 0, WFS_U16, SHAPE(2), STRIDES(N_VALUES), &out, err));
    assert_refused(f, EINVAL,
                   wfs_expr_strided(a, b, 0, WFS_U16, SHAPE(2), STRIDES(INT64_MIN), &out, err));
    assert_refused(f, EINVAL,
                   wfs_expr_strided(a, b, 0, WFS_U16, SHAPE(3), STRIDES(INT64_MAX), &out, err));
    assert_refused(f, EINVAL,
                   wfs_expr_strided(a, b, 0, WFS_U16, SHAPE(3, 3),
                                    STRIDES(INT64_MAX / 4, INT64_MIN / 4), &out, err));
    assert_refused(
        f, EINVAL,
        wfs_expr_strided(a, b, 0, WFS_U8, SHAPE(UINT64_C(1) << 60), STRIDES(1), &out, err));
}

static void test_expr__a_stride_of_one_element_reaches_nothing(void **state)
{
    struct fixture *f = *state;
    const struct wfs_expr *out;
    assert_int_equal(wfs_expr_strided(f->arena, f->bytes, 10, WFS_U16, SHAPE(1, 2, 1),
                                      STRIDES(INT64_MAX, 3, INT64_MIN), &out, &f->err),
                     0);
    assert_values(out, VALUES(5, 8));
}

static void test_expr__still_and_backward_strides(void **state)
{
    struct fixture *f = *state;
    const struct wfs_expr *out;
    assert_int_equal(wfs_expr_strided(f->arena, f->bytes, 20, WFS_U16, SHAPE(2, 3), STRIDES(0, -2),
                                      &out, &f->err),
                     0);
    assert_values(out, VALUES(10, 8, 6, 10, 8, 6));
}

static void test_expr__empty_tensors_pass_through_everything(void **state)
{
    struct fixture *f = *state;
    const struct wfs_expr *e = leaf(f, 0, SHAPE(3, 0, UINT64_C(1) << 60));
    assert_int_equal(e->n_elems, 0);
    assert_int_equal(e->n_pieces, 0);
    e = permuted(f, e, PERM(2, 0, 1)); /* the product would overflow, were there no 0 */
    e = flipped(f, e, 0);
    e = reshaped(f, e, SHAPE(7, 0));
    e = concat(f, e, leaf(f, 5, SHAPE(7, 1)), 1);
    assert_values(e, VALUES(5, 6, 7, 8, 9, 10, 11));
    e = sliced(f, e, 0, 3, 3, 1);
    assert_int_equal(e->n_elems, 0);
    assert_int_equal(wfs_expr_read(e, NULL, 0, 0, &f->err), 0);
    assert_int_equal(wfs_expr_block_bytes(e), 0);
}

static void test_expr__scalars(void **state)
{
    struct fixture *f = *state;
    const struct wfs_expr *e = leaf(f, 9, 0, NULL);
    assert_values(e, VALUES(9));
    assert_values(reshaped(f, e, SHAPE(1, 1)), VALUES(9));
    assert_int_equal(reshaped(f, reshaped(f, e, SHAPE(1, 1)), 0, NULL)->ndim, 0);
}

/* ---- operations ---------------------------------------------------------------------------- */

static void test_expr__bad_axes_and_sizes_are_refused(void **state)
{
    struct fixture *f = *state;
    struct wfs_arena *a = f->arena;
    struct wfs_error *err = &f->err;
    const struct wfs_expr *e = leaf(f, 0, SHAPE(2, 3)), *g = leaf(f, 0, SHAPE(2, 2));
    const struct wfs_expr *const two[] = {e, g};
    assert_refused(f, EINVAL, wfs_expr_permute(a, e, PERM(0, 0), &out, err));
    assert_refused(f, EINVAL, wfs_expr_permute(a, e, PERM(0, 2), &out, err));
    assert_refused(f, EINVAL, wfs_expr_flip(a, e, 2, &out, err));
    assert_refused(f, EINVAL, wfs_expr_slice(a, e, 2, 0, 1, 1, &out, err));
    assert_refused(f, EINVAL, wfs_expr_slice(a, e, 1, 0, 4, 1, &out, err));
    assert_refused(f, EINVAL, wfs_expr_slice(a, e, 1, 2, 1, 1, &out, err));
    assert_refused(f, EINVAL, wfs_expr_slice(a, e, 1, 0, 3, 0, &out, err));
    assert_refused(f, EINVAL, wfs_expr_squeeze(a, e, 0, &out, err));
    assert_refused(f, EINVAL, wfs_expr_unsqueeze(a, e, 3, &out, err));
    assert_refused(f, EINVAL, wfs_expr_reshape(a, e, SHAPE(5), &out, err));
    assert_refused(f, EINVAL, wfs_expr_reshape(a, e, SHAPE(6, 0), &out, err));
    assert_refused(f, EINVAL,
                   wfs_expr_reshape(a, e, SHAPE(UINT64_C(1) << 63, UINT64_C(1) << 63), &out, err));
    assert_refused(f, EINVAL, wfs_expr_concat(a, 0, two, 0, &out, err));
    assert_refused(f, EINVAL, wfs_expr_concat(a, 2, two, 0, &out, err));
    assert_refused(f, EINVAL, wfs_expr_concat(a, 2, two, 2, &out, err));
    const struct wfs_expr *const ranks[] = {e, leaf(f, 0, SHAPE(2))};
    assert_refused(f, EINVAL, wfs_expr_concat(a, 2, ranks, 0, &out, err));
    const struct wfs_expr *const types[] = {e, leaf_of(f, f->bytes, 0, WFS_I16, SHAPE(2, 3))};
    assert_refused(f, EINVAL, wfs_expr_concat(a, 2, types, 0, &out, err));
    assert_refused(f, EINVAL, wfs_expr_sum(a, 2, types, &out, err));
    assert_refused(f, EINVAL, wfs_expr_stack(a, 0, two, 0, &out, err));
    assert_refused(f, EINVAL, wfs_expr_stack(a, 2, two, 0, &out, err));
    assert_refused(f, EINVAL, wfs_expr_sum(a, 2, two, &out, err));
    assert_refused(f, EINVAL, wfs_expr_sum(a, 0, two, &out, err));
    assert_refused(f, EINVAL, wfs_expr_tile(a, e, 2, 1, &out, err));
    assert_refused(f, EINVAL, wfs_expr_pad(a, e, 2, 1, 1, 0, &out, err));
    assert_refused(f, EINVAL, wfs_expr_bitcast(a, e, WFS_F32, &out, err));
}

static void test_expr__sizes_that_overflow_are_refused(void **state)
{
    struct fixture *f = *state;
    struct wfs_arena *a = f->arena;
    struct wfs_error *err = &f->err;
    const struct wfs_expr *e = leaf(f, 0, SHAPE(2, 3));
    const uint64_t huge = UINT64_C(1) << 63;
    assert_refused(f, EOVERFLOW, wfs_expr_tile(a, e, 0, huge, &out, err));
    assert_refused(f, EOVERFLOW, wfs_expr_tile(a, e, 0, huge / 2, &out, err));
    assert_refused(f, EOVERFLOW, wfs_expr_repeat(a, e, 1, huge, &out, err));
    assert_refused(f, EOVERFLOW, wfs_expr_repeat(a, e, 1, huge / 16, &out, err));
    assert_refused(f, EOVERFLOW, wfs_expr_pad(a, e, 1, huge, huge, 0, &out, err));
    assert_refused(f, EOVERFLOW, wfs_expr_pad(a, e, 1, huge / 16, 0, 0, &out, err));
}

static void test_expr__too_many_axes_are_refused(void **state)
{
    struct fixture *f = *state;
    uint64_t ones[WFS_MAX_NDIM + 1];
    for (size_t i = 0; i < WFS_ARRAY_SIZE(ones); i++)
        ones[i] = 1;
    const struct wfs_expr *e = leaf(f, 7, WFS_MAX_NDIM, ones);
    assert_values(e, VALUES(7));
    assert_values(reshaped(f, e, WFS_MAX_NDIM, ones), VALUES(7));
    assert_refused(f, EINVAL, wfs_expr_unsqueeze(f->arena, e, 0, &out, &f->err));
    assert_refused(f, EINVAL, wfs_expr_reshape(f->arena, e, WFS_MAX_NDIM + 1, ones, &out, &f->err));
    assert_refused(
        f, EOVERFLOW,
        wfs_expr_contiguous(f->arena, f->bytes, 0, WFS_U16, WFS_MAX_NDIM + 1, ones, &out, &f->err));
}

static void test_expr__all_axes_of_two(void **state)
{
    struct fixture *f = *state;
    uint64_t twos[16];
    uint32_t perm[16];
    uint16_t got[N_VALUES], want[N_VALUES];
    for (uint32_t i = 0; i < 16; i++) {
        twos[i] = 2;
        perm[i] = (i * 7 + 3) % 16;
    }
    const struct wfs_expr *e = permuted(f, leaf(f, 0, 16, twos), perm);
    e = reshaped(f, e, SHAPE(N_VALUES));
    assert_int_equal(e->n_pieces, 1);
    assert_int_equal(wfs_expr_read(e, got, sizeof(got), 0, &f->err), 0);
    for (uint32_t i = 0; i < N_VALUES; i++) {
        want[i] = 0;
        for (uint32_t axis = 0; axis < 16; axis++)
            want[i] |= (uint16_t)((i >> (15 - axis) & 1) << (15 - perm[axis]));
    }
    assert_memory_equal(got, want, sizeof(got));
}

static void test_expr__steps_past_the_end_take_one(void **state)
{
    struct fixture *f = *state;
    const struct wfs_expr *e = concat(f, leaf(f, 0, SHAPE(5)), leaf(f, 100, SHAPE(5)), 0);
    assert_values(sliced(f, e, 0, 1, 10, UINT64_MAX), VALUES(1));
    assert_values(sliced(f, e, 0, 1, 10, 5), VALUES(1, 101));
    assert_int_equal(sliced(f, e, 0, 10, 10, UINT64_MAX)->n_elems, 0);
}

static void test_expr__splitting_and_joining_is_the_whole_again(void **state)
{
    struct fixture *f = *state;
    const struct wfs_expr *e = permuted(f, leaf(f, 0, SHAPE(12, 20)), PERM(1, 0));
    const struct wfs_expr *top = sliced(f, e, 0, 0, 9, 1), *rest = sliced(f, e, 0, 9, 20, 1);
    const struct wfs_expr *joined = concat(f, top, rest, 0);
    assert_int_equal(joined->n_pieces, 1);
    assert_same_hash(joined, e);
    joined =
        concat(f, concat(f, sliced(f, top, 1, 0, 5, 1), sliced(f, top, 1, 5, 12, 1), 1), rest, 0);
    assert_same_hash(joined, e);
    assert_other_hash(concat(f, rest, top, 0), e);
}

static void test_expr__layers_at_equal_distances_are_one_piece(void **state)
{
    struct fixture *f = *state;
    const struct wfs_expr *layers[6], *out;
    for (uint64_t i = 0; i < 6; i++)
        layers[i] = permuted(f, leaf(f, 100 + 64 * i, SHAPE(2, 4)), PERM(1, 0));
    assert_int_equal(wfs_expr_stack(f->arena, 6, layers, 0, &out, &f->err), 0);
    assert_int_equal(out->n_pieces, 1);
    assert_values(sliced(f, out, 0, 5, 6, 1), VALUES(420, 424, 421, 425, 422, 426, 423, 427));
}

static void test_expr__reshape_after_permute_keeps_factors(void **state)
{
    struct fixture *f = *state;
    const struct wfs_expr *e = permuted(f, leaf(f, 0, SHAPE(2, 3, 4)), PERM(1, 0, 2));
    const struct wfs_expr *flat = reshaped(f, e, SHAPE(6, 4)), *cut;
    assert_int_equal(flat->n_pieces, 1);
    assert_same_hash(reshaped(f, flat, SHAPE(3, 2, 4)), e);
    assert_same_hash(permuted(f, reshaped(f, flat, SHAPE(3, 2, 4)), PERM(1, 0, 2)),
                     leaf(f, 0, SHAPE(2, 3, 4)));
    cut = sliced(f, flat, 0, 1, 5, 1); /* head, body, tail */
    assert_int_equal(cut->n_pieces, 3);
    assert_values(sliced(f, cut, 1, 0, 1, 1), VALUES(12, 4, 16, 8));
    cut = sliced(f, sliced(f, flat, 0, 0, 6, 3), 1, 3, 4, 1); /* a step over factors nests */
    assert_values(cut, VALUES(3, 19));
}

static void test_expr__reshape_that_tears_a_factor_nests(void **state)
{
    struct fixture *f = *state;
    const struct wfs_expr *e = permuted(f, leaf(f, 0, SHAPE(4, 9)), PERM(1, 0));
    e = reshaped(f, e, SHAPE(6, 6));
    assert_values(sliced(f, permuted(f, e, PERM(1, 0)), 0, 0, 2, 1),
                  VALUES(0, 19, 3, 22, 6, 25, 9, 28, 12, 31, 15, 34));
}

static void test_expr__many_cuts_nest_and_stay_small(void **state)
{
    struct fixture *f = *state;
    const struct wfs_expr *e =
        concat(f, leaf(f, 0, SHAPE(2048, 3)), leaf(f, 10000, SHAPE(2048, 2)), 1);
    uint16_t got[10240];
    e = reshaped(f, e, SHAPE(10240));
    assert_int_equal(e->n_pieces, 1);
    assert_int_equal(wfs_expr_read(e, got, sizeof(got), 0, &f->err), 0);
    for (uint16_t i = 0; i < 10240; i++)
        assert_int_equal(got[i], i % 5 < 3 ? i / 5 * 3 + i % 5 : 10000 + i / 5 * 2 + i % 5 - 3);
}

static void test_expr__pieces_are_bounded(void **state)
{
    struct fixture *f = *state;
    const uint32_t n = 40000;
    const struct wfs_expr **parts = calloc(n, sizeof(*parts)), *out, *both[2];
    /* No three lie at equal distances: nothing merges. */
    for (uint32_t i = 0; i < n; i++)
        parts[i] = leaf(f, (uint64_t)i * i % 65521, SHAPE(1, 1));
    assert_int_equal(wfs_expr_concat(f->arena, n, parts, 0, &out, &f->err), 0);
    assert_true(out->n_pieces > 10000);
    for (uint32_t i = 0; i < n; i += 997) {
        uint16_t got;
        assert_int_equal(wfs_expr_read(out, &got, 2, 2 * i, &f->err), 0);
        assert_int_equal(got, (uint64_t)i * i % 65521);
    }
    /* Twice as many are too many: each half nests. */
    both[0] = out;
    both[1] = flipped(f, out, 0);
    const struct wfs_expr *four[] = {both[0], both[1], both[0], both[1]};
    assert_int_equal(wfs_expr_concat(f->arena, 4, four, 1, &out, &f->err), 0);
    assert_int_equal(out->n_pieces, 4);
    uint16_t row[4];
    assert_int_equal(wfs_expr_read(out, row, 8, 8 * 5, &f->err), 0);
    assert_int_equal(row[2], 25);
    assert_int_equal(row[3], (uint64_t)(n - 6) * (n - 6) % 65521);
    free(parts);
}

static void test_expr__many_tiles_nest(void **state)
{
    struct fixture *f = *state;
    const struct wfs_expr *e = concat(f, leaf(f, 0, SHAPE(2)), leaf(f, 7, SHAPE(1)), 0), *out;
    uint16_t got[3];
    assert_int_equal(wfs_expr_tile(f->arena, e, 0, 100000, &out, &f->err), 0);
    assert_int_equal(out->n_pieces, 1);
    assert_int_equal(wfs_expr_read(out, got, 6, 6 * 99999, &f->err), 0);
    assert_int_equal(got[1], 1);
    assert_int_equal(got[2], 7);
}

static void test_expr__nesting_is_bounded(void **state)
{
    struct fixture *f = *state;
    const struct wfs_expr *e = leaf(f, 0, SHAPE(4, 9));
    int r = 0;
    for (int i = 0; !r && i < 100; i++) {
        e = reshaped(f, e, SHAPE(4, 9));
        e = permuted(f, e, PERM(1, 0));
        r = wfs_expr_reshape(f->arena, e, SHAPE(6, 6), &e, &f->err);
    }
    assert_int_equal(r, -E2BIG);
}

static void test_expr__grids_of_pieces_are_found_by_bisection(void **state)
{
    struct fixture *f = *state;
    const struct wfs_expr *columns[8], *grid, *rows[64];
    for (uint64_t i = 0; i < 8; i++) {
        for (uint64_t k = 0; k < 64; k++)
            rows[k] = leaf(f, (i * 64 + k) * (i * 64 + k) % 60000, SHAPE(2, 2));
        assert_int_equal(wfs_expr_concat(f->arena, 64, rows, 0, &columns[i], &f->err), 0);
    }
    assert_int_equal(wfs_expr_concat(f->arena, 8, columns, 1, &grid, &f->err), 0);
    assert_int_equal(grid->sort_axis, 0);
    assert_int_equal(grid->sort_max_count, 2);
    for (uint64_t i = 0; i < 8; i++) {
        uint16_t got;
        assert_int_equal(wfs_expr_read(grid, &got, 2, ((2 * 33 + 1) * 16 + 2 * i + 1) * 2, &f->err),
                         0);
        assert_int_equal(got, (i * 64 + 33) * (i * 64 + 33) % 60000 + 3);
    }
}

/* ---- values -------------------------------------------------------------------------------- */

static void test_expr__fills(void **state)
{
    struct fixture *f = *state;
    const struct wfs_expr *e;
    float got[6];
    assert_int_equal(wfs_expr_fill(f->arena, WFS_F32, SHAPE(2, 3), 1.5, &e, &f->err), 0);
    assert_int_equal(wfs_expr_read(e, got, sizeof(got), 0, &f->err), 0);
    for (int i = 0; i < 6; i++)
        assert_true(got[i] == 1.5F);
    assert_int_equal(wfs_expr_fill(f->arena, WFS_U16, SHAPE(3), 65535, &e, &f->err), 0);
    assert_values(e, VALUES(65535, 65535, 65535));
    assert_refused(f, EINVAL, wfs_expr_fill(f->arena, WFS_U8, SHAPE(2), 256, &out, &f->err));
    assert_refused(f, EINVAL, wfs_expr_fill(f->arena, WFS_I2_BYTE, SHAPE(2), 2, &out, &f->err));
    assert_refused(f, EINVAL, wfs_expr_fill(f->arena, WFS_U4_BYTE, SHAPE(2), 16, &out, &f->err));
    assert_refused(f, EINVAL, wfs_expr_fill(f->arena, WFS_I8, SHAPE(2), 0.5, &out, &f->err));
    assert_refused(f, EINVAL, wfs_expr_fill(f->arena, WFS_BOOL, SHAPE(2), 2, &out, &f->err));
    assert_refused(f, EINVAL, wfs_expr_fill(f->arena, WFS_F16, SHAPE(2), 1e6, &out, &f->err));
    assert_refused(f, EINVAL, wfs_expr_fill(f->arena, WFS_BITS8, SHAPE(2), 1, &out, &f->err));
}

static void test_expr__counted_values(void **state)
{
    struct fixture *f = *state;
    const struct wfs_expr *e;
    int64_t wide[3];
    assert_int_equal(wfs_expr_arange(f->arena, WFS_U16, SHAPE(2, 3), 10, 5, &e, &f->err), 0);
    assert_values(permuted(f, e, PERM(1, 0)), VALUES(10, 25, 15, 30, 20, 35));
    assert_int_equal(wfs_expr_arange(f->arena, WFS_I64, SHAPE(3), 3, -4, &e, &f->err), 0);
    assert_int_equal(wfs_expr_read(e, wide, sizeof(wide), 0, &f->err), 0);
    assert_int_equal(wide[2], -5);
    assert_refused(f, EINVAL, wfs_expr_arange(f->arena, WFS_U8, SHAPE(300), 0, 1, &out, &f->err));
    assert_refused(f, EINVAL, wfs_expr_arange(f->arena, WFS_U8, SHAPE(3), 0, .5, &out, &f->err));
    assert_refused(f, EINVAL, wfs_expr_arange(f->arena, WFS_U16, SHAPE(3), 1, -1, &out, &f->err));
}

static void test_expr__counted_fractions(void **state)
{
    struct fixture *f = *state;
    const struct wfs_expr *e;
    float got[3];
    uint8_t fours[2];
    assert_int_equal(wfs_expr_arange(f->arena, WFS_F32, SHAPE(3), 1, -.25, &e, &f->err), 0);
    assert_int_equal(wfs_expr_read(e, got, sizeof(got), 0, &f->err), 0);
    assert_true(got[0] == 1.0F && got[1] == .75F && got[2] == .5F);
    assert_int_equal(wfs_expr_arange(f->arena, WFS_F4_E2M1, SHAPE(4), 0, .5, &e, &f->err), 0);
    assert_int_equal(wfs_expr_read(e, fours, 2, 0, &f->err), 0);
    assert_int_equal(fours[0], 0x10);
    assert_int_equal(fours[1], 0x32);
}

static void test_expr__sums_of_other_types(void **state)
{
    struct fixture *f = *state;
    const struct wfs_expr *in[3], *total;
    uint8_t bools[2];
    uint16_t halves[4];
    for (int i = 0; i < 3; i++) {
        assert_int_equal(wfs_expr_fill(f->arena, WFS_BOOL, SHAPE(2), i == 1, &in[i], &f->err), 0);
    }
    assert_int_equal(wfs_expr_sum(f->arena, 3, in, &total, &f->err), 0);
    assert_int_equal(wfs_expr_read(total, bools, 2, 0, &f->err), 0);
    assert_int_equal(bools[1], 1);
    assert_int_equal(wfs_expr_sum(f->arena, 1, in, &total, &f->err), 0);
    assert_ptr_equal(total, in[0]);
    for (int i = 0; i < 2; i++)
        assert_int_equal(wfs_expr_fill(f->arena, WFS_C32, SHAPE(2), 1 + i, &in[i], &f->err), 0);
    assert_int_equal(wfs_expr_sum(f->arena, 2, in, &total, &f->err), 0);
    assert_int_equal(wfs_expr_read(total, halves, 8, 0, &f->err), 0);
    assert_int_equal(halves[2], 0x4200); /* 3 + 0i */
    assert_int_equal(halves[3], 0);
    assert_refused(f, EINVAL, wfs_expr_sum(f->arena, 3, in, &out, &f->err));
    in[0] = in[1] = leaf_of(f, f->bytes, 0, WFS_BITS8, SHAPE(2));
    assert_refused(f, EINVAL, wfs_expr_sum(f->arena, 2, in, &out, &f->err));
}

static void test_expr__integer_sums_wrap(void **state)
{
    struct fixture *f = *state;
    const struct wfs_expr *in[] = {leaf(f, 65530, SHAPE(4)), leaf(f, 4, SHAPE(4))}, *out;
    in[1] = flipped(f, in[1], 0);
    assert_int_equal(wfs_expr_sum(f->arena, 2, in, &out, &f->err), 0);
    assert_values(out, VALUES(1, 1, 1, 1));
}

static void test_expr__float_sums_round_once(void **state)
{
    struct fixture *f = *state;
    const float a[] = {1.0F, 16777216.0F}, b[] = {2.5F, 1.0F}, c[] = {-.5F, 1.0F};
    const struct wfs_expr *in[3], *out;
    const float *data[] = {a, b, c};
    float got[2];
    for (int i = 0; i < 3; i++) {
        struct wfs_bytes *bytes;
        assert_int_equal(wfs_bytes_from_memory("floats", data[i], 8, &bytes, &f->err), 0);
        assert_int_equal(wfs_arena_on_free(f->arena, wfs_bytes_unref_void, bytes), 0);
        in[i] = leaf_of(f, bytes, 0, WFS_F32, SHAPE(2));
    }
    assert_int_equal(wfs_expr_sum(f->arena, 3, in, &out, &f->err), 0);
    assert_int_equal(wfs_expr_read(out, got, sizeof(got), 0, &f->err), 0);
    assert_true(got[0] == 3.0F);
    assert_true(got[1] == 16777218.0F); /* one by one it would stay 16777216 */
    assert_int_equal(wfs_expr_read(out, (char *)got + 3, 4, 3, &f->err), 0);
    assert_true(got[1] == 16777218.0F);
}

static void test_expr__operations_of_one_size_and_of_others(void **state)
{
    struct fixture *f = *state;
    const struct wfs_expr *e = permuted(f, leaf(f, 0, SHAPE(300, 200)), PERM(1, 0));
    const struct wfs_expr *negated = mapped(f, e, WFS_ELEM_NEG, WFS_U16, 0);
    const struct wfs_expr *wide = mapped(f, negated, WFS_ELEM_CAST, WFS_U32, 0);
    uint32_t *got = malloc(wide->size_bytes);
    assert_int_equal(wfs_expr_read(wide, got, wide->size_bytes, 0, &f->err), 0);
    for (uint32_t i = 0; i < 60000; i++)
        assert_int_equal(got[i], (uint16_t) - (i % 300 * 200 + i / 300));
    uint32_t part[3];
    assert_int_equal(wfs_expr_read(wide, (char *)part + 1, 11, 4 * 777 + 1, &f->err), 0);
    assert_int_equal(part[1], got[778]);
    assert_int_equal(part[2], got[779]);
    free(got);
    assert_same_hash(mapped(f, negated, WFS_ELEM_NEG, WFS_U16, 0), e);
    assert_ptr_equal(mapped(f, e, WFS_ELEM_CAST, WFS_U16, 0), e);
}

static void test_expr__operations_without_meaning_are_refused(void **state)
{
    struct fixture *f = *state;
    const struct wfs_expr *e = leaf_of(f, f->bytes, 0, WFS_BITS16, SHAPE(4));
    const struct wfs_elem_op cast = {WFS_ELEM_CAST, WFS_F32, 0}, conj = {WFS_ELEM_CONJ, WFS_U16, 0};
    assert_refused(f, EINVAL, wfs_expr_elementwise(f->arena, e, &cast, &out, &f->err));
    e = leaf(f, 0, SHAPE(4));
    assert_refused(f, EINVAL, wfs_expr_elementwise(f->arena, e, &conj, &out, &f->err));
}

static void test_expr__bitcast_after_an_operation(void **state)
{
    struct fixture *f = *state;
    const struct wfs_expr *e = mapped(f, leaf(f, 1, SHAPE(3)), WFS_ELEM_NEG, WFS_U16, 0), *out;
    assert_int_equal(wfs_expr_bitcast(f->arena, e, WFS_I16, &out, &f->err), 0);
    assert_int_equal(out->dtype, WFS_I16);
    assert_values(out, VALUES(65535, 65534, 65533));
}

/* ---- less than a byte ---------------------------------------------------------------------- */

static unsigned packed_value(const uint8_t *data, uint32_t bits, uint64_t i)
{
    unsigned value = 0;
    for (uint32_t b = 0; b < bits; b++)
        value |= (unsigned)(data[(i * bits + b) / 8] >> (i * bits + b) % 8 & 1) << b;
    return value;
}

/* Transposed, sliced and joined; whole and in parts; mapped or not. */
static void check_packed(struct fixture *f, enum wfs_dtype dtype, uint64_t n)
{
    const uint8_t *source = NULL;
    uint32_t bits = wfs_dtype_bits(dtype);
    uint64_t rows = 24, cols = n / rows;
    uint8_t *data = malloc(n), *got = malloc(n), *part = malloc(n);
    assert_int_equal(wfs_bytes_read(f->bytes, data, n, 1001, &f->err), 0);
    source = data;
    const struct wfs_expr *e = leaf_of(f, f->bytes, 1001, dtype, SHAPE(rows, cols));
    assert_int_equal(wfs_expr_read(e, got, e->size_bytes, 0, &f->err), 0);
    assert_memory_equal(got, source, e->size_bytes);
    e = permuted(f, e, PERM(1, 0));
    e = concat(f, sliced(f, e, 1, 4, 12, 1), sliced(f, e, 1, 20, 24, 1), 1);
    assert_int_equal(wfs_expr_read(e, got, e->size_bytes, 0, &f->err), 0);
    for (uint64_t i = 0; i < e->n_elems; i++) {
        uint64_t row = i % 12 < 8 ? i % 12 + 4 : i % 12 + 12;
        assert_int_equal(packed_value(got, bits, i),
                         packed_value(source, bits, row * cols + i / 12));
    }
    for (uint64_t off = 0, len = 1; off + len < e->size_bytes; off += 13, len = len % 40 + 7) {
        assert_int_equal(wfs_expr_read(e, part, len, off, &f->err), 0);
        assert_memory_equal(part, got + off, len);
    }
    free(data);
    free(got);
    free(part);
}

static void test_expr__elements_of_less_than_a_byte(void **state)
{
    check_packed(*state, WFS_F4_E2M1, 24 * 64);
    check_packed(*state, WFS_F6_E2M3, 24 * 64);
    check_packed(*state, WFS_F6_E3M2, 24 * 1004);
    check_packed(*state, WFS_F4_E2M1, 24 * 2002);
}

static void test_expr__operations_on_less_than_a_byte(void **state)
{
    struct fixture *f = *state;
    /* 0x21 0x43: 0.5, 1, 1.5, 2 */
    const uint8_t fours[] = {0x21, 0x43};
    struct wfs_bytes *bytes;
    float got[4];
    uint8_t packed[2];
    assert_int_equal(wfs_bytes_from_memory("fours", fours, 2, &bytes, &f->err), 0);
    assert_int_equal(wfs_arena_on_free(f->arena, wfs_bytes_unref_void, bytes), 0);
    const struct wfs_expr *e =
        permuted(f, leaf_of(f, bytes, 0, WFS_F4_E2M1, SHAPE(2, 2)), PERM(1, 0));
    e = mapped(f, e, WFS_ELEM_CAST, WFS_F32, 0);
    assert_int_equal(wfs_expr_read(e, got, sizeof(got), 0, &f->err), 0);
    assert_true(got[0] == 0.5F && got[1] == 1.5F && got[2] == 1.0F && got[3] == 2.0F);
    e = mapped(f, e, WFS_ELEM_CAST, WFS_F4_E2M1, 0);
    assert_int_equal(wfs_expr_read(e, packed, 2, 0, &f->err), 0);
    assert_int_equal(packed[0], 0x31);
    assert_int_equal(packed[1], 0x42);
}

static void test_expr__half_a_byte_is_refused(void **state)
{
    struct fixture *f = *state;
    const struct wfs_expr *e = leaf_of(f, f->bytes, 0, WFS_F4_E2M1, SHAPE(3, 2));
    assert_refused(f, EINVAL, wfs_expr_slice(f->arena, e, 1, 0, 1, 1, &out, &f->err));
}

/* ---- blocks -------------------------------------------------------------------------------- */

static void test_expr__blocks_are_a_run_of_logical_shape(void **state)
{
    struct fixture *f = *state;
    struct wfs_error *err = &f->err;
    const struct wfs_expr *e = leaf_of(f, f->bytes, 3, WFS_Q4_K, SHAPE(3, 512));
    struct wfs_bytes *bytes;
    uint8_t got[864], want[864];
    uint64_t off;
    assert_int_equal(e->n_elems, 1536);
    assert_int_equal(e->size_bytes, 6 * 144);
    assert_int_equal(wfs_expr_block_bytes(e), 0);
    assert_true(wfs_expr_is_run(e, &bytes, &off));
    assert_int_equal(off, 3);
    assert_int_equal(wfs_bytes_read(f->bytes, want, sizeof(want), 3, err), 0);
    assert_int_equal(wfs_expr_read(e, got, sizeof(got), 0, err), 0);
    assert_memory_equal(got, want, sizeof(got));
    assert_int_equal(wfs_expr_read(e, got, 7, 150, err), 0);
    assert_memory_equal(got, want + 150, 7);
    /* Another shape or type over the same bytes is another function. */
    struct wfs_hash a = wfs_expr_hash(e);
    struct wfs_hash b = wfs_expr_hash(leaf_of(f, f->bytes, 3, WFS_Q4_K, SHAPE(6, 256)));
    assert_memory_not_equal(&a, &b, sizeof(a));
    assert_refused(f, EINVAL,
                   wfs_expr_contiguous(f->arena, f->bytes, 0, WFS_Q4_K, SHAPE(3, 128), &out, err));
    assert_refused(f, EINVAL,
                   wfs_expr_contiguous(f->arena, f->bytes, 0, WFS_Q4_K, 0, NULL, &out, err));
    assert_refused(
        f, EINVAL,
        wfs_expr_contiguous(f->arena, f->bytes, 0, WFS_Q4_K, SHAPE(1024, 256), &out, err));
}

static void test_expr__blocks_have_no_other_layout(void **state)
{
    struct fixture *f = *state;
    struct wfs_arena *a = f->arena;
    struct wfs_error *err = &f->err;
    const struct wfs_expr *e = leaf_of(f, f->bytes, 0, WFS_Q8_0, SHAPE(1, 64));
    const struct wfs_expr *two[] = {e, e};
    const struct wfs_elem_op cast = {.kind = WFS_ELEM_CAST, .dtype = WFS_F32};
    const struct wfs_elem_op swap = {.kind = WFS_ELEM_BYTESWAP, .dtype = WFS_Q8_0};
    assert_refused(f, ENOTSUP, wfs_expr_reverse_axes(a, e, &out, err));
    assert_refused(f, ENOTSUP, wfs_expr_flip(a, e, 0, &out, err));
    assert_refused(f, ENOTSUP, wfs_expr_slice(a, e, 0, 0, 1, 1, &out, err));
    assert_refused(f, ENOTSUP, wfs_expr_squeeze(a, e, 0, &out, err));
    assert_refused(f, ENOTSUP, wfs_expr_squeeze_all(a, e, &out, err));
    assert_refused(f, ENOTSUP, wfs_expr_unsqueeze(a, e, 0, &out, err));
    assert_refused(f, ENOTSUP, wfs_expr_reshape(a, e, SHAPE(2, 32), &out, err));
    assert_refused(f, ENOTSUP, wfs_expr_concat(a, 2, two, 0, &out, err));
    assert_refused(f, ENOTSUP, wfs_expr_stack(a, 2, two, 0, &out, err));
    assert_refused(f, ENOTSUP, wfs_expr_tile(a, e, 0, 2, &out, err));
    assert_refused(f, ENOTSUP, wfs_expr_repeat(a, e, 0, 2, &out, err));
    assert_refused(f, ENOTSUP, wfs_expr_pad(a, e, 0, 1, 0, 0, &out, err));
    assert_refused(f, ENOTSUP, wfs_expr_bitcast(a, e, WFS_U8, &out, err));
    assert_refused(f, ENOTSUP, wfs_expr_elementwise(a, e, &cast, &out, err));
    assert_refused(f, ENOTSUP, wfs_expr_elementwise(a, e, &swap, &out, err));
    assert_refused(f, ENOTSUP,
                   wfs_expr_strided(a, f->bytes, 0, WFS_Q8_0, SHAPE(64), STRIDES(1), &out, err));
    assert_refused(f, EINVAL, wfs_expr_sum(a, 2, two, &out, err));
    assert_refused(f, EINVAL, wfs_expr_fill(a, WFS_Q8_0, SHAPE(64), 0, &out, err));
    /* Nothing becomes blocks without being encoded. */
    const struct wfs_elem_op to = {.kind = WFS_ELEM_CAST, .dtype = WFS_Q8_0};
    const struct wfs_expr *plain = leaf(f, 0, SHAPE(64));
    assert_refused(f, ENOTSUP, wfs_expr_elementwise(a, plain, &to, &out, err));
    assert_refused(f, EINVAL, wfs_expr_bitcast(a, plain, WFS_Q8_0, &out, err));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        EXPR_TEST(test_expr__leaf_must_lie_inside_its_source),
        EXPR_TEST(test_expr__strides_must_stay_inside),
        EXPR_TEST(test_expr__a_stride_of_one_element_reaches_nothing),
        EXPR_TEST(test_expr__still_and_backward_strides),
        EXPR_TEST(test_expr__empty_tensors_pass_through_everything),
        EXPR_TEST(test_expr__scalars),
        EXPR_TEST(test_expr__bad_axes_and_sizes_are_refused),
        EXPR_TEST(test_expr__sizes_that_overflow_are_refused),
        EXPR_TEST(test_expr__too_many_axes_are_refused),
        EXPR_TEST(test_expr__all_axes_of_two),
        EXPR_TEST(test_expr__steps_past_the_end_take_one),
        EXPR_TEST(test_expr__splitting_and_joining_is_the_whole_again),
        EXPR_TEST(test_expr__layers_at_equal_distances_are_one_piece),
        EXPR_TEST(test_expr__reshape_after_permute_keeps_factors),
        EXPR_TEST(test_expr__reshape_that_tears_a_factor_nests),
        EXPR_TEST(test_expr__many_cuts_nest_and_stay_small),
        EXPR_TEST(test_expr__pieces_are_bounded),
        EXPR_TEST(test_expr__many_tiles_nest),
        EXPR_TEST(test_expr__nesting_is_bounded),
        EXPR_TEST(test_expr__grids_of_pieces_are_found_by_bisection),
        EXPR_TEST(test_expr__fills),
        EXPR_TEST(test_expr__counted_values),
        EXPR_TEST(test_expr__counted_fractions),
        EXPR_TEST(test_expr__sums_of_other_types),
        EXPR_TEST(test_expr__integer_sums_wrap),
        EXPR_TEST(test_expr__float_sums_round_once),
        EXPR_TEST(test_expr__operations_of_one_size_and_of_others),
        EXPR_TEST(test_expr__operations_without_meaning_are_refused),
        EXPR_TEST(test_expr__bitcast_after_an_operation),
        EXPR_TEST(test_expr__elements_of_less_than_a_byte),
        EXPR_TEST(test_expr__operations_on_less_than_a_byte),
        EXPR_TEST(test_expr__half_a_byte_is_refused),
        EXPR_TEST(test_expr__blocks_are_a_run_of_logical_shape),
        EXPR_TEST(test_expr__blocks_have_no_other_layout),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
