/*
 * test_roles.c - what weights are taken for, by biases, norms, siblings, names, the user; and the
 * values that views make of them. Elements count up in the order of the source.
 */
#include "plan_fixture.h"

#include "mapping/roles/words.h"

static void expect_role(const struct wfs_plan *p, const char *name, const char *role)
{
    if (strcmp(find(p, name)->role, role) != 0)
        fail_msg("%s is taken for \"%s\"", name, find(p, name)->role);
}

static void expect_operations(const struct wfs_plan *p, const char *name, const char *operations)
{
    assert_string_equal(find(p, name)->operations, operations);
}

/* c_attn of a GPT-2 block is proved by its bias, square c_proj follows its sibling, q_proj in
 * another module does not. */
static void test_roles__a_bias_tells_which_axis_is_out(void **state)
{
    (void)state;
    struct wfs_catalog *c = new_catalog();
    ADD(c, "h.0.attn.c_attn.weight", 2, 6);
    ADD(c, "h.0.attn.c_attn.bias", 6);
    ADD(c, "h.0.attn.c_proj.weight", 2, 2);
    ADD(c, "h.0.attn.c_proj.bias", 2);
    ADD(c, "other.fc1.weight", 5, 2);
    ADD(c, "other.fc1.bias", 5);
    ADD(c, "other.fc2.weight", 2, 2);
    ADD(c, "other.fc2.bias", 2);
    struct wfs_plan *p = plan(c, (struct options){.view = "nnx", .strict = true});
    expect_role(p, "h.0.attn.c_attn.kernel", "dense_io");
    expect_operations(p, "h.0.attn.c_attn.kernel", "");
    VALUES(find(p, "h.0.attn.c_proj.kernel"), 2000, 2001, 2002, 2003);
    VALUES(find(p, "other.fc2.kernel"), 6000, 6002, 6001, 6003);
    expect_role(p, "other.fc1.kernel", "dense");
    wfs_plan_free(p);
    p = plan(c, (struct options){.view = "mlx", .strict = true});
    VALUES(find(p, "h.0.attn.c_proj.weight"), 2000, 2002, 2001, 2003);
    VALUES(find(p, "other.fc2.weight"), 6000, 6001, 6002, 6003);
    done(c, p);
}

static void test_roles__a_bias_of_neither_size_is_a_doubt(void **state)
{
    (void)state;
    struct wfs_catalog *c = new_catalog();
    ADD(c, "fc.weight", 4, 2);
    ADD(c, "fc.bias", 3);
    struct wfs_plan *p = plan(c, (struct options){.view = "nnx"});
    assert_int_equal(p->n_by_status[WFS_AMBIGUOUS], 1);
    expect_role(p, "fc.weight", "doubtful");
    done(c, p);
}

static void test_roles__embeddings_by_name_unless_shapes_speak_against_it(void **state)
{
    (void)state;
    struct wfs_catalog *c = new_catalog();
    ADD(c, "gpt.embed_in.weight", 7, 2);
    ADD(c, "emb_g.weight", 9, 2);
    ADD(c, "embed_tokens.base_layer.weight", 9, 2);
    ADD(c, "embedding_projection.weight", 3, 2);
    ADD(c, "patch_embedding.weight", 2, 12);
    ADD(c, "token_embedding.weight", 2, 9);
    ADD(c, "text.embedding.weight", 5, 2);
    ADD(c, "text.embedding.bias", 5);
    ADD(c, "norm.weight", 2);
    struct wfs_plan *p = plan(c, (struct options){.view = "nnx"});
    VALUES(find(p, "gpt.embed_in.embedding"), 0, 1, 2, 3);
    expect_role(p, "emb_g.embedding", "embedding");
    expect_role(p, "embed_tokens.base_layer.embedding", "embedding");
    expect_role(p, "embedding_projection.kernel", "dense");
    expect_role(p, "patch_embedding.kernel", "dense_or_embedding");
    expect_role(p, "token_embedding.kernel", "dense_or_embedding");
    expect_role(p, "text.embedding.kernel", "dense");
    assert_int_equal(p->n_by_status[WFS_AMBIGUOUS], 2);
    done(c, p);
}

static void test_roles__the_user_says_and_shapes_are_noted(void **state)
{
    (void)state;
    struct wfs_catalog *c = new_catalog();
    ADD(c, "a.0.x.weight", 4, 2);
    ADD(c, "a.1.x.weight", 4, 2);
    ADD(c, "fc.weight", 4, 2);
    ADD(c, "fc.bias", 4);
    struct options o = {.view = "nnx",
                        .set = {"role.a.{n}.x=embedding", "role.fc.weight=dense_io"}};
    struct wfs_plan *p = plan(c, o);
    VALUES(find(p, "a.1.x.embedding"), 1000, 1001, 1002, 1003);
    expect_role(p, "fc.kernel", "dense_io");
    assert_int_equal(p->n_by_status[WFS_AMBIGUOUS], 0);
    assert_non_null(strstr(find_entry(p, WFS_NOTE)->text, "speaks against it"));
    o.set[0] = "role.a.{n}.x=tensor";
    expect_refused(c, o, "no such role");
    done(c, p);
}

static void test_roles__stacked_layers_keep_their_axes(void **state)
{
    (void)state;
    static const char *const views[] = {"nnx", "mlx", "flax"};
    struct wfs_catalog *c = new_catalog();
    ADD(c, "moe.input_linear.weight", 3, 4, 20);
    ADD(c, "experts.weight", 3, 4, 20);
    ADD(c, "codebooks_head.weight", 3, 20, 40);
    ADD(c, "conv.weight", 3, 4, 20);
    for (size_t i = 0; i < WFS_ARRAY_SIZE(views); i++) {
        struct wfs_plan *p = plan(c, (struct options){.view = views[i], .strict = true});
        VALUES(find(p, "moe.input_linear.weight"), 0, 1, 2, 3);
        expect_operations(p, "experts.weight", "");
        expect_role(p, "codebooks_head.weight", "stacked");
        wfs_plan_free(p);
    }
    done(c, plan(c, (struct options){.view = "mlx"}));
}

static void test_roles__what_may_be_bilinear_is_a_doubt(void **state)
{
    (void)state;
    struct wfs_catalog *c = new_catalog();
    ADD(c, "score.weight", 2, 20, 20);
    ADD(c, "score.bias", 2);
    ADD(c, "norm.weight", 20);
    struct wfs_plan *p = plan(c, (struct options){.view = "nnx"});
    assert_int_equal(p->n_by_status[WFS_AMBIGUOUS], 1);
    expect_operations(p, "score.weight", "");
    done(c, p);
}

/* fc's column c * 2 + s becomes row s * 2 + c. */
static void test_roles__flattened_convolutions_are_reordered(void **state)
{
    (void)state;
    struct wfs_catalog *c = new_catalog();
    ADD(c, "conv.weight", 2, 1, 3);
    ADD(c, "conv.bias", 2);
    ADD(c, "fc.weight", 1, 6);
    ADD(c, "fc.bias", 1);
    struct wfs_plan *p = plan(c, (struct options){.view = "nnx", .strict = true});
    VALUES(find(p, "fc.kernel"), 2000, 2003, 2001, 2004, 2002, 2005);
    wfs_plan_free(p);
    p = plan(c, (struct options){.view = "mlx", .strict = true});
    VALUES(find(p, "fc.weight"), 2000, 2003, 2001, 2004, 2002, 2005);
    wfs_plan_free(p);
    p = plan(c, (struct options){.view = "mlx", .set = {"flatten.fc=false"}});
    VALUES(find(p, "fc.weight"), 2000, 2001, 2002, 2003, 2004, 2005);
    expect_refused(c, (struct options){.view = "mlx", .set = {"flatten.fc=4x1x1"}}, "divides");
    done(c, p);
}

/* A sentence's convolutions of several widths, the greatest value of each channel side by side; and the
 * mean beside the deviation: columns of which no order is known. */
static void test_roles__pooled_results_side_by_side_are_a_doubt(void **state)
{
    (void)state;
    struct wfs_catalog *c = new_catalog();
    ADD(c, "embedding.weight", 9, 3);
    ADD(c, "convs.0.weight", 4, 3, 2);
    ADD(c, "convs.0.bias", 4);
    ADD(c, "convs.1.weight", 4, 3, 5);
    ADD(c, "convs.1.bias", 4);
    ADD(c, "fc.weight", 2, 8);
    ADD(c, "fc.bias", 2);
    struct wfs_plan *p = plan(c, (struct options){.view = "nnx"});
    assert_int_equal(p->n_by_status[WFS_AMBIGUOUS], 1);
    VALUES(find(p, "fc.kernel"), 5000, 5008, 5001, 5009);
    wfs_plan_free(p);
    p = plan(c, (struct options){.view = "nnx", .set = {"flatten.fc=4x2"}, .strict = true});
    VALUES(find(p, "fc.kernel"), 5000, 5008, 5002, 5010);
    done(c, p);
    c = new_catalog();
    ADD(c, "tdnn.weight", 4, 3, 5);
    ADD(c, "tdnn.bias", 4);
    ADD(c, "fc.weight", 2, 8);
    ADD(c, "fc.bias", 2);
    p = plan(c, (struct options){.view = "nnx"});
    assert_int_equal(p->n_by_status[WFS_AMBIGUOUS], 1);
    done(c, p);
}

static void test_roles__what_is_not_settled_of_a_flattening_is_a_doubt(void **state)
{
    (void)state;
    struct wfs_catalog *c = new_catalog();
    ADD(c, "0.weight", 4, 1, 3, 3);
    ADD(c, "0.bias", 4);
    ADD(c, "2.weight", 5, 24);
    ADD(c, "2.bias", 5);
    struct wfs_plan *p = plan(c, (struct options){.view = "nnx"});
    assert_int_equal(p->n_by_status[WFS_AMBIGUOUS], 1);
    wfs_plan_free(p);
    p = plan(c, (struct options){.view = "nnx", .set = {"flatten.2=4x3x2"}, .strict = true});
    VALUES(find(p, "2.kernel"), 2000, 2024, 2048, 2072);
    done(c, p);
}

static void test_roles__pooled_channels_and_tokens_are_left_alone(void **state)
{
    (void)state;
    struct wfs_catalog *c = new_catalog();
    ADD(c, "patch.conv.weight", 4, 1, 3, 3);
    ADD(c, "patch.conv.bias", 4);
    ADD(c, "norm.weight", 4);
    ADD(c, "norm.bias", 4);
    ADD(c, "head.weight", 5, 4);
    ADD(c, "head.bias", 5);
    ADD(c, "merger.fc.weight", 6, 16);
    ADD(c, "merger.fc.bias", 6);
    struct wfs_plan *p = plan(c, (struct options){.view = "nnx", .strict = true});
    expect_operations(p, "head.kernel", "transpose");
    expect_operations(p, "merger.fc.kernel", "transpose");
    done(c, p);
}

/* In front of a transposed convolution row c * 4 + s becomes column s * 2 + c, of the bias as well. */
static void test_roles__layers_in_front_of_convolutions_are_reordered(void **state)
{
    (void)state;
    struct wfs_catalog *c = new_catalog();
    ADD(c, "fc.weight", 8, 1);
    ADD(c, "fc.bias", 8);
    ADD(c, "deconv.0.weight", 2, 3, 4, 4);
    ADD(c, "deconv.0.bias", 3);
    struct wfs_plan *p = plan(c, (struct options){.view = "nnx", .strict = true});
    expect_role(p, "fc.kernel", "unflattened");
    VALUES(find(p, "fc.kernel"), 0, 4, 1, 5);
    VALUES(find(p, "fc.bias"), 1000, 1004, 1001, 1005);
    wfs_plan_free(p);
    p = plan(c, (struct options){.view = "mlx", .strict = true});
    VALUES(find(p, "fc.weight"), 0, 4, 1, 5);
    VALUES(find(p, "fc.bias"), 1000, 1004, 1001, 1005);
    wfs_plan_free(p);
    p = plan(c, (struct options){.view = "keras", .strict = true});
    VALUES(find(p, "fc.vars.1"), 1000, 1004, 1001, 1005);
    wfs_plan_free(p);
    p = plan(c, (struct options){.view = "mlx", .set = {"unflatten.fc=false"}});
    VALUES(find(p, "fc.bias"), 1000, 1001, 1002, 1003);
    expect_refused(c, (struct options){.view = "mlx", .set = {"unflatten.fc=3x1x1"}}, "divides");
    done(c, p);
}

/* A variational autoencoder: the encoder's last and the decoder's first channels are the same. */
static void test_roles__what_is_not_settled_in_front_is_a_doubt(void **state)
{
    (void)state;
    struct wfs_catalog *c = new_catalog();
    ADD(c, "encoder.0.weight", 4, 1, 3, 3);
    ADD(c, "encoder.0.bias", 4);
    ADD(c, "encoder.1.weight", 6, 4, 3, 3);
    ADD(c, "encoder.1.bias", 6);
    ADD(c, "fc_mu.weight", 5, 24);
    ADD(c, "fc_mu.bias", 5);
    ADD(c, "decoder_input.weight", 24, 5);
    ADD(c, "decoder_input.bias", 24);
    ADD(c, "decoder.0.weight", 6, 4, 3, 3);
    ADD(c, "decoder.0.bias", 4);
    struct wfs_plan *p = plan(c, (struct options){.view = "nnx"});
    expect_role(p, "fc_mu.kernel", "dense_or_flattened");
    expect_role(p, "decoder_input.kernel", "dense_or_unflattened");
    assert_int_equal(p->n_by_status[WFS_AMBIGUOUS], 3);
    wfs_plan_free(p);
    p = plan(c, (struct options){.view = "nnx",
                                 .set = {"flatten.fc_mu=6x2x2", "unflatten.decoder_input=6x2x2"},
                                 .strict = true});
    VALUES(find(p, "decoder_input.bias"), 7000, 7004, 7008, 7012);
    done(c, p);
}

/* Classes behind pooled channels, and layers of a block, are in front of nothing. */
static void test_roles__heads_are_in_front_of_nothing(void **state)
{
    (void)state;
    struct wfs_catalog *c = new_catalog();
    ADD(c, "conv1.weight", 8, 3, 3, 3);
    ADD(c, "conv1.bias", 8);
    ADD(c, "conv2.weight", 16, 8, 3, 3);
    ADD(c, "conv2.bias", 16);
    ADD(c, "fc.weight", 192, 16);
    ADD(c, "fc.bias", 192);
    struct wfs_plan *p = plan(c, (struct options){.view = "nnx", .strict = true});
    expect_operations(p, "fc.kernel", "transpose");
    done(c, p);
}

/* 16 channels are pooled, though four of eight would be as many: conv2 hands none on. */
static void test_roles__the_last_convolution_tells_what_was_pooled(void **state)
{
    (void)state;
    struct wfs_catalog *c = new_catalog();
    ADD(c, "layer1.conv1.weight", 4, 3, 3, 3);
    ADD(c, "layer1.conv2.weight", 16, 4, 3, 3);
    ADD(c, "fc.weight", 5, 16);
    ADD(c, "fc.bias", 5);
    struct wfs_plan *p = plan(c, (struct options){.view = "nnx", .strict = true});
    expect_operations(p, "fc.kernel", "transpose");
    done(c, p);
    c = new_catalog();
    ADD(c, "layer1.conv1.weight", 16, 3, 3, 3);
    ADD(c, "layer1.conv2.weight", 4, 16, 3, 3);
    ADD(c, "fc.weight", 5, 16);
    ADD(c, "fc.bias", 5);
    p = plan(c, (struct options){.view = "nnx"});
    expect_role(p, "fc.kernel", "dense_or_flattened");
    done(c, p);
}

static void test_roles__one_input_for_each_output_may_be_depthwise(void **state)
{
    (void)state;
    struct wfs_catalog *c = new_catalog();
    ADD(c, "conv.weight", 3, 1, 2);
    struct options o = {.view = "keras"};
    struct wfs_plan *p = plan(c, o);
    assert_int_equal(p->n_by_status[WFS_AMBIGUOUS], 1);
    expect_role(p, "conv.vars.0", "convolution_or_depthwise");
    wfs_plan_free(p);
    o.set[0] = "role.conv=depthwise";
    o.strict = true;
    p = plan(c, o);
    VALUES(find(p, "conv.vars.0"), 0, 2, 4, 1);
    assert_int_equal(find(p, "conv.vars.0")->expr->shape[1], 3);
    wfs_plan_free(p);
    p = plan(c, (struct options){.view = "nnx", .set = {"role.conv=transposed"}, .strict = true});
    VALUES(find(p, "conv.kernel"), 1, 3, 5, 0);
    done(c, p);
}

static void test_roles__stacked_norms_tell_scanned_layers(void **state)
{
    (void)state;
    struct wfs_catalog *c = new_catalog();
    ADD(c, "layers.wi.kernel", 3, 2, 4);
    ADD(c, "layers.norm.scale", 3, 2);
    ADD(c, "stem.conv.kernel", 3, 2, 4);
    struct wfs_plan *p = plan(c, (struct options){.view = "torch"});
    VALUES(find(p, "layers.wi.weight"), 0, 1, 2, 3);
    assert_int_equal(p->n_by_status[WFS_AMBIGUOUS], 1);
    done(c, p);
}

static void test_roles__names_of_modules(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        enum wfs_word_hint hint;
    } rows[] = {{"a\xff"
                 "embed_out\xffweight",
                 WFS_HINT_DENSE},
                {"w2\xffweight", WFS_HINT_DENSE},
                {"Wqkv\xffweight", WFS_HINT_DENSE},
                {"HashBucketCodepointEmbedder_0\xffweight", WFS_HINT_WEAK_EMBEDDING},
                {"context_embedder\xffweight", WFS_HINT_WEAK_EMBEDDING},
                {"time_proj\xffweight", WFS_HINT_WEAK_DENSE},
                {"emb\xff"
                 "0\xffweight",
                 WFS_HINT_EMBEDDING},
                {"query_feat\xffweight", WFS_HINT_NONE},
                {"input_embeds_layer\xffweight", WFS_HINT_WEAK_EMBEDDING},
                {"weight", WFS_HINT_NONE},
                {"0\xffweight", WFS_HINT_NONE}};
    for (size_t i = 0; i < WFS_ARRAY_SIZE(rows); i++)
        assert_int_equal(wfs_word_hint(rows[i].name), rows[i].hint);
}

/* CTRL's table is called w, which no name tells. */
static void test_roles__the_table_knows_an_architecture(void **state)
{
    (void)state;
    struct wfs_catalog *c = new_catalog();
    ADD(c, "transformer.w.weight", 7, 2);
    ADD(c, "transformer.ww.weight", 7, 2);
    struct options o = {.view = "nnx", .set = {"model_type=ctrl"}};
    struct wfs_plan *p = plan(c, o);
    VALUES(find(p, "transformer.w.embedding"), 0, 1, 2, 3);
    expect_role(p, "transformer.ww.kernel", "dense_or_embedding");
    wfs_plan_free(p);
    o.set[1] = "architectures=off";
    p = plan(c, o);
    expect_role(p, "transformer.w.kernel", "dense_or_embedding");
    o.set[1] = "architectures=1";
    expect_refused(c, o, "expected off or a file");
    done(c, p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_roles__a_bias_tells_which_axis_is_out),
        cmocka_unit_test(test_roles__a_bias_of_neither_size_is_a_doubt),
        cmocka_unit_test(test_roles__embeddings_by_name_unless_shapes_speak_against_it),
        cmocka_unit_test(test_roles__the_user_says_and_shapes_are_noted),
        cmocka_unit_test(test_roles__stacked_layers_keep_their_axes),
        cmocka_unit_test(test_roles__what_may_be_bilinear_is_a_doubt),
        cmocka_unit_test(test_roles__flattened_convolutions_are_reordered),
        cmocka_unit_test(test_roles__pooled_results_side_by_side_are_a_doubt),
        cmocka_unit_test(test_roles__what_is_not_settled_of_a_flattening_is_a_doubt),
        cmocka_unit_test(test_roles__pooled_channels_and_tokens_are_left_alone),
        cmocka_unit_test(test_roles__layers_in_front_of_convolutions_are_reordered),
        cmocka_unit_test(test_roles__what_is_not_settled_in_front_is_a_doubt),
        cmocka_unit_test(test_roles__heads_are_in_front_of_nothing),
        cmocka_unit_test(test_roles__the_last_convolution_tells_what_was_pooled),
        cmocka_unit_test(test_roles__one_input_for_each_output_may_be_depthwise),
        cmocka_unit_test(test_roles__stacked_norms_tell_scanned_layers),
        cmocka_unit_test(test_roles__names_of_modules),
        cmocka_unit_test(test_roles__the_table_knows_an_architecture),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
