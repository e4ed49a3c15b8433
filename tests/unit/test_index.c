/*
 * test_index.c - what the SQLite index gives back: blocks, facts and tables, evicted by size, and
 * what `weightfs index` does to it.
 */
#include "index_fixture.h"

#include <limits.h>
#include <sys/wait.h>

#include "cache/index/paths.h"

/* ---- blocks -------------------------------------------------------------------------------- */

static void test_index__blocks_come_back(void **state)
{
    struct scratch *s = *state;
    make_index(s, 8);
    assert_int_equal(count_hits(s, 9), 8);
    assert_true(file_size(s->path) < 8 * BLOCK_BYTES);
}

static void test_index__is_private(void **state)
{
    struct scratch *s = *state;
    struct stat st;
    umask(0);
    make_index(s, 1);
    assert_int_equal(stat(s->path, &st), 0);
    assert_int_equal(st.st_mode & 07777, 0600);
    char dir[160];
    snprintf(dir, sizeof dir, "%s/weightfs", s->cache);
    assert_int_equal(stat(dir, &st), 0);
    assert_int_equal(st.st_mode & 07777, 0700);
    assert_int_equal(chmod(s->path, 0644), 0); /* it is one of ours: private again */
    make_index(s, 1);
    assert_int_equal(stat(s->path, &st), 0);
    assert_int_equal(st.st_mode & 07777, 0600);
    umask(022);
}

/* The longest name beside which "-journal" is a path that the system takes, and one more. */
static void test_index__names_too_long(void **state)
{
    struct scratch *s = *state;
    char path[PATH_MAX + 16], *real = NULL;
    struct wfs_error err = {0};
    bool read_only;
    size_t len = (size_t)snprintf(path, sizeof path, "%s", s->cache);
    while (len + 201 + 101 < PATH_MAX - 9) {
        path[len] = '/';
        memset(path + len + 1, 'd', 200);
        len += 201;
    }
    path[len] = '/';
    memset(path + len + 1, 'd', PATH_MAX - 9 - len - 1);
    path[PATH_MAX - 9 - 50] = '/';
    path[PATH_MAX - 9] = '\0';
    assert_int_equal(wfs_index_prepare(path, false, &real, &read_only, &err), 0);
    assert_string_equal(real, path);
    free(real);
    strcat(path, "d");
    assert_int_equal(wfs_index_prepare(path, false, &real, &read_only, &err), -ENAMETOOLONG);
}

static void test_index__another_size_is_bad(void **state)
{
    struct scratch *s = *state;
    static uint8_t buf[BLOCK_BYTES];
    struct wfs_block_key key = key_of(0);
    int64_t id;
    make_index(s, 1);
    struct wfs_index *index = wfs_index_open(&s->options);
    assert_int_equal(wfs_index_get_block(index, &key, buf, BLOCK_BYTES / 2, &id), WFS_INDEX_BAD);
    wfs_index_close(index);
}

/* A block under another's key has good frames and the wrong bytes. */
static void test_index__swapped_blocks_are_bad(void **state)
{
    struct scratch *s = *state;
    make_index(s, 2);
    raw_exec(s->path, "UPDATE chunks SET id = id + 5000000 WHERE id / 1024 = 1;"
                      "UPDATE chunks SET id = id - 1024 WHERE id / 1024 = 2;"
                      "UPDATE chunks SET id = id - 5000000 + 1024 WHERE id > 5000000;");
    struct wfs_index *index = wfs_index_open(&s->options);
    assert_int_equal(get(index, 0), WFS_INDEX_BAD);
    assert_int_equal(get(index, 1), WFS_INDEX_BAD);
    wfs_index_close(index);
}

static void test_index__bad_block_is_replaced(void **state)
{
    struct scratch *s = *state;
    struct wfs_block *block = NULL;
    struct wfs_block_key key = key_of(1);
    make_index(s, 2);
    raw_exec(s->path, "UPDATE chunks SET data = zeroblob(10) WHERE id / 1024 = 2");
    struct wfs_index *index = wfs_index_open(&s->options);
    assert_int_equal(get(index, 0), WFS_INDEX_HIT);
    assert_int_equal(get(index, 1), WFS_INDEX_BAD);
    struct wfs_writer *writer = writer_of(s, index);
    assert_int_equal(wfs_pool_find(s->pool, &key, &block), WFS_POOL_HIT);
    assert_true(wfs_writer_put_block(writer, block, true));
    wfs_pool_release(s->pool, block);
    wfs_writer_flush(writer);
    assert_int_equal(get(index, 1), WFS_INDEX_HIT);
    wfs_writer_free(writer);
    wfs_index_close(index);
}

static void test_index__evicts_least_recently_used(void **state)
{
    struct scratch *s = *state;
    struct wfs_index *index;
    s->options.index_bytes = 6u << 20;
    make_index(s, 30);
    assert_true(file_size(s->path) <= (6u << 20) + (1u << 20));
    index = wfs_index_open(&s->options);
    assert_int_equal(get(index, 0), WFS_INDEX_MISS);
    assert_int_equal(get(index, 29), WFS_INDEX_HIT);
    wfs_index_close(index);
    /* The oldest by use goes first, whatever its id. */
    raw_exec(s->path, "UPDATE blocks SET used_at = 5 WHERE number = 29");
    index = wfs_index_open(&s->options);
    struct wfs_writer *writer = writer_of(s, index);
    put(s, writer, 100);
    wfs_writer_flush(writer);
    assert_int_equal(get(index, 29), WFS_INDEX_MISS);
    assert_int_equal(get(index, 28), WFS_INDEX_HIT);
    assert_int_equal(get(index, 100), WFS_INDEX_HIT);
    wfs_writer_free(writer);
    wfs_index_close(index);
}

/* True where a lock of this process, too, keeps others from writing the database. */
static bool is_locked(const char *path)
{
    struct flock lock = {
        .l_type = F_WRLCK, .l_whence = SEEK_SET, .l_start = 0x40000000, .l_len = 512};
    int fd = open(path, O_RDWR | O_CLOEXEC);
    assert_true(fd >= 0);
    assert_int_equal(fcntl(fd, F_OFD_GETLK, &lock), 0);
    close(fd); /* which drops the locks */
    return lock.l_type != F_UNLCK;
}

/* Two sessions of one process, as `diff A B` has them: the second has no room for the first's
 * index, which is in use. */
static void test_index__leaves_its_own_process_s_indices(void **state)
{
    struct scratch *s = *state;
    make_index(s, 3);
    struct wfs_index *first = wfs_index_open(&s->options);
    struct wfs_cache_options options = s->options;
    options.id.bytes[0] = 0xcd;
    options.index_bytes = 1;
    struct wfs_index *second = wfs_index_open(&options);
    assert_non_null(first);
    assert_non_null(second);
    struct wfs_writer *writer = NULL;
    assert_int_equal(wfs_writer_new(second, s->pool, &options, &writer, NULL), 0);
    wfs_writer_flush(writer);
    assert_int_equal(access(s->path, F_OK), 0);
    assert_true(wfs_index_is_in_use(s->path));
    assert_true(wfs_index_header_is_ours(s->path));
    assert_true(is_locked(s->path));
    assert_int_equal(get(first, 2), WFS_INDEX_HIT);
    wfs_index_close(first);
    assert_false(wfs_index_is_in_use(s->path));
    wfs_writer_free(writer);
    wfs_index_close(second);
}

static void test_index__use_is_noted(void **state)
{
    struct scratch *s = *state;
    static uint8_t buf[BLOCK_BYTES];
    struct wfs_block_key key = key_of(0);
    int64_t id = 0;
    make_index(s, 1);
    struct wfs_index *index = wfs_index_open(&s->options);
    wfs_index_get_block(index, &key, buf, BLOCK_BYTES, &id);
    assert_int_equal(id, 0); /* used a moment ago */
    raw_exec(s->path, "UPDATE blocks SET used_at = 5");
    wfs_index_get_block(index, &key, buf, BLOCK_BYTES, &id);
    assert_int_not_equal(id, 0);
    struct wfs_writer *writer = writer_of(s, index);
    wfs_writer_touch(writer, id);
    wfs_writer_flush(writer);
    wfs_index_get_block(index, &key, buf, BLOCK_BYTES, &id);
    assert_int_equal(id, 0);
    wfs_writer_free(writer);
    wfs_index_close(index);
}

static void test_index__shrinks_to_a_smaller_limit(void **state)
{
    struct scratch *s = *state;
    make_index(s, 20);
    uint64_t before = file_size(s->path);
    s->options.index_bytes = 5u << 20;
    struct wfs_index *index = wfs_index_open(&s->options);
    struct wfs_writer *writer = writer_of(s, index);
    wfs_writer_flush(writer);
    wfs_writer_free(writer);
    wfs_index_close(index);
    assert_true(before > (10u << 20));
    assert_true(file_size(s->path) <= 5u << 20);
    assert_int_equal(count_hits(s, 20) > 0, 1);
}

static void test_index__other_checkpoints_are_evicted_whole(void **state)
{
    struct scratch *s = *state;
    char first[192];
    make_index(s, 8);
    strcpy(first, s->path);
    struct timespec old[2] = {{.tv_sec = 1000}, {.tv_sec = 1000}};
    assert_int_equal(utimensat(AT_FDCWD, first, old, 0), 0);
    s->options.id.bytes[0] = 0xac;
    s->options.index_bytes = 4u << 20;
    make_index(s, 2);
    assert_int_equal(access(first, F_OK), -1);
}

/* ---- facts and rows ------------------------------------------------------------------------ */

static void test_index__facts(void **state)
{
    struct scratch *s = *state;
    struct wfs_hash hash = {{1}}, other = {{2}};
    double value = 3.25, back = 0;
    struct wfs_index *index = wfs_index_open(&s->options);
    struct wfs_writer *writer = writer_of(s, index);
    assert_false(wfs_index_get_fact(index, "norm", &hash, &back, sizeof back));
    wfs_writer_put_fact(writer, "norm", &hash, &value, sizeof value);
    wfs_writer_flush(writer);
    assert_true(wfs_index_get_fact(index, "norm", &hash, &back, sizeof back));
    assert_true(back == value);
    assert_false(wfs_index_get_fact(index, "norm", &other, &back, sizeof back));
    assert_false(wfs_index_get_fact(index, "crc", &hash, &back, sizeof back));
    assert_false(wfs_index_get_fact(index, "norm", &hash, &back, 4));
    wfs_writer_free(writer);
    raw_exec(s->path, "UPDATE facts SET value = zeroblob(8)");
    assert_false(wfs_index_get_fact(index, "norm", &hash, &back, sizeof back));
    wfs_index_close(index);
}

/* Rows whose names follow from their number; a table's ctx is the prefix. */
static int make_row(const void *ctx, size_t i, struct wfs_arena *scratch, struct wfs_index_row *ret)
{
    *ret = (struct wfs_index_row){.name = wfs_arena_printf(scratch, "%s%zu", (const char *)ctx, i),
                                  .dtype = "float32",
                                  .shape = "(2,)",
                                  .n_elems = 2,
                                  .size_bytes = 8};
    return 0;
}

static int64_t query(struct scratch *s, const char *sql)
{
    int64_t n = -1;
    sqlite3 *db = raw_connection(s->path);
    assert_int_equal(wfs_db_get_i64(db, sql, &n), SQLITE_ROW);
    sqlite3_close(db);
    return n;
}

static void put_table(struct scratch *s, const char *view, const char *prefix, size_t n_rows)
{
    struct wfs_index *index = wfs_index_open(&s->options);
    struct wfs_writer *writer = writer_of(s, index);
    wfs_writer_put_table(
        writer,
        &(struct wfs_index_table){.view = view, .n_rows = n_rows, .row = make_row, .ctx = prefix});
    wfs_writer_free(writer);
    wfs_index_close(index);
}

static void test_index__tables_are_written_when_stale(void **state)
{
    struct scratch *s = *state;
    put_table(s, "source", "w", 1000);
    put_table(s, "flax", "k", 3);
    assert_int_equal(query(s, "SELECT count(*) FROM tensors"), 1003);
    assert_int_equal(query(s, "SELECT n_tensors FROM views WHERE name = 'source'"), 1000);
    assert_int_equal(query(s, "SELECT size_bytes FROM views WHERE name = 'source'"), 8000);
    raw_exec(s->path, "UPDATE views SET written_at = 5");
    put_table(s, "source", "w", 1000); /* as it is */
    assert_int_equal(query(s, "SELECT written_at FROM views WHERE name = 'source'"), 5);
    put_table(s, "source", "v", 10);
    assert_int_equal(query(s, "SELECT count(*) FROM tensors WHERE view = 'source'"), 10);
    assert_int_equal(query(s, "SELECT count(*) FROM tensors WHERE name = 'v9'"), 1);
    /* A large one does not hold up an unmount. */
    put_table(s, "torch", "w", 1000000);
    assert_true(query(s, "SELECT count(*) FROM tensors WHERE view = 'torch'") < 1000000);
}

/* ---- `weightfs index` ---------------------------------------------------------------------- */

static void test_index__list_stat_and_stale(void **state)
{
    struct scratch *s = *state;
    char model[160];
    struct stat st;
    snprintf(model, sizeof model, "%s/model.safetensors", s->dir);
    write_at(model, "bytes", 5, 0);
    assert_int_equal(stat(model, &st), 0);
    struct wfs_cache_file file = {
        .path = model,
        .identity = {.dev = st.st_dev,
                     .ino = st.st_ino,
                     .size_bytes = (uint64_t)st.st_size,
                     .mtime_ns = (int64_t)st.st_mtim.tv_sec * 1000000000 + st.st_mtim.tv_nsec,
                     .ctime_ns = (int64_t)st.st_ctim.tv_sec * 1000000000 + st.st_ctim.tv_nsec}};
    s->options.files = &file;
    s->options.n_files = 1;
    make_index(s, 3);
    struct wfs_index_info *infos = NULL;
    size_t n = 0;
    assert_int_equal(wfs_index_list(&infos, &n, NULL), 0);
    assert_int_equal(n, 1);
    assert_string_equal(infos[0].source, "/some/model");
    assert_int_equal(infos[0].n_blocks, 3);
    assert_int_equal(infos[0].block_raw_bytes, 3 * BLOCK_BYTES);
    assert_true(infos[0].block_stored_bytes < infos[0].block_raw_bytes);
    assert_true(infos[0].file_bytes >= infos[0].block_stored_bytes);
    assert_int_equal(infos[0].schema_version, WFS_DB_SCHEMA_VERSION);
    assert_true(infos[0].used_at > 1600000000);
    assert_false(infos[0].is_stale);
    wfs_index_info_free(infos, n);

    uint64_t freed = 1;
    assert_int_equal(wfs_index_prune(0, &freed, NULL), 0);
    assert_int_equal(freed, 0);
    write_at(model, "other", 5, 0);
    struct wfs_index_info info;
    assert_int_equal(wfs_index_stat(s->path, &info, NULL), 0);
    assert_true(info.is_stale);
    free(info.path);
    free(info.source);
    assert_int_equal(wfs_index_prune(0, &freed, NULL), 0);
    assert_true(freed > BLOCK_BYTES);
    assert_int_equal(access(s->path, F_OK), -1);
}

static void test_index__prune_to_a_size(void **state)
{
    struct scratch *s = *state;
    uint64_t freed = 0;
    make_index(s, 20);
    uint64_t before = file_size(s->path);
    assert_int_equal(wfs_index_prune(6u << 20, &freed, NULL), 0);
    assert_true(file_size(s->path) <= 6u << 20);
    assert_true(freed >= before - (6u << 20));
    assert_true(count_hits(s, 20) > 0);
}

static void test_index__verify_and_repair(void **state)
{
    struct scratch *s = *state;
    uint64_t n = 0, bad = 9;
    make_index(s, 5);
    assert_int_equal(wfs_index_verify(s->path, false, &n, &bad, NULL), 0);
    assert_int_equal(n, 5);
    assert_int_equal(bad, 0);
    raw_exec(s->path, "UPDATE chunks SET data = zeroblob(length(data)) WHERE id / 1024 = 3;"
                      "DELETE FROM chunks WHERE id = 4 * 1024 + 1;"
                      "UPDATE blocks SET checksum = zeroblob(16) WHERE id = 5");
    assert_int_equal(wfs_index_verify(s->path, true, &n, &bad, NULL), 0);
    assert_int_equal(n, 5);
    assert_int_equal(bad, 3);
    assert_int_equal(wfs_index_verify(s->path, false, &n, &bad, NULL), 0);
    assert_int_equal(n, 2);
    assert_int_equal(bad, 0);
    assert_int_equal(count_hits(s, 5), 2);
}

static void test_index__clear(void **state)
{
    struct scratch *s = *state;
    struct wfs_error err = {0};
    char path[192];
    uint64_t freed = 0;
    make_index(s, 2);
    /* Not while a mount has it. */
    struct wfs_index *index = wfs_index_open(&s->options);
    fflush(NULL);
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0)
        _exit(wfs_index_clear(s->path, &freed, NULL) == -EBUSY ? 0 : 1);
    int status = 1;
    waitpid(child, &status, 0);
    assert_int_equal(status, 0);
    wfs_index_close(index);
    assert_int_equal(wfs_index_clear(s->path, &freed, &err), 0);
    assert_true(freed > BLOCK_BYTES);
    assert_int_equal(access(s->path, F_OK), -1);

    snprintf(path, sizeof path, "%s/precious.db", s->dir);
    raw_exec(path, "CREATE TABLE mine(x)");
    assert_int_equal(wfs_index_clear(path, &freed, &err), -EINVAL);
    assert_int_equal(access(path, F_OK), 0);
    make_index(s, 1);
    assert_int_equal(wfs_index_clear(NULL, &freed, NULL), 0);
    assert_int_equal(access(s->path, F_OK), -1);
}

#define TEST(name) cmocka_unit_test_setup_teardown(test_index__##name, set_up, tear_down)

int main(void)
{
    set_seed();
    const struct CMUnitTest tests[] = {
        TEST(blocks_come_back),
        TEST(is_private),
        TEST(names_too_long),
        TEST(another_size_is_bad),
        TEST(swapped_blocks_are_bad),
        TEST(bad_block_is_replaced),
        TEST(evicts_least_recently_used),
        TEST(leaves_its_own_process_s_indices),
        TEST(use_is_noted),
        TEST(shrinks_to_a_smaller_limit),
        TEST(other_checkpoints_are_evicted_whole),
        TEST(facts),
        TEST(tables_are_written_when_stale),
        TEST(list_stat_and_stale),
        TEST(prune_to_a_size),
        TEST(verify_and_repair),
        TEST(clear),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
