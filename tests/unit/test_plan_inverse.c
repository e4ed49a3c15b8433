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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_plan_inverse__sums_over_names_to_come_are_open),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
