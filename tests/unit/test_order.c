/*
 * test_order.c - the order in which a converter writes a plan's targets.
 */
#include "plan_fixture.h"

static const char rules[] = "set t\n"
                            "match first\n"
                            "x.{l:#}.experts.{e:#}.up -> b.{l}.up : stack(e, 0)\n"
                            "x.{l:#}.experts.{e:#}.down -> b.{l}.down : stack(e, 0)\n"
                            "x.{l:#}.qkv : split(0) -> b.{l}.z & b.{l}.a\n"
                            "{p:*} -> {p}\n"
                            "fill freqs : zeros(float32, 2)\n";

/* Names sort bytewise: 10 before 2. One source's targets stand as the rule has them; both stacks
 * stand behind experts.1.up, in the order of the rules; what is filled comes first. */
static void test_order__is_that_of_the_sources_names(void **state)
{
    static const char *const expected[] = {"freqs", "x.0.b", "b.0.up", "b.0.down",
                                           "b.0.z", "b.0.a", "x.10.w", "x.2.w"};
    (void)state;
    struct wfs_catalog *c = new_catalog();
    struct wfs_error err = {0};
    const uint32_t *order;
    ADD(c, "x.2.w", 2);
    ADD(c, "x.0.qkv", 4, 2);
    ADD(c, "x.10.w", 2);
    ADD(c, "x.0.experts.1.up", 2, 2);
    ADD(c, "x.0.experts.0.up", 2, 2);
    ADD(c, "x.0.experts.0.down", 2, 2);
    ADD(c, "x.0.experts.1.down", 2, 2);
    ADD(c, "x.0.b", 2);
    struct wfs_plan *p = plan(c, (struct options){.rules = rules});
    wfs_cleanup(wfs_arena_freep) struct wfs_arena *arena = wfs_arena_new();
    assert_int_equal(wfs_plan_conversion_order(p, c, arena, &order, &err), 0);
    assert_int_equal(p->n_targets, WFS_ARRAY_SIZE(expected));
    for (size_t i = 0; i < WFS_ARRAY_SIZE(expected); i++)
        assert_ptr_equal(&p->targets[order[i]], find(p, expected[i]));
    done(c, p);
}

static void test_order__of_nothing_is_nothing(void **state)
{
    (void)state;
    struct wfs_catalog *c = new_catalog();
    struct wfs_error err = {0};
    const uint32_t *order = NULL;
    struct wfs_plan *p = plan(c, (struct options){.rules = "set t\nmatch first\n{p:*} -> {p}\n"});
    wfs_cleanup(wfs_arena_freep) struct wfs_arena *arena = wfs_arena_new();
    assert_int_equal(wfs_plan_conversion_order(p, c, arena, &order, &err), 0);
    assert_non_null(order);
    done(c, p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_order__is_that_of_the_sources_names),
        cmocka_unit_test(test_order__of_nothing_is_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
