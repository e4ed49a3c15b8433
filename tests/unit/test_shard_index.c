/*
 * test_shard_index.c - indices, their shards, and the catalog of several files.
 */
#include "folder_fixture.h"

#include <fcntl.h>

/* ---- indices ------------------------------------------------------------------------------- */

static void test_index__refuses_what_it_should(void **state)
{
    struct scratch *s = *state;
    static const struct {
        const char *text, *part;
    } rows[] = {
        {"{\"weight_map\":{\"x\":\"/etc/passwd\"}}", "absolute"},
        {"{\"weight_map\":{\"x\":\"../a.safetensors\"}}", "out of the folder"},
        {"{\"weight_map\":{\"x\":\"sub/../a.safetensors\"}}", "out of the folder"},
        {"{\"weight_map\":{\"x\":\"..\"}}", "out of the folder"},
        {"{\"weight_map\":{\"x\":\"sub/..\"}}", "out of the folder"},
        {"{\"weight_map\":{\"x\":\"..\\\\a.safetensors\"}}", "out of the folder"},
        {"{\"weight_map\":{\"x\":\"\"}}", "empty"},
        {"{\"weight_map\":{\"x\":\"missing.safetensors\"}}", "missing.safetensors"},
        {"{\"weight_map\":{\"x\":\"a.safetensors\",\"x\":\"a.safetensors\"}}", "duplicate"},
        {"{\"weight_map\":{\"x\":1}}", "no text"},
        {"{\"weight_map\":[]}", "weight_map"},
        {"{\"weight_map\":{}}", "empty"},
        {"{}", "weight_map"},
        {"[]", "weight_map"},
        {"", "line 1"},
        {"{\"weight_map\":{\"x\":\"a.safetensors\"}", "line 1"},
        {"{\"weight_map\":{\"x\":\"a.safetensors\"}} y", "line 1"},
        {"{\"weight_map\":{\"\\u0000\":\"a.safetensors\"}}", "line 1"},
        {"{\"weight_map\":{\"x\":\"a\\u0000.safetensors\"}}", "line 1"},
        {"{\"weight_map\":{\"\xff\":\"a.safetensors\"}}", "line 1"},
        {"{\"weight_map\":{\"absent\":\"a.safetensors\"}}", "\"absent\" is not in its shard"},
        {"{\"weight_map\":{\"x\":\"b.safetensors\",\"y\":\"a.safetensors\"}}",
         "should be in b.safetensors but is in a.safetensors"},
        {"{\"weight_map\":{\"x\":\"a.safetensors\",\"y\":\"broken.safetensors\"}}",
         "broken.safetensors"},
        {"{\"weight_map\":{\"x\":\"a.safetensors\",\"z\":\"same.safetensors\"}}", "is in"},
    };
    weights(s, "a.safetensors", "x");
    weights(s, "sub/a.safetensors", "x");
    weights(s, "b.safetensors", "y");
    weights(s, "same.safetensors", "x");
    scratch_text(s, "broken.safetensors", "garbage garbage");
    for (size_t i = 0; i < WFS_ARRAY_SIZE(rows); i++) {
        scratch_text(s, "model.safetensors.index.json", rows[i].text);
        expect_refused(s, rows[i].part, "model.safetensors.index.json");
    }
}

static void test_index__refuses_deep_nesting(void **state)
{
    struct scratch *s = *state;
    char *text = malloc(20001);
    assert_non_null(text);
    memset(text, '[', 20000);
    text[20000] = '\0';
    scratch_text(s, "model.safetensors.index.json", text);
    free(text);
    expect_refused(s, "depth", "model.safetensors.index.json");
}

static void test_index__opens_alone_and_in_folders_below(void **state)
{
    struct scratch *s = *state;
    weights(s, "shards/a.safetensors", "x");
    scratch_text(s, "config.json", "{}");
    scratch_text(s, "my.index.json", "{\"weight_map\":{\"x\":\"shards/a.safetensors\"}}");
    struct wfs_catalog *c = open_ok_with(scratch_path(s, "my.index.json"), NULL);
    assert_int_equal(c->n_tensors, 1);
    assert_string_equal(c->files[0].name, "shards/a.safetensors");
    assert_true(has_side_file(c, "config.json"));
    assert_int_equal(c->n_side_files, 1);
    wfs_catalog_free(c);
}

static void test_index__reports_what_it_does_not_list(void **state)
{
    struct scratch *s = *state;
    scratch_safetensors(s, "a.safetensors", TWO("x", "extra.one"), 2);
    scratch_text(s, "model.safetensors.index.json",
                 "{\"metadata\":{\"total_size\":99},\"weight_map\":{\"x\":\"a.safetensors\"}}");
    struct wfs_catalog *c = open_ok(s);
    assert_int_equal(c->n_tensors, 2);
    expect_note(c, "model.safetensors.index.json", "extra.one");
    expect_note(c, "model.safetensors.index.json", "total_size");
    wfs_catalog_free(c);
}

/* ---- the catalog of several files ---------------------------------------------------------- */

static void test_catalog__has_the_strictest_mode_and_latest_time(void **state)
{
    struct scratch *s = *state;
    weights(s, "m-1-of-2.safetensors", "a");
    weights(s, "m-2-of-2.safetensors", "b");
    assert_int_equal(chmod(scratch_path(s, "m-1-of-2.safetensors"), 0754), 0);
    assert_int_equal(chmod(scratch_path(s, "m-2-of-2.safetensors"), 0640), 0);
    struct timespec times[2] = {{.tv_sec = 4000000000}, {.tv_sec = 4000000000, .tv_nsec = 5}};
    assert_int_equal(utimensat(AT_FDCWD, s->path, times, 0), 0);
    struct wfs_catalog *c = open_ok(s);
    assert_int_equal(c->mode, 0440);
    assert_int_equal(c->uid, getuid());
    assert_true(c->mtime_ns == INT64_C(4000000000) * 1000000000 + 5);
    struct wfs_catalog *again = open_ok(s);
    assert_memory_equal(&c->id, &again->id, sizeof(c->id));
    wfs_catalog_free(again);
    assert_int_equal(utimensat(AT_FDCWD, s->path, NULL, 0), 0);
    again = open_ok(s);
    assert_memory_not_equal(&c->id, &again->id, sizeof(c->id));
    wfs_catalog_free(again);
    wfs_catalog_free(c);
    if (getuid() != 0)
        return;
    /* Nobody sees more than in the source: the other owner had what everybody has. */
    assert_int_equal(chown(scratch_path(s, "m-2-of-2.safetensors"), 1, 1), 0);
    c = open_ok(s);
    assert_int_equal(c->mode, 0);
    wfs_catalog_free(c);
    assert_int_equal(chmod(scratch_path(s, "m-2-of-2.safetensors"), 0444), 0);
    c = open_ok(s);
    assert_int_equal(c->mode, 0444);
    wfs_catalog_free(c);
}

static void test_catalog__has_the_roots_it_is_told(void **state)
{
    struct scratch *s = *state;
    scratch_safetensors(s, "model.safetensors", TWO("ema.x", "emanate"), 2);
    const char *roots[] = {"ema", NULL};
    struct wfs_source_options options = {.roots = roots};
    struct wfs_catalog *c = open_ok_with(s->dir, &options);
    assert_int_equal(c->n_roots, 2);
    assert_true(c->roots[0].is_whole && !c->roots[0].is_chosen);
    assert_true(!c->roots[1].is_whole && c->roots[1].is_chosen);
    assert_string_equal(c->roots[1].path, "ema");
    assert_int_equal(wfs_catalog_find(c, "ema.x")->root, 1);
    assert_int_equal(wfs_catalog_find(c, "emanate")->root, 0);
    wfs_catalog_free(c);
    roots[0] = "em";
    expect_refused_with(s->dir, &options, "root=em", s->dir);
}

static void test_catalog__reports_metadata_that_differs(void **state)
{
    struct scratch *s = *state;
    scratch_safetensors(s, "m-1-of-2.safetensors",
                        "{\"__metadata__\":{\"format\":\"pt\",\"a\":\"1\"}}", 0);
    scratch_safetensors(s, "m-2-of-2.safetensors",
                        "{\"__metadata__\":{\"format\":\"pt\",\"a\":\"2\"}}", 0);
    struct wfs_catalog *c = open_ok(s);
    assert_int_equal(c->n_metadata, 2);
    assert_string_equal(c->metadata[1][1], "1");
    expect_note(c, "m-2-of-2.safetensors", "metadata \"a\"");
    wfs_catalog_free(c);
}

static void test_catalog__opens_the_test_data(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        uint32_t n_tensors, n_files;
    } data[] = {
        {"bert", 39, 1}, {"bert-sharded", 39, 3}, {"gpt2", 28, 1}, {"vit", 0, 1}, {"resnet", 0, 1}};
    const char *root = getenv("WEIGHTFS_TEST_DATA");
    for (size_t i = 0; i < WFS_ARRAY_SIZE(data); i++) {
        char path[512];
        snprintf(path, sizeof(path), "%s/%s", root ? root : "tests/data", data[i].name);
        struct wfs_catalog *c = open_ok_with(path, NULL);
        if (data[i].n_tensors)
            assert_int_equal(c->n_tensors, data[i].n_tensors);
        assert_int_equal(c->n_files, data[i].n_files);
        assert_string_equal(c->convention, "torch");
        assert_true(has_side_file(c, "config.json"));
        wfs_catalog_free(c);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_index__refuses_what_it_should),
        TEST(test_index__refuses_deep_nesting),
        TEST(test_index__opens_alone_and_in_folders_below),
        TEST(test_index__reports_what_it_does_not_list),
        TEST(test_catalog__has_the_strictest_mode_and_latest_time),
        TEST(test_catalog__has_the_roots_it_is_told),
        TEST(test_catalog__reports_metadata_that_differs),
        TEST(test_catalog__opens_the_test_data),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
