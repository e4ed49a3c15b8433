/*
 * test_inspect.c - what looking at checkpoints rests on: widths, grids, names that pair, renames,
 * names of norms and biases, values side by side.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "inspect/check/constant.h"
#include "inspect/diff/values.h"
#include "inspect/layout/grid.h"
#include "inspect/rows/names.h"
#include "inspect/norms/numbers.h"
#include "inspect/diff/renames.h"
#include "inspect/layout/width.h"

/* ---- text on terminals ------------------------------------------------------------------------
 */

static void test_width__columns(void **state)
{
    (void)state;
    assert_int_equal(wfs_text_width(""), 0);
    assert_int_equal(wfs_text_width("abc"), 3);
    assert_int_equal(wfs_text_width("über"), 4);
    assert_int_equal(wfs_text_width("重み"), 4);
    assert_int_equal(wfs_text_width("\xff\xc2"), 2); /* no UTF-8: a column a byte */
}

static void check_middle_cut(const char *text, size_t width, const char *expected)
{
    struct wfs_buf out = {0};
    wfs_text_add_middle_cut(&out, text, width);
    assert_string_equal(out.data, expected);
    assert_true(wfs_text_width(out.data) <= width);
    wfs_buf_free(&out);
}

static void test_width__middle_cut(void **state)
{
    (void)state;
    check_middle_cut("abcdefghij", 5, "ab…ij");
    check_middle_cut("abcdefghij", 6, "ab…hij");
    check_middle_cut("重重重重重", 5, "重…重");
    check_middle_cut("重重重重重", 4, "…重");
}

static void check_fit(const char *text, unsigned width, const char *expected)
{
    struct wfs_buf out = {0};
    wfs_buf_str(&out, text);
    wfs_inspect_fit(&out, width);
    assert_string_equal(out.data, expected);
    wfs_buf_free(&out);
}

static void test_width__lines_are_cut(void **state)
{
    (void)state;
    check_fit("abcdef\nabc\n", 4, "abc…\nabc\n");
    check_fit("abcd\nabcde", 4, "abcd\nabc…");
    check_fit("\x1b[1mabcdef\x1b[0m\nx\n", 3, "\x1b[1mab…\x1b[0m\nx\n");
    check_fit("abcdef\n", 0, "abcdef\n");
    check_fit("重重\n", 3, "重…\n");
}

static void check_grid(unsigned width, const char *expected)
{
    static const struct wfs_grid_column columns[] = {
        {"Name", false, 0}, {"Count", true, 0}, {"Extra", false, 1}};
    static const char *const cells[] = {
        "a.long.name.of.a.weight.in.a.model", "1", "x", "b", "22222222", ""};
    struct wfs_grid grid = {.columns = columns, .n_columns = 3};
    struct wfs_buf out = {0};
    for (size_t i = 0; i < WFS_ARRAY_SIZE(cells); i++) {
        wfs_buf_str(&grid.cell, cells[i]);
        wfs_grid_end_cell(&grid);
    }
    wfs_grid_write(&grid, width, false, &out);
    assert_true(wfs_buf_ok(&out));
    assert_string_equal(out.data, expected);
    wfs_buf_free(&out);
    wfs_grid_free(&grid);
}

static void test_grid__drops_columns_then_cuts_names(void **state)
{
    (void)state;
    check_grid(0, "Name                                   Count  Extra\n"
                  "a.long.name.of.a.weight.in.a.model         1  x\n"
                  "b                                   22222222\n");
    check_grid(36, "Name                           Count\n"
                   "a.long.name.…ht.in.a.model         1\n"
                   "b                           22222222\n");
}

/* ---- names ------------------------------------------------------------------------------------
 */

static void check_pair(const char *const *a, size_t n_a, const char *const *b, size_t n_b,
                       const char *key, bool found)
{
    struct wfs_arena *arena = wfs_arena_new();
    struct wfs_names_side x = {.n = n_a, .names = a}, y = {.n = n_b, .names = b};
    uint64_t at;
    assert_int_equal(wfs_names_pair(arena, &x, &y, NULL), 0);
    assert_int_equal(wfs_strmap_get(&y.index, x.keys[0], &at), found);
    assert_string_equal(x.keys[0], key);
    wfs_names_free(&x);
    wfs_names_free(&y);
    wfs_arena_free(arena);
}

static void test_names__collections(void **state)
{
    (void)state;
    static const char *const with[] = {"params.d.kernel", "batch_stats.d.mean"};
    static const char *const without[] = {"d.kernel", "d.mean"};
    static const char *const twice[] = {"params.d.kernel", "cache.d.kernel"};
    check_pair(with, 2, without, 2, "d.kernel", true);
    check_pair(without, 2, with, 2, "d.kernel", true);
    check_pair(with, 2, with, 2, "params.d.kernel", true);
    check_pair(twice, 2, without, 2, "params.d.kernel", false); /* two would be one */
}

static const char *path_of(struct wfs_arena *arena, const char *dotted)
{
    return wfs_path_from_name(arena, dotted, '.');
}

static void test_check__names_of_constants(void **state)
{
    (void)state;
    static const char *const usual[] = {"a.bias",
                                        "a.bias.value",
                                        "layer_norm.weight",
                                        "h.0.ln_1.weight",
                                        "LayerNorm_0.scale",
                                        "bn1.weight",
                                        "x.batchnorm2.weight",
                                        "model.norm.weight",
                                        "q_norm.1.weight",
                                        "x.running_var",
                                        "self.bias_hh_l0",
                                        "x.gamma"};
    static const char *const unusual[] = {
        "a.weight",        "upscale.weight", "abnormal.weight", "norm.dense.weight",
        "enormous.weight", "encoder.value",  "cls_token",       "value"};
    struct wfs_arena *arena = wfs_arena_new();
    for (size_t i = 0; i < WFS_ARRAY_SIZE(usual); i++)
        if (!wfs_constant_is_usual(path_of(arena, usual[i])))
            fail_msg("%s", usual[i]);
    for (size_t i = 0; i < WFS_ARRAY_SIZE(unusual); i++)
        if (wfs_constant_is_usual(path_of(arena, unusual[i])))
            fail_msg("%s", unusual[i]);
    wfs_arena_free(arena);
}

/* ---- tensors in memory ------------------------------------------------------------------------
 */

static struct wfs_inspect_row make_row(struct wfs_arena *arena, const char *dotted,
                                       enum wfs_dtype dtype, uint64_t n_elems, const void *data)
{
    struct wfs_error err = {0};
    struct wfs_bytes *bytes;
    struct wfs_inspect_row row = {.name = dotted, .dotted = dotted, .path = path_of(arena, dotted)};
    size_t len = (size_t)n_elems * wfs_dtype_bits(dtype) / 8;
    assert_int_equal(wfs_bytes_from_memory(dotted, data, len, &bytes, &err), 0);
    wfs_arena_on_free(arena, (void (*)(void *))wfs_bytes_unref, bytes);
    assert_int_equal(wfs_expr_contiguous(arena, bytes, 0, dtype, 1, &n_elems, &row.expr, &err), 0);
    return row;
}

static void test_renames__most_alike_first(void **state)
{
    (void)state;
    static const char *const old_names[] = {"l.0.fc.bias", "l.0.ln.bias", "l.1.fc.bias",
                                            "l.1.ln.bias"};
    static const char *const new_names[] = {"h.0.ln.bias", "h.0.mlp.bias", "h.1.ln.bias",
                                            "h.1.mlp.bias"};
    struct wfs_arena *arena = wfs_arena_new();
    struct wfs_inspect_row a_rows[4], b_rows[4];
    struct wfs_hash hashes[4] = {0};
    bool paired[4] = {false};
    const float zeros[2] = {0};
    for (int i = 0; i < 4; i++) {
        a_rows[i] = make_row(arena, old_names[i], WFS_F32, 2, zeros);
        b_rows[i] = make_row(arena, new_names[i], WFS_F32, 2, zeros);
    }
    struct wfs_inspect_rows a = {.n = 4, .rows = a_rows}, b = {.n = 4, .rows = b_rows};
    struct wfs_renames r = {
        .a = &a, .b = &b, .hashes_a = hashes, .hashes_b = hashes, .paired_b = paired};
    assert_int_equal(wfs_renames_init(&r, arena, NULL), 0);
    assert_int_equal(wfs_renames_take(&r, 0, 3), WFS_NO_INDEX);
    assert_int_equal(wfs_renames_take(&r, 3, 3), 2); /* 1.ln.bias */
    assert_int_equal(wfs_renames_take(&r, 1, 3), 0);
    assert_int_equal(wfs_renames_take(&r, 0, 0), 1);
    assert_int_equal(wfs_renames_take(&r, 2, 0), 3);
    assert_int_equal(wfs_renames_take(&r, 2, 0), WFS_NO_INDEX); /* all are taken */
    wfs_renames_free(&r);
    wfs_arena_free(arena);
}

static struct wfs_diff_entry values_of(const struct wfs_inspect_row *a,
                                       const struct wfs_inspect_row *b)
{
    struct wfs_diff_entry entry = {.a = a, .b = b};
    struct wfs_inspect_run run = {0};
    struct wfs_error err = {0};
    assert_int_equal(wfs_diff_values(&entry, &run, &run, &err), 0);
    return entry;
}

static void test_diff__complex_numbers(void **state)
{
    (void)state;
    struct wfs_arena *arena = wfs_arena_new();
    const float x[] = {1, 1, 0, 2}, y[] = {4, 5, 0, 2};
    struct wfs_inspect_row a = make_row(arena, "a", WFS_C64, 2, x);
    struct wfs_inspect_row b = make_row(arena, "b", WFS_C64, 2, y);
    struct wfs_diff_entry e = values_of(&a, &b);
    assert_true(e.has_values);
    assert_int_equal(e.n_different, 1);
    assert_true(e.max_abs == 5);
    assert_true(fabs(e.max_rel - 5 / sqrt(41)) < 1e-15);
    wfs_arena_free(arena);
}

static void test_diff__unsigned_64_bit(void **state)
{
    (void)state;
    struct wfs_arena *arena = wfs_arena_new();
    const uint64_t x[] = {UINT64_MAX, UINT64_MAX - 1, 0}, y[] = {UINT64_MAX, UINT64_MAX, 0};
    struct wfs_inspect_row a = make_row(arena, "a", WFS_U64, 3, x);
    struct wfs_inspect_row b = make_row(arena, "b", WFS_U64, 3, y);
    struct wfs_diff_entry e = values_of(&a, &b);
    assert_int_equal(e.n_different, 1);
    assert_true(e.max_abs == 1);
    wfs_arena_free(arena);
}

static void test_diff__no_cosine_beyond_float64(void **state)
{
    (void)state;
    struct wfs_arena *arena = wfs_arena_new();
    const double x[] = {1e200, 1}, y[] = {1, 1};
    struct wfs_inspect_row a = make_row(arena, "a", WFS_F64, 2, x);
    struct wfs_inspect_row b = make_row(arena, "b", WFS_F64, 2, y);
    assert_true(isnan(values_of(&a, &b).cosine));
    wfs_arena_free(arena);
}

static void test_stats__independent_of_threads(void **state)
{
    (void)state;
    enum { N = 1000003 };
    struct wfs_arena *arena = wfs_arena_new();
    double *x = malloc(N * sizeof(*x));
    assert_non_null(x);
    for (int i = 0; i < N; i++)
        x[i] = sin(i) * exp(i % 40);
    struct wfs_inspect_row row = make_row(arena, "x", WFS_F64, N, x);
    struct wfs_inspect_rows rows = {.n = 1, .rows = &row};
    struct wfs_stats stats[3];
    for (unsigned n = 0; n < 3; n++) {
        struct wfs_inspect_run run = {.n_threads = 1 + 2 * n};
        bool known = false;
        assert_int_equal(wfs_inspect_stats(&rows, &run, false, &stats[n], &known, NULL), 0);
        assert_true(known);
        assert_memory_equal(&stats[n], &stats[0], sizeof(stats[0]));
    }
    free(x);
    wfs_arena_free(arena);
}

static void test_norms__json_of_no_numbers(void **state)
{
    (void)state;
    struct wfs_buf out = {0};
    struct wfs_stats stats = {0};
    const float x[] = {-INFINITY, NAN};
    wfs_stats_add_json(&out, &stats);
    assert_string_equal(out.data,
                        "{\"l2\": 0, \"mean\": null, \"std\": null, \"min\": null, \"max\": null, "
                        "\"zeros\": 0, \"nan\": 0, \"inf\": 0}");
    out.len = 0;
    assert_int_equal(wfs_stats_add(&stats, WFS_F32, x, 2, NULL), 0);
    wfs_stats_add_json(&out, &stats);
    assert_string_equal(out.data,
                        "{\"l2\": null, \"mean\": null, \"std\": null, \"min\": \"-Infinity\", "
                        "\"max\": \"-Infinity\", \"zeros\": 0, \"nan\": 1, \"inf\": 1}");
    wfs_buf_free(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_width__columns),
        cmocka_unit_test(test_width__middle_cut),
        cmocka_unit_test(test_width__lines_are_cut),
        cmocka_unit_test(test_grid__drops_columns_then_cuts_names),
        cmocka_unit_test(test_names__collections),
        cmocka_unit_test(test_check__names_of_constants),
        cmocka_unit_test(test_renames__most_alike_first),
        cmocka_unit_test(test_diff__complex_numbers),
        cmocka_unit_test(test_diff__unsigned_64_bit),
        cmocka_unit_test(test_diff__no_cosine_beyond_float64),
        cmocka_unit_test(test_stats__independent_of_threads),
        cmocka_unit_test(test_norms__json_of_no_numbers),
    };
    return cmocka_run_group_tests_name("inspect", tests, NULL, NULL);
}
