/*
 * test_plan.c - plans over catalogs made by hand: what the sets for flax and torch do, templates,
 * inverses there and back, reports, and 100,000 tensors.
 */
#include "plan_fixture.h"

#include "mapping/chain/convention.h"

/* ---- flax and torch ------------------------------------------------------------------------ */

/* `views`: those that are shown where none is named, "" for none. */
static void expect_convention(struct wfs_catalog *c, const char *name, const char *views)
{
    struct wfs_error err = {0};
    for (int again = 0; again < 2; again++) { /* found, and kept */
        const char *got;
        char shown[64] = "";
        struct wfs_view_options options = {0};
        struct wfs_default_views found;
        assert_int_equal(wfs_convention_of(c, &got, &err), 0);
        assert_true(name ? got && strcmp(got, name) == 0 : !got);
        assert_int_equal(wfs_plan_default_views(c, &options, &found, &err), 0);
        for (uint32_t i = 0; i < found.n; i++) {
            strcat(shown, i ? " " : "");
            strcat(shown, found.plans[i]->view);
        }
        assert_string_equal(shown, views);
        wfs_default_views_free(&found);
    }
    wfs_catalog_free(c);
}

static void test_plan__convention_is_told_by_names(void **state)
{
    (void)state;
    expect_convention(bert(), "torch", "nnx"); /* whose names could be any model's */
    struct wfs_catalog *c = new_catalog();
    ADD(c, "layer.0.attention.self.query.weight", 2, 3);
    expect_convention(c, "torch", "flax");
    c = new_catalog();
    ADD(c, "dense.kernel", 2, 3);
    expect_convention(c, "flax", "torch");
    c = new_catalog();
    ADD(c, "token_embd.weight", 2, 3);
    ADD(c, "blk.0.attn_norm.weight", 3);
    ADD(c, "blk.0.attn_output.weight", 3, 3);
    expect_convention(c, "torch", "nnx"); /* three of six are not most */
    c = new_catalog();
    ADD(c, "token_embd.weight", 2, 3);
    ADD(c, "blk.0.attn_norm.weight", 3);
    ADD(c, "blk.0.attn_output.weight", 3, 3);
    ADD(c, "blk.0.ffn_up.weight", 3, 3);
    expect_convention(c, "gguf", ""); /* which architecture is not told */
    c = new_catalog();
    c->convention = "gguf"; /* a GGUF file */
    ADD(c, "token_embd.weight", 2, 3);
    ADD(c, "blk.0.ssm_in.weight", 3, 3);
    expect_convention(c, "gguf", "");
    c = new_catalog();
    c->convention = "gguf"; /* a GGUF file of PyTorch's names */
    ADD(c, "double_blocks.0.img_attn.qkv.weight", 3, 3);
    expect_convention(c, "torch", "nnx");
    c = new_catalog();
    ADD(c, "a.kernel", 2, 3);
    ADD(c, "b.weight", 2, 3);
    assert_true(wfs_convention_is_mixed(c));
    expect_convention(c, NULL, "");
    c = new_catalog();
    ADD(c, "a", 2, 3);
    expect_convention(c, NULL, "nnx");
}

/* What a set makes is known by its name: a view of it may be a source again. */
static void test_plan__every_set_makes_a_known_convention(void **state)
{
    (void)state;
    wfs_cleanup(wfs_arena_freep) struct wfs_arena *arena = wfs_arena_new();
    struct wfs_error err = {0};
    for (size_t i = 0; i < wfs_n_rule_texts; i++) {
        struct wfs_set *set;
        assert_int_equal(wfs_set_load(arena, wfs_rule_texts[i].name, NULL, &set, &err), 0);
        assert_true(!set->to || wfs_convention_find(set->to));
    }
}

/* Keys of a template are joined as all of them say, not as each does. */
static void test_plan__template_keys_tell_together_what_joins_them(void **state)
{
    (void)state;
    struct wfs_catalog *c = new_catalog();
    ADD(c, "a.b.w", 2, 3);
    ADD(c, "v.1.w", 2);
    struct wfs_plan *p =
        plan(c, (struct options){.rules = "set t\nmatch first\n{p:*} -> {p}\n",
                                 .template = "{\"a/b/w\": [2, 3], \"v.1/w\": [5]}"});
    assert_int_equal(p->n_targets, 2);
    assert_int_equal(find(p, "a.b.w")->status, WFS_MAPPED);
    assert_int_equal(p->n_by_status[WFS_MISSING], 1); /* "v.1" is one component */
    wfs_plan_free(p);
    p = plan(c, (struct options){.rules = "set t\nmatch first\n{p:*} -> {p}\n",
                                 .template = "{\"a.b.w\": [2, 3], \"v/1/w\": [5]}"});
    assert_non_null(strstr(find_entry(p, WFS_NOTE)->text, "nothing tells which"));
    done(c, p);
}

static void test_plan__flax_transposes_and_renames(void **state)
{
    (void)state;
    struct wfs_catalog *c = bert();
    struct wfs_plan *p = plan(c, (struct options){.view = "flax"});
    VALUES(find(p, "layer.0.dense.kernel"), 1000, 1003, 1001, 1004, 1002, 1005);
    assert_string_equal(find(p, "layer.0.dense.kernel")->operations, "transpose");
    find(p, "embeddings.word_embeddings.embedding");
    find(p, "layer.0.LayerNorm.scale");
    find(p, "norm.weight"); /* no bias beside it: a Llama-like norm */
    assert_string_equal(p->format_tag, "flax");
    assert_int_equal(p->n_by_status[WFS_MAPPED], 6);
    done(c, p);
}

static void test_plan__what_is_flax_already_is_left_alone(void **state)
{
    (void)state;
    struct wfs_catalog *c = new_catalog();
    ADD(c, "dense.kernel", 2, 3);
    struct wfs_plan *p = plan(c, (struct options){.view = "flax"});
    VALUES(find(p, "dense.kernel"), 0, 1, 2);
    assert_non_null(strstr(find_entry(p, WFS_NOTE)->text, "nothing is transposed again"));
    assert_string_equal(p->format_tag, "flax");
    done(c, p);
}

static void test_plan__mixed_conventions_are_in_doubt(void **state)
{
    (void)state;
    struct wfs_catalog *c = new_catalog();
    ADD(c, "a.kernel", 2, 3);
    ADD(c, "proj.weight", 2, 3);
    struct wfs_plan *p = plan(c, (struct options){.view = "flax"});
    assert_int_equal(p->n_by_status[WFS_AMBIGUOUS], 1);
    VALUES(find(p, "a.kernel"), 0, 1, 2);
    done(c, p);
}

static void test_plan__rounding_is_inexact(void **state)
{
    (void)state;
    struct wfs_catalog *c = new_catalog();
    ADD(c, "a", 2);
    ADD(c, "b", 2);
    ADD(c, "c", 2);
    struct wfs_plan *p = plan(c, (struct options){.rules = "a -> x : scale(0.3)\n"
                                                           "b -> y : scale(0.25)\n"
                                                           "c -> z : cast(float16)\n"});
    assert_int_equal(p->n_by_status[WFS_INEXACT], 2);
    done(c, p);
}

static void test_plan__a_chain_is_found_from_the_sources_convention(void **state)
{
    (void)state;
    struct wfs_catalog *c = new_catalog();
    ADD(c, "conv.kernel", 2, 2, 3, 4);
    struct wfs_plan *p = plan(c, (struct options){.view = "mlx"});
    assert_string_equal(p->chain, "torch+mlx");
    const uint64_t *shape = find(p, "conv.weight")->expr->shape;
    assert_int_equal(shape[0], 4);
    assert_int_equal(shape[1], 2);
    assert_int_equal(shape[3], 3);
    done(c, p);
}

static void test_plan__wrappers_are_taken_out(void **state)
{
    (void)state;
    struct wfs_catalog *c = new_catalog();
    ADD(c, "module._orig_mod.a._fsdp_wrapped_module.weight", 2, 3);
    ADD(c, "n_averaged", 1);
    struct wfs_plan *p = plan(c, (struct options){.view = "flax"});
    find(p, "a.kernel");
    assert_int_equal(p->n_by_status[WFS_DROPPED], 1);
    assert_true(p->n_by_status[WFS_RENAMED] >= 2);
    done(c, p);
}

static void test_plan__packed_modules_keep_names_and_bytes(void **state)
{
    (void)state;
    struct wfs_catalog *c = new_catalog();
    ADD(c, "q.weight", 2, 3);
    ADD(c, "q.weight.absmax", 2);
    ADD(c, "q.weight.quant_state.bitsandbytes__nf4", 2);
    ADD(c, "g.qweight", 2, 3);
    ADD(c, "g.qzeros", 2, 3);
    ADD(c, "s.weight", 2, 3);
    ADD(c, "s.weight_scale_inv", 1, 1);
    ADD(c, "f.weight", 2, 3);
    ADD(c, "f.weight_global_scale", 1);
    ADD(c, "plain.weight", 2, 3);
    struct wfs_plan *p = plan(c, (struct options){.view = "flax"});
    assert_int_equal(p->n_by_status[WFS_PACKED], 9);
    assert_int_equal(find(p, "q.weight")->status, WFS_PACKED);
    assert_int_equal(find(p, "s.weight")->status, WFS_PACKED);
    assert_int_equal(find(p, "plain.kernel")->status, WFS_MAPPED);
    done(c, p);
}

static void test_plan__dtype_casts_and_says_what_is_inexact(void **state)
{
    (void)state;
    struct wfs_catalog *c = bert();
    struct wfs_plan *p = plan(c, (struct options){.view = "flax", .dtype = "bfloat16"});
    assert_int_equal(find(p, "norm.weight")->expr->dtype, WFS_BF16);
    assert_int_equal(p->n_by_status[WFS_INEXACT], 6);
    wfs_plan_free(p);
    expect_refused(c, (struct options){.view = "flax", .dtype = "int8"}, "expected keep, float32");
    wfs_catalog_free(c);
}

/* ---- templates ----------------------------------------------------------------------------- */

static void test_plan__a_template_settles_names_prefix_and_shapes(void **state)
{
    (void)state;
    struct wfs_catalog *c = new_catalog();
    ADD(c, "norm.weight", 3);
    ADD(c, "head.dense.weight", 2, 3);
    ADD(c, "head.tok.weight", 2, 3);
    const char *template = "{\"params.m.norm.scale\": [3], \"params.m.head.dense.kernel\": [3, 5],"
                           " \"params.m.head.tok.embedding\": [2, 3], \"params.m.gone\": []}";
    struct wfs_plan *p = plan(c, (struct options){.view = "flax", .template = template});
    find(p, "params.m.norm.scale");
    assert_int_equal(find(p, "params.m.head.tok.embedding")->expr->shape[0], 2);
    assert_string_equal(find_entry(p, WFS_MISSING)->subject, "params.m.gone");
    assert_non_null(strstr(find_entry(p, WFS_SHAPE_MISMATCH)->text, "(3, 2) here, (3, 5)"));
    done(c, p);
}

static void test_plan__a_template_takes_what_no_rule_does(void **state)
{
    (void)state;
    struct wfs_catalog *c = new_catalog();
    ADD(c, "lin.weight", 2, 3);
    ADD(c, "moving", 4);
    ADD(c, "other", 4);
    struct wfs_plan *p =
        plan(c, (struct options){.rules = "lin.weight -> lin.kernel : transpose\n",
                                 .template = "{\"moving\": [4], \"lin.kernel\": [3, 2]}"});
    assert_int_equal(p->n_by_status[WFS_UNEXPECTED], 1);
    assert_string_equal(find_entry(p, WFS_UNEXPECTED)->subject, "other");
    assert_int_equal(p->n_entries, 1);
    done(c, p);
}

static void test_plan__what_a_set_of_a_chain_does_not_know_stays_unexpected(void **state)
{
    (void)state;
    struct wfs_catalog *c = new_catalog();
    ADD(c, "a.weight", 2, 3);
    ADD(c, "odd.weight", 2, 3);
    struct wfs_plan *p = plan(
        c, (struct options){.view = "t=s+mlx", .rules = "set s\nto torch\na.weight -> b.weight\n"});
    assert_int_equal(p->n_by_status[WFS_UNEXPECTED], 1);
    assert_int_equal(find(p, "odd.weight")->status, WFS_UNEXPECTED);
    done(c, p);
}

/* 224 modules of one size, of which the last fits the first and the last of the template's: the
 * trials end before the second is found. */
static void test_plan__a_pair_is_not_taken_where_trials_ran_out(void **state)
{
    (void)state;
    struct wfs_catalog *c = new_catalog();
    char template[8192] = "{", name[24];
    for (int i = 0; i < 224; i++) {
        size_t len = strlen(template);
        snprintf(name, sizeof(name), "s%03d.w", i);
        ADD(c, name, i < 223 ? 2 : 3, i < 223 ? 3 : 2);
        snprintf(template + len, sizeof(template) - len, "\"t%03d.w\": [%s]%s", i,
                 i % 223 ? "6, 1" : "3, 2", i < 223 ? ", " : "}");
    }
    struct wfs_plan *p = plan(c, (struct options){.rules = "{x}.w -> {x}.w", .template = template});
    assert_non_null(strstr(find_entry(p, WFS_AMBIGUOUS)->text, "among them"));
    assert_int_equal(p->n_by_status[WFS_RENAMED], 0);
    find(p, "s223.w");
    done(c, p);
}

static void test_plan__a_bad_template_is_refused(void **state)
{
    (void)state;
    struct wfs_catalog *c = bert();
    expect_refused(c, (struct options){.view = "flax", .template = "{\"a\": [1, -2]}"},
                   "a: expected sizes from 0 up");
    expect_refused(c, (struct options){.view = "flax", .template = "{\"a\": 3}"},
                   "expected a shape, as in [2, 3]");
    expect_refused(c, (struct options){.view = "flax", .template = "{\"a\": [1]"}, "no JSON");
    wfs_catalog_free(c);
}

/* ---- there and back ------------------------------------------------------------------------ */

/* A plan's targets as the catalog of the way back. */
static struct wfs_catalog *catalog_of(const struct wfs_plan *p)
{
    struct wfs_catalog *c = new_catalog();
    for (uint32_t i = 0; i < p->n_targets; i++) {
        struct wfs_error err = {0};
        struct wfs_tensor t = wfs_tensor_init(NULL, NULL);
        uint32_t index;
        t.name = wfs_path_join_dup(c->arena, p->targets[i].path, '.');
        t.path = wfs_arena_strdup(c->arena, p->targets[i].path);
        t.expr = p->targets[i].expr;
        assert_int_equal(wfs_catalog_add_tensor(c, &t, &index, &err), 0);
    }
    return c;
}

static void expect_same(const struct wfs_catalog *c, const struct wfs_plan *p)
{
    assert_int_equal(p->n_targets, c->n_tensors);
    for (uint32_t i = 0; i < c->n_tensors; i++) {
        const struct wfs_target *t = find(p, c->tensors[i].name);
        const struct wfs_expr *a = c->tensors[i].expr, *b = t->expr;
        assert_true(wfs_shape_equal(a->ndim, a->shape, b->ndim, b->shape));
        struct wfs_hash x = wfs_expr_hash(a), y = wfs_expr_hash(b);
        if (a->dtype == WFS_F32)
            assert_memory_equal(&x, &y, sizeof(x));
    }
}

static void test_plan__an_inverse_brings_everything_back(void **state)
{
    (void)state;
    const char *rules = "set s\ninvertible\nlet h = 2\n"
                        "{p:*}.q.{l:#}.weight -> {p}.blk.{l+1}.q : rope(h) transpose\n"
                        "{p:*}.e.{e:#}.w -> {p}.e : \"OI>IO\" stack(e, 1)\n"
                        "{p:*}.{k:x|y|z}.bias -> {p}.xyz : concat(k, 0, equal)\n"
                        "{p:*}.a : transpose & {p:*}.b -> {p}.ab : concat(0, 4, 8) flip(1)\n"
                        "g.{i:0-2}.{j:0-1} -> h.{2*i+j} : reshape(4, -1; 8)\n"
                        "u.{l:#} -> u.{l/2}.{l%2} : unsqueeze(0) pad(1, 1, 2)\n"
                        "fused -> f.{k:q|v} : gates(\"qv>vq\") split(k, 0)\n"
                        "stacked -> s.{i:#} : unstack(i, 0)\n"
                        "drop {p:*}.n : zeros(int64) for {p:*}.x.bias\n"
                        "fill filled : ones(float32, 2) if h == 2\n"
                        "inverse drop filled.too if rank == 1\n"
                        "c.{x} -> d.{x} : transpose if rank == 2\n";
    struct wfs_catalog *c = new_catalog();
    ADD(c, "c.two", 2, 3);
    ADD(c, "m.q.0.weight", 8, 3);
    ADD(c, "m.q.1.weight", 8, 3);
    ADD(c, "m.e.0.w", 2, 3);
    ADD(c, "m.e.1.w", 2, 3);
    ADD(c, "m.x.bias", 3);
    ADD(c, "m.y.bias", 3);
    ADD(c, "m.z.bias", 3);
    ADD(c, "m.a", 3, 4);
    ADD(c, "m.b", 8, 3);
    ADD(c, "fused", 4, 2);
    ADD(c, "stacked", 3, 2);
    add(c, "m.n", WFS_I64, 0, NULL);
    for (int i = 0; i < 6; i++) {
        char name[16];
        snprintf(name, sizeof(name), "g.%d.%d", i / 2, i % 2);
        ADD(c, name, 8);
    }
    for (int i = 0; i < 4; i++) {
        char name[16];
        snprintf(name, sizeof(name), "u.%d", i);
        ADD(c, name, 3);
    }
    struct wfs_plan *p = plan(c, (struct options){.rules = rules});
    struct wfs_catalog *b = catalog_of(p);
    ADD(b, "filled.too", 2);
    struct wfs_plan *back = plan(b, (struct options){.view = "~s", .rules = rules});
    assert_int_equal(back->n_by_status[WFS_AMBIGUOUS], 0);
    expect_same(c, back);
    done(b, back);
    done(c, p);
}

static void test_plan__what_does_not_come_back_is_reported(void **state)
{
    (void)state;
    struct wfs_catalog *c = new_catalog();
    ADD(c, "b.x", 2, 3);
    /* Two rules make this name; which it was depends on names that are gone. */
    struct wfs_plan *p = plan(c, (struct options){.view = "~s",
                                                  .rules = "set s\n"
                                                           "a.{x} -> b.{x} : transpose "
                                                           "if exists(gone)\n"
                                                           "c.{x} -> b.{x}\n"});
    assert_int_equal(p->n_by_status[WFS_AMBIGUOUS], 2);
    bool lost = false, doubted = false;
    for (uint32_t i = 0; i < p->n_entries; i++) {
        lost |= strstr(p->entries[i].text, "does not come back") != NULL;
        doubted |= strstr(p->entries[i].text, "it would be c.x") != NULL;
    }
    assert_true(lost && doubted);
    done(c, p);
}

/* ---- explain, reports ---------------------------------------------------------------------- */

static void test_plan__explain_says_which_rule_and_why(void **state)
{
    (void)state;
    struct wfs_catalog *c = bert();
    struct wfs_view_options options = {.name = "flax"};
    wfs_cleanup(wfs_buf_free) struct wfs_buf out = {0};
    struct wfs_error err = {0};
    assert_int_equal(wfs_plan_explain(c, &options, "layer.0.dense.weight", &out, &err), 0);
    assert_non_null(strstr(out.data, "its condition is false: rank == 1 (rank is 2)\n"));
    assert_non_null(strstr(out.data, "takes it"));
    assert_non_null(strstr(out.data, "would take it, but comes later"));
    assert_non_null(strstr(out.data, "pattern does not match: flax.map:"));
    assert_non_null(strstr(out.data, "-> layer.0.dense.kernel (mapped, flax.map:"));
    out.len = 0;
    assert_int_equal(wfs_plan_explain(c, &options, "layer.0.dense.kernel", &out, &err), 0);
    assert_int_equal(wfs_plan_explain(c, &options, "nothing", &out, &err), -ENOENT);
    wfs_catalog_free(c);
}

static void test_plan__keys_json_is_a_template(void **state)
{
    (void)state;
    struct wfs_catalog *c = bert();
    struct wfs_plan *p = plan(c, (struct options){.view = "flax"});
    wfs_cleanup(wfs_buf_free) struct wfs_buf keys = {0};
    wfs_plan_keys_json(p, &keys);
    wfs_plan_free(p);
    p = plan(c, (struct options){.view = "flax", .template = keys.data, .strict = true});
    assert_int_equal(p->n_by_status[WFS_MISSING], 0);
    done(c, p);
}

/* ---- many --------------------------------------------------------------------------------- */

static void test_plan__100000_tensors_are_planned(void **state)
{
    (void)state;
    struct wfs_catalog *c = new_catalog();
    for (int i = 0; i < 50000; i++) {
        char name[96];
        snprintf(name, sizeof(name), "model.layers.%d.mlp.experts.%d.down_proj.weight", i / 1000,
                 i % 1000);
        ADD(c, name, 4, 8);
        snprintf(name, sizeof(name), "model.layers.%d.mlp.experts.%d.down_proj.bias", i / 1000,
                 i % 1000);
        ADD(c, name, 4);
    }
    struct wfs_plan *p = plan(c, (struct options){.view = "flax"});
    assert_int_equal(p->n_targets, 100000);
    done(c, p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_plan__convention_is_told_by_names),
        cmocka_unit_test(test_plan__every_set_makes_a_known_convention),
        cmocka_unit_test(test_plan__template_keys_tell_together_what_joins_them),
        cmocka_unit_test(test_plan__flax_transposes_and_renames),
        cmocka_unit_test(test_plan__what_is_flax_already_is_left_alone),
        cmocka_unit_test(test_plan__mixed_conventions_are_in_doubt),
        cmocka_unit_test(test_plan__rounding_is_inexact),
        cmocka_unit_test(test_plan__a_chain_is_found_from_the_sources_convention),
        cmocka_unit_test(test_plan__wrappers_are_taken_out),
        cmocka_unit_test(test_plan__packed_modules_keep_names_and_bytes),
        cmocka_unit_test(test_plan__dtype_casts_and_says_what_is_inexact),
        cmocka_unit_test(test_plan__a_template_settles_names_prefix_and_shapes),
        cmocka_unit_test(test_plan__a_pair_is_not_taken_where_trials_ran_out),
        cmocka_unit_test(test_plan__a_bad_template_is_refused),
        cmocka_unit_test(test_plan__a_template_takes_what_no_rule_does),
        cmocka_unit_test(test_plan__what_a_set_of_a_chain_does_not_know_stays_unexpected),
        cmocka_unit_test(test_plan__an_inverse_brings_everything_back),
        cmocka_unit_test(test_plan__what_does_not_come_back_is_reported),
        cmocka_unit_test(test_plan__explain_says_which_rule_and_why),
        cmocka_unit_test(test_plan__keys_json_is_a_template),
        cmocka_unit_test(test_plan__100000_tensors_are_planned),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
