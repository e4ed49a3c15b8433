/*
 * test_directory.c - a model's folder as a source: which weights are chosen, links and special
 * files, and what is refused.
 */
#include "folder_fixture.h"

#include <sys/socket.h>
#include <sys/un.h>

/* ---- the choice ---------------------------------------------------------------------------- */

static void test_directory__takes_the_first_of_the_loaders_names(void **state)
{
    struct scratch *s = *state;
    /* From the last to the first: each new one wins over those before. */
    static const char *const names[] = {
        "consolidated.safetensors",
        "adapter_model.safetensors",
        "diffusion_pytorch_model.fp16.safetensors",
        "diffusion_pytorch_model.safetensors",
        "flax_model.msgpack",
        "pytorch_model.bin",
        "model.safetensors",
    };
    for (size_t i = 0; i < WFS_ARRAY_SIZE(names); i++) {
        /* The content is what decides the format. */
        weights(s, names[i], "t");
        struct wfs_catalog *c = open_ok(s);
        assert_int_equal(c->n_files, 1);
        assert_string_equal(c->files[0].name, names[i]);
        expect_note(c, "", names[i]);
        if (i)
            expect_note(c, "", "passed over");
        assert_int_equal(c->n_side_files, 0);
        wfs_catalog_free(c);
    }
}

static void test_directory__takes_an_index_after_the_whole_file(void **state)
{
    struct scratch *s = *state;
    weights(s, "model-00001-of-00002.safetensors", "a.b");
    weights(s, "model-00002-of-00002.safetensors", "c");
    weights(s, "pytorch_model.bin", "x");
    scratch_text(s, "model.safetensors.index.json",
                 "{\"metadata\":{\"total_size\":2},\"weight_map\":{"
                 "\"c\":\"model-00002-of-00002.safetensors\","
                 "\"a.b\":\"model-00001-of-00002.safetensors\"}}");
    struct wfs_catalog *c = open_ok(s);
    assert_int_equal(c->n_files, 2);
    assert_int_equal(c->n_tensors, 2);
    assert_string_equal(c->files[0].name, "model-00001-of-00002.safetensors");
    assert_int_equal(wfs_catalog_find(c, "c")->file, 1);
    assert_int_equal(c->whole_safetensors_file, WFS_NO_INDEX);
    expect_note(c, "", "passed over: pytorch_model.bin");
    assert_int_equal(c->n_notes, 2);
    wfs_catalog_free(c);
    weights(s, "model.safetensors", "w");
    c = open_ok(s);
    assert_int_equal(c->n_files, 1);
    assert_string_equal(c->tensors[0].name, "w");
    wfs_catalog_free(c);
}

static void test_directory__takes_the_only_weight_file(void **state)
{
    struct scratch *s = *state;
    weights(s, "mine.safetensors", "t");
    scratch_text(s, "tokenizer.bin", "words");
    scratch_text(s, "other.bin", "no checkpoint");
    scratch_text(s, "optimizer.pt", "state");
    scratch_text(s, "training_args.bin", "state");
    scratch_text(s, "tf_model.h5", "unread");
    struct wfs_catalog *c = open_ok(s);
    assert_string_equal(c->files[0].name, "mine.safetensors");
    expect_note(c, "", "optimizer.pt");
    expect_note(c, "", "tf_model.h5");
    assert_int_equal(c->n_side_files, 1);
    assert_true(has_side_file(c, "tokenizer.bin"));
    wfs_catalog_free(c);
}

static void test_directory__knows_weights_by_content(void **state)
{
    struct scratch *s = *state;
    weights(s, "blob", "t");
    scratch_text(s, "README", "text");
    struct wfs_catalog *c = open_ok(s);
    assert_string_equal(c->files[0].name, "blob");
    assert_int_equal(c->n_side_files, 1);
    wfs_catalog_free(c);
}

static void test_directory__takes_a_whole_set_without_index(void **state)
{
    struct scratch *s = *state;
    weights(s, "m-00001-of-00003.safetensors", "a");
    weights(s, "m-00002-of-00003.safetensors", "b");
    expect_refused(s, "2 of the 3", "m-00001-of-00003.safetensors");
    weights(s, "m-00004-of-00003.safetensors", "d");
    expect_refused(s, "not numbered", "m-00001-of-00003.safetensors");
    assert_int_equal(unlink(scratch_path(s, "m-00004-of-00003.safetensors")), 0);
    weights(s, "zero-00000-of-00002.safetensors", "z0");
    weights(s, "zero-00001-of-00002.safetensors", "z1");
    wfs_catalog_free(open_ok_with(s->dir, &(struct wfs_source_options){.weights = "zero*"}));
    assert_int_equal(unlink(scratch_path(s, "zero-00000-of-00002.safetensors")), 0);
    assert_int_equal(unlink(scratch_path(s, "zero-00001-of-00002.safetensors")), 0);
    weights(s, "m-00003-of-00003.safetensors", "c");
    struct wfs_catalog *c = open_ok(s);
    assert_int_equal(c->n_files, 3);
    assert_int_equal(c->n_tensors, 3);
    expect_note(c, "", "without an index");
    wfs_catalog_free(c);
}

static void test_directory__a_name_without_a_beginning_is_of_no_set(void **state)
{
    struct scratch *s = *state;
    weights(s, "00001-of-00002.safetensors", "a");
    struct wfs_catalog *c = open_ok(s);
    assert_int_equal(c->n_files, 1);
    assert_int_equal(c->n_tensors, 1);
    wfs_catalog_free(c);
}

static void test_directory__refuses_a_name_twice(void **state)
{
    struct scratch *s = *state;
    weights(s, "a.safetensors", "same.name");
    weights(s, "b.safetensors", "same.name");
    expect_refused(s, "same.name", "a.safetensors and in b.safetensors");
}

static void test_directory__never_guesses_between_checkpoints(void **state)
{
    struct scratch *s = *state;
    weights(s, "a.safetensors", "x");
    weights(s, "b.pt", "y");
    expect_refused(s, "a.safetensors, b.pt", "weights=");
    struct wfs_source_options options = {.weights = "*.pt"};
    struct wfs_catalog *c = open_ok_with(s->dir, &options);
    assert_string_equal(c->files[0].name, "b.pt");
    expect_note(c, "", "passed over: a.safetensors");
    wfs_catalog_free(c);
}

static void test_directory__takes_the_weights_it_is_told(void **state)
{
    struct scratch *s = *state;
    weights(s, "model.safetensors", "x");
    weights(s, "other[1].safetensors", "y");
    weights(s, "part/a.safetensors", "p");
    weights(s, "part/b.safetensors", "q");
    scratch_text(s, "part/config.json", "{}");
    scratch_text(s, "part/x.index.json", "{\"weight_map\":{\"p\":\"a.safetensors\"}}");
    struct wfs_source_options options = {.weights = "other*"};
    struct wfs_catalog *c = open_ok_with(s->dir, &options);
    assert_string_equal(c->tensors[0].name, "y");
    wfs_catalog_free(c);
    options.weights = "part/*.safetensors";
    c = open_ok_with(s->dir, &options);
    assert_int_equal(c->n_tensors, 2);
    assert_string_equal(c->config_path, scratch_path(s, "part/config.json"));
    assert_true(has_side_file(c, "config.json"));
    wfs_catalog_free(c);
    options.weights = "part/*.json";
    expect_refused_with(s->dir, &options, "matches an index", "x.index.json");
    options.weights = "part/*.index.json";
    c = open_ok_with(s->dir, &options);
    assert_int_equal(c->n_tensors, 1);
    wfs_catalog_free(c);
    options.weights = "nothing*";
    expect_refused_with(s->dir, &options, "nothing*", "model.safetensors");
    options.weights = "*";
    expect_refused_with(scratch_path(s, "model.safetensors"), &options, "is a file", "weights=");
}

static void test_directory__takes_a_folder_with_pattern_characters(void **state)
{
    struct scratch *s = *state;
    weights(s, "a[b]*c/x.safetensors", "t");
    struct wfs_source_options options = {.weights = "x.*"};
    struct wfs_catalog *c = open_ok_with(scratch_path(s, "a[b]*c"), &options);
    assert_string_equal(c->files[0].name, "x.safetensors");
    wfs_catalog_free(c);
}

static void test_directory__refuses_a_pipeline_with_its_models(void **state)
{
    struct scratch *s = *state;
    weights(s, "unet/diffusion_pytorch_model.safetensors", "x");
    weights(s, "vae/diffusion_pytorch_model.safetensors", "x");
    scratch_text(s, "scheduler/scheduler_config.json", "{}");
    scratch_text(s, "model_index.json", "{}");
    expect_refused(s, "(unet, vae)", "pipeline");
    struct wfs_source_options options = {.weights = "vae/*"};
    struct wfs_catalog *c = open_ok_with(s->dir, &options);
    assert_int_equal(c->n_tensors, 1);
    wfs_catalog_free(c);
}

static void test_directory__says_what_is_there_instead_of_weights(void **state)
{
    struct scratch *s = *state;
    expect_refused(s, "no weights in this folder", s->dir);
    scratch_text(s, "snapshots/x", "");
    expect_refused(s, "snapshots/REVISION", s->dir);
    scratch_text(s, "tf_model.h5", "x");
    expect_refused(s, "tf_model.h5", "no weights that weightfs reads");
    expect_refused_with(scratch_path(s, "absent"), NULL, "No such file", "absent");
}

static void test_directory__names_files_that_are_no_weights(void **state)
{
    struct scratch *s = *state;
    scratch_text(s, "model.safetensors",
                 "version https://git-lfs.github.com/spec/v1\noid sha256:0");
    expect_refused(s, "Git LFS pointer", "model.safetensors");
    scratch_text(s, "model.safetensors", "");
    expect_refused(s, "empty", "model.safetensors");
    scratch_text(s, "model.safetensors", "this is no checkpoint at all");
    expect_refused(s, "no safetensors file", "model.safetensors");
    unlink(scratch_path(s, "model.safetensors"));
    scratch_text(s, "model.pt", "this is no checkpoint at all");
    expect_refused(s, "no checkpoint format", "model.pt");
}

/* ---- links and special files --------------------------------------------------------------- */

static void test_directory__follows_the_links_of_the_hub_cache(void **state)
{
    struct scratch *s = *state;
    weights(s, "blobs/aaaa", "a");
    weights(s, "blobs/bbbb", "b");
    scratch_text(s, "blobs/cccc",
                 "{\"weight_map\":{\"a\":\"model-00001-of-00002.safetensors\","
                 "\"b\":\"model-00002-of-00002.safetensors\"}}");
    scratch_text(s, "blobs/dddd", "{\"model_type\":\"bert\"}");
    link_to(s, "../../blobs/aaaa", "snapshots/rev/model-00001-of-00002.safetensors");
    link_to(s, "../../blobs/bbbb", "snapshots/rev/model-00002-of-00002.safetensors");
    link_to(s, "../../blobs/cccc", "snapshots/rev/model.safetensors.index.json");
    link_to(s, "../../blobs/dddd", "snapshots/rev/config.json");
    link_to(s, "../../../blobs/dddd", "snapshots/rev/1_Pooling/config.json");
    struct wfs_catalog *c = open_ok_with(scratch_path(s, "snapshots/rev"), NULL);
    assert_int_equal(c->n_tensors, 2);
    assert_string_equal(c->config_path, scratch_path(s, "snapshots/rev/config.json"));
    assert_int_equal(c->n_side_files, 2);
    assert_true(has_side_file(c, "config.json"));
    assert_true(has_side_file(c, "1_Pooling/config.json"));
    wfs_catalog_free(c);
    /* And one file of it alone. */
    c = open_ok_with(scratch_path(s, "snapshots/rev/model-00001-of-00002.safetensors"), NULL);
    assert_int_equal(c->n_tensors, 1);
    assert_true(has_side_file(c, "config.json"));
    wfs_catalog_free(c);
}

static void test_directory__skips_special_files(void **state)
{
    struct scratch *s = *state;
    weights(s, "model.safetensors", "x");
    assert_int_equal(mkfifo(scratch_path(s, "pipe"), 0644), 0);
    assert_int_equal(mkfifo(scratch_path(s, "pipe.safetensors"), 0644), 0);
    link_to(s, "/dev/zero", "zero.json");
    link_to(s, "/nonexistent/file", "lost.json");
    int fd = socket(AF_UNIX, SOCK_STREAM, 0);
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    snprintf(address.sun_path, sizeof(address.sun_path), "%s/sock", s->dir);
    assert_int_equal(bind(fd, (struct sockaddr *)&address, sizeof(address)), 0);
    close(fd);
    struct wfs_catalog *c = open_ok(s);
    assert_int_equal(c->n_side_files, 0);
    expect_note(c, "pipe", "FIFO");
    expect_note(c, "pipe.safetensors", "FIFO");
    expect_note(c, "zero.json", "device");
    expect_note(c, "sock", "socket");
    expect_note(c, "lost.json", "leads nowhere");
    wfs_catalog_free(c);
}

static void test_directory__refuses_special_files_as_weights(void **state)
{
    struct scratch *s = *state;
    weights(s, "pytorch_model.bin", "x");
    assert_int_equal(mkfifo(scratch_path(s, "model.safetensors"), 0644), 0);
    expect_refused(s, "not a regular file", "model.safetensors");
    expect_refused_with(scratch_path(s, "model.safetensors"), NULL, "not a regular file", "");
    unlink(scratch_path(s, "model.safetensors"));
    link_to(s, "/dev/zero", "model.safetensors");
    expect_refused(s, "not a regular file", "model.safetensors");
    unlink(scratch_path(s, "model.safetensors"));
    link_to(s, "nowhere", "model.safetensors");
    expect_refused(s, "No such file", "model.safetensors");
    unlink(scratch_path(s, "model.safetensors"));
    assert_int_equal(mkfifo(scratch_path(s, "fifo.safetensors"), 0644), 0);
    scratch_text(s, "model.safetensors.index.json",
                 "{\"weight_map\":{\"x\":\"fifo.safetensors\"}}");
    expect_refused(s, "not a regular file", "fifo.safetensors");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_directory__takes_the_first_of_the_loaders_names),
        TEST(test_directory__takes_an_index_after_the_whole_file),
        TEST(test_directory__takes_the_only_weight_file),
        TEST(test_directory__knows_weights_by_content),
        TEST(test_directory__takes_a_whole_set_without_index),
        TEST(test_directory__a_name_without_a_beginning_is_of_no_set),
        TEST(test_directory__refuses_a_name_twice),
        TEST(test_directory__never_guesses_between_checkpoints),
        TEST(test_directory__takes_the_weights_it_is_told),
        TEST(test_directory__takes_a_folder_with_pattern_characters),
        TEST(test_directory__refuses_a_pipeline_with_its_models),
        TEST(test_directory__says_what_is_there_instead_of_weights),
        TEST(test_directory__names_files_that_are_no_weights),
        TEST(test_directory__follows_the_links_of_the_hub_cache),
        TEST(test_directory__skips_special_files),
        TEST(test_directory__refuses_special_files_as_weights),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
