/*
 * test_api.c - the public library: it is linked as programs link it, and nothing but weightfs.h is
 * included.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "weightfs.h"

#define ROWS 2
#define COLS 3

static char dir[] = "/tmp/wfs-api-XXXXXX";
static char source[64], rules_option[96];
static struct wfs_failure why;

#define assert_done(call)                                                                          \
    do {                                                                                           \
        if ((call) != 0)                                                                           \
            fail_msg("%s: %s", #call, why.message);                                                \
    } while (0)

/* enc.weight[i][j] = 10 i + j; enc.bias = {100, 101} */
static void write_source(void)
{
    static const char header[] =
        "{\"enc.weight\":{\"dtype\":\"F32\",\"shape\":[2,3],\"data_offsets\":[0,24]},"
        "\"enc.bias\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[24,32]}}";
    static const float values[] = {0, 1, 2, 10, 11, 12, 100, 101};
    uint64_t len = sizeof(header) - 1;
    FILE *f = fopen(source, "wb");
    assert_non_null(f);
    fwrite(&len, sizeof(len), 1, f); /* the tests' machines are little-endian */
    fwrite(header, 1, len, f);
    fwrite(values, sizeof(values), 1, f);
    fclose(f);
}

static int set_up(void **state)
{
    char path[64];
    (void)state;
    if (!mkdtemp(dir))
        return -1;
    snprintf(source, sizeof(source), "%s/m.safetensors", dir);
    snprintf(path, sizeof(path), "%s/t.map", dir);
    snprintf(rules_option, sizeof(rules_option), "rules=%s", path);
    write_source();
    FILE *f = fopen(path, "w");
    if (!f)
        return -1;
    fputs("set t\ntarget sep \"/\"\nenc.weight -> dense.kernel : transpose\n"
          "enc.bias -> dense.bias\n",
          f);
    return fclose(f);
}

static int tear_down(void **state)
{
    char command[96];
    (void)state;
    snprintf(command, sizeof(command), "rm -r %s", dir);
    return system(command);
}

static struct wfs_checkpoint *open_with(const char *first, const char *second)
{
    const char *options[] = {first, second, NULL};
    struct wfs_checkpoint *checkpoint = NULL;
    assert_done(wfs_checkpoint_open(source, options, &checkpoint, &why));
    return checkpoint;
}

static struct wfs_checkpoint *open_view(void)
{
    return open_with("view=t", rules_option);
}

static struct wfs_checkpoint_tensor describe(struct wfs_checkpoint *checkpoint, const char *name)
{
    struct wfs_checkpoint_tensor tensor = {.struct_size = sizeof(tensor)};
    uint32_t i;
    assert_done(wfs_checkpoint_find_tensor(checkpoint, name, &i, &why));
    assert_done(wfs_checkpoint_tensor(checkpoint, i, &tensor, &why));
    return tensor;
}

/* ---- tensors ------------------------------------------------------------------------------- */

static void test_api__the_source_as_it_is(void **state)
{
    (void)state;
    struct wfs_checkpoint *checkpoint = NULL;
    assert_done(wfs_checkpoint_open(source, NULL, &checkpoint, &why));
    assert_int_equal(wfs_checkpoint_n_tensors(checkpoint), 2);
    struct wfs_checkpoint_tensor tensor = describe(checkpoint, "enc.weight");
    assert_string_equal(tensor.name, "enc.weight");
    assert_string_equal(tensor.dtype, "float32");
    assert_int_equal(tensor.ndim, 2);
    assert_int_equal(tensor.shape[0], ROWS);
    assert_int_equal(tensor.shape[1], COLS);
    assert_int_equal(tensor.size_bytes, 24);
    assert_int_equal(tensor.n_sources, 1);
    assert_string_equal(tensor.sources[0], "enc.weight");
    assert_string_equal(tensor.operations, "");
    wfs_checkpoint_close(checkpoint);
}

static void test_api__a_view_has_names_layouts_and_sources(void **state)
{
    (void)state;
    struct wfs_checkpoint *checkpoint = open_view();
    struct wfs_checkpoint_tensor tensor = describe(checkpoint, "dense/kernel");
    float values[COLS * ROWS];
    uint32_t i;
    assert_int_equal(tensor.shape[0], COLS);
    assert_int_equal(tensor.shape[1], ROWS);
    assert_string_equal(tensor.sources[0], "enc.weight");
    assert_string_equal(tensor.operations, "transpose");
    assert_done(wfs_checkpoint_find_tensor(checkpoint, "dense/kernel", &i, &why));
    assert_done(wfs_checkpoint_read_tensor(checkpoint, i, values, sizeof(values), 0, &why));
    for (int row = 0; row < COLS; row++)
        for (int col = 0; col < ROWS; col++)
            assert_true(values[row * ROWS + col] == (float)(10 * col + row));
    wfs_checkpoint_close(checkpoint);
}

static void test_api__every_range_of_a_tensor_is_its_bytes(void **state)
{
    (void)state;
    struct wfs_checkpoint *checkpoint = open_view();
    unsigned char whole[24], part[24];
    uint32_t i;
    assert_done(wfs_checkpoint_find_tensor(checkpoint, "dense/kernel", &i, &why));
    assert_done(wfs_checkpoint_read_tensor(checkpoint, i, whole, sizeof(whole), 0, &why));
    for (size_t off = 0; off <= sizeof(whole); off++)
        for (size_t len = 0; len <= sizeof(whole) - off; len++) {
            assert_done(wfs_checkpoint_read_tensor(checkpoint, i, part, len, off, &why));
            assert_memory_equal(part, whole + off, len);
        }
    assert_int_equal(wfs_checkpoint_read_tensor(checkpoint, i, part, 2, 23, &why), -ERANGE);
    assert_int_equal(wfs_checkpoint_read_tensor(checkpoint, i, part, 0, 25, &why), -ERANGE);
    assert_int_equal(wfs_checkpoint_read_tensor(checkpoint, i, part, 1, UINT64_MAX, &why), -ERANGE);
    assert_int_equal(wfs_checkpoint_read_tensor(checkpoint, 2, part, 1, 0, &why), -ERANGE);
    wfs_checkpoint_close(checkpoint);
}

static void test_api__what_is_not_there_is_said(void **state)
{
    (void)state;
    struct wfs_checkpoint *checkpoint = open_view();
    struct wfs_checkpoint_tensor tensor = {.struct_size = sizeof(tensor)};
    uint32_t i = 77;
    assert_int_equal(wfs_checkpoint_find_tensor(checkpoint, "enc.weight", &i, &why), -ENOENT);
    assert_int_equal(why.code, ENOENT);
    assert_non_null(strstr(why.message, "enc.weight"));
    assert_int_equal(i, 77);
    assert_int_equal(wfs_checkpoint_find_tensor(checkpoint, "x", &i, NULL), -ENOENT);
    assert_int_equal(wfs_checkpoint_tensor(checkpoint, 2, &tensor, &why), -ERANGE);
    wfs_checkpoint_close(checkpoint);
    wfs_checkpoint_close(NULL);
}

/* A program that was compiled with a shorter or a longer struct than the library's. */
static void test_api__descriptions_are_as_long_as_the_caller_says(void **state)
{
    (void)state;
    struct wfs_checkpoint *checkpoint = open_view();
    struct {
        struct wfs_checkpoint_tensor tensor;
        char more[32];
    } longer;
    struct wfs_checkpoint_tensor shorter;
    memset(&shorter, 0x5a, sizeof(shorter));
    shorter.struct_size = offsetof(struct wfs_checkpoint_tensor, dtype);
    assert_done(wfs_checkpoint_tensor(checkpoint, 0, &shorter, &why));
    assert_string_equal(shorter.name, "dense/bias");
    for (size_t i = shorter.struct_size; i < sizeof(shorter); i++)
        assert_int_equal(((unsigned char *)&shorter)[i], 0x5a);
    memset(&longer, 0x5a, sizeof(longer));
    longer.tensor.struct_size = sizeof(longer);
    assert_done(wfs_checkpoint_tensor(checkpoint, 0, &longer.tensor, &why));
    assert_int_equal(longer.tensor.struct_size, sizeof(longer));
    assert_string_equal(longer.tensor.operations, "");
    for (size_t i = 0; i < sizeof(longer.more); i++)
        assert_int_equal(longer.more[i], 0);
    shorter.struct_size = 0;
    assert_int_equal(wfs_checkpoint_tensor(checkpoint, 0, &shorter, &why), -EINVAL);
    wfs_checkpoint_close(checkpoint);
}

/* ---- options ------------------------------------------------------------------------------- */

static void test_api__options_that_are_none_are_refused(void **state)
{
    (void)state;
    static const char *const cases[][3] = {
        {"veiw=flax", NULL, "veiw=flax: no such option"},
        {"view", NULL, "view: a value is expected"},
        {"view=", NULL, "view=: a value is expected"},
        {"shards=1x", NULL, "shards=1x: a number of bytes"},
        {"shards=-1", NULL, "shards=-1: a number of bytes"},
        {"memory=0", NULL, "memory=0: a number of bytes"},
        {"format=csv", NULL, "format=csv: npy or raw"},
        {"files=model.safetensors,gguff", NULL, "files=gguff: there is no such loader file"},
        {"dtype=float16", NULL, "dtype=float16: it is of a view"},
        {"dtype=float16", "view=source", "dtype=float16: it is of a view"},
        {"match=x", "view=flax", "match=x: no such option"},
        {"view=no-such-view", NULL, "no-such-view"},
        {"view=flax", "dtype=int3", "int3"},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        const char *options[] = {cases[i][0], cases[i][1], NULL};
        struct wfs_checkpoint *checkpoint = NULL;
        if (wfs_checkpoint_open(source, options, &checkpoint, &why) != -EINVAL)
            fail_msg("%s: %s", cases[i][0], why.message);
        if (!strstr(why.message, cases[i][2]))
            fail_msg("\"%s\" is not in \"%s\"", cases[i][2], why.message);
        assert_null(checkpoint);
    }
}

static void test_api__a_source_that_is_not_there_is_said(void **state)
{
    (void)state;
    struct wfs_checkpoint *checkpoint = NULL;
    assert_int_equal(wfs_checkpoint_open("/no/such/file", NULL, &checkpoint, &why), -ENOENT);
    assert_non_null(strstr(why.message, "/no/such/file"));
    assert_int_equal(wfs_checkpoint_open("/no/such/file", NULL, &checkpoint, NULL), -ENOENT);
    assert_null(checkpoint);
}

static void test_api__options_do_what_they_say(void **state)
{
    (void)state;
    struct wfs_checkpoint *checkpoint = open_with("files=npz,torch", "format=raw");
    uint32_t node;
    assert_done(wfs_checkpoint_find_node(checkpoint, "source/tensors.npz", &node, &why));
    assert_done(wfs_checkpoint_find_node(checkpoint, "source/pytorch_model.bin", &node, &why));
    assert_int_equal(wfs_checkpoint_find_node(checkpoint, "source/model.safetensors", &node, &why),
                     -ENOENT);
    assert_done(
        wfs_checkpoint_find_node(checkpoint, "source/tensors/enc/bias.float32.raw", &node, &why));
    wfs_checkpoint_close(checkpoint);
}

/* ---- the tree ------------------------------------------------------------------------------ */

static uint64_t read_whole(struct wfs_checkpoint *checkpoint, uint32_t node, char *buf, size_t len)
{
    struct wfs_checkpoint_file *file;
    uint64_t off = 0;
    size_t n;
    assert_done(wfs_checkpoint_open_file(checkpoint, node, &file, &why));
    do {
        assert_done(wfs_checkpoint_file_read(file, buf + off, len - off, off, &n, &why));
        off += n;
    } while (n > 0);
    wfs_checkpoint_file_close(file);
    return off;
}

/* Reads every file below; returns how many there are. */
static unsigned walk(struct wfs_checkpoint *checkpoint, uint32_t node)
{
    struct wfs_checkpoint_node n = {.struct_size = sizeof(n)};
    static char buf[1 << 20];
    unsigned n_files = 0;
    assert_done(wfs_checkpoint_node(checkpoint, node, &n, &why));
    if (!n.is_directory) {
        assert_true(n.size_bytes < sizeof(buf));
        assert_int_equal(read_whole(checkpoint, node, buf, sizeof(buf)), n.size_bytes);
        return 1;
    }
    for (uint32_t i = 0; i < n.n_children; i++) {
        uint32_t child;
        assert_done(wfs_checkpoint_child(checkpoint, node, i, &child, &why));
        n_files += walk(checkpoint, child);
    }
    return n_files;
}

static void test_api__the_tree_is_that_of_a_mount(void **state)
{
    (void)state;
    struct wfs_checkpoint *checkpoint = open_view();
    struct wfs_checkpoint_node n = {.struct_size = sizeof(n)};
    struct wfs_checkpoint_file *file = NULL;
    uint32_t root, node;
    char bytes[4096];
    assert_done(wfs_checkpoint_find_node(checkpoint, "", &root, &why));
    assert_true(walk(checkpoint, root) > 10);
    assert_done(wfs_checkpoint_find_node(checkpoint, "t/tensors/dense/kernel.npy", &node, &why));
    assert_done(wfs_checkpoint_node(checkpoint, node, &n, &why));
    assert_string_equal(n.name, "kernel.npy");
    assert_false(n.is_directory);
    assert_int_equal(n.size_bytes, 128 + 24);
    assert_int_equal(read_whole(checkpoint, node, bytes, sizeof(bytes)), 128 + 24);
    assert_memory_equal(bytes, "\x93NUMPY", 6);
    assert_int_equal(wfs_checkpoint_child(checkpoint, node, 0, &root, &why), -ENOTDIR);
    assert_int_equal(wfs_checkpoint_find_node(checkpoint, "t/x", &node, &why), -ENOENT);
    assert_done(wfs_checkpoint_find_node(checkpoint, "t/tensors", &node, &why));
    assert_int_equal(wfs_checkpoint_child(checkpoint, node, 1, &root, &why), -ERANGE);
    assert_int_equal(wfs_checkpoint_open_file(checkpoint, node, &file, &why), -EISDIR);
    assert_int_equal(wfs_checkpoint_open_file(checkpoint, UINT32_MAX, &file, &why), -ERANGE);
    assert_int_equal(wfs_checkpoint_node(checkpoint, UINT32_MAX, &n, &why), -ERANGE);
    assert_null(file);
    wfs_checkpoint_file_close(NULL);
    wfs_checkpoint_close(checkpoint);
}

static void test_api__warnings_say_what_no_rule_explains(void **state)
{
    (void)state;
    char path[64], option[96];
    struct wfs_checkpoint *checkpoint = open_view();
    assert_string_equal(wfs_checkpoint_warnings(checkpoint), "");
    wfs_checkpoint_close(checkpoint);
    snprintf(path, sizeof(path), "%s/part.map", dir);
    snprintf(option, sizeof(option), "rules=%s", path);
    FILE *f = fopen(path, "w");
    assert_non_null(f);
    fputs("set part\nenc.weight -> dense.kernel\n", f);
    fclose(f);
    checkpoint = open_with("view=part", option);
    assert_non_null(strstr(wfs_checkpoint_warnings(checkpoint), "view part: 1 unexpected"));
    wfs_checkpoint_close(checkpoint);
}

/* ---- threads ------------------------------------------------------------------------------- */

static void *read_often(void *checkpoint_void)
{
    struct wfs_checkpoint *checkpoint = checkpoint_void;
    static const float wanted[] = {0, 10, 1, 11, 2, 12};
    uint32_t i, node;
    for (int n = 0; n < 200; n++) {
        float values[6];
        struct wfs_checkpoint_node description = {.struct_size = sizeof(description)};
        if (wfs_checkpoint_find_tensor(checkpoint, "dense/kernel", &i, NULL) ||
            wfs_checkpoint_read_tensor(checkpoint, i, values, sizeof(values), 0, NULL) ||
            memcmp(values, wanted, sizeof(values)) != 0 ||
            wfs_checkpoint_find_node(checkpoint, "t/model.safetensors", &node, NULL) ||
            wfs_checkpoint_node(checkpoint, node, &description, NULL))
            return checkpoint;
    }
    return NULL;
}

static void test_api__threads_share_a_checkpoint(void **state)
{
    (void)state;
    struct wfs_checkpoint *checkpoint = open_view();
    pthread_t threads[4];
    for (int i = 0; i < 4; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, read_often, checkpoint), 0);
    for (int i = 0; i < 4; i++) {
        void *failed;
        pthread_join(threads[i], &failed);
        assert_null(failed);
    }
    wfs_checkpoint_close(checkpoint);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_api__the_source_as_it_is),
        cmocka_unit_test(test_api__a_view_has_names_layouts_and_sources),
        cmocka_unit_test(test_api__every_range_of_a_tensor_is_its_bytes),
        cmocka_unit_test(test_api__what_is_not_there_is_said),
        cmocka_unit_test(test_api__descriptions_are_as_long_as_the_caller_says),
        cmocka_unit_test(test_api__options_that_are_none_are_refused),
        cmocka_unit_test(test_api__a_source_that_is_not_there_is_said),
        cmocka_unit_test(test_api__options_do_what_they_say),
        cmocka_unit_test(test_api__the_tree_is_that_of_a_mount),
        cmocka_unit_test(test_api__warnings_say_what_no_rule_explains),
        cmocka_unit_test(test_api__threads_share_a_checkpoint),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
