/*
 * test_side_files.c - what passes through into the views, and what never does.
 */
#include "folder_fixture.h"

/* ---- what passes through ------------------------------------------------------------------- */

static void test_side_files__pass_unless_they_hold_weights(void **state)
{
    struct scratch *s = *state;
    static const char *const pass[] = {"config.json",           "tokenizer.json",  "vocab.txt",
                                       "1_Pooling/config.json", "a/b/c/notes",     "spiece.model",
                                       ".gitattributes",        "onnx/config.json"};
    static const char *const stay[] = {
        "pytorch_model.bin",
        "tf_model.h5",
        "flax_model.msgpack",
        "rust_model.ot",
        "model.gguf",
        "onnx/model.onnx",
        "onnx/model.onnx_data",
        "x.ckpt",
        "pytorch_model.bin.index.json",
        "model.safetensors.index.fp16.json",
        "sub/model.safetensors.index.json",
        "sub/training_args.bin",
        "model.ckpt.index",
        "model.ckpt.data-00000-of-00001",
        ".git/config",
        ".cache/huggingface/x",
        "MODEL.PTH",
        "arrays.npz",
        "__0_0.distcp",
        ".metadata",
    };
    weights(s, "model.safetensors", "x");
    for (size_t i = 0; i < WFS_ARRAY_SIZE(pass); i++)
        scratch_text(s, pass[i], "text");
    for (size_t i = 0; i < WFS_ARRAY_SIZE(stay); i++)
        scratch_text(s, stay[i], "text");
    /* By content, whatever the name. */
    weights(s, "sub/innocent.txt", "x");
    scratch_text(s, "hdf5", "\x89HDF\r\n\x1a\nrest");
    scratch_text(s, "gg", "GGUF....");
    scratch_write(s, "npy", "\x93NUMPY\1\0", 8);
    scratch_write(s, "legacy", "\x80\x02\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19\x2e", 15);
    scratch_write(s, "zip",
                  "PK\3\4\24\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\x0a\0\0\0x/data.pkl", 40);
    struct wfs_catalog *c = open_ok(s);
    for (size_t i = 0; i < WFS_ARRAY_SIZE(pass); i++)
        if (!has_side_file(c, pass[i]))
            fail_msg("%s does not pass through", pass[i]);
    if (c->n_side_files != WFS_ARRAY_SIZE(pass))
        for (uint32_t i = 0; i < c->n_side_files; i++)
            print_error("passed: %s\n", c->side_files[i].name);
    assert_int_equal(c->n_side_files, WFS_ARRAY_SIZE(pass));
    expect_note(c, "sub/innocent.txt", "holds weights");
    expect_note(c, "onnx/model.onnx", "holds weights");
    expect_note(c, "zip", "holds weights");
    const struct wfs_side_file *side = &c->side_files[0];
    struct stat st;
    assert_int_equal(stat(side->path, &st), 0);
    assert_int_equal(side->identity.ino, st.st_ino);
    assert_int_equal(side->identity.size_bytes, 4);
    assert_int_equal(side->mode, st.st_mode);
    wfs_catalog_free(c);
}

static void test_side_files__are_bounded(void **state)
{
    struct scratch *s = *state;
    weights(s, "model.safetensors", "x");
    scratch_text(s, "1/2/3/4/5/6/7/seen", "");
    scratch_text(s, "1/2/3/4/5/6/7/8/unseen", "");
    link_to(s, "..", "sub/up");
    link_to(s, "sub", "again");
    scratch_text(s, "sub/file", "");
    struct wfs_catalog *c = open_ok(s);
    assert_true(has_side_file(c, "1/2/3/4/5/6/7/seen"));
    assert_false(has_side_file(c, "1/2/3/4/5/6/7/8/unseen"));
    assert_true(has_side_file(c, "sub/file"));
    assert_true(has_side_file(c, "again/file"));
    assert_int_equal(c->n_side_files, 3);
    expect_note(c, "1/2/3/4/5/6/7/8", "deeper");
    expect_note(c, "sub/up", "leads back up");
    wfs_catalog_free(c);
    for (int i = 0; i < 10010; i++) {
        char name[32];
        snprintf(name, sizeof(name), "many/%d", i);
        scratch_text(s, name, "");
    }
    c = open_ok(s);
    assert_int_equal(c->n_side_files, 10000);
    expect_note(c, "", "more than 10000");
    wfs_catalog_free(c);
}

/* Each folder leads to the next by twenty names: 20^6 ways to one file. */
static void test_side_files__links_to_links_are_bounded(void **state)
{
    struct scratch *s = *state;
    weights(s, "model.safetensors", "x");
    for (int level = 0; level < 6; level++)
        for (int i = 0; i < 20; i++) {
            char name[32], target[32];
            snprintf(name, sizeof(name), "d%d/l%d", level, i);
            snprintf(target, sizeof(target), "../d%d", level + 1);
            link_to(s, target, name);
        }
    scratch_text(s, "d6/file", "");
    struct wfs_catalog *c = open_ok(s);
    expect_note(c, "", "more than ");
    wfs_catalog_free(c);
}

static void test_side_files__of_a_file_are_its_config(void **state)
{
    struct scratch *s = *state;
    weights(s, "x.safetensors", "x");
    scratch_text(s, "private.txt", "");
    struct wfs_catalog *c = open_ok_with(scratch_path(s, "x.safetensors"), NULL);
    assert_int_equal(c->n_side_files, 0);
    assert_null(c->config_path);
    wfs_catalog_free(c);
    scratch_text(s, "params.json", "{}");
    c = open_ok_with(scratch_path(s, "x.safetensors"), NULL);
    assert_string_equal(c->config_path, scratch_path(s, "params.json"));
    wfs_catalog_free(c);
    scratch_text(s, "config.json", "{}");
    c = open_ok_with(scratch_path(s, "x.safetensors"), NULL);
    assert_string_equal(c->config_path, scratch_path(s, "config.json"));
    assert_int_equal(c->n_side_files, 1);
    assert_string_equal(c->side_files[0].name, "config.json");
    wfs_catalog_free(c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_side_files__pass_unless_they_hold_weights),
        TEST(test_side_files__are_bounded),
        TEST(test_side_files__links_to_links_are_bounded),
        TEST(test_side_files__of_a_file_are_its_config),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
