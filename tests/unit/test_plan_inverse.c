/*
 * test_plan_inverse.c - inverses of rules of one's own: what they bring back, what they must not
 * choose in silence, and what they refuse.
 */
#include "plan_fixture.h"

static void test_plan_inverse__sums_over_names_to_come_are_open(void **state)
{
    (void)state;
    struct wfs_catalog *c = new_catalog();
    ADD(c, "q.kernel", 2, 4);
    ADD(c, "q.bias", 1);
    const char *const conditions[] = {"dim({p}.bias, 0) * 4 == shape[0]", "-dim({p}.bias, 0) < 0",
                                      "max(dim({p}.bias, 0), 2) > 1",
                                      "shape[dim({p}.bias, 0)] > 1"};
    for (size_t i = 0; i < WFS_ARRAY_SIZE(conditions); i++) {
        char rules[160];
        snprintf(rules, sizeof(rules),
                 "set s\n{p}.bias -> {p}.bias\n{p:*}.weight -> {p}.kernel : transpose if %s\n",
                 conditions[i]);
        struct wfs_plan *p = plan(c, (struct options){.view = "~s", .rules = rules});
        assert_int_equal(p->n_by_status[WFS_AMBIGUOUS], 0);
        assert_true(find(p, "q.weight")->expr->shape[0] == 4);
        wfs_plan_free(p);
    }
    wfs_catalog_free(c);
}

static void test_plan_inverse__a_removed_prefix_is_in_doubt(void **state)
{
    (void)state;
    const char *rules = "set s\nprefix remove model\n{p:*}.weight -> {p}.kernel : transpose\n";
    struct wfs_catalog *c = new_catalog();
    ADD(c, "a.kernel", 2, 3);
    ADD(c, "lm_head.kernel", 2, 2);
    struct wfs_plan *p = plan(c, (struct options){.view = "~s", .rules = rules});
    find(p, "model.a.weight");
    assert_int_equal(p->n_by_status[WFS_AMBIGUOUS], 1);
    assert_non_null(strstr(find_entry(p, WFS_AMBIGUOUS)->text, "2 names get this prefix back"));
    wfs_plan_free(p);
    p = plan(c, (struct options){.view = "~s",
                                 .rules = rules,
                                 .template = "{\"model.a.weight\": [3, 2], "
                                             "\"model.lm_head.weight\": [2, 2]}"});
    assert_int_equal(p->n_by_status[WFS_AMBIGUOUS], 0);
    done(c, p);
}

static void test_plan_inverse__an_added_prefix_comes_off_before_the_rules(void **state)
{
    (void)state;
    struct wfs_catalog *c = new_catalog();
    ADD(c, "model.b.w", 2);
    ADD(c, "model.b.z", 2);
    struct wfs_plan *p =
        plan(c, (struct options){.view = "~s",
                                 .rules = "set s\nlet on = any(a.{y})\nprefix add model if on\n"
                                          "a.{x} -> b.{x}\n"});
    find(p, "a.w");
    find(p, "a.z");
    assert_int_equal(p->n_by_status[WFS_AMBIGUOUS] + p->n_by_status[WFS_UNEXPECTED], 0);
    done(c, p);
}

static void test_plan_inverse__glued_indices_are_in_doubt(void **state)
{
    (void)state;
    const char *rules = "set s\ntarget index glued\n{p:*}.weight -> {p}.kernel : transpose\n";
    struct wfs_catalog *c = new_catalog();
    ADD(c, "a.kernel", 2, 3);
    ADD(c, "conv_1.kernel", 2, 3);
    ADD(c, "conv_2.kernel", 2, 3);
    struct wfs_plan *p = plan(c, (struct options){.view = "~s", .rules = rules});
    find(p, "conv.1.weight");
    assert_int_equal(p->n_by_status[WFS_AMBIGUOUS], 1);
    assert_non_null(strstr(find_entry(p, WFS_AMBIGUOUS)->text, "the indices of 2 names"));
    done(c, p);
}

static void test_plan_inverse__numbers_have_one_answer_or_none(void **state)
{
    (void)state;
    struct wfs_catalog *c = new_catalog();
    ADD(c, "e.4003.w", 2);
    /* Too many numbers to try: the first answer need not be the only one. */
    expect_refused(
        c, (struct options){.view = "~s", .rules = "set s\ne.{i:#}.{j:#}.w -> e.{1000*i+j}.w\n"},
        "several numbers may give this name");
    expect_refused(c, (struct options){.view = "~s", .rules = "set s\nb.{l:#}.w -> e.{l%5000}.w\n"},
                   "no inverse: many numbers give this remainder");
    struct wfs_plan *p =
        plan(c, (struct options){.view = "~s",
                                 .rules = "set s\ne.{i:0-9}.{j:0-999}.w -> e.{1000*i+j}.w\n"});
    find(p, "e.4.3.w");
    wfs_plan_free(p);
    p = plan(c, (struct options){.view = "~s", .rules = "set s\nb.{l:0-4999}.w -> e.{l%5000}.w\n"});
    find(p, "b.4003.w");
    wfs_plan_free(p);
    ADD(c, "f.5000.w", 2);
    p = plan(c, (struct options){.view = "~s", .rules = "set s\n{x}.{l:#}.v -> {x}.{l+0}.w\n"});
    find(p, "f.5000.v");
    wfs_plan_free(p);
    ADD(c, "g.1.w", 2); /* 32 to 63 give it: only 32 is small enough to be tried */
    expect_refused(c, (struct options){.view = "~s", .rules = "set s\ng.{l:#}.w -> g.{l/32}.w\n"},
                   "several numbers may give this name");
    wfs_catalog_free(c);
}

static void test_plan_inverse__what_was_not_filled_is_not_left_out(void **state)
{
    (void)state;
    struct wfs_catalog *c = new_catalog();
    ADD(c, "m.kernel", 2, 2);
    ADD(c, "m.gain", 2);
    ADD(c, "m.mean", 2);
    const char *rules = "set s\nlet on = false\n"
                        "{p:*}.weight -> {p}.kernel : transpose\n"
                        "{p:*}.running_mean -> {p}.mean\n"
                        "fill {p}.gain : ones(like, shape[0]) for {p:*}.weight if on\n"
                        "drop {p:*}.counter : zeros(int64) for {p:*}.running_mean if on\n";
    struct wfs_plan *p = plan(c, (struct options){.view = "~s", .rules = rules});
    assert_int_equal(find(p, "m.gain")->status, WFS_UNEXPECTED);
    assert_int_equal(p->n_targets, 3);
    wfs_plan_free(p);
    p = plan(c, (struct options){.view = "~s", .rules = rules, .set = {"on=true"}});
    find(p, "m.counter");
    assert_int_equal(p->n_by_status[WFS_DROPPED], 1);
    assert_int_equal(p->n_targets, 3);
    done(c, p);
}

static void test_plan_inverse__captures_of_any_are_not_the_rules(void **state)
{
    (void)state;
    struct wfs_catalog *c = new_catalog();
    ADD(c, "q.kernel", 2, 2);
    ADD(c, "q.bias", 2);
    struct wfs_plan *p =
        plan(c, (struct options){.view = "~s",
                                 .rules = "set s\nmatch first\n{x}.bias -> {x}.bias\n"
                                          "{p:*}.weight -> {p}.kernel if any({q:*}.bias)\n"});
    find(p, "q.weight");
    assert_int_equal(p->n_by_status[WFS_AMBIGUOUS], 0);
    done(c, p);
}

static void test_plan_inverse__two_rules_for_one_name_are_in_doubt(void **state)
{
    (void)state;
    const char *rules = "set s\nmatch first\n{p:*}.weight -> {p}.scale if rank == 1\n"
                        "{p:*}.gamma -> {p}.scale if rank == 1\n"
                        "{p:*}.weight -> {p}.scale : transpose if rank == 2\n"
                        "{x:+} -> {x}\n";
    struct wfs_catalog *c = new_catalog();
    ADD(c, "m.scale", 3, 2);
    struct wfs_plan *p = plan(c, (struct options){.view = "~s", .rules = rules});
    assert_int_equal(p->n_by_status[WFS_AMBIGUOUS], 0);
    wfs_plan_free(p);
    ADD(c, "n.scale", 3);
    ADD(c, "o.scale", 3);
    p = plan(c, (struct options){.view = "~s", .rules = rules});
    find(p, "n.weight");
    find(p, "o.weight");
    assert_int_equal(p->n_by_status[WFS_AMBIGUOUS], 1);
    assert_non_null(strstr(find_entry(p, WFS_AMBIGUOUS)->text, "it would be n.gamma"));
    done(c, p);
}

static void test_plan_inverse__the_proof_knows_convolutions(void **state)
{
    (void)state;
    struct wfs_catalog *c = new_catalog();
    ADD(c, "up.kernel", 3, 3, 2, 5);
    ADD(c, "up.bias", 5);
    struct wfs_plan *p =
        plan(c, (struct options){.view = "~s",
                                 .rules = "set s\nmatch first\n{p}.bias -> {p}.bias\n"
                                          "{p}.weight -> {p}.kernel : \"IO*>*IO\" "
                                          "if convolution == \"transposed\"\n"
                                          "{p}.weight -> {p}.kernel : \"OI*>*IO\"\n"});
    assert_true(find(p, "up.weight")->expr->shape[0] == 2);
    assert_int_equal(p->n_by_status[WFS_AMBIGUOUS], 0);
    done(c, p);
}

static void test_plan_inverse__a_number_that_hangs_on_names_to_come_is_asked_for(void **state)
{
    (void)state;
    const char *rules = "set s\nlet heads = dim(q.kernel, 0)\n"
                        "{p}.weight -> {p}.kernel : rope(heads)\n";
    struct wfs_catalog *c = new_catalog();
    ADD(c, "q.kernel", 4, 2);
    expect_refused(c, (struct options){.view = "~s", .rules = rules}, "-o set=heads=VALUE");
    struct wfs_plan *p =
        plan(c, (struct options){.view = "~s", .rules = rules, .set = {"heads=2"}});
    find(p, "q.weight");
    done(c, p);
}

static void test_plan_inverse__a_number_of_its_own_is_asked_of_the_names_it_reads(void **state)
{
    (void)state;
    const char *rules =
        "set s\nlet heads = dim(n.weight, 0)\ninverse let heads = dim(n.scale, 0)\n"
        "n.weight -> n.scale\n{p}.weight -> {p}.kernel : rope(heads)\nmatch first\n";
    struct wfs_catalog *c = new_catalog();
    ADD(c, "n.scale", 2);
    ADD(c, "q.kernel", 4, 2);
    struct wfs_plan *p = plan(c, (struct options){.view = "~s", .rules = rules});
    find(p, "q.weight");
    find(p, "n.weight");
    done(c, p);
}

/* A prefix may be taken off by what an `inverse let` finds among the names that are read. */
static void test_plan_inverse__a_prefix_asks_the_names_that_are_read(void **state)
{
    (void)state;
    const char *rules = "set p\ninvertible\nlet deep = any({p:*}.w)\n"
                        "inverse let deep = any(x.{p:*}.kernel)\n"
                        "prefix add x if deep\n{p:*}.w -> {p}.kernel\n";
    struct wfs_catalog *c = new_catalog();
    ADD(c, "x.a.kernel", 2, 3);
    struct wfs_plan *p = plan(c, (struct options){.view = "~p", .rules = rules});
    assert_int_equal(find(p, "a.w")->status, WFS_MAPPED);
    done(c, p);
    c = new_catalog();
    ADD(c, "a.kernel", 2, 3);
    p = plan(c, (struct options){.view = "~p", .rules = rules});
    assert_int_equal(find(p, "a.w")->status, WFS_MAPPED);
    done(c, p);
}

/* A tensor called as a '/' writes it: one component for a source that splits at dots. */
static void add_slashed(struct wfs_catalog *c, const char *name)
{
    add(c, name, WFS_F32, 1, (uint64_t[]){2});
}

static void test_plan_inverse__slashes_of_the_target_separate_components(void **state)
{
    (void)state;
    const char *rules = "set s\ntarget sep \"/\"\nl.{i:#}.{x:+} -> L.{i+1}.{x}\n";
    struct wfs_catalog *c = new_catalog();
    add_slashed(c, "L/1/q/weight");
    add_slashed(c, "L/2/a.b%2Fc");
    add_slashed(c, "rest/b");
    struct wfs_plan *p = plan(c, (struct options){.view = "~s", .rules = rules});
    assert_string_equal(find(p, "l.0.q.weight")->path, "l\xff"
                                                       "0\xffq\xffweight");
    assert_string_equal(find(p, "l.1.a%2Eb/c")->path, "l\xff"
                                                      "1\xff"
                                                      "a.b/c");
    find(p, "rest/b");
    assert_int_equal(p->n_by_status[WFS_UNEXPECTED], 1);
    assert_int_equal(p->n_by_status[WFS_AMBIGUOUS], 0);
    done(c, p);
}

static void test_plan_inverse__collections_come_off_and_tell_rules_apart(void **state)
{
    (void)state;
    const char *rules = "set s\ntarget collection params\n{p:*}.b -> stats:{p}.c\n"
                        "{p:*}.d -> {p}.c\n";
    struct wfs_catalog *c = new_catalog();
    ADD(c, "params.l.0.c", 2);
    ADD(c, "stats.l.1.c", 2);
    ADD(c, "stats.l.1.e", 2);
    ADD(c, "bare", 2);
    struct wfs_plan *p = plan(c, (struct options){.view = "~s", .rules = rules});
    find(p, "l.0.d");
    find(p, "l.1.b");
    find(p, "stats.l.1.e");
    find(p, "bare");
    assert_int_equal(p->n_by_status[WFS_UNEXPECTED], 2);
    assert_int_equal(p->n_by_status[WFS_AMBIGUOUS], 0);
    done(c, p);
}

/* A long name makes the evaluator's buffer grow while an equation is being solved. */
static void test_plan_inverse__equations_may_ask_for_long_names(void **state)
{
    (void)state;
    char name[400], rules[1600];
    memset(name, 'n', sizeof(name) - 1);
    name[sizeof(name) - 1] = 0;
    snprintf(rules, sizeof(rules),
             "set s\ninvertible\nmatch first\nlet m = 3\ninverse let m = dim(z.w, 0) + 2\n"
             "let n = 3\ninverse let n = dim(%s.0.w, 0)\nz.w -> z.w if m == 3\n"
             "p.{l:#}.w -> q.{l+n}.w\n%s.{l:#}.w -> %s.{l}.w\n",
             name, name, name);
    struct wfs_catalog *c = new_catalog();
    ADD(c, "z.w", 1);
    ADD(c, "q.4.w", 2, 3);
    ADD(c, "q.5.w", 2, 3);
    char long_name[420];
    snprintf(long_name, sizeof(long_name), "%s.0.w", name);
    ADD(c, long_name, 3, 3);
    struct wfs_plan *p = plan(c, (struct options){.view = "~s", .rules = rules});
    find(p, "p.1.w");
    find(p, "p.2.w");
    done(c, p);
}

/* Rules for one direction: the other one neither sees nor undoes them. */
static void test_plan_inverse__rules_of_one_direction(void **state)
{
    (void)state;
    const char *rules = "set s\ninvertible\nmatch first\n"
                        "forward {p}.a & {p}.b -> {p}.c : sum\n"
                        "inverse {p}.c -> {p}.a\n"
                        "inverse fill {p}.b : zeros(like, shape[0]) for {p}.c\n"
                        "inverse rename old.{x} -> new.{x} if exists(old.w)\n"
                        "forward rename was.{x} -> is.{x}\n"
                        "forward drop gone\n"
                        "inverse fill gone : ones(float32, 2) if exists(q.c)\n"
                        "inverse alias {p}.copy of {p}.c if true\n"
                        "{p:+} -> {p}\n";
    struct wfs_catalog *c = new_catalog();
    ADD(c, "q.a", 2);
    ADD(c, "q.b", 2);
    ADD(c, "was.w", 2);
    ADD(c, "gone", 2);
    ADD(c, "old.w", 2);
    struct wfs_plan *p = plan(c, (struct options){.view = "s", .rules = rules});
    assert_int_equal(p->n_targets, 3);
    VALUES(find(p, "q.c"), 1000, 1002);
    find(p, "is.w");
    find(p, "old.w"); /* the inverse's rename is not for this direction */
    done(c, p);
    c = new_catalog();
    ADD(c, "q.c", 2);
    ADD(c, "q.copy", 2);
    ADD(c, "old.w", 2);
    p = plan(c, (struct options){.view = "~s", .rules = rules});
    assert_int_equal(p->n_targets, 4);
    VALUES(find(p, "q.a"), 0, 1);
    VALUES(find(p, "q.b"), 0, 0);
    VALUES(find(p, "gone"), 1, 1);
    find(p, "new.w");
    assert_int_equal(p->n_by_status[WFS_ALIASED], 1);
    done(c, p);
}

/* The proof takes b + 0 for b, and nothing else: neither ones, nor zeros of a file. */
static void test_plan_inverse__a_sum_with_zeros_is_proved(void **state)
{
    (void)state;
    const struct {
        const char *fill;
        unsigned n_doubts, n_notes;
    } cases[] = {{"inverse fill b : zeros(like, shape[0]) for c\n", 0, 1},
                 {"inverse fill b : ones(like, shape[0]) for c\n", 1, 0},
                 {"inverse fill b : full(like, -0.0, shape[0]) for c\n", 1, 0},
                 {"inverse z -> b\n", 1, 0},
                 {"", 1, 0}};
    for (size_t i = 0; i < WFS_ARRAY_SIZE(cases); i++) {
        char rules[256];
        struct wfs_catalog *c = new_catalog();
        ADD(c, "c", 4);
        ADD(c, "z", 4);
        snprintf(rules, sizeof(rules),
                 "set s\ninvertible\nmatch first\nforward a & b -> c : sum\ninverse c -> a\n"
                 "%sinverse drop z\n",
                 cases[i].fill);
        struct wfs_plan *p = plan(c, (struct options){.view = "~s", .rules = rules});
        VALUES(find(p, "a"), 0, 1, 2, 3);
        /* `z` alone comes back nowhere where it became `b` */
        unsigned more = strstr(cases[i].fill, "z ->") ? 1 : 0;
        assert_int_equal(p->n_by_status[WFS_AMBIGUOUS], cases[i].n_doubts + more);
        assert_int_equal(p->n_by_status[WFS_NOTE], cases[i].n_notes);
        done(c, p);
    }
}

/* A collection in front of an inverse rule's target is one of the source, not of what is read. */
static void test_plan_inverse__an_inverse_rule_names_collections_of_the_source(void **state)
{
    (void)state;
    const char *rules = "set s\nsource collections params\ntarget collection made\n"
                        "forward w -> v\ninverse v -> stats:w\n{p:+} -> {p}\n";
    struct wfs_catalog *c = new_catalog();
    ADD(c, "made.v", 2);
    ADD(c, "made.stats.u", 2);
    struct wfs_plan *p = plan(c, (struct options){.view = "~s", .rules = rules});
    find(p, "stats.w");
    find(p, "params.stats.u"); /* `stats` is no collection of the names that are read */
    done(c, p);
}

static void test_plan_inverse__what_one_direction_cannot_say(void **state)
{
    (void)state;
    struct wfs_catalog *c = new_catalog();
    ADD(c, "a", 2);
    expect_refused(c,
                   (struct options){.view = "~s", .rules = "set s\ninvertible\na & b -> c : sum\n"},
                   "this operation loses what it came from");
    expect_refused(
        c, (struct options){.rules = "set s\ninverse drop a : zeros(float32) for b\n"},
        ".map:2:18: expected a drop that restores nothing, since it is for one direction");
    expect_refused(c, (struct options){.rules = "set s\nforward inverse a -> b\n"},
                   "expected '->'");
    wfs_catalog_free(c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_plan_inverse__a_prefix_asks_the_names_that_are_read),
        cmocka_unit_test(test_plan_inverse__slashes_of_the_target_separate_components),
        cmocka_unit_test(test_plan_inverse__collections_come_off_and_tell_rules_apart),
        cmocka_unit_test(test_plan_inverse__sums_over_names_to_come_are_open),
        cmocka_unit_test(test_plan_inverse__a_removed_prefix_is_in_doubt),
        cmocka_unit_test(test_plan_inverse__an_added_prefix_comes_off_before_the_rules),
        cmocka_unit_test(test_plan_inverse__glued_indices_are_in_doubt),
        cmocka_unit_test(test_plan_inverse__numbers_have_one_answer_or_none),
        cmocka_unit_test(test_plan_inverse__what_was_not_filled_is_not_left_out),
        cmocka_unit_test(test_plan_inverse__captures_of_any_are_not_the_rules),
        cmocka_unit_test(test_plan_inverse__a_number_that_hangs_on_names_to_come_is_asked_for),
        cmocka_unit_test(test_plan_inverse__a_number_of_its_own_is_asked_of_the_names_it_reads),
        cmocka_unit_test(test_plan_inverse__the_proof_knows_convolutions),
        cmocka_unit_test(test_plan_inverse__two_rules_for_one_name_are_in_doubt),
        cmocka_unit_test(test_plan_inverse__rules_of_one_direction),
        cmocka_unit_test(test_plan_inverse__a_sum_with_zeros_is_proved),
        cmocka_unit_test(test_plan_inverse__an_inverse_rule_names_collections_of_the_source),
        cmocka_unit_test(test_plan_inverse__what_one_direction_cannot_say),
        cmocka_unit_test(test_plan_inverse__equations_may_ask_for_long_names),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
