/*
 * test_plan_rules.c - rules of one's own at work: fans, values, conditions, fills and what is
 * refused.
 */
#include "plan_fixture.h"
#include "file/file.h"

/* ---- rules --------------------------------------------------------------------------------- */

static void test_plan_rules__fan_in_runs_in_numeric_order(void **state)
{
    (void)state;
    struct wfs_catalog *c = new_catalog();
    ADD(c, "e.10.w", 1);
    for (int i = 0; i < 10; i++) {
        char name[16];
        snprintf(name, sizeof(name), "e.%d.w", i);
        ADD(c, name, 1);
    }
    struct wfs_plan *p = plan(c, (struct options){.rules = "e.{i:#}.w -> e : stack(i, 0)"});
    VALUES(find(p, "e"), 1000, 2000, 3000, 4000, 5000, 6000, 7000, 8000, 9000, 10000, 0);
    assert_int_equal(find(p, "e")->n_sources, 11);
    done(c, p);
}

static void test_plan_rules__a_hole_in_a_fan_in_is_an_error(void **state)
{
    (void)state;
    struct wfs_catalog *c = new_catalog();
    ADD(c, "e.0.w", 1);
    ADD(c, "e.2.w", 1);
    expect_refused(c, (struct options){.rules = "e.{i:#}.w -> e : stack(i, 0)"},
                   "{i} has a hole: 1 is missing");
    expect_refused(c, (struct options){.rules = "e.{i:0-2}.w -> e : concat(i, 0)"},
                   "{i} has a hole: 1 is missing");
    wfs_catalog_free(c);
}

static void test_plan_rules__scanned_layers_and_experts(void **state)
{
    (void)state;
    struct wfs_catalog *c = new_catalog();
    for (int l = 0; l < 2; l++)
        for (int e = 0; e < 3; e++) {
            char name[24];
            snprintf(name, sizeof(name), "l.%d.e.%d.w", l, e);
            ADD(c, name, 2, 4);
        }
    struct wfs_plan *p = plan(
        c,
        (struct options){.rules = "l.{l:#}.e.{e:#}.w -> moe : transpose stack(e, 0) stack(l, 1)"});
    const struct wfs_target *t = find(p, "moe");
    assert_int_equal(t->expr->ndim, 4);
    assert_true(t->expr->shape[0] == 3 && t->expr->shape[1] == 2 && t->expr->shape[2] == 4);
    VALUES(t, 0, 4, 1, 5, 2, 6, 3, 7, 3000, 3004);
    done(c, p);
}

static void test_plan_rules__parts_join_and_split(void **state)
{
    (void)state;
    struct wfs_catalog *c = new_catalog();
    ADD(c, "a.q", 2, 2);
    ADD(c, "a.k", 1, 2);
    ADD(c, "b.qkv", 6);
    struct wfs_plan *p = plan(c, (struct options){.rules = "{p}.q : transpose & {p}.k : transpose"
                                                           " -> {p}.qk : concat(1)\n"
                                                           "b.qkv -> b.{k:q|k|v} : split(k, 0)"});
    VALUES(find(p, "a.qk"), 0, 2, 1000, 1, 3, 1001);
    VALUES(find(p, "b.k"), 2002, 2003);
    done(c, p);
}

static void test_plan_rules__an_incomplete_group_keeps_its_names(void **state)
{
    (void)state;
    struct wfs_catalog *c = new_catalog();
    ADD(c, "a.q", 2);
    struct wfs_plan *p = plan(c, (struct options){.rules = "{p}.q & {p}.k -> {p}.qk : concat(0)"});
    assert_int_equal(find(p, "a.q")->status, WFS_UNEXPECTED);
    assert_non_null(strstr(find_entry(p, WFS_NOTE)->text, "{p}.k, which is not there"));
    done(c, p);
}

static void test_plan_rules__values_conditions_and_fills(void **state)
{
    (void)state;
    struct wfs_catalog *c = new_catalog();
    ADD(c, "a.w", 4, 2);
    ADD(c, "b.w", 2);
    const char *rules = "let h = config.heads ?? 2\n"
                        "{x}.w -> {x}.m : reshape(h, ceildiv(shape[0], h), -1) if rank == 2\n"
                        "{x}.w -> {x}.v if rank == 1 and exists(a.w) and not exists(c.w)\n"
                        "fill {x}.n : full(int64, 3, 2) for {x}.w if shape[0] > 2\n"
                        "fill pos : arange(float32, roundup(3, 2))";
    struct wfs_plan *p = plan(c, (struct options){.rules = rules, .set = {"heads=4"}});
    assert_int_equal(find(p, "a.m")->expr->shape[0], 4);
    find(p, "b.v");
    assert_int_equal(find(p, "a.n")->status, WFS_FILLED);
    VALUES(find(p, "pos"), 0, 1, 2, 3);
    assert_int_equal(p->n_targets, 4);
    done(c, p);
}

/* A name asked for while another name is being written must not disturb it. */
static void test_plan_rules__names_may_ask_for_names(void **state)
{
    (void)state;
    struct wfs_catalog *c = new_catalog();
    ADD(c, "a.one", 2);
    ADD(c, "q.weight", 3, 2);
    ADD(c, "layers.3.w", 2);
    struct wfs_plan *p =
        plan(c, (struct options){.rules = "let n = dim(q.weight, 0)\n"
                                          "a.one -> yes if exists(layers.{n}.w)\n"});
    find(p, "yes");
    wfs_plan_free(p);
    p = plan(c, (struct options){.rules = "a.one -> yes if exists(layers.{dim(q.weight, 0)}.w)"});
    find(p, "yes");
    done(c, p);
}

static void test_plan_rules__values_lead_to_values_so_deep_and_no_deeper(void **state)
{
    (void)state;
    wfs_cleanup(wfs_buf_free) struct wfs_buf rules = {0};
    struct wfs_catalog *c = bert();
    for (int i = 0; i < 990; i++) {
        wfs_buf_printf(&rules, "let a%d = a%d", i, i + 1);
        for (int k = 0; k < 60; k++)
            wfs_buf_str(&rules, " and true");
        wfs_buf_str(&rules, "\n");
    }
    wfs_buf_str(&rules, "let a990 = true\nnorm.weight -> n if a0\n");
    expect_refused(c, (struct options){.rules = rules.data},
                   "values that lead to each other too deeply");
    struct wfs_plan *p = plan(c, (struct options){.rules = "let a = b\nlet b = c\nlet c = true\n"
                                                           "norm.weight -> n if a\n"});
    find(p, "n");
    done(c, p);
}

static void test_plan_rules__a_pattern_that_costs_too_much_is_refused(void **state)
{
    (void)state;
    struct wfs_catalog *c = new_catalog();
    char name[2001] = {0};
    memset(name, 'a', 2000);
    ADD(c, name, 2);
    expect_refused(c,
                   (struct options){.rules = "match first\n"
                                             "{a}a{b}a{c}a{d}a{e}a{f}b -> x\n{x} -> {x}\n"},
                   "too many ways to match this pattern");
    wfs_catalog_free(c);
}

static void test_plan_rules__a_missing_value_names_its_option(void **state)
{
    (void)state;
    struct wfs_catalog *c = bert();
    const char *rules = "let heads = config.n_head\nlayer.0.dense.weight -> q : rope(heads)";
    expect_refused(c, (struct options){.rules = rules}, "give -o set=heads=VALUE");
    struct wfs_plan *p = plan(c, (struct options){.rules = rules, .set = {"heads=1"}});
    find(p, "q");
    done(c, p);
}

static void test_plan_rules__two_rules_for_one_tensor_is_an_error(void **state)
{
    (void)state;
    struct wfs_catalog *c = bert();
    expect_refused(c, (struct options){.rules = "{p:*}.weight -> {p}.a\nnorm.weight -> b"},
                   "both take norm.weight");
    struct wfs_plan *p = plan(
        c, (struct options){.rules = "match longest\n{p:*}.weight -> {p}.a\nnorm.weight -> b"});
    find(p, "b");
    wfs_plan_free(p);
    p = plan(c, (struct options){.rules = "match first\n{p:*}.weight -> {p}.a\nnorm.weight -> b"});
    find(p, "norm.a");
    done(c, p);
}

static void test_plan_rules__two_sources_on_one_target_is_a_collision(void **state)
{
    (void)state;
    struct wfs_catalog *c = new_catalog();
    ADD(c, "a.w", 1);
    ADD(c, "b.w", 1);
    struct wfs_plan *p = plan(c, (struct options){.rules = "{x}.w -> w"});
    assert_int_equal(p->n_by_status[WFS_COLLISION], 1);
    assert_int_equal(p->n_targets, 2);
    find(p, "w~2");
    wfs_plan_free(p);
    expect_refused(c, (struct options){.rules = "{x}.w -> w", .strict = true}, "collision");
    wfs_catalog_free(c);
}

static void expect_all(const char *text, const char *const *parts)
{
    for (; *parts; parts++)
        if (!strstr(text, *parts))
            fail_msg("\"%s\" is not in \"%s\"", *parts, text);
}
#define HAS(text, ...) expect_all(text, (const char *const[]){__VA_ARGS__, NULL})

static void test_plan_rules__a_collision_names_its_sources_and_rules(void **state)
{
    (void)state;
    struct wfs_catalog *c = new_catalog();
    ADD(c, "a.w", 1);
    ADD(c, "b.v", 1);
    struct wfs_plan *p = plan(c, (struct options){.rules = "set t\n{x}.w -> w\n{x}.v -> w\n"});
    HAS(find_entry(p, WFS_COLLISION)->text, "a.w (by ", ".map:2:1)", "b.v (by ", ".map:3:1)");
    wfs_plan_free(p);
    p = plan(c, (struct options){.rules = "set t\nrename {x}.{y} -> c\n"});
    HAS(find_entry(p, WFS_COLLISION)->text, "a.w (by ", "b.v (by ", ".map:2:1)");
    HAS(p->entries[0].text, "a.w keeps the name that ", ".map:2:1");
    HAS(p->entries[1].text, "b.v keeps the name that ");
    done(c, p);
}

static void test_plan_rules__unmatched_is_kept_dropped_or_refused(void **state)
{
    (void)state;
    struct wfs_catalog *c = bert();
    struct wfs_plan *p = plan(c, (struct options){.rules = "norm.weight -> n"});
    assert_int_equal(p->n_by_status[WFS_UNEXPECTED], 5);
    assert_int_equal(p->n_targets, 6);
    wfs_plan_free(p);
    p = plan(c, (struct options){.rules = "unmatched drop\nnorm.weight -> n"});
    assert_int_equal(p->n_targets, 1);
    assert_int_equal(p->n_by_status[WFS_DROPPED], 5);
    wfs_plan_free(p);
    expect_refused(c, (struct options){.rules = "unmatched error\nnorm.weight -> n"},
                   "no rule takes embeddings.word_embeddings.weight");
    wfs_catalog_free(c);
}

static void test_plan_rules__operations_that_do_not_fit_name_rule_and_tensor(void **state)
{
    (void)state;
    struct wfs_catalog *c = bert();
    expect_refused(c, (struct options){.rules = "norm.weight -> n : transpose"}, "norm.weight: ");
    expect_refused(c, (struct options){.rules = "norm.weight -> n : flip(1)"},
                   ":1:20: flip(1): axis 1 of a tensor with 1 axes");
    expect_refused(c, (struct options){.rules = "norm.weight -> n : part(0, 0, 2)"},
                   "has no part 0 of 2");
    wfs_catalog_free(c);
}

static void test_plan_rules__names_are_written_as_the_namespace_says(void **state)
{
    (void)state;
    struct wfs_catalog *c = new_catalog();
    ADD(c, "layers_0.dense_12.w", 1);
    struct wfs_plan *p = plan(c, (struct options){.rules = "source index glued\n"
                                                           "target sep \"/\" trailing value "
                                                           "collection params always\n"
                                                           "layers.{l:#}.{x:+} -> h.{l}.{x}"});
    find(p, "params.h.0.dense.12.w.value");
    assert_int_equal(p->sep, '/');
    wfs_plan_free(p);
    p = plan(c, (struct options){.rules = "source index glued\ntarget index glued\n"
                                          "layers.{l:#}.{x:+} -> h.{l+1}.{x}"});
    find(p, "h_1.dense_12.w");
    done(c, p);
}

static void test_plan_rules__digits_of_a_regex_are_numbers(void **state)
{
    (void)state;
    struct wfs_catalog *c = new_catalog();
    for (int i = 0; i < 11; i++) {
        char name[16];
        snprintf(name, sizeof(name), "l.%d.w", i);
        add(c, name, WFS_F32, 1, (uint64_t[]){2});
    }
    struct wfs_plan *p =
        plan(c, (struct options){
                    .rules = "/l\\.(?<n>[0-9]+)\\.w/ -> R.{n+1}.{-n+n} if n < 1 or n == \"2\"\n"});
    find(p, "R.1.0");
    find(p, "R.3.0");
    find(p, "l.1.w");
    find(p, "l.10.w");
    wfs_plan_free(p);
    p = plan(c, (struct options){.rules = "/l\\.(?<n>[0-9]+)\\.w/ -> R : stack(n, 0)\n"});
    assert_int_equal(p->n_targets, 1);
    float got[22];
    struct wfs_error err = {0};
    assert_int_equal(wfs_expr_read(find(p, "R")->expr, got, sizeof(got), 0, &err), 0);
    for (int i = 0; i < 11; i++)
        assert_true(got[2 * i] == (float)(1000 * i));
    wfs_plan_free(p);
    ADD(c, "l.3.v", 2);
    p = plan(
        c, (struct options){.rules = "l.{n:2-3}.w & /l\\.(?<n>[0-9]+)\\.v/ -> S.{n} : stack(0)\n"});
    find(p, "S.3"); /* a number as another pattern has it */
    wfs_plan_free(p);
    ADD(c, "l.01.w", 2);
    expect_refused(c, (struct options){.rules = "/l\\.(?<n>[0-9]+)\\.w/ -> R : stack(n, 0)\n"},
                   "stack(n, 0): expected {n} to be a number in l.01.w");
    expect_refused(c, (struct options){.rules = "/l\\.(?<n>[0-9]+)\\.w/ -> R.{n+1}\n"},
                   "arithmetic on what is no number");
    wfs_catalog_free(c);
}

static void test_plan_rules__every_writer_is_a_kind_of_file(void **state)
{
    (void)state;
    char text[64];
    struct wfs_catalog *c = bert();
    const struct wfs_writer *w;
    for (uint32_t i = 0; (w = wfs_writer(i)); i++) {
        snprintf(text, sizeof(text), "files %s\n", w->name);
        struct wfs_plan *p = plan(c, (struct options){.rules = text});
        assert_string_equal(p->files[0], w->name);
        wfs_plan_free(p);
    }
    wfs_catalog_free(c);
}

static void test_plan_rules__two_fills_of_one_target_are_a_collision(void **state)
{
    (void)state;
    struct wfs_catalog *c = bert();
    struct wfs_plan *p =
        plan(c, (struct options){
                    .rules = "set t\nfill y : zeros(float32, 2)\nfill y : ones(float32, 3)\n"});
    HAS(find_entry(p, WFS_COLLISION)->text, ".map:2:1 fills it, and ", ".map:3:1");
    wfs_plan_free(p);
    /* One rule that comes upon it again, and a fill where a mapping was, are none. */
    p = plan(c, (struct options){.rules =
                                     "fill y : zeros(float32, 2) for {p:+}\n{p:+}.weight -> {p}.k\n"
                                     "fill norm.k : zeros(float32, 2)\n"});
    assert_int_equal(p->n_by_status[WFS_COLLISION], 0);
    done(c, p);
}

static void expect_place_once(const struct wfs_catalog *c, const char *rules, const char *place)
{
    struct wfs_error err = {0};
    struct wfs_plan *p = NULL;
    assert_int_equal(make(c, (struct options){.rules = rules}, &p, &err), -EINVAL);
    const char *first = strstr(err.message, place);
    if (!first || strstr(first + 1, place))
        fail_msg("\"%s\" is not once in \"%s\"", place, err.message);
}

static void test_plan_rules__errors_say_what_and_where_once(void **state)
{
    (void)state;
    struct wfs_catalog *c = bert();
    expect_place_once(c, "norm.weight -> n : permute(0, 1)", ".map:1:20: permute(0, 1): 2 axes");
    expect_place_once(c, "norm.weight -> n : permute(0, 1)", ".map:1:");
    expect_place_once(c, "norm.weight -> n : slice(0, 5, 1000000)",
                      ".map:1:20: slice(0, 5, 1000000)");
    expect_place_once(c, "let q = config.q\nnorm.weight -> n : scale(q)",
                      ".map:2:26: the value 'q'");
    expect_refused(c, (struct options){.rules = "{p:+} -> {p} if ceildiv(7, 0) == 1"},
                   "the divisor is 0");
    expect_refused(c, (struct options){.rules = "{p:+} -> {p} if roundup(7, -1) == 1"},
                   "expected numbers that are not negative");
    wfs_catalog_free(c);
}

static void test_plan_rules__a_sum_of_whole_numbers_may_wrap(void **state)
{
    (void)state;
    struct wfs_catalog *c = new_catalog();
    for (int i = 0; i < 2; i++)
        add(c, i ? "b.i" : "a.i", WFS_I32, 1, (uint64_t[]){2});
    ADD(c, "a.f", 2);
    ADD(c, "b.f", 2);
    struct wfs_plan *p = plan(c, (struct options){.rules = "a.{k} & b.{k} -> {k} : sum\n"});
    assert_int_equal(p->n_by_status[WFS_INEXACT], 1);
    assert_string_equal(find_entry(p, WFS_INEXACT)->subject, "a.i");
    wfs_plan_free(p);
    p = plan(c, (struct options){.rules = "{x}.{k} -> {x}.{k} : add(100)\n"});
    assert_int_equal(p->n_by_status[WFS_INEXACT], 4);
    done(c, p);
}

/* ---- dots ---------------------------------------------------------------------------------- */

static const char *const dotted_conditions[] = {
    "name == \"x.attn.w\"",
    "contains(name, \"x.attn\")",
    "ends(name, \".w\")",
    "starts(p, \"x.a\")",
    "p == \"x.attn.w\"",
    "p != \"x%2Eattn.w\" and last(p) == \"w\"",
    "last(replace(p, \"attn.w\", \"a.z\")) == \"z\"",
};

static void test_plan_rules__conditions_see_dots_between_components(void **state)
{
    (void)state;
    char rules[128];
    struct wfs_catalog *c = new_catalog();
    ADD(c, "x.attn.w", 1);
    ADD(c, "b", 1);
    for (size_t i = 0; i < WFS_ARRAY_SIZE(dotted_conditions); i++) {
        snprintf(rules, sizeof(rules), "{p:+} -> y.{p} if %s", dotted_conditions[i]);
        struct wfs_plan *p = plan(c, (struct options){.rules = rules});
        find(p, "y.x.attn.w");
        find(p, "b");
        wfs_plan_free(p);
    }
    struct wfs_plan *p =
        plan(c, (struct options){.rules = "{p:+} -> y.{p} if exists(\"x.attn.w\") and "
                                          "any(\"x.attn.w\") and not exists(\"x.attn\")"});
    find(p, "y.b");
    done(c, p);
}

static void test_plan_rules__dots_of_a_text_separate_components(void **state)
{
    (void)state;
    struct wfs_catalog *c = new_catalog();
    ADD(c, "x.attn.w", 1);
    struct wfs_plan *p = plan(
        c, (struct options){.rules = "let q = 1\n{p:+} -> {replace(p, \"x.attn\", \"q.r\")}.{q}",
                            .set = {"q=zz.yy"}});
    assert_string_equal(find(p, "q.r.w.zz.yy")->path, "q\xffr\xffw\xffzz\xffyy");
    done(c, p);
}

static void test_plan_rules__a_dot_in_a_component_is_no_separator(void **state)
{
    (void)state;
    struct wfs_catalog *c = new_catalog();
    ADD(c, "x.b.w", 1);
    ADD(c, "other", 1);
    c->tensors[0].path = "x.b\xffw";
    struct wfs_plan *p = plan(
        c, (struct options){.rules = "{p:+} -> {replace(p, \"w\", \"v\")} if name != \"x.b.w\" "
                                     "and (name == \"x%2Eb.w\" or name == \"other\") and "
                                     "exists(\"x.b\".w) and not exists(x.b.w)"});
    assert_string_equal(find(p, "x%2Eb.v")->path, "x.b\xffv");
    done(c, p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_plan_rules__a_sum_of_whole_numbers_may_wrap),
        cmocka_unit_test(test_plan_rules__errors_say_what_and_where_once),
        cmocka_unit_test(test_plan_rules__two_fills_of_one_target_are_a_collision),
        cmocka_unit_test(test_plan_rules__every_writer_is_a_kind_of_file),
        cmocka_unit_test(test_plan_rules__digits_of_a_regex_are_numbers),
        cmocka_unit_test(test_plan_rules__a_collision_names_its_sources_and_rules),
        cmocka_unit_test(test_plan_rules__conditions_see_dots_between_components),
        cmocka_unit_test(test_plan_rules__dots_of_a_text_separate_components),
        cmocka_unit_test(test_plan_rules__a_dot_in_a_component_is_no_separator),
        cmocka_unit_test(test_plan_rules__fan_in_runs_in_numeric_order),
        cmocka_unit_test(test_plan_rules__a_hole_in_a_fan_in_is_an_error),
        cmocka_unit_test(test_plan_rules__scanned_layers_and_experts),
        cmocka_unit_test(test_plan_rules__parts_join_and_split),
        cmocka_unit_test(test_plan_rules__an_incomplete_group_keeps_its_names),
        cmocka_unit_test(test_plan_rules__values_conditions_and_fills),
        cmocka_unit_test(test_plan_rules__names_may_ask_for_names),
        cmocka_unit_test(test_plan_rules__values_lead_to_values_so_deep_and_no_deeper),
        cmocka_unit_test(test_plan_rules__a_pattern_that_costs_too_much_is_refused),
        cmocka_unit_test(test_plan_rules__a_missing_value_names_its_option),
        cmocka_unit_test(test_plan_rules__two_rules_for_one_tensor_is_an_error),
        cmocka_unit_test(test_plan_rules__two_sources_on_one_target_is_a_collision),
        cmocka_unit_test(test_plan_rules__unmatched_is_kept_dropped_or_refused),
        cmocka_unit_test(test_plan_rules__operations_that_do_not_fit_name_rule_and_tensor),
        cmocka_unit_test(test_plan_rules__names_are_written_as_the_namespace_says),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
