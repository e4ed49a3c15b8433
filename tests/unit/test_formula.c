/*
 * Fields, rows by an index, and formulas: against loops over the same bytes, in any ranges and layouts,
 * with what no file should hold.
 */
#include "expr_fixture.h"

#include <math.h>

#define N_BYTES 3000
static uint8_t bytes_of_codes[N_BYTES];

/* N_BYTES pseudo-random bytes as uint8. */
static const struct wfs_expr *code_bytes(struct fixture *f)
{
    struct wfs_bytes *bytes = NULL;
    uint32_t state = 7;
    for (size_t i = 0; i < N_BYTES; i++) {
        state = state * 1664525 + 1013904223;
        bytes_of_codes[i] = (uint8_t)(state >> 24);
    }
    assert_int_equal(wfs_bytes_from_memory("codes", bytes_of_codes, N_BYTES, &bytes, &f->err), 0);
    assert_int_equal(wfs_arena_on_free(f->arena, wfs_bytes_unref_void, bytes), 0);
    return leaf_of(f, bytes, 0, WFS_U8, SHAPE(N_BYTES));
}

static const struct wfs_expr *of_memory(struct fixture *f, enum wfs_dtype dtype, const void *data,
                                        size_t ndim, const uint64_t *shape)
{
    struct wfs_bytes *bytes = NULL;
    uint64_t n, size;
    assert_int_equal(wfs_shape_size(dtype, (uint32_t)ndim, shape, &n, &size, &f->err), 0);
    assert_int_equal(wfs_bytes_from_memory("memory", data, size, &bytes, &f->err), 0);
    assert_int_equal(wfs_arena_on_free(f->arena, wfs_bytes_unref_void, bytes), 0);
    return leaf_of(f, bytes, 0, dtype, ndim, shape);
}

static unsigned bits_at(uint64_t bit, unsigned n)
{
    unsigned value = 0;
    for (unsigned i = 0; i < n; i++, bit++)
        value |= (unsigned)(bytes_of_codes[bit / 8] >> bit % 8 & 1) << i;
    return value;
}

/* ---- fields -------------------------------------------------------------------------------- */

static const enum wfs_dtype field_of[] = {WFS_U8,        WFS_U1_PACKED, WFS_U2_PACKED,
                                          WFS_U3_PACKED, WFS_U4_PACKED, WFS_U5_PACKED,
                                          WFS_U6_PACKED, WFS_U7_PACKED, WFS_U8};

/* Rows of 50 fields of any width, dense, that cross bytes; and turned round. */
static void test_fields__of_every_width(void **state)
{
    struct fixture *f = *state;
    const struct wfs_expr *words = code_bytes(f);
    for (unsigned bits = 1; bits <= 8; bits++) {
        struct wfs_field_axis axes[2] = {{1, {{40, (int64_t)bits * 53}}}, {1, {{50, bits}}}};
        uint64_t first = bits == 8 ? 8 : 3;
        const struct wfs_expr *e = NULL, *turned;
        uint8_t got[2000], back[2000];
        assert_int_equal(
            wfs_expr_fields(f->arena, words, field_of[bits], WFS_U8, first, 2, axes, &e, &f->err),
            0);
        assert_int_equal(wfs_expr_read(e, got, sizeof(got), 0, &f->err), 0);
        turned = permuted(f, e, PERM(1, 0));
        assert_int_equal(wfs_expr_read(turned, back, sizeof(back), 0, &f->err), 0);
        for (size_t i = 0; i < 40; i++)
            for (size_t j = 0; j < 50; j++) {
                assert_int_equal(got[i * 50 + j], bits_at(first + i * 53 * bits + j * bits, bits));
                assert_int_equal(back[j * 40 + i], got[i * 50 + j]);
            }
    }
}

/* AWQ's order: nibble k of a word is column 8 * word + (0, 2, 4, 6, 1, 3, 5, 7)[k]. */
static void test_fields__in_another_order(void **state)
{
    struct fixture *f = *state;
    static const unsigned order[] = {0, 2, 4, 6, 1, 3, 5, 7};
    struct wfs_field_axis axis = {3, {{10, 32}, {4, 4}, {2, 16}}};
    const struct wfs_expr *e = NULL;
    uint8_t got[80];
    assert_int_equal(
        wfs_expr_fields(f->arena, code_bytes(f), WFS_U4_PACKED, WFS_U8, 0, 1, &axis, &e, &f->err),
        0);
    assert_int_equal(wfs_expr_read(e, got, sizeof(got), 0, &f->err), 0);
    for (unsigned word = 0; word < 10; word++)
        for (unsigned k = 0; k < 8; k++)
            assert_int_equal(got[8 * word + order[k]], bits_at(32 * word + 4 * k, 4));
}

static void test_fields__outside_are_refused(void **state)
{
    struct fixture *f = *state;
    const struct wfs_expr *e = NULL, *words = code_bytes(f);
    struct wfs_field_axis axis = {1, {{N_BYTES * 2 + 1, 4}}};
    assert_int_equal(
        wfs_expr_fields(f->arena, words, WFS_U4_PACKED, WFS_U8, 0, 1, &axis, &e, &f->err), -EINVAL);
    axis.factors[0] = (struct wfs_factor){UINT64_MAX / 2, 4};
    assert_int_equal(
        wfs_expr_fields(f->arena, words, WFS_U4_PACKED, WFS_U8, 0, 1, &axis, &e, &f->err), -EINVAL);
    axis.factors[0] = (struct wfs_factor){2, -4};
    assert_int_equal(
        wfs_expr_fields(f->arena, words, WFS_U4_PACKED, WFS_U8, 8, 1, &axis, &e, &f->err), -EINVAL);
    axis.factors[0] = (struct wfs_factor){2, 4};
    assert_int_equal(wfs_expr_fields(f->arena, words, WFS_U8, WFS_U8, 0, 1, &axis, &e, &f->err),
                     -EINVAL);
    axis.factors[0] = (struct wfs_factor){4, 4};
    assert_int_equal(
        wfs_expr_fields(f->arena, words, WFS_F4_E2M1, WFS_U8, 0, 1, &axis, &e, &f->err), -EINVAL);
    assert_null(e);
}

/* ---- rows ---------------------------------------------------------------------------------- */

static void test_take(void **state)
{
    struct fixture *f = *state;
    enum { ROWS = 300, WIDTH = 7 };
    static int32_t index[ROWS];
    static uint16_t got[ROWS * WIDTH], part[ROWS * WIDTH];
    for (int i = 0; i < ROWS; i++)
        index[i] = (i * 37) % 50;
    const struct wfs_expr *e = NULL, *in = leaf(f, 100, SHAPE(50, WIDTH));
    assert_int_equal(
        wfs_expr_take(f->arena, in, of_memory(f, WFS_I32, index, SHAPE(ROWS)), &e, &f->err), 0);
    assert_int_equal(wfs_expr_read(e, got, sizeof(got), 0, &f->err), 0);
    for (int i = 0; i < ROWS * WIDTH; i++)
        assert_int_equal(got[i], 100 + index[i / WIDTH] * WIDTH + i % WIDTH);
    for (size_t off = 0; off < sizeof(got); off += 61) {
        size_t len = sizeof(got) - off < 200 ? sizeof(got) - off : 200;
        assert_int_equal(wfs_expr_read(e, part, len, off, &f->err), 0);
        assert_memory_equal(part, (uint8_t *)got + off, len);
    }
}

static void test_take__of_a_row_that_is_not_there(void **state)
{
    struct fixture *f = *state;
    const int64_t index[] = {1, 0, -1, 5};
    const struct wfs_expr *e = NULL;
    uint16_t got[4 * 3];
    assert_int_equal(wfs_expr_take(f->arena, leaf(f, 0, SHAPE(5, 3)),
                                   of_memory(f, WFS_I64, index, SHAPE(4)), &e, &f->err),
                     0);
    assert_int_equal(wfs_expr_read(e, got, 12, 0, &f->err), 0);
    assert_int_equal(wfs_expr_read(e, got, 6, 12, &f->err), -ERANGE);
    assert_non_null(strstr(f->err.message, "row 2"));
    assert_int_equal(wfs_expr_read(e, got, 6, 18, &f->err), -ERANGE);
}

/* ---- formulas ------------------------------------------------------------------------------ */

#define INPUT(i)                                                                                   \
    {                                                                                              \
        .kind = WFS_FORMULA_INPUT, .at = (i)                                                       \
    }
#define OP(op)                                                                                     \
    {                                                                                              \
        .kind = WFS_FORMULA_##op                                                                   \
    }

/* (code - zero) * scale in bfloat16, as group quantisers have it; more than two chunks. */
static void test_formula__of_groups(void **state)
{
    struct fixture *f = *state;
    enum { N = 40000 };
    static float scale[N], want[N];
    static uint16_t got[N], rounded[N], part[64];
    static const struct wfs_formula_step steps[] = {
        INPUT(0), INPUT(1), OP(SUB), {.kind = WFS_FORMULA_ROUND, .dtype = WFS_BF16},
        INPUT(2), OP(MUL)};
    const struct wfs_expr *e = NULL;
    for (int i = 0; i < N; i++) {
        scale[i] = ldexpf(1.0f + (float)(i % 97) / 128.0f, i % 40 - 20);
        want[i] = (float)(i % 256 - (i + 3) % 256);
    }
    static uint8_t codes[N + 3];
    for (int i = 0; i < N + 3; i++)
        codes[i] = (uint8_t)i;
    struct wfs_formula formula = {.name = "test",
                                  .dtype = WFS_BF16,
                                  .n_steps = WFS_ARRAY_SIZE(steps),
                                  .steps = steps,
                                  .n_inputs = 3,
                                  .inputs = {of_memory(f, WFS_U8, codes, SHAPE(N)),
                                             of_memory(f, WFS_U8, codes + 3, SHAPE(N)),
                                             of_memory(f, WFS_F32, scale, SHAPE(N))}};
    assert_int_equal(wfs_expr_formula(f->arena, &formula, &e, &f->err), 0);
    assert_int_equal(wfs_expr_read(e, got, sizeof(got), 0, &f->err), 0);
    for (int i = 0; i < N; i++)
        want[i] *= scale[i]; /* whole numbers below 256 are exact in bfloat16 */
    assert_int_equal(wfs_convert(WFS_F32, want, WFS_BF16, rounded, N, &f->err), 0);
    assert_memory_equal(got, rounded, sizeof(got));
    for (size_t off = 1; off + sizeof(part) <= sizeof(got); off += 7777) {
        assert_int_equal(wfs_expr_read(e, part, sizeof(part), off, &f->err), 0);
        assert_memory_equal(part, (uint8_t *)got + off, sizeof(part));
    }
}

/* Not one of two values of a table, and steps whose order counts. */
static void test_formula__tables_and_powers(void **state)
{
    struct fixture *f = *state;
    const float table[] = {0.5f, -6.0f, 3.0f};
    const uint8_t codes[] = {0, 1, 2, 2}, powers[] = {127, 255, 0, 130}, bad[] = {0, 1, 2, 3};
    static const struct wfs_formula_step steps[] = {
        INPUT(0), {.kind = WFS_FORMULA_LOOKUP, .at = 0},
        INPUT(1), {.kind = WFS_FORMULA_CONST, .value = 127},
        OP(SUB),  OP(SCALB)};
    struct wfs_formula formula = {
        .name = "test",
        .dtype = WFS_F32,
        .n_steps = WFS_ARRAY_SIZE(steps),
        .steps = steps,
        .n_inputs = 2,
        .inputs = {of_memory(f, WFS_U8, codes, SHAPE(4)), of_memory(f, WFS_U8, powers, SHAPE(4))},
        .n_tables = 1,
        .tables = {of_memory(f, WFS_F32, table, SHAPE(3))}};
    const struct wfs_expr *e = NULL;
    float got[4];
    assert_int_equal(wfs_expr_formula(f->arena, &formula, &e, &f->err), 0);
    assert_int_equal(wfs_expr_read(e, got, sizeof(got), 0, &f->err), 0);
    assert_true(got[0] == 0.5f && isinf(got[1]) && got[1] < 0 && got[2] == 0x1.8p-126f &&
                got[3] == 24.0f);
    formula.inputs[0] = of_memory(f, WFS_U8, bad, SHAPE(4));
    assert_int_equal(wfs_expr_formula(f->arena, &formula, &e, &f->err), 0);
    assert_int_equal(wfs_expr_read(e, got, sizeof(got), 0, &f->err), -ERANGE);
    assert_non_null(strstr(f->err.message, "element 3"));
}

/* A table has as many values as an element of one byte can ask for. */
static void test_formula__the_longest_table(void **state)
{
    struct fixture *f = *state;
    enum { N = 256 };
    float table[N], got[N];
    uint8_t codes[N];
    for (int i = 0; i < N; i++) {
        table[i] = 1.5f * (float)i;
        codes[i] = (uint8_t)(N - 1 - i);
    }
    static const struct wfs_formula_step steps[] = {INPUT(0),
                                                    {.kind = WFS_FORMULA_LOOKUP, .at = 0}};
    struct wfs_formula formula = {.name = "test",
                                  .dtype = WFS_F32,
                                  .n_steps = WFS_ARRAY_SIZE(steps),
                                  .steps = steps,
                                  .n_inputs = 1,
                                  .inputs = {of_memory(f, WFS_U8, codes, SHAPE(N))},
                                  .n_tables = 1,
                                  .tables = {of_memory(f, WFS_F32, table, SHAPE(N))}};
    const struct wfs_expr *e = NULL;
    assert_int_equal(wfs_expr_formula(f->arena, &formula, &e, &f->err), 0);
    assert_int_equal(wfs_expr_read(e, got, sizeof(got), 0, &f->err), 0);
    for (int i = 0; i < N; i++)
        assert_true(got[i] == table[N - 1 - i]);
}

/* Infinity times zero has the same bits on every CPU, and the first NaN's payload stays. */
static void test_formula__nan(void **state)
{
    struct fixture *f = *state;
    const uint32_t a[] = {0x7f800000, 0x7f800001, 0, 0x3f800000},
                   b[] = {0, 0xffc12345, 0, 0x7fc00077};
    static const struct wfs_formula_step steps[] = {INPUT(0), INPUT(1), OP(MUL)};
    struct wfs_formula formula = {
        .name = "test",
        .dtype = WFS_F32,
        .n_steps = WFS_ARRAY_SIZE(steps),
        .steps = steps,
        .n_inputs = 2,
        .inputs = {of_memory(f, WFS_F32, a, SHAPE(4)), of_memory(f, WFS_F32, b, SHAPE(4))}};
    const struct wfs_expr *e = NULL;
    uint32_t got[4];
    assert_int_equal(wfs_expr_formula(f->arena, &formula, &e, &f->err), 0);
    assert_int_equal(wfs_expr_read(e, got, sizeof(got), 0, &f->err), 0);
    assert_int_equal(got[0], 0xffc00000);
    assert_int_equal(got[1], 0x7fc00001);
    assert_int_equal(got[2], 0);
    assert_int_equal(got[3], 0x7fc00077);
}

static int refused(struct fixture *f, const struct wfs_formula *formula)
{
    const struct wfs_expr *e = NULL;
    f->err = (struct wfs_error){0};
    int r = wfs_expr_formula(f->arena, formula, &e, &f->err);
    assert_null(e);
    return r;
}

static void test_formula__what_is_none(void **state)
{
    struct fixture *f = *state;
    static const struct wfs_formula_step short_of[] = {INPUT(0), OP(MUL)},
                                         left_over[] = {INPUT(0), INPUT(0)},
                                         no_input[] = {INPUT(1)}, fine[] = {INPUT(0)};
    const uint8_t data[16] = {0};
    struct wfs_formula formula = {.name = "test",
                                  .dtype = WFS_F32,
                                  .n_steps = 2,
                                  .steps = short_of,
                                  .n_inputs = 1,
                                  .inputs = {of_memory(f, WFS_U8, data, SHAPE(4))}};
    assert_int_equal(refused(f, &formula), -EINVAL);
    formula.steps = left_over;
    assert_int_equal(refused(f, &formula), -EINVAL);
    formula.n_steps = 1;
    formula.steps = no_input;
    assert_int_equal(refused(f, &formula), -EINVAL);
    formula.steps = fine;
    formula.inputs[0] = of_memory(f, WFS_I32, data, SHAPE(4));
    assert_int_equal(refused(f, &formula), -EINVAL);
    assert_non_null(strstr(f->err.message, "int32"));
    formula.n_inputs = 2;
    formula.inputs[0] = of_memory(f, WFS_U8, data, SHAPE(2, 4));
    formula.inputs[1] = of_memory(f, WFS_U8, data, SHAPE(8));
    assert_int_equal(refused(f, &formula), -EINVAL);
    assert_non_null(strstr(f->err.message, "(8,) and (2, 4)"));
}

/* The same formula of the same bytes has one hash; a constant, an input and the name count. */
static void test_formula__hashes(void **state)
{
    struct fixture *f = *state;
    struct wfs_formula_step steps[] = {INPUT(0), {.kind = WFS_FORMULA_CONST, .value = 2}, OP(MUL)};
    const uint8_t data[16] = {0};
    struct wfs_formula formula = {.name = "a",
                                  .dtype = WFS_F32,
                                  .n_steps = 3,
                                  .steps = steps,
                                  .n_inputs = 1,
                                  .inputs = {of_memory(f, WFS_U8, data, SHAPE(4))}};
    const struct wfs_expr *e[4];
    assert_int_equal(wfs_expr_formula(f->arena, &formula, &e[0], &f->err), 0);
    assert_int_equal(wfs_expr_formula(f->arena, &formula, &e[1], &f->err), 0);
    steps[1].value = 3;
    assert_int_equal(wfs_expr_formula(f->arena, &formula, &e[2], &f->err), 0);
    formula.name = "b";
    assert_int_equal(wfs_expr_formula(f->arena, &formula, &e[3], &f->err), 0);
    struct wfs_hash hash[4];
    for (int i = 0; i < 4; i++)
        hash[i] = wfs_expr_hash(e[i]);
    assert_memory_equal(&hash[0], &hash[1], sizeof(hash[0]));
    assert_memory_not_equal(&hash[0], &hash[2], sizeof(hash[0]));
    assert_memory_not_equal(&hash[2], &hash[3], sizeof(hash[0]));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_fields__of_every_width, setup, teardown),
        cmocka_unit_test_setup_teardown(test_fields__in_another_order, setup, teardown),
        cmocka_unit_test_setup_teardown(test_fields__outside_are_refused, setup, teardown),
        cmocka_unit_test_setup_teardown(test_take, setup, teardown),
        cmocka_unit_test_setup_teardown(test_take__of_a_row_that_is_not_there, setup, teardown),
        cmocka_unit_test_setup_teardown(test_formula__of_groups, setup, teardown),
        cmocka_unit_test_setup_teardown(test_formula__tables_and_powers, setup, teardown),
        cmocka_unit_test_setup_teardown(test_formula__the_longest_table, setup, teardown),
        cmocka_unit_test_setup_teardown(test_formula__nan, setup, teardown),
        cmocka_unit_test_setup_teardown(test_formula__what_is_none, setup, teardown),
        cmocka_unit_test_setup_teardown(test_formula__hashes, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
