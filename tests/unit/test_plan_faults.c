/*
 * test_plan_faults.c - plans while memory runs out: -ENOMEM with a message, or the same plan that
 * there is with all memory, never another.
 *
 * Linked with --wrap for the allocation functions: of every plan so many calls, spread evenly over all,
 * fail in turn, alone and with all after them.
 */
#include "plan_fixture.h"

#include "failing_alloc.h"

/* More than any plan allocates. */
#define MANY 1000000000L

/* The plan's report into *ret; returns how many allocations the plan takes. */
static long report(const struct wfs_catalog *c, const struct wfs_view_options *options,
                   struct wfs_buf *ret)
{
    struct wfs_error err = {0};
    struct wfs_plan *p = NULL;
    allocations_left = MANY;
    int r = wfs_plan_view(c, options, &p, &err);
    long n = MANY - allocations_left;
    allocations_left = -1;
    if (r)
        fail_msg("%s: %d \"%s\" with all memory", options->name, r, err.message);
    wfs_plan_report_json(p, c, ret);
    wfs_plan_free(p);
    return n;
}

/* Each step-th allocation fails in turn, until there are no more. Returns how many there are. */
static long fail_each(const struct wfs_catalog *c, const struct wfs_view_options *options,
                      const struct wfs_buf *want, bool once, long step)
{
    for (long n = 0, left = 0; left == 0; n += step) {
        wfs_cleanup(wfs_buf_free) struct wfs_buf got = {0};
        struct wfs_error err = {0};
        struct wfs_plan *p = NULL;
        c->memo->convention = NULL; /* found anew */
        fail_once = once;
        allocations_left = n;
        int r = wfs_plan_view(c, options, &p, &err);
        left = allocations_left > 0;
        allocations_left = -1;
        if (r && (r != -ENOMEM || !err.message[0]))
            fail_msg("%s: %d \"%s\" where allocation %ld fails", options->name, r, err.message, n);
        if (!r)
            wfs_plan_report_json(p, c, &got);
        wfs_plan_free(p);
        if (!r && (got.len != want->len || memcmp(got.data, want->data, got.len) != 0))
            fail_msg("%s: another plan where allocation %ld fails:\n%s\nand not\n%s", options->name,
                     n, got.data, want->data);
        if (left)
            return n;
    }
    return 0;
}

/* Most allocations are the parser's, the same for all plans, and grow with the rules that there are: so
 * the number of trials is bounded, and no step divides what repeats. */
static void check(struct wfs_catalog *c, struct wfs_view_options options, long n_trials)
{
    wfs_cleanup(wfs_buf_free) struct wfs_buf want = {0};
    long step = report(c, &options, &want) / n_trials / 2 * 2 + 1;
    assert_true(want.len > 0);
    assert_true(fail_each(c, &options, &want, true, step) > 10);
    assert_true(fail_each(c, &options, &want, false, 10 * step) > 10);
}

/* ---- plans that ask much ----------------------------------------------------------------------- */

static struct wfs_catalog *attention(const char *above)
{
    struct wfs_catalog *c = new_catalog();
    char name[64];
    const struct {
        const char *last;
        uint32_t ndim;
        uint64_t shape[4];
    } tensors[] = {{"attn.in_proj_weight", 2, {24, 8}}, {"attn.in_proj_bias", 1, {24}},
                   {"attn.out_proj.weight", 2, {8, 8}}, {"attn.out_proj.bias", 1, {8}},
                   {"conv.weight", 4, {6, 6, 3, 3}},    {"conv.bias", 1, {6}},
                   {"rnn.weight_ih_l0", 2, {16, 8}},    {"rnn.weight_hh_l0", 2, {16, 4}},
                   {"head.weight", 2, {5, 8}}};
    for (size_t i = 0; i < WFS_ARRAY_SIZE(tensors); i++) {
        snprintf(name, sizeof(name), "%s%s", above, tensors[i].last);
        add(c, name, WFS_F32, tensors[i].ndim, tensors[i].shape);
    }
    return c;
}

static const char *const heads[] = {"heads=2", NULL};

static void test_plan_faults__layers(void **state)
{
    (void)state;
    struct wfs_catalog *c = attention("_orig_mod.");
    check(c, (struct wfs_view_options){.name = "linen", .set = heads}, 600);
    check(c, (struct wfs_view_options){.name = "keras"}, 120); /* its attention is refused */
    wfs_catalog_free(c);
}

static void test_plan_faults__a_template(void **state)
{
    (void)state;
    struct wfs_catalog *c = attention("");
    char path[64];
    strcpy(path,
           write_text(".json", "{\"net.attn.query.kernel\": [8, 2, 4], "
                               "\"net.Dense_0.kernel\": [8, 5], \"net.conv.kernel\": [3, 3, 6, 6], "
                               "\"net.conv.bias\": [6], \"net.gone.bias\": [1]}"));
    check(c, (struct wfs_view_options){.name = "linen", .template_path = path, .dtype = "float16"},
          120);
    unlink(path);
    wfs_catalog_free(c);
}

static void test_plan_faults__a_chain_from_another_convention(void **state)
{
    (void)state;
    struct wfs_catalog *c = new_catalog();
    ADD(c, "tok_embeddings.weight", 12, 8);
    ADD(c, "norm.weight", 8);
    ADD(c, "output.weight", 12, 8);
    ADD(c, "layers.0.attention_norm.weight", 8);
    ADD(c, "layers.0.attention.wq.weight", 8, 8);
    ADD(c, "layers.0.attention.wk.weight", 4, 8);
    ADD(c, "layers.0.attention.wv.weight", 4, 8);
    ADD(c, "layers.0.feed_forward.w1.weight", 6, 8);
    check(c, (struct wfs_view_options){.name = "flax", .set = heads}, 120);
    check(c, (struct wfs_view_options){.name = "x=~meta-llama+mlx", .set = heads}, 120);
    wfs_catalog_free(c);
}

static void test_plan_faults__rules_of_ones_own(void **state)
{
    (void)state;
    struct wfs_catalog *c = attention("");
    char path[64];
    strcpy(path, write_text(".map", "set own\nfrom torch\nto torch\ninvertible\n"
                                    "head.{w} -> top.{w}\n"
                                    "attn.in_proj_weight -> attn.{k:q|k|v} : split(k, 0)\n"));
    check(c, (struct wfs_view_options){.rules = path}, 120);
    check(c, (struct wfs_view_options){.name = "v=own+mlx", .rules = path}, 120);
    unlink(path);
    wfs_catalog_free(c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_plan_faults__layers),
        cmocka_unit_test(test_plan_faults__a_template),
        cmocka_unit_test(test_plan_faults__a_chain_from_another_convention),
        cmocka_unit_test(test_plan_faults__rules_of_ones_own),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
