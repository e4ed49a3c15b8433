/*
 * test_plan_values.c - operations that compute, regroup rows, put blocks together, and tables made
 * from numbers: what they make, what they refuse, and that they undo each other.
 */
#include "plan_fixture.h"

#include <math.h>

#include "base/elementary.h"

static struct wfs_plan *one(struct wfs_catalog *c, const char *rule)
{
    char rules[512];
    snprintf(rules, sizeof(rules), "set t\n%s\n", rule);
    return plan(c, (struct options){.rules = rules});
}

/* ---- rows ---------------------------------------------------------------------------------- */

/* Two groups of (q, q, k): all q, then all k; and back. */
static void test_values__ungroup_and_group_undo_each_other(void **state)
{
    (void)state;
    struct wfs_catalog *c = new_catalog();
    ADD(c, "w", 6);
    struct wfs_plan *p = one(c, "w -> t : ungroup(0, 2, 2, 1)");
    VALUES(find(p, "t"), 0, 1, 3, 4, 2, 5);
    wfs_plan_free(p);
    p = one(c, "w -> t : group(0, 2, 2, 1)");
    VALUES(find(p, "t"), 0, 1, 4, 2, 3, 5);
    wfs_plan_free(p);
    p = one(c, "w -> t : ungroup(0, 2, 2, 1) group(0, 2, 2, 1)");
    VALUES(find(p, "t"), 0, 1, 2, 3, 4, 5);
    done(c, p);
    c = new_catalog();
    ADD(c, "w", 2, 6, 1); /* an axis in the middle: even ones, then odd ones */
    p = one(c, "w -> t : ungroup(1, 3, 1, 1)");
    VALUES(find(p, "t"), 0, 2, 4, 1, 3, 5, 6, 8, 10, 7, 9, 11);
    wfs_plan_free(p);
    expect_refused(c, (struct options){.rules = "set t\nw -> t : ungroup(1, 4, 1, 1)\n"},
                   "not 4 groups of 2");
    wfs_catalog_free(c);
}

static void test_values__scale_rows_scales_each_by_its_own(void **state)
{
    (void)state;
    struct wfs_catalog *c = new_catalog();
    ADD(c, "w", 3, 2);
    struct wfs_plan *p = one(c, "w -> t : scale_rows(1, 10, 2, 0.5)");
    VALUES(find(p, "t"), 0, 10, 1, 1.5f, 2, 2.5f);
    wfs_plan_free(p);
    expect_refused(c, (struct options){.rules = "set t\nw -> t : scale_rows(1, 10, 1, 2)\n"},
                   "2 rows of 3");
    expect_refused(c, (struct options){.rules = "set t\nw -> t : scale_rows(4, 10)\n"},
                   "more rows than the tensor's 3");
    wfs_catalog_free(c);
}

/* ---- functions ----------------------------------------------------------------------------- */

static void test_values__exp_is_rounded_correctly(void **state)
{
    (void)state;
    struct wfs_catalog *c = new_catalog();
    ADD(c, "w", 3);
    struct wfs_plan *p = one(c, "w -> t : exp scale(-1)");
    VALUES(find(p, "t"), -1, -0x1.5bf0a8p+1f, -0x1.d8e64cp+2f);
    assert_int_equal(p->n_by_status[WFS_INEXACT], 1);
    wfs_plan_free(p);
    p = one(c, "w -> t : exp log");
    VALUES(find(p, "t"), 0, 0x1.fffffep-1f, 2); /* of what exp rounded */
    done(c, p);
    c = new_catalog();
    add(c, "w", WFS_F64, 1, (uint64_t[]){3});
    expect_refused(c, (struct options){.rules = "set t\nw -> t : exp\n"}, "are not all float32's");
    wfs_catalog_free(c);
}

static void test_values__functions_at_their_ends(void **state)
{
    (void)state;
    assert_true(isinf(wfs_expf(89)) && wfs_expf(88.5f) == 0x1.99b988p+127f);
    assert_true(wfs_expf(-103.5f) == 0x1p-149f && wfs_expf(-104.5f) == 0 && wfs_expf(-0.0f) == 1);
    assert_true(isnan(wfs_expf(NAN)) && isnan(wfs_logf(-1)) && isnan(wfs_logf(NAN)));
    assert_true(isinf(wfs_logf(0)) && isinf(wfs_logf(INFINITY)) && wfs_logf(1) == 0);
    assert_true(wfs_logf(0x1p-149f) == (float)(-149 * 0x1.62e42fefa39efp-1));
    assert_true(wfs_powf(2, 10) == 1024 && wfs_powf(500000, 0) == 1);
    assert_true(isnan(wfs_powf(0, 1)) && isnan(wfs_powf(2, INFINITY)));
}

/* Only bfloat16 changes its type; a sum is rounded in the type after it. */
static void test_values__widen_takes_bfloat16_to_float32(void **state)
{
    (void)state;
    struct wfs_catalog *c = new_catalog();
    add(c, "b", WFS_BF16, 1, (uint64_t[]){2});
    add(c, "h", WFS_F16, 1, (uint64_t[]){2});
    struct wfs_plan *p = one(c, "{x:b|h} -> t.{x} : widen add(0.0009765625)");
    assert_int_equal(find(p, "t.h")->expr->dtype, WFS_F16);
    assert_int_equal(find(p, "t.b")->expr->dtype, WFS_F32);
    VALUES(find(p, "t.b"), 0.0009765625f, 1.0009765625f);
    done(c, p);
}

/* ---- tables -------------------------------------------------------------------------------- */

/* Llama 3.1 8B's first, some of the middle and last (of its own rope_freqs.weight). */
static void test_values__rope_freqs_are_llama_3s(void **state)
{
    (void)state;
    float got[64];
    struct wfs_error err = {0};
    struct wfs_catalog *c = new_catalog();
    ADD(c, "w", 2);
    struct wfs_plan *p = one(c, "w -> w\nfill f : rope_freqs(float32, 64, 500000, 8, 1, 4, 8192)");
    assert_int_equal(find(p, "f")->expr->size_bytes, sizeof(got));
    assert_int_equal(wfs_expr_read(find(p, "f")->expr, got, sizeof(got), 0, &err), 0);
    assert_true(got[0] == 1 && got[28] == 1 && got[63] == 8 && got[35] == 8);
    assert_true(got[29] > 1 && got[30] > got[29] && got[34] < 8);
    wfs_plan_free(p);
    expect_refused(c,
                   (struct options){.rules =
                                        "set t\nw -> w\n"
                                        "fill f : rope_freqs(float32, 64, 5e5, 8, 4, 1, 8192)\n"},
                   "high above low");
    wfs_catalog_free(c);
}

static void test_values__numbers_are_configs(void **state)
{
    (void)state;
    struct wfs_catalog *c = new_catalog();
    const char *rules = "set t\nw -> w\nfill f : numbers(float32, config.a.x ?? config.a.y)\n";
    ADD(c, "w", 2);
    char config[64];
    strcpy(config, write_text(".json", "{\"a\": {\"y\": [1, 2.5, 0.1], \"z\": [1, \"2\"]}}"));
    c->config_path = config;
    struct wfs_plan *p = plan(c, (struct options){.rules = rules});
    VALUES(find(p, "f"), 1, 2.5f, 0.1f);
    assert_int_equal(find(p, "f")->expr->n_elems, 3);
    wfs_plan_free(p);
    expect_refused(c, (struct options){.rules = "set t\nfill f : numbers(float32, config.a.z)\n"},
                   "expected a list of numbers in");
    /* A list is no number, and no value that a condition knows. */
    p = plan(c, (struct options){.rules = "set t\nw -> w if not known(config.a.y)\n"});
    assert_int_equal(find(p, "w")->status, WFS_MAPPED);
    unlink(c->config_path);
    done(c, p);
}

/* ---- blocks -------------------------------------------------------------------------------- */

static const char codes_and_scales[] = "set t\nb & s -> t : mxfp4\n"
                                       "inverse t -> b : mxfp4_codes -> s : mxfp4_scales\n";

/* Two scales, 200 and 201. */
static void add_scales(struct wfs_catalog *c)
{
    struct wfs_error err = {0};
    struct wfs_tensor t = wfs_tensor_init("s", "s");
    uint32_t index;
    assert_int_equal(
        wfs_expr_arange(c->arena, WFS_U8, 2, (uint64_t[]){1, 2}, 200, 1, &t.expr, &err), 0);
    assert_int_equal(wfs_catalog_add_tensor(c, &t, &index, &err), 0);
}

/* Byte i of the codes has elements 2i and 2i + 1; byte j of a block those of j and j + 16. */
static void test_values__mxfp4_blocks_are_put_together(void **state)
{
    (void)state;
    uint8_t got[34];
    struct wfs_error err = {0};
    struct wfs_catalog *c = new_catalog();
    add(c, "b", WFS_U8, 3, (uint64_t[]){1, 2, 16}); /* 0x00, 0x01, ... 0x1f */
    add_scales(c);
    struct wfs_plan *p = plan(c, (struct options){.rules = "set t\nb & s -> t : mxfp4\n"});
    const struct wfs_expr *e = find(p, "t")->expr;
    assert_int_equal(e->dtype, WFS_MXFP4);
    assert_true(e->ndim == 2 && e->shape[0] == 1 && e->shape[1] == 64);
    assert_int_equal(wfs_expr_read(e, got, sizeof(got), 0, &err), 0);
    for (uint32_t block = 0; block < 2; block++)
        for (uint32_t j = 0; j < 16; j++) {
            uint32_t low = block * 16 + j / 2, high = low + 8;
            uint32_t want = (low >> 4 * (j % 2) & 15) | (high >> 4 * (j % 2) & 15) << 4;
            assert_int_equal(got[block * 17 + 1 + j], want);
        }
    assert_true(got[0] == 200 && got[17] == 201);
    done(c, p);
    c = new_catalog();
    add(c, "b", WFS_U8, 3, (uint64_t[]){1, 2, 8});
    add_scales(c);
    expect_refused(c, (struct options){.rules = "set t\nb & s -> t : mxfp4\n"},
                   "expected bytes of codes");
    wfs_catalog_free(c);
}

static void test_values__mxfp4_blocks_are_taken_apart(void **state)
{
    (void)state;
    uint8_t want[34], got[34];
    struct wfs_error err = {0};
    struct wfs_catalog *c = new_catalog();
    add(c, "b", WFS_U8, 3, (uint64_t[]){1, 2, 16});
    add_scales(c);
    struct wfs_plan *p = plan(c, (struct options){.rules = codes_and_scales});
    const struct wfs_expr *t = find(p, "t")->expr;
    struct wfs_catalog *made = new_catalog();
    struct wfs_tensor tensor = wfs_tensor_init("t", "t");
    uint32_t index;
    tensor.expr = t;
    assert_int_equal(wfs_catalog_add_tensor(made, &tensor, &index, &err), 0);
    struct wfs_plan *back = plan(
        made, (struct options){.rules = "set t\n"
                                        "t -> b : mxfp4_codes -> s : mxfp4_scales if packed\n"});
    assert_int_equal(find(back, "b")->expr->ndim, 3);
    assert_int_equal(wfs_expr_read(c->tensors[0].expr, want, 32, 0, &err), 0);
    assert_int_equal(wfs_expr_read(find(back, "b")->expr, got, 32, 0, &err), 0);
    assert_memory_equal(want, got, 32);
    assert_int_equal(wfs_expr_read(c->tensors[1].expr, want, 2, 0, &err), 0);
    assert_int_equal(wfs_expr_read(find(back, "s")->expr, got, 2, 0, &err), 0);
    assert_memory_equal(want, got, 2);
    done(made, back);
    done(c, p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_values__ungroup_and_group_undo_each_other),
        cmocka_unit_test(test_values__scale_rows_scales_each_by_its_own),
        cmocka_unit_test(test_values__exp_is_rounded_correctly),
        cmocka_unit_test(test_values__functions_at_their_ends),
        cmocka_unit_test(test_values__widen_takes_bfloat16_to_float32),
        cmocka_unit_test(test_values__rope_freqs_are_llama_3s),
        cmocka_unit_test(test_values__numbers_are_configs),
        cmocka_unit_test(test_values__mxfp4_blocks_are_put_together),
        cmocka_unit_test(test_values__mxfp4_blocks_are_taken_apart),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
