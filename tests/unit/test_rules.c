/*
 * test_rules.c - the rules language: what parses, what each kind of mistake is told, patterns,
 * inverses.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "rules/match.h"
#include "rules/operations/operation.h"

static int parse(struct wfs_arena *arena, const char *text, struct wfs_set **ret,
                 struct wfs_error *err)
{
    return wfs_set_parse(arena, "x.map", text, strlen(text), NULL, ret, err);
}

static void expect_error(const char *text, const char *message)
{
    wfs_cleanup(wfs_arena_freep) struct wfs_arena *arena = wfs_arena_new();
    struct wfs_set *set = NULL;
    struct wfs_error err = {0};
    assert_int_equal(parse(arena, text, &set, &err), -EINVAL);
    if (!strstr(err.message, message))
        fail_msg("\"%s\" is not in \"%s\"", message, err.message);
    assert_null(set);
}

static void expect_ok(const char *text)
{
    wfs_cleanup(wfs_arena_freep) struct wfs_arena *arena = wfs_arena_new();
    struct wfs_set *set = NULL;
    struct wfs_error err = {0};
    if (parse(arena, text, &set, &err))
        fail_msg("%s", err.message);
}

static void test_rules__every_compiled_in_set_parses(void **state)
{
    (void)state;
    for (size_t i = 0; i < wfs_n_rule_texts; i++) {
        const char *name = wfs_rule_texts[i].name;
        wfs_cleanup(wfs_arena_freep) struct wfs_arena *arena = wfs_arena_new();
        struct wfs_set *set;
        struct wfs_error err = {0};
        if (wfs_set_load(arena, name, NULL, &set, &err))
            fail_msg("%s", err.message);
        assert_string_equal(set->name, name);
    }
}

static void test_rules__mistakes_say_where_and_what(void **state)
{
    (void)state;
    static const char *const cases[][2] = {
        {"a.b", "x.map:1:4: expected '->', found the end of the file"},
        {"a -> b : transpos", "x.map:1:10: expected an operation"},
        {"a -> b :", "x.map:1:9: expected an operation"},
        {"a -> b if", "expected a value"},
        {"a -> b if rank ==", "expected a value"},
        {"a -> b extra", "x.map:1:8: expected '->', '&', 'if' or the end of the rule"},
        {" a -> b", "x.map:1:2: expected a statement in column 1"},
        {"a.{x -> b", "x.map:1:4: expected a capture, as in {x}"},
        {"a.{x:q|k -> b", "expected '|' or '}'"},
        {"a..b -> c", "x.map:1:3: expected text or a capture between two dots"},
        {"x{p:*} -> c", "expected {p:*} alone between two dots"},
        {"a.{x} -> b.{y:q|k}", "expected {y} in a source pattern, or split or unstack"},
        {"a.{x} -> b.{y}", "`let y = ...`"},
        {"a.{x} & b -> c : concat(0)", "expected {x} in this pattern too"},
        {"a.{i:#} -> c.{i} : stack(i, 0)", "expected no {i} in the target: it is fanned in"},
        {"a.{i:#}.{i:0-2} -> c", "expected {i} to have one type"},
        {"a.{i:3-1} -> c.{i}", "expected a range that goes up"},
        {"a -> b : permute", "expected permute(axis, ...)"},
        {"a -> b : slice(0)", "expected slice(axis, start, stop[, step])"},
        {"a -> b : cast(float33)", "expected an element type"},
        {"a -> b : \"OI>IX\"", "expected the same letters on both sides"},
        {"a -> b if nosuch == 1", "`let nosuch = ...`"},
        {"match two", "x.map:1:7: expected one, first or longest"},
        {"unmatched maybe", "expected keep, drop or error"},
        {"include nosuch", "nosuch: no such rule set; there are"},
        {"let a = 1\nlet a = 2", "x.map:2:5: expected a new name: a is set in line 1"},
        {"inverse let a = 1", "x.map:1:13: expected a value that `let` sets above, once: a"},
        {"let a = 1\ninverse let a = 2\ninverse let a = 3", "x.map:3:13: expected a value"},
        {"inverse a", "x.map:1:10: expected '->'"},
        {"fill a : transpose", "expected zeros, ones, full, arange or sinusoid"},
        {"drop a : cast(float32) for b", "expected zeros, ones, full, arange or sinusoid"},
        {"alias a b", "expected 'of'"},
        {"set \"abc", "expected the closing quote"},
        {"/(x/ -> y", "expected a regular expression"},
        {"/x -> y", "expected the closing '/'"},
        {"let a = 99999999999999999999", "at most 18 digits"},
        {"let a = 1 +", "expected a value"},
        {"let a = config.", "expected a name of config.json"},
        {"invertible\na & b -> c : sum", "x.map:2:14: no inverse: this operation loses"},
        {"invertible\na & b -> c : concat(0)", "concat must say its sizes, or `equal`"},
        {"invertible\na.{x} -> b", "the target does not hold this capture"},
        {"invertible\na -> b : reshape(2, 3)", "reshape must say what it comes from"},
        {"invertible\na -> b : cast(float16)", "no inverse"},
        {"invertible\na.{x} -> {lower(x)}", "computed from text"},
        {"invertible\na.{k:q|v} -> b.{0*k}", "computed from text"},
        {"prefix put a", "expected 'remove'"},
        {"target sep \"-\"", "\".\" or \"/\""},
        {"detect a.{x}", "expected a name without captures"},
    };
    for (size_t i = 0; i < WFS_ARRAY_SIZE(cases); i++)
        expect_error(cases[i][0], cases[i][1]);
}

static void test_rules__bytes_that_are_no_text_are_refused(void **state)
{
    (void)state;
    wfs_cleanup(wfs_arena_freep) struct wfs_arena *arena = wfs_arena_new();
    struct wfs_set *set;
    struct wfs_error err = {0};
    assert_int_equal(wfs_set_parse(arena, "x.map", "a\0b", 3, NULL, &set, &err), -EINVAL);
    expect_error("a -> \xff", "expected UTF-8 text");
}

static void test_rules__nesting_is_bounded(void **state)
{
    (void)state;
    static char deep[20000];
    strcpy(deep, "let a = ");
    memset(deep + 8, '(', 5000);
    strcpy(deep + 5008, "1");
    expect_error(deep, "expected a simpler expression");
    strcpy(deep, "let a = 1");
    for (int i = 0; i < 2000; i++)
        strcat(deep, "+1");
    expect_error(deep, "expected a shorter expression");
    /* Brackets around long rows of terms: each is within its bound. */
    strcpy(deep, "let a = ");
    memset(deep + 8, '(', 50);
    strcpy(deep + 58, "1");
    for (int i = 0; i < 50; i++) {
        for (int k = 0; k < 60; k++)
            strcat(deep, "+1");
        strcat(deep, ")");
    }
    expect_error(deep, "expected a simpler expression");
}

static void repeat(struct wfs_buf *text, const char *line, int n)
{
    for (int i = 0; i < n; i++)
        wfs_buf_str(text, line);
}

static void test_rules__includes_are_bounded(void **state)
{
    (void)state;
    wfs_cleanup(wfs_buf_free) struct wfs_buf files = {0}, rules = {0};
    repeat(&files, "include meta-llama\n", 1001);
    expect_error(files.data, "x.map:1001:9: expected at most 1000 included files");
    repeat(&rules, "include meta-llama\n", 10);
    repeat(&rules, "a -> b\n", 99990);
    expect_error(rules.data, "x.map: expected at most 100000 rules with what meta-llama.map adds");
    expect_error("include ~meta-llama", "x.map:1:9: expected a set, found the inverse of one");
}

static void test_rules__what_a_set_may_say(void **state)
{
    (void)state;
    expect_ok("set a\nfrom torch\nto b\nfiles safetensors\nmatch first\nunmatched drop\n");
    expect_ok(
        "# a comment\n\na -> b   # another\n   : transpose\n  # in between\n   if rank == 2\n");
    expect_ok("{p:*}.q & {p:*}.k : transpose -> {p}.qk : concat(0, 2, 4) cast(float16)");
    expect_ok("a -> b : split(1) \n");
    expect_ok("a : split(0, 1, 2) -> b : transpose & c");
    expect_ok("fill {p}.n : zeros(int64) for {p:*}.mean if true");
    expect_ok("drop {p:*}.n : zeros(int64) for {p:*}.mean");
    expect_ok("\"drop\" -> x\n\"a.b\".{i:#} -> c.{2*i+1}");
    expect_ok("/layers\\.(?<l>\\d+)\\.w/ -> blk.{l}.w");
    expect_ok("let h = config.a.b ?? config.c.0 ?? 12\na -> b : reshape(h, roundup(h, 8) - 1, -1)");
}

/* ---- patterns ------------------------------------------------------------------------------ */

static bool matches(const char *pattern, const char *name)
{
    wfs_cleanup(wfs_arena_freep) struct wfs_arena *arena = wfs_arena_new();
    struct wfs_set *set;
    struct wfs_error err = {0};
    struct wfs_split split;
    struct wfs_match m = {0};
    char *text = wfs_arena_printf(arena, "drop %s", pattern);
    if (parse(arena, text, &set, &err))
        fail_msg("%s", err.message);
    const char *path = wfs_path_from_name(arena, name, '.');
    assert_int_equal(wfs_split_path(arena, path, &split, &err), 0);
    return wfs_name_match(set->rules[0].sources.part[0].name, set->rules[0].caps, &split, &m);
}

static void test_rules__sections_give_their_rules_a_condition(void **state)
{
    (void)state;
    wfs_cleanup(wfs_arena_freep) struct wfs_arena *arena = wfs_arena_new();
    struct wfs_set *set = NULL;
    struct wfs_error err = {0};
    static const char text[] = "let m = model_type ?? \"?\"\n"
                               "when m in \"a\" \"b\":\n"
                               "  # a comment\n"
                               "  a -> b\n"
                               "    if rank == 1\n"
                               "  when exists(x.y): # another\n"
                               "      drop c\n"
                               "  drop d\n"
                               "drop e\n";
    if (parse(arena, text, &set, &err))
        fail_msg("%s", err.message);
    assert_int_equal(set->n_rules, 4);
    assert_string_equal(set->rules[0].text, "a -> b if rank == 1 when m in \"a\" \"b\"");
    assert_int_equal(set->rules[0].cond->op, WFS_BIN_AND);
    assert_string_equal(set->rules[1].text, "drop c when exists(x.y) when m in \"a\" \"b\"");
    assert_int_equal(set->rules[1].cond->args[1]->kind, WFS_V_EXISTS);
    assert_ptr_equal(set->rules[1].cond->args[0], set->rules[2].cond);
    assert_int_equal(set->rules[2].cond->op, WFS_BIN_OR);
    assert_null(set->rules[3].cond);
    expect_error("when true:\ndrop a\n", "expected rules, indented, below `when`");
    expect_error("when true: drop a\n", "expected the end of the line after ':'");
    expect_error("when true:\n", "expected rules, indented, below `when`");
    expect_error("when true:\n  drop a\n drop b\n", "indented alike");
    expect_error("when true:\n  let a = 1\n", "x.map:2:3: expected rules below `when`");
    expect_error("when any({p:*}.x):\n  drop a\n", "expected a condition without captures");
    expect_error("when nothing:\n  drop a\n", "found 'nothing'");
    expect_error("drop a if name in 1", "expected a text in quotes");
}

static void test_rules__patterns_are_anchored_and_typed(void **state)
{
    (void)state;
    assert_true(matches("a.b", "a.b"));
    assert_false(matches("a.b", "a.b.c"));
    assert_false(matches("a.b", "x.a.b"));
    assert_true(matches("{p:*}.w", "w"));
    assert_true(matches("{p:*}.w", "a.b.w"));
    assert_false(matches("{p:+}.w", "w"));
    assert_true(matches("l.{i:#}.w", "l.10.w"));
    assert_false(matches("l.{i:#}.w", "l.x.w"));
    assert_false(matches("l.{i:#}.w", "l.01.w"));
    assert_true(matches("l.{i:0-2}.w", "l.2.w"));
    assert_false(matches("l.{i:0-2}.w", "l.3.w"));
    assert_true(matches("l_{i:#}", "l_7"));
    assert_true(matches("{k:q|k}_proj", "k_proj"));
    assert_false(matches("{k:q|k}_proj", "v_proj"));
    assert_true(matches("{x}_g", "a_b_g"));
    assert_false(matches("{x}_g", "_g"));
    assert_true(matches("{x:?}_g", "_g"));
    assert_true(matches("{p:*}.a.{q:*}.b", "x.a.y.a.z.b"));
    assert_true(matches("{x}.{x}", "a.a"));
    assert_false(matches("{x}.{x}", "a.b"));
    assert_true(matches("\"{\"", "{"));
    assert_true(matches("/a\\.(b|c)\\.\\d+/", "a.c.12"));
    assert_false(matches("/a/", "ab"));
}

static void test_rules__groups_of_an_expression_are_bounded(void **state)
{
    (void)state;
    /* The name is the last group: 127 have room in a signed byte, 128 have not. */
    for (int n = 126; n <= 127; n++) {
        char text[1024] = "/";
        for (int i = 0; i < n; i++)
            strcat(text, "(a?)");
        strcat(text, "(?<x>b)/ -> {x}");
        if (n == 126)
            expect_ok(text);
        else
            expect_error(text, "x.map:1:1: expected fewer groups in this expression");
    }
}

static void test_rules__a_hostile_pattern_costs_a_bounded_time(void **state)
{
    (void)state;
    char name[2001] = {0};
    memset(name, 'a', 2000);
    assert_false(matches("{a}a{b}a{c}a{d}a{e}a{f}a{g}a{h}b", name));
    assert_false(matches("/(a+)+b/", name));
}

/* ---- inverses ------------------------------------------------------------------------------ */

static void test_rules__an_inverse_turns_rules_around(void **state)
{
    (void)state;
    wfs_cleanup(wfs_arena_freep) struct wfs_arena *arena = wfs_arena_new();
    struct wfs_set *set, *back;
    struct wfs_error err = {0};
    assert_int_equal(parse(arena,
                           "set s\nfrom a\nto b\n"
                           "x.{l:#}.w : rope(4) -> y.{l+1} : transpose\n"
                           "e.{i:#} -> e : stack(i, 0)\n"
                           "drop n : zeros(int64) for x.{l:#}.w",
                           &set, &err),
                     0);
    assert_int_equal(wfs_set_invert(arena, set, &back, &err), 0);
    assert_string_equal(back->from, "b");
    assert_string_equal(back->name, "~s");
    assert_int_equal(back->n_rules, 3);
    const struct wfs_rule *rule = &back->rules[0];
    assert_string_equal(rule->sources.part[0].ops.op[0].operation->name, "transpose");
    assert_string_equal(rule->clauses[0].part[0].ops.op[0].operation->name, "unrope");
    assert_int_equal(rule->n_equations, 1);
    assert_string_equal(back->rules[1].sources.part[0].ops.op[0].operation->name, "unstack");
    assert_int_equal(back->rules[2].kind, WFS_RULE_FILL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_rules__every_compiled_in_set_parses),
        cmocka_unit_test(test_rules__mistakes_say_where_and_what),
        cmocka_unit_test(test_rules__bytes_that_are_no_text_are_refused),
        cmocka_unit_test(test_rules__nesting_is_bounded),
        cmocka_unit_test(test_rules__includes_are_bounded),
        cmocka_unit_test(test_rules__what_a_set_may_say),
        cmocka_unit_test(test_rules__sections_give_their_rules_a_condition),
        cmocka_unit_test(test_rules__patterns_are_anchored_and_typed),
        cmocka_unit_test(test_rules__groups_of_an_expression_are_bounded),
        cmocka_unit_test(test_rules__a_hostile_pattern_costs_a_bounded_time),
        cmocka_unit_test(test_rules__an_inverse_turns_rules_around),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
