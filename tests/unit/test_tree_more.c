/*
 * test_tree_more.c - what holds for every node of every tree: the size that stat tells is the bytes
 * that are read, inodes and times are the same at each open; and names that want to be elsewhere:
 * very deep ones, files of the source called like what a view shows of its own.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tree/tree.h"

static char dir[] = "/tmp/wfs-tree-more-XXXXXX";

static const char *in_dir(const char *name)
{
    static char path[512];
    snprintf(path, sizeof(path), "%s/%s", dir, name);
    return path;
}

static void write_bytes(const char *name, const void *data, size_t len)
{
    FILE *f = fopen(in_dir(name), "wb");
    assert_non_null(f);
    assert_int_equal(fwrite(data, 1, len, f), len);
    assert_int_equal(fclose(f), 0);
}

/* A safetensors file from its header's text and n zeros of data. */
static void write_safetensors(const char *name, const char *header, size_t n)
{
    struct wfs_buf out = {0};
    uint8_t length[8];
    wfs_store_u64le(length, strlen(header));
    wfs_buf_add(&out, length, sizeof(length));
    wfs_buf_str(&out, header);
    for (size_t i = 0; i < n; i++)
        wfs_buf_char(&out, (char)i);
    assert_true(wfs_buf_ok(&out));
    write_bytes(name, out.data, out.len);
    wfs_buf_free(&out);
}

static struct wfs_session *open_session(const char *source, const char *view, const char *files,
                                        enum wfs_tensor_format format)
{
    struct wfs_session *session = NULL;
    struct wfs_error err = {0};
    struct wfs_view_options views = {.name = view};
    struct wfs_session_options options = {.source = source,
                                          .views = &views,
                                          .n_views = view ? 1 : 0,
                                          .files = files,
                                          .format = format,
                                          .uid = (uid_t)-1,
                                          .gid = (gid_t)-1};
    if (wfs_session_open(&options, &session, &err))
        fail_msg("%s: %s", source, err.message);
    return session;
}

static bool has(const struct wfs_session *session, const char *path)
{
    uint32_t node;
    return wfs_tree_resolve(session->tree, path, &node, NULL) == 0;
}

static uint32_t node_at(const struct wfs_session *session, const char *path)
{
    uint32_t node = 0;
    struct wfs_error err = {0};
    if (wfs_tree_resolve(session->tree, path, &node, &err))
        fail_msg("%s", err.message);
    return node;
}

/* ---- every node ---------------------------------------------------------------------------- */

/* Reads in odd steps to the end; the number of bytes there were. */
static uint64_t read_all(struct wfs_session *session, uint32_t node)
{
    static uint8_t buf[40961];
    struct wfs_error err = {0};
    struct wfs_open *open = NULL;
    uint64_t total = 0;
    if (wfs_open_node(session, node, &open, &err))
        fail_msg("%s: %s", wfs_tree_node(session->tree, node)->name, err.message);
    for (size_t n = 1; n; total += n)
        if (wfs_open_read(open, buf, sizeof(buf), total, NULL, &n, &err))
            fail_msg("%s: %s", wfs_tree_node(session->tree, node)->name, err.message);
    assert_int_equal(wfs_open_size_bytes(open), total);
    wfs_open_free(open);
    return total;
}

static void check_dir(struct wfs_session *session, uint32_t dir_node)
{
    const struct wfs_tree *tree = session->tree;
    const struct wfs_node *node = wfs_tree_node(tree, dir_node);
    uint32_t n_subdirs = 0;
    for (uint32_t i = 0; i < node->n_children; i++) {
        uint32_t child = wfs_tree_child(tree, dir_node, i);
        const struct wfs_node *c = wfs_tree_node(tree, child);
        assert_int_equal(c->parent, dir_node);
        assert_true(strlen(c->name) > 0 && strlen(c->name) <= 255 && !strchr(c->name, '/'));
        assert_true(strcmp(c->name, ".") != 0 && strcmp(c->name, "..") != 0);
        assert_int_equal(wfs_tree_lookup(tree, dir_node, c->name), child);
        n_subdirs += c->kind == WFS_NODE_DIR;
    }
    assert_int_equal(n_subdirs, node->n_subdirs);
}

static void check_nodes(struct wfs_session *session)
{
    const struct wfs_tree *tree = session->tree;
    uint64_t total = 0;
    for (uint32_t i = 0; i < wfs_tree_n_nodes(tree); i++) {
        struct stat st;
        assert_int_equal(wfs_tree_stat(tree, i, &st), 0);
        assert_int_equal(st.st_ino, i + 1);
        assert_int_equal(st.st_mode & 0222, 0);
        if (wfs_tree_node(tree, i)->kind == WFS_NODE_DIR) {
            check_dir(session, i);
            continue;
        }
        assert_int_equal(wfs_tree_node(tree, i)->n_children, 0);
        if ((uint64_t)st.st_size != read_all(session, i))
            fail_msg("%s: stat says %lld", wfs_tree_node(tree, i)->name, (long long)st.st_size);
        assert_int_equal(st.st_blocks, (st.st_size + 511) / 512);
        total += (uint64_t)st.st_size;
    }
    assert_true(total == wfs_tree_total_bytes(tree));
}

/* The second open shows the same names under the same inodes at the same times. */
static void check_same(const struct wfs_session *a, const struct wfs_session *b)
{
    assert_int_equal(wfs_tree_n_nodes(a->tree), wfs_tree_n_nodes(b->tree));
    for (uint32_t i = 0; i < wfs_tree_n_nodes(a->tree); i++) {
        struct stat s, t;
        assert_string_equal(wfs_tree_node(a->tree, i)->name, wfs_tree_node(b->tree, i)->name);
        assert_int_equal(wfs_tree_node(a->tree, i)->parent, wfs_tree_node(b->tree, i)->parent);
        assert_int_equal(wfs_tree_stat(a->tree, i, &s), 0);
        assert_int_equal(wfs_tree_stat(b->tree, i, &t), 0);
        assert_memory_equal(&s, &t, sizeof(s));
    }
}

static void check_source(const char *source, const char *view)
{
    static const char *const files[] = {NULL, "all", "none"};
    for (size_t i = 0; i < WFS_ARRAY_SIZE(files); i++) {
        for (int format = 0; format < 2; format++) {
            struct wfs_session *a = open_session(source, view, files[i], format);
            struct wfs_session *b = open_session(source, view, files[i], format);
            check_nodes(a);
            check_same(a, b);
            wfs_session_free(a);
            wfs_session_free(b);
        }
    }
}

static void test_tree_more__sizes_are_the_bytes_that_are_read(void **state)
{
    (void)state;
    static const char *const sources[] = {"bert", "bert-sharded", "gpt2", "resnet", "vit"};
    const char *data = getenv("WEIGHTFS_TEST_DATA");
    assert_non_null(data);
    for (size_t i = 0; i < WFS_ARRAY_SIZE(sources); i++) {
        char path[512];
        snprintf(path, sizeof(path), "%s/%s", data, sources[i]);
        check_source(path, NULL);
    }
}

/* Every dtype of the format in a shape of 2 x 2, a scalar and an empty one, as files. */
static void test_tree_more__odd_tensors(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        unsigned bits;
    } dtypes[] = {{"BOOL", 8},    {"U8", 8},   {"I8", 8},   {"F8_E5M2", 8}, {"F8_E4M3", 8},
                  {"I16", 16},    {"U16", 16}, {"F16", 16}, {"BF16", 16},   {"I32", 32},
                  {"U32", 32},    {"F32", 32}, {"F64", 64}, {"I64", 64},    {"U64", 64},
                  {"F8_E8M0", 8}, {"F4", 4},   {"C64", 64}};
    struct wfs_buf header = {0};
    size_t off = 0;
    for (size_t i = 0; i < WFS_ARRAY_SIZE(dtypes); i++) {
        size_t square = 4 * dtypes[i].bits / 8;
        wfs_buf_printf(&header,
                       "%s\"%s.square\":{\"dtype\":\"%s\",\"shape\":[2,2],"
                       "\"data_offsets\":[%zu,%zu]}",
                       i ? "," : "{", dtypes[i].name, dtypes[i].name, off, off + square);
        off += square;
        wfs_buf_printf(&header,
                       ",\"%s.empty\":{\"dtype\":\"%s\",\"shape\":[0,3],"
                       "\"data_offsets\":[%zu,%zu]}",
                       dtypes[i].name, dtypes[i].name, off, off);
        if (dtypes[i].bits < 8)
            continue;
        wfs_buf_printf(&header,
                       ",\"%s\":{\"dtype\":\"%s\",\"shape\":[],\"data_offsets\":[%zu,%zu]}",
                       dtypes[i].name, dtypes[i].name, off, off + dtypes[i].bits / 8);
        off += dtypes[i].bits / 8;
    }
    wfs_buf_char(&header, '}');
    write_safetensors("odd.safetensors", header.data, off);
    wfs_buf_free(&header);
    check_source(in_dir("odd.safetensors"), NULL);
    check_source(in_dir("odd.safetensors"), "flax");
    write_safetensors("none.safetensors", "{}", 0);
    check_source(in_dir("none.safetensors"), NULL);
}

/* ---- names --------------------------------------------------------------------------------- */

static void test_tree_more__a_very_deep_name_is_a_file(void **state)
{
    (void)state;
    struct wfs_buf header = {0};
    wfs_buf_str(&header, "{\"");
    for (int i = 0; i < 300000; i++)
        wfs_buf_str(&header, "a.");
    wfs_buf_str(&header, "w\":{\"dtype\":\"U8\",\"shape\":[1],\"data_offsets\":[0,1]}}");
    write_safetensors("deep.safetensors", header.data, 1);
    wfs_buf_free(&header);
    struct wfs_session *s = open_session(in_dir("deep.safetensors"), NULL, NULL, WFS_FORMAT_NPY);
    assert_true(wfs_tree_n_nodes(s->tree) < 10000);
    assert_non_null(strstr(s->tree_report, "is the rest of a name of more than"));
    assert_true(wfs_arena_size_bytes(s->arena) < (16u << 20));
    check_nodes(s);
    wfs_session_free(s);
}

static void test_tree_more__a_collision_fits_in_a_file_name(void **state)
{
    (void)state;
    char x[256];
    memset(x, 'x', sizeof(x));
    x[251] = '\0';
    /* Joined by '/': the second is a directory called like the first one's file. */
    struct wfs_buf pack = {0};
    const uint8_t array[] = {0xc7, 8, 1, 0x93, 0x90, 0xa2, 'u', '1', 0xc4, 1, 7};
    wfs_buf_add(&pack, "\x82\xd9\xfb", 3);
    wfs_buf_add(&pack, x, 251);
    wfs_buf_add(&pack, array, sizeof(array));
    wfs_buf_add(&pack, "\xd9\xff", 2);
    wfs_buf_add(&pack, x, 251);
    wfs_buf_add(&pack, ".npy\x81\xa1y", 7);
    wfs_buf_add(&pack, array, sizeof(array));
    write_bytes("collide.msgpack", pack.data, pack.len);
    wfs_buf_free(&pack);
    struct wfs_session *s = open_session(in_dir("collide.msgpack"), NULL, NULL, WFS_FORMAT_NPY);
    check_nodes(s);
    assert_non_null(strstr(s->tree_report, "the name is taken in its directory"));
    wfs_session_free(s);
}

/* {"": {"x": array}, "x": array}: two tensors, not one name twice. */
static void test_tree_more__an_empty_key_is_a_module(void **state)
{
    (void)state;
    static const uint8_t pack[] = {0x82, 0xa0, 0x81, 0xa1, 'x', 0xc7, 8,    1,   0x93, 0x90,
                                   0xa2, 'u',  '1',  0xc4, 1,   7,    0xa1, 'x', 0xc7, 8,
                                   1,    0x93, 0x90, 0xa2, 'u', '1',  0xc4, 1,   9};
    write_bytes("empty.msgpack", pack, sizeof(pack));
    struct wfs_session *s = open_session(in_dir("empty.msgpack"), NULL, NULL, WFS_FORMAT_NPY);
    assert_true(has(s, "source/tensors/x.npy") && has(s, "source/tensors/%/x.npy"));
    check_nodes(s);
    wfs_session_free(s);
}

/* One key of 60,000 bytes above many arrays: their names would be gigabytes. */
static void test_tree_more__names_are_bounded_in_all(void **state)
{
    (void)state;
    struct wfs_buf pack = {0};
    wfs_buf_add(&pack, "\x81\xda\xea\x60", 4);
    for (int i = 0; i < 60000; i++)
        wfs_buf_char(&pack, 'k');
    wfs_buf_add(&pack, "\xde\x27\x10", 3);
    for (int i = 0; i < 10000; i++) {
        wfs_buf_char(&pack, (char)0xa5);
        wfs_buf_printf(&pack, "%05d", i);
        wfs_buf_add(&pack, "\xc7\x08\x01\x93\x90\xa2u1\xc4\x01\x07", 11);
    }
    write_bytes("bomb.msgpack", pack.data, pack.len);
    wfs_buf_free(&pack);
    struct wfs_catalog *catalog = NULL;
    struct wfs_error err = {0};
    assert_int_equal(wfs_catalog_open(in_dir("bomb.msgpack"), NULL, &catalog, &err), -EINVAL);
    assert_non_null(strstr(err.message, "names of more bytes"));
}

static void make_folder(const char *name)
{
    assert_int_equal(mkdir(in_dir(name), 0755), 0);
}

static void test_tree_more__side_files_hide_nothing(void **state)
{
    (void)state;
    make_folder("sides");
    make_folder("sides/tensors");
    make_folder("sides/tensors.npz");
    make_folder("sides/sub");
    write_safetensors("sides/model.safetensors",
                      "{\"a\":{\"dtype\":\"U8\",\"shape\":[1],\"data_offsets\":[0,1]}}", 1);
    write_bytes("sides/tensors/a.txt", "1", 1);
    write_bytes("sides/tensors.npz/deep", "12", 2);
    write_bytes("sides/sub/a", "123", 3);
    write_bytes("sides/sub/b", "1234", 4);
    write_bytes("sides/empty", "", 0);
    struct wfs_session *s = open_session(in_dir("sides"), NULL, "all", WFS_FORMAT_NPY);
    check_nodes(s);
    assert_int_equal(wfs_tree_node(s->tree, node_at(s, "source/tensors"))->n_children, 1);
    assert_int_equal(wfs_tree_node(s->tree, node_at(s, "source/sub"))->n_children, 2);
    assert_int_equal(wfs_tree_node(s->tree, node_at(s, "source/tensors.npz"))->kind,
                     WFS_NODE_VFILE);
    assert_true(has(s, "source/empty"));
    assert_non_null(strstr(s->tree_report, "source/tensors/a.txt\t"));
    assert_non_null(strstr(s->tree_report, "source/tensors.npz/deep\t"));
    wfs_session_free(s);
}

static void test_tree_more__side_files_keep_owner_and_mode(void **state)
{
    (void)state;
    if (geteuid() != 0)
        skip();
    make_folder("owned");
    write_safetensors("owned/model.safetensors",
                      "{\"a\":{\"dtype\":\"U8\",\"shape\":[1],\"data_offsets\":[0,1]}}", 1);
    write_bytes("owned/private.txt", "1", 1);
    assert_int_equal(chown(in_dir("owned/private.txt"), 1234, 4321), 0);
    assert_int_equal(chmod(in_dir("owned/private.txt"), 0600), 0);
    assert_int_equal(chmod(in_dir("owned/model.safetensors"), 0640), 0);
    struct timespec later[2] = {{.tv_sec = 4000000000}, {.tv_sec = 4000000000}};
    assert_int_equal(utimensat(AT_FDCWD, in_dir("owned/private.txt"), later, 0), 0);
    struct wfs_session *s = open_session(in_dir("owned"), NULL, NULL, WFS_FORMAT_NPY);
    struct stat st;
    assert_int_equal(wfs_tree_stat(s->tree, node_at(s, "source/private.txt"), &st), 0);
    assert_int_equal(st.st_uid, 1234);
    assert_int_equal(st.st_gid, 4321);
    assert_int_equal(st.st_mode, S_IFREG | 0400);
    assert_int_equal(st.st_mtim.tv_sec, 4000000000);
    assert_int_equal(wfs_tree_stat(s->tree, node_at(s, "source/model.safetensors"), &st), 0);
    assert_int_equal(st.st_uid, 0);
    assert_int_equal(st.st_mode, S_IFREG | 0440);
    wfs_session_free(s);
}

/* A passed-through file rewritten with its mtime put back is not what was mounted. */
static void test_tree_more__a_side_file_rewritten_with_its_mtime(void **state)
{
    (void)state;
    make_folder("again");
    write_safetensors("again/model.safetensors",
                      "{\"a\":{\"dtype\":\"U8\",\"shape\":[1],\"data_offsets\":[0,1]}}", 1);
    write_bytes("again/config.json", "{}", 2);
    struct timespec then[2] = {{.tv_sec = 1000}, {.tv_sec = 1000}};
    assert_int_equal(utimensat(AT_FDCWD, in_dir("again/config.json"), then, 0), 0);
    struct wfs_session *s = open_session(in_dir("again"), NULL, NULL, WFS_FORMAT_NPY);
    uint32_t node = node_at(s, "source/config.json");
    assert_int_equal(read_all(s, node), 2);
    assert_int_equal(chmod(in_dir("again/config.json"), 0600), 0);
    assert_int_equal(read_all(s, node), 2); /* as it was */
    wfs_session_free(s);
    s = open_session(in_dir("again"), NULL, NULL, WFS_FORMAT_NPY);
    usleep(20000); /* the clock of file times is coarse */
    write_bytes("again/config.json", "[]", 2);
    assert_int_equal(utimensat(AT_FDCWD, in_dir("again/config.json"), then, 0), 0);
    struct wfs_open *open = NULL;
    assert_int_equal(wfs_open_node(s, node, &open, NULL), -EIO);
    wfs_session_free(s);
}

/* ---- live ---------------------------------------------------------------------------------- */

static void test_tree_more__stats_keep_the_newest_errors_that_fit(void **state)
{
    (void)state;
    assert_int_equal(wfs_log_open("/dev/null", NULL), 0);
    char line[901];
    memset(line, '\\', sizeof(line)); /* each is four bytes in the end */
    line[900] = '\0';
    for (int i = 0; i < WFS_LOG_KEPT; i++)
        wfs_log(WFS_LOG_ERROR, "%d %s", i, line);
    write_safetensors("live.safetensors", "{}", 0);
    struct wfs_session *s = open_session(in_dir("live.safetensors"), NULL, NULL, WFS_FORMAT_NPY);
    uint32_t node = node_at(s, "info/stats.json");
    struct wfs_open *open = NULL;
    static char text[65537];
    size_t n = 0;
    assert_int_equal(wfs_open_node(s, node, &open, NULL), 0);
    assert_int_equal(wfs_open_read(open, text, sizeof(text) - 1, 0, NULL, &n, NULL), 0);
    assert_int_equal(n, wfs_open_size_bytes(open));
    assert_non_null(strstr(text, "63 \\\\"));
    assert_null(strstr(text, "\"0 \\\\"));
    assert_non_null(strstr(text, "\"]}\n"));
    wfs_open_free(open);
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
        cmocka_unit_test(test_tree_more__sizes_are_the_bytes_that_are_read),
        cmocka_unit_test(test_tree_more__odd_tensors),
        cmocka_unit_test(test_tree_more__a_very_deep_name_is_a_file),
        cmocka_unit_test(test_tree_more__a_collision_fits_in_a_file_name),
        cmocka_unit_test(test_tree_more__an_empty_key_is_a_module),
        cmocka_unit_test(test_tree_more__names_are_bounded_in_all),
        cmocka_unit_test(test_tree_more__side_files_hide_nothing),
        cmocka_unit_test(test_tree_more__side_files_keep_owner_and_mode),
        cmocka_unit_test(test_tree_more__a_side_file_rewritten_with_its_mtime),
        cmocka_unit_test(test_tree_more__stats_keep_the_newest_errors_that_fit),
    };
    return cmocka_run_group_tests_name("tree_more", tests, make_dir, remove_dir);
}
