/*
 * test_tree.c - sessions and trees: hostile names, collisions, attributes, passed-through files,
 * the bytes of what is opened.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tree/tree.h"

static char dir[] = "/tmp/wfs-tree-XXXXXX";

static const char *in_dir(const char *name)
{
    static char path[256];
    snprintf(path, sizeof(path), "%s/%s", dir, name);
    return path;
}

/* A safetensors file of one-element F32 tensors: names are JSON strings without quotes. */
static void write_safetensors(const char *file, const char *const *names, size_t n)
{
    struct wfs_buf header = {0};
    for (size_t i = 0; i < n; i++)
        wfs_buf_printf(&header,
                       "%s\"%s\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[%zu,%zu]}",
                       i ? "," : "{", names[i], 4 * i, 4 * i + 4);
    wfs_buf_char(&header, '}');
    uint8_t length[8];
    wfs_store_u64le(length, header.len);
    FILE *f = fopen(in_dir(file), "wb");
    assert_non_null(f);
    fwrite(length, 1, 8, f);
    fwrite(header.data, 1, header.len, f);
    for (size_t i = 0; i < n; i++) {
        float v = (float)i;
        fwrite(&v, 1, sizeof(v), f);
    }
    fclose(f);
    wfs_buf_free(&header);
}

static struct wfs_session *open_session(const char *source, enum wfs_tensor_format format)
{
    struct wfs_session *session = NULL;
    struct wfs_error err = {0};
    struct wfs_session_options options = {
        .source = source, .format = format, .uid = (uid_t)-1, .gid = (gid_t)-1};
    if (wfs_session_open(&options, &session, &err))
        fail_msg("%s", err.message);
    return session;
}

/* The last four bytes of the file at path, as the float they are. */
static float value_at(struct wfs_session *session, const char *path)
{
    uint32_t node = 0;
    struct wfs_error err = {0};
    struct wfs_open *open = NULL;
    struct stat st;
    float v = 0;
    size_t n = 0;
    int r = wfs_tree_resolve(session->tree, path, &node, &err);
    if (!r)
        r = wfs_open_node(session, node, &open, &err);
    if (!r)
        r = wfs_open_read(open, &v, sizeof(v), wfs_open_size_bytes(open) - sizeof(v), NULL, &n,
                          &err);
    if (r)
        fail_msg("%s: %s", path, err.message);
    assert_int_equal(n, sizeof(v));
    assert_int_equal(wfs_tree_stat(session->tree, node, &st), 0);
    assert_int_equal(st.st_size, wfs_open_size_bytes(open));
    assert_int_equal(st.st_blocks, (st.st_size + 511) / 512);
    wfs_open_free(open);
    return v;
}

static void test_tree__hostile_names_are_shown_escaped(void **state)
{
    (void)state;
    static const char *const names[] = {"a.weight",      "..", "x/../../etc", "nul\\u0000b",
                                        "ctl\\u001b[1m", "",   "a..b",        "50%"};
    write_safetensors("hostile.safetensors", names, WFS_ARRAY_SIZE(names));
    struct wfs_session *s = open_session(in_dir("hostile.safetensors"), WFS_FORMAT_NPY);
    assert_true(value_at(s, "/source/tensors/a/weight.npy") == 0);
    assert_true(value_at(s, "source/tensors/%/%/%.npy") == 1); /* "..": three empty components */
    assert_true(value_at(s, "source/tensors/x%2F/%/%2F/%/%2Fetc.npy") == 2);
    assert_true(value_at(s, "source/tensors/nul%00b.npy") == 3);
    assert_true(value_at(s, "source/tensors/ctl%1B[1m.npy") == 4);
    assert_true(value_at(s, "source/tensors/%.npy") == 5);
    assert_true(value_at(s, "source/tensors/a/%/b.npy") == 6);
    assert_true(value_at(s, "source/tensors/50%25.npy") == 7);
    assert_non_null(strstr(s->tree_report, "nul\\x00b"));
    assert_null(strchr(s->tree_report, '\x1b'));
    wfs_session_free(s);
}

static void test_tree__a_tensor_may_be_a_module_too(void **state)
{
    (void)state;
    static const char *const names[] = {"a", "a.b", "c.npy.d", "c"};
    write_safetensors("both.safetensors", names, WFS_ARRAY_SIZE(names));
    struct wfs_session *s = open_session(in_dir("both.safetensors"), WFS_FORMAT_NPY);
    assert_true(value_at(s, "source/tensors/a.npy") == 0);
    assert_true(value_at(s, "source/tensors/a/b.npy") == 1);
    assert_true(value_at(s, "source/tensors/c/npy/d.npy") == 2);
    wfs_session_free(s);
    s = open_session(in_dir("both.safetensors"), WFS_FORMAT_RAW);
    assert_true(value_at(s, "source/tensors/a.float32.raw") == 0);
    wfs_session_free(s);
}

static void test_tree__source_file_is_itself(void **state)
{
    (void)state;
    static const char *const names[] = {"w"};
    write_safetensors("one.safetensors", names, 1);
    struct wfs_session *s = open_session(in_dir("one.safetensors"), WFS_FORMAT_NPY);
    uint32_t node;
    struct wfs_open *open;
    char shown[4096], file[4096];
    size_t n;
    assert_int_equal(wfs_tree_resolve(s->tree, "source/model.safetensors", &node, NULL), 0);
    assert_int_equal(wfs_open_node(s, node, &open, NULL), 0);
    assert_int_equal(wfs_open_read(open, shown, sizeof(shown), 0, NULL, &n, NULL), 0);
    FILE *f = fopen(in_dir("one.safetensors"), "rb");
    assert_int_equal(fread(file, 1, sizeof(file), f), n);
    fclose(f);
    assert_memory_equal(shown, file, n);
    wfs_open_free(open);
    wfs_session_free(s);
}

static void test_tree__attributes(void **state)
{
    (void)state;
    static const char *const names[] = {"m.weight"};
    write_safetensors("attr.safetensors", names, 1);
    struct wfs_session *s = open_session(in_dir("attr.safetensors"), WFS_FORMAT_NPY);
    uint32_t node;
    struct wfs_buf out = {0};
    assert_int_equal(wfs_tree_resolve(s->tree, "source/tensors/m/weight.npy", &node, NULL), 0);
    assert_int_equal(wfs_tree_xattr(s->tree, node, "user.weightfs.dtype", &out, NULL), 0);
    assert_string_equal(out.data, "float32");
    out.len = 0;
    assert_int_equal(wfs_tree_xattr(s->tree, node, "user.weightfs.shape", &out, NULL), 0);
    assert_string_equal(out.data, "(1,)");
    assert_int_equal(wfs_tree_xattr(s->tree, node, "security.selinux", &out, NULL), -ENODATA);
    assert_int_equal(wfs_tree_xattr(s->tree, 0, "user.weightfs.dtype", &out, NULL), -ENODATA);
    out.len = 0;
    wfs_tree_xattr_list(s->tree, node, &out);
    assert_memory_equal(out.data, "user.weightfs.name", sizeof("user.weightfs.name"));
    wfs_buf_free(&out);
    wfs_session_free(s);
}

static void test_tree__resolve_says_what_is_wrong(void **state)
{
    (void)state;
    static const char *const names[] = {"m.weight"};
    write_safetensors("res.safetensors", names, 1);
    struct wfs_session *s = open_session(in_dir("res.safetensors"), WFS_FORMAT_NPY);
    uint32_t node;
    struct wfs_error err = {0};
    assert_int_equal(wfs_tree_resolve(s->tree, "source/none", &node, &err), -ENOENT);
    assert_non_null(strstr(err.message, "none"));
    assert_int_equal(wfs_tree_resolve(s->tree, "source/tensors/m/weight.npy/x", &node, NULL),
                     -ENOTDIR);
    assert_int_equal(wfs_tree_resolve(s->tree, "/", &node, NULL), 0);
    assert_int_equal(node, 0);
    wfs_session_free(s);
}

static void test_tree__listing_is_natural_lookup_is_exact(void **state)
{
    (void)state;
    static const char *const names[] = {"l.10.w", "l.2.w", "l.1.w"};
    write_safetensors("nat.safetensors", names, WFS_ARRAY_SIZE(names));
    struct wfs_session *s = open_session(in_dir("nat.safetensors"), WFS_FORMAT_NPY);
    uint32_t node;
    assert_int_equal(wfs_tree_resolve(s->tree, "source/tensors/l", &node, NULL), 0);
    static const char *const sorted[] = {"1", "2", "10"};
    for (uint32_t i = 0; i < 3; i++)
        assert_string_equal(wfs_tree_node(s->tree, wfs_tree_child(s->tree, node, i))->name,
                            sorted[i]);
    assert_true(value_at(s, "source/tensors/l/10/w.npy") == 0);
    wfs_session_free(s);
}

static int make_dir(void **state)
{
    (void)state;
    return mkdtemp(dir) == NULL;
}

static int remove_dir(void **state)
{
    (void)state;
    char command[300];
    snprintf(command, sizeof(command), "rm -rf %s", dir);
    return system(command);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_tree__hostile_names_are_shown_escaped),
        cmocka_unit_test(test_tree__a_tensor_may_be_a_module_too),
        cmocka_unit_test(test_tree__source_file_is_itself),
        cmocka_unit_test(test_tree__attributes),
        cmocka_unit_test(test_tree__resolve_says_what_is_wrong),
        cmocka_unit_test(test_tree__listing_is_natural_lookup_is_exact),
    };
    return cmocka_run_group_tests_name("tree", tests, make_dir, remove_dir);
}
