/*
 * test_plan_joins.c - tensors that rules join, tell apart or leave out as copies: none is lost and
 * none is taken twice without a word.
 */
#include "plan_fixture.h"

/* ---- parts and targets --------------------------------------------------------------------- */

static void test_plan_joins__every_part_has_a_target(void **state)
{
    (void)state;
    struct wfs_catalog *c = new_catalog();
    ADD(c, "a", 4, 2);
    ADD(c, "b", 4, 2);
    ADD(c, "c", 4, 2);
    expect_refused(c, (struct options){.rules = "a : split(0, 1, 1, 2) -> x & y"},
                   "split(0, 1, 1, 2): 3 parts for 2 targets");
    expect_refused(c, (struct options){.rules = "a & b & c -> x & y"},
                   ":1:1: part 2 has no target: 2 are joined by &");
    expect_refused(c, (struct options){.rules = "a -> u -> x & y & z : split(0, 1, 3)"},
                   "nothing is left for the target y: `split` before -> makes one piece for each");
    struct wfs_plan *p = plan(c, (struct options){.rules = "a : split(0, 1, 3) -> x & y"});
    VALUES(find(p, "y"), 2, 3, 4, 5, 6, 7);
    done(c, p);
}

static void test_plan_joins__two_tensors_on_one_part_are_kept(void **state)
{
    (void)state;
    struct wfs_catalog *c = new_catalog();
    ADD(c, "old.a", 2);
    ADD(c, "p.a", 2);
    ADD(c, "p.b", 2);
    const char *rules[] = {"rename old.{x} -> p.{x}\n{p:*}.a & {p:*}.b -> {p}.c : sum",
                           "/(old|p)\\.a/ & p.b -> p.c : sum"};
    for (int i = 0; i < 2; i++) {
        struct wfs_plan *p = plan(c, (struct options){.rules = rules[i]});
        assert_int_equal(p->n_targets, 3);
        find(p, "p.b");
        assert_true(p->n_by_status[WFS_COLLISION] > 0);
        assert_non_null(strstr(find_entry(p, WFS_COLLISION)->text, "this one is the second"));
        wfs_plan_free(p);
    }
    wfs_catalog_free(c);
}

static void test_plan_joins__a_part_of_several_is_fanned_in_first(void **state)
{
    (void)state;
    struct wfs_catalog *c = new_catalog();
    ADD(c, "e.1.q", 1);
    ADD(c, "e.0.q", 1);
    ADD(c, "e.0.k", 1);
    ADD(c, "e.1.k", 1);
    expect_refused(
        c, (struct options){.rules = "e.{i:#}.q : stack(i, 0) & e.{i:#}.k -> x : concat(0)"},
        "concat(0): there are several tensors like e.{i:#}.k: a fan-in over {i} first");
    const char *rules[] = {
        "e.{i:#}.q : stack(i, 0) & e.{i:#}.k : stack(i, 0) -> x : concat(0)",
        "e.{i:#}.q & e.{i:#}.k -> x : stack(i, 0) at(1) flip(0) at(1) flip(0) concat(0)"};
    for (int i = 0; i < 2; i++) {
        struct wfs_plan *p = plan(c, (struct options){.rules = rules[i]});
        VALUES(find(p, "x"), 1000, 0, 2000, 3000);
        wfs_plan_free(p);
    }
    wfs_catalog_free(c);
}

static void test_plan_joins__a_part_that_is_not_there_is_refused(void **state)
{
    (void)state;
    struct wfs_catalog *c = new_catalog();
    ADD(c, "a", 2);
    ADD(c, "b", 2);
    const char *rules[] = {"a & b -> x : pick(2)", "a & b -> x : pick(-1)",
                           "a & b -> x : at(2) flip(0) sum"};
    for (int i = 0; i < 3; i++)
        expect_refused(c, (struct options){.rules = rules[i]}, "there are 2 parts");
    struct wfs_plan *p = plan(c, (struct options){.rules = "a & b -> x : at(1) flip(0) pick(1)"});
    VALUES(find(p, "x"), 1001, 1000);
    done(c, p);
}

static void test_plan_joins__a_range_is_complete(void **state)
{
    (void)state;
    struct wfs_catalog *c = new_catalog();
    ADD(c, "x.0.w", 2);
    ADD(c, "x.1.w", 2);
    ADD(c, "x.2.w", 2);
    expect_refused(c, (struct options){.rules = "x.{i:0-3}.w -> x.w : stack(i, 0)"},
                   "{i} has a hole: 3 is missing behind x.2.w");
    struct wfs_plan *p = plan(c, (struct options){.rules = "x.{i:0-2}.w -> x.w : stack(i, 0)"});
    assert_int_equal(find(p, "x.w")->expr->shape[0], 3);
    done(c, p);
}

static void test_plan_joins__at_is_for_one_operation_on_one_part(void **state)
{
    (void)state;
    struct wfs_catalog *c = new_catalog();
    ADD(c, "a", 2);
    ADD(c, "b", 2);
    expect_refused(c, (struct options){.rules = "a & b -> x : at(1) concat(0)"},
                   "concat(0): at(n) before it");
    expect_refused(c, (struct options){.rules = "a & b -> x : at(1) at(0) flip(0) concat(0)"},
                   "at(0): at(n) before it");
    expect_refused(c, (struct options){.rules = "a & b -> x : concat(0) at(0)"},
                   "at(0): no operation follows it");
    struct wfs_plan *p = plan(c, (struct options){.rules = "a & b -> x : at(1) flip(0) concat(0)"});
    VALUES(find(p, "x"), 0, 1, 1001, 1000);
    done(c, p);
}

/* A number that was read and one that was solved for are one group. */
static void test_plan_joins__an_inverse_joins_over_shifted_numbers(void **state)
{
    (void)state;
    struct wfs_catalog *c = new_catalog();
    ADD(c, "a.3.u", 2);
    ADD(c, "b.4.v", 2);
    struct wfs_plan *p =
        plan(c, (struct options){.view = "~g",
                                 .rules = "set g\nx.{l:#}.w : split(0) -> a.{l}.u & b.{l+1}.v"});
    VALUES(find(p, "x.3.w"), 0, 1, 1000, 1001);
    assert_int_equal(p->n_targets, 1);
    done(c, p);
}

/* ---- copies -------------------------------------------------------------------------------- */

/* The second shares its storage with the first. */
static void tie(struct wfs_catalog *c, uint32_t first, uint32_t second)
{
    c->tensors[second].alias_of = first;
    c->tensors[second].expr = c->tensors[first].expr;
}

static void test_plan_joins__one_of_two_copies_stays(void **state)
{
    (void)state;
    struct wfs_catalog *c = new_catalog();
    ADD(c, "a.weight", 2);
    ADD(c, "b.weight", 2);
    ADD(c, "c.weight", 2);
    tie(c, 0, 1);
    tie(c, 0, 2);
    const char *circle = "match first\nalias a.weight of b.weight if true\n"
                         "alias b.weight of c.weight\nalias c.weight of a.weight\n{x:+} -> {x}";
    const char *rules[] = {"match first\nalias {p:*}.weight of {q:*}.weight\n{x:+} -> {x}",
                           "match first\nalias {p:*}.weight of {q:*}.weight if true\n{x:+} -> {x}",
                           circle};
    for (int i = 0; i < 3; i++) {
        struct wfs_plan *p = plan(c, (struct options){.rules = rules[i]});
        assert_int_equal(p->n_targets, 1);
        assert_int_equal(p->n_by_status[WFS_ALIASED], 2);
        VALUES(find(p, "c.weight"), 0, 1);
        wfs_plan_free(p);
    }
    wfs_catalog_free(c);
}

static void test_plan_joins__pieces_of_one_storage_are_no_copies(void **state)
{
    (void)state;
    struct wfs_catalog *c = new_catalog();
    ADD(c, "a.in_proj_weight", 6, 2);
    ADD(c, "b.in_proj_weight", 6, 2);
    tie(c, 0, 1);
    ADD(c, "a.out_proj.weight", 2, 2);
    ADD(c, "b.out_proj.weight", 2, 2);
    struct wfs_plan *p = plan(
        c, (struct options){.rules = "from mlx\nmatch first\n"
                                     "alias {q:*}.value_proj.weight of {p:*}.query_proj.weight\n"
                                     "drop {p:*}.key_proj.weight if tied\n{x:+} -> {x}"});
    assert_int_equal(p->n_by_status[WFS_ALIASED], 0);
    assert_int_equal(p->n_targets, 8);
    VALUES(find(p, "b.value_proj.weight"), 8, 9, 10, 11);
    wfs_plan_free(p);
    p = plan(c, (struct options){.rules = "from mlx\nmatch first\n"
                                          "alias b.{k}_proj.weight of a.{k}_proj.weight\n"
                                          "{x:+} -> {x}"});
    assert_int_equal(p->n_by_status[WFS_ALIASED], 3);
    assert_int_equal(p->n_targets, 5);
    done(c, p);
}

/* ---- targets and values -------------------------------------------------------------------- */

static void test_plan_joins__a_fill_looks_in_its_own_collection(void **state)
{
    (void)state;
    struct wfs_catalog *c = new_catalog();
    ADD(c, "n.w", 2);
    ADD(c, "n.scale", 2);
    const char *rules = "match first\ntarget collection params\n"
                        "fill stats:{p}.scale : zeros(like, shape[0]) for {p:*}.w\n"
                        "fill stats:n.scale : ones(float32, 1)\n"
                        "fill params:n.scale : ones(float32, 1)\n"
                        "{x:+} -> {x}";
    struct wfs_plan *p = plan(c, (struct options){.rules = rules});
    VALUES(find(p, "stats.n.scale"), 0, 0);
    VALUES(find(p, "params.n.scale"), 1000, 1001);
    assert_int_equal(p->n_targets, 3);
    assert_int_equal(p->n_by_status[WFS_COLLISION], 0);
    done(c, p);
}

static void test_plan_joins__what_may_not_keep_values_is_inexact(void **state)
{
    (void)state;
    static const struct {
        enum wfs_dtype dtype;
        const char *op;
        bool exact;
    } cases[] = {
        {WFS_I8, "scale(0.5)", false},   {WFS_I8, "scale(2)", false},
        {WFS_I8, "scale(1)", true},      {WFS_I8, "add(100)", false},
        {WFS_I32, "add(0.5)", false},    {WFS_I32, "add(0)", true},
        {WFS_F16, "scale(1024)", false}, {WFS_F16, "scale(0.0009765625)", false},
        {WFS_F16, "scale(-1)", true},    {WFS_F8_E4M3FN, "scale(2)", false},
        {WFS_BF16, "scale(0.25)", true}, {WFS_F32, "scale(8)", true},
        {WFS_F32, "scale(3)", false},    {WFS_F32, "add(1)", false},
    };
    for (size_t i = 0; i < WFS_ARRAY_SIZE(cases); i++) {
        char rules[64];
        struct wfs_catalog *c = new_catalog();
        add(c, "a", cases[i].dtype, 1, (uint64_t[]){4});
        snprintf(rules, sizeof(rules), "a -> x : %s", cases[i].op);
        struct wfs_plan *p = plan(c, (struct options){.rules = rules});
        if (p->n_by_status[WFS_INEXACT] != !cases[i].exact)
            fail_msg("%s: %s", wfs_dtype_info(cases[i].dtype)->name, cases[i].op);
        done(c, p);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_plan_joins__every_part_has_a_target),
        cmocka_unit_test(test_plan_joins__two_tensors_on_one_part_are_kept),
        cmocka_unit_test(test_plan_joins__a_part_of_several_is_fanned_in_first),
        cmocka_unit_test(test_plan_joins__a_part_that_is_not_there_is_refused),
        cmocka_unit_test(test_plan_joins__a_range_is_complete),
        cmocka_unit_test(test_plan_joins__at_is_for_one_operation_on_one_part),
        cmocka_unit_test(test_plan_joins__an_inverse_joins_over_shifted_numbers),
        cmocka_unit_test(test_plan_joins__one_of_two_copies_stays),
        cmocka_unit_test(test_plan_joins__pieces_of_one_storage_are_no_copies),
        cmocka_unit_test(test_plan_joins__a_fill_looks_in_its_own_collection),
        cmocka_unit_test(test_plan_joins__what_may_not_keep_values_is_inexact),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
