/*
 * test_directory.c - a model's folder as a source: which weights are chosen, indices and their
 * shards, what passes through, and what is refused.
 */
#include "source_fixture.h"

#include <sys/socket.h>
#include <fcntl.h>
#include <sys/un.h>

#define ONE(name) "{\"" name "\":{\"dtype\":\"U8\",\"shape\":[1],\"data_offsets\":[0,1]}}"
#define TWO(a, b)                                                                                  \
    "{\"" a "\":{\"dtype\":\"U8\",\"shape\":[1],\"data_offsets\":[0,1]},\"" b                      \
    "\":{\"dtype\":\"U8\",\"shape\":[1],\"data_offsets\":[1,2]}}"

static int setup(void **state)
{
    static struct scratch s;
    scratch_make(&s);
    *state = &s;
    return 0;
}

static int teardown(void **state)
{
    scratch_remove(*state);
    return 0;
}

static void weights(struct scratch *s, const char *name, const char *tensor)
{
    char header[256];
    snprintf(header, sizeof(header),
             "{\"%s\":{\"dtype\":\"U8\",\"shape\":[1],\"data_offsets\":[0,1]}}", tensor);
    scratch_safetensors(s, name, header, 1);
}

static struct wfs_catalog *open_ok_with(const char *path, const struct wfs_source_options *options)
{
    struct wfs_error err = {0};
    struct wfs_catalog *c = NULL;
    if (wfs_catalog_open(path, options, &c, &err))
        fail_msg("%s: %s", path, err.message);
    return c;
}

static struct wfs_catalog *open_ok(struct scratch *s)
{
    return open_ok_with(s->dir, NULL);
}

static void expect_refused_with(const char *path, const struct wfs_source_options *options,
                                const char *part, const char *other_part)
{
    struct wfs_error err = {0};
    struct wfs_catalog *c = NULL;
    int r = wfs_catalog_open(path, options, &c, &err);
    assert_true(r < 0);
    assert_int_equal(r, -err.code);
    assert_null(c);
    if (!strstr(err.message, part) || !strstr(err.message, other_part))
        fail_msg("\"%s\" and \"%s\" expected: %s", part, other_part, err.message);
}

static void expect_refused(struct scratch *s, const char *part, const char *other_part)
{
    expect_refused_with(s->dir, NULL, part, other_part);
}

static void expect_note(const struct wfs_catalog *c, const char *subject, const char *part)
{
    for (uint32_t i = 0; i < c->n_notes; i++)
        if (strcmp(c->notes[i].subject, subject) == 0 && strstr(c->notes[i].text, part))
            return;
    fail_msg("no note of \"%s\" says \"%s\"", subject, part);
}

static bool has_side_file(const struct wfs_catalog *c, const char *name)
{
    for (uint32_t i = 0; i < c->n_side_files; i++)
        if (strcmp(c->side_files[i].name, name) == 0)
            return true;
    return false;
}

/* ---- the choice
 * ------------------------------------------------------------------------------------ */

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
    weights(s, "m-00003-of-00003.safetensors", "c");
    struct wfs_catalog *c = open_ok(s);
    assert_int_equal(c->n_files, 3);
    assert_int_equal(c->n_tensors, 3);
    expect_note(c, "", "without an index");
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

/* ---- links and special files
 * ------------------------------------------------------------------------- */

static void link_to(struct scratch *s, const char *target, const char *name)
{
    scratch_text(s, name, "");
    unlink(scratch_path(s, name));
    assert_int_equal(symlink(target, s->path), 0);
}

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

/* ---- indices
 * -----------------------------------------------------------------------------------------------
 */

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

/* ---- what passes through
 * ------------------------------------------------------------------------------------ */

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

/* ---- the catalog of several files
 * ---------------------------------------------------------------------------- */

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
        assert_int_equal(c->convention, WFS_CONVENTION_TORCH);
        assert_true(has_side_file(c, "config.json"));
        wfs_catalog_free(c);
    }
}

#define TEST(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_directory__takes_the_first_of_the_loaders_names),
        TEST(test_directory__takes_an_index_after_the_whole_file),
        TEST(test_directory__takes_the_only_weight_file),
        TEST(test_directory__knows_weights_by_content),
        TEST(test_directory__takes_a_whole_set_without_index),
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
        TEST(test_index__refuses_what_it_should),
        TEST(test_index__refuses_deep_nesting),
        TEST(test_index__opens_alone_and_in_folders_below),
        TEST(test_index__reports_what_it_does_not_list),
        TEST(test_side_files__pass_unless_they_hold_weights),
        TEST(test_side_files__are_bounded),
        TEST(test_side_files__of_a_file_are_its_config),
        TEST(test_catalog__has_the_strictest_mode_and_latest_time),
        TEST(test_catalog__has_the_roots_it_is_told),
        TEST(test_catalog__reports_metadata_that_differs),
        TEST(test_catalog__opens_the_test_data),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
