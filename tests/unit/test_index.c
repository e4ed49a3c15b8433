/*
 * test_index.c - what the SQLite index gives back, through every way a file can be bad: right bytes
 * or a miss, never wrong bytes, never a failure.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <fcntl.h>
#include <ftw.h>
#include <signal.h>
#include <sqlite3.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>
#include <cmocka.h>

#include "cache/db.h"
#include "cache/files.h"
#include "cache/index.h"
#include "cache/pool.h"
#include "cache/writer.h"

#define POOL_BYTES  (64u << 20)
#define BLOCK_BYTES (1u << 20)

static uint64_t seed, rng_state;

static uint64_t rng(void)
{
    rng_state ^= rng_state << 13;
    rng_state ^= rng_state >> 7;
    rng_state ^= rng_state << 17;
    return rng_state;
}

/* ---- a scratch folder as XDG_CACHE_HOME ---------------------------------------------------- */

struct scratch {
    char dir[64], cache[96], path[192]; /* path: where the default index is */
    struct wfs_pool *pool;
    struct wfs_cache_options options;
};

static int remove_entry(const char *path, const struct stat *st, int kind, struct FTW *ftw)
{
    (void)st, (void)kind, (void)ftw;
    return remove(path);
}

static int set_up(void **state)
{
    struct scratch *s = calloc(1, sizeof *s);
    char *path;
    strcpy(s->dir, "/tmp/wfs-index-XXXXXX");
    if (!mkdtemp(s->dir))
        return -1;
    snprintf(s->cache, sizeof s->cache, "%s/cache", s->dir);
    setenv("XDG_CACHE_HOME", s->cache, 1);
    s->options = (struct wfs_cache_options){.mode = WFS_CACHE_ALWAYS, .source = "/some/model"};
    s->options.id.bytes[0] = 0xab;
    path = wfs_index_default_path(&s->options.id, NULL);
    snprintf(s->path, sizeof s->path, "%s", path);
    free(path);
    *state = s;
    return wfs_pool_new(POOL_BYTES, &s->pool, NULL);
}

static int tear_down(void **state)
{
    struct scratch *s = *state;
    wfs_pool_free(s->pool);
    nftw(s->dir, remove_entry, 8, FTW_DEPTH | FTW_PHYS);
    free(s);
    return 0;
}

/* ---- blocks whose bytes follow from their number ------------------------------------------- */

static struct wfs_block_key key_of(uint64_t number)
{
    struct wfs_block_key key = {.number = number};
    key.hash.bytes[3] = 0x77;
    return key;
}

static void fill(uint8_t *data, uint64_t number, size_t len)
{
    uint64_t x = number * 0x9e3779b97f4a7c15ull + 1;
    for (size_t i = 0; i < len; i++) {
        x = x * 6364136223846793005ull + 1442695040888963407ull;
        data[i] = i & 1 ? (uint8_t)(0x3c + (x >> 62)) : (uint8_t)(x >> 40);
    }
}

static void put(struct scratch *s, struct wfs_writer *writer, uint64_t number)
{
    struct wfs_block *block = NULL;
    struct wfs_block_key key = key_of(number);
    enum wfs_pool_result result = wfs_pool_acquire(s->pool, &key, BLOCK_BYTES, &block);
    assert_true(result == WFS_POOL_OWNER || result == WFS_POOL_HIT);
    if (result == WFS_POOL_OWNER) {
        fill(block->data, number, BLOCK_BYTES);
        block->elem_bytes = 2;
        wfs_pool_publish(s->pool, block);
    }
    wfs_writer_put_block(writer, block, false);
    wfs_pool_release(s->pool, block);
}

static enum wfs_index_result get(struct wfs_index *index, uint64_t number)
{
    static uint8_t have[BLOCK_BYTES], want[BLOCK_BYTES];
    struct wfs_block_key key = key_of(number);
    int64_t id = 0;
    enum wfs_index_result result = wfs_index_get_block(index, &key, have, BLOCK_BYTES, &id);
    fill(want, number, BLOCK_BYTES);
    if (result == WFS_INDEX_HIT)
        assert_memory_equal(have, want, BLOCK_BYTES);
    return result;
}

static struct wfs_writer *writer_of(struct scratch *s, struct wfs_index *index)
{
    struct wfs_writer *writer = NULL;
    assert_int_equal(wfs_writer_new(index, s->pool, &s->options, &writer, NULL), 0);
    return writer;
}

/* Makes an index with blocks 0..n-1. */
static void make_index(struct scratch *s, uint64_t n)
{
    struct wfs_index *index = wfs_index_open(&s->options);
    assert_non_null(index);
    struct wfs_writer *writer = writer_of(s, index);
    for (uint64_t i = 0; i < n; i++)
        put(s, writer, i);
    wfs_writer_free(writer);
    wfs_index_close(index);
}

static uint64_t count_hits(struct scratch *s, uint64_t n)
{
    struct wfs_index *index = wfs_index_open(&s->options);
    uint64_t hits = 0;
    for (uint64_t i = 0; index && i < n; i++)
        hits += get(index, i) == WFS_INDEX_HIT;
    wfs_index_close(index);
    return hits;
}

static uint64_t file_size(const char *path)
{
    struct stat st;
    return stat(path, &st) == 0 ? (uint64_t)st.st_size : 0;
}

static void write_at(const char *path, const void *data, size_t len, uint64_t off)
{
    int fd = open(path, O_RDWR | O_CREAT, 0600);
    assert_true(fd >= 0);
    assert_int_equal(pwrite(fd, data, len, (off_t)off), (ssize_t)len);
    close(fd);
}

static sqlite3 *raw_connection(const char *path)
{
    sqlite3 *db = NULL;
    assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
    return db;
}

static void raw_exec(const char *path, const char *sql)
{
    sqlite3 *db = raw_connection(path);
    assert_int_equal(sqlite3_exec(db, sql, NULL, NULL, NULL), SQLITE_OK);
    sqlite3_close(db);
}

static void assert_file_is(const char *path, const void *data, size_t len)
{
    uint8_t *have = malloc(len + 1);
    int fd = open(path, O_RDONLY);
    assert_true(fd >= 0);
    assert_int_equal(read(fd, have, len + 1), (ssize_t)len);
    assert_memory_equal(have, data, len);
    close(fd);
    free(have);
}

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
    umask(022);
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

/* ---- files that cannot be used ------------------------------------------------------------- */

static void test_index__none(void **state)
{
    struct scratch *s = *state;
    s->options.index_path = "none";
    assert_null(wfs_index_open(&s->options));
}

static void test_index__foreign_files_are_left_alone(void **state)
{
    struct scratch *s = *state;
    char path[192];
    snprintf(path, sizeof path, "%s/letter.txt", s->dir);
    static const char text[] = "Dear reader, this is no database, and a page of text at that.";
    write_at(path, text, sizeof text, 0);
    s->options.index_path = path;
    assert_null(wfs_index_open(&s->options));
    assert_file_is(path, text, sizeof text);

    snprintf(path, sizeof path, "%s/other.db", s->dir);
    raw_exec(path, "CREATE TABLE mine(x); INSERT INTO mine VALUES(42)");
    chmod(path, 0600);
    assert_null(wfs_index_open(&s->options));
    int64_t x = 0;
    sqlite3 *db = raw_connection(path);
    assert_int_equal(wfs_db_get_i64(db, "SELECT x FROM mine", &x), SQLITE_ROW);
    assert_int_equal(x, 42);
    sqlite3_close(db);
}

static void test_index__newer_version_is_left_alone(void **state)
{
    struct scratch *s = *state;
    make_index(s, 1);
    raw_exec(s->path, "PRAGMA user_version = 99");
    uint64_t size = file_size(s->path);
    assert_null(wfs_index_open(&s->options));
    assert_int_equal(file_size(s->path), size);
}

static void test_index__older_version_is_made_anew(void **state)
{
    struct scratch *s = *state;
    make_index(s, 1);
    raw_exec(s->path, "PRAGMA user_version = 0");
    assert_int_equal(count_hits(s, 1), 0);
    make_index(s, 1);
    assert_int_equal(count_hits(s, 1), 1);
}

static void test_index__unsafe_places_are_refused(void **state)
{
    struct scratch *s = *state;
    char target[192], link[192], dir[160];
    snprintf(target, sizeof target, "%s/target.db", s->dir);
    snprintf(link, sizeof link, "%s/link.db", s->dir);
    assert_int_equal(symlink(target, link), 0);
    s->options.index_path = link;
    assert_null(wfs_index_open(&s->options));
    assert_int_equal(access(target, F_OK), -1);

    snprintf(dir, sizeof dir, "%s/open", s->dir);
    assert_int_equal(mkdir(dir, 0700), 0);
    assert_int_equal(chmod(dir, 0777), 0);
    snprintf(target, sizeof target, "%s/x.db", dir);
    s->options.index_path = target;
    assert_null(wfs_index_open(&s->options));
    assert_int_equal(access(target, F_OK), -1);

    assert_int_equal(chmod(dir, 0700), 0);
    struct wfs_index *index = wfs_index_open(&s->options);
    assert_non_null(index);
    wfs_index_close(index);
    assert_int_equal(chmod(target, 0666), 0);
    assert_null(wfs_index_open(&s->options));
    assert_int_equal(chmod(target, 0600), 0);
    snprintf(link, sizeof link, "%s/second-name.db", s->dir);
    assert_int_equal(rename(target, link), 0);
    assert_int_equal(mkfifo(target, 0600), 0);
    assert_null(wfs_index_open(&s->options));
    s->options.index_path = dir;
    assert_null(wfs_index_open(&s->options));
    s->options.index_path = "/proc/nowhere/x.db";
    assert_null(wfs_index_open(&s->options));
}

static void test_index__header_scribbled_is_made_anew(void **state)
{
    struct scratch *s = *state;
    make_index(s, 4);
    write_at(s->path, "this was an index once", 22, 0);
    assert_int_equal(count_hits(s, 4), 0);
    make_index(s, 4);
    assert_int_equal(count_hits(s, 4), 4);
}

static void test_index__truncated(void **state)
{
    struct scratch *s = *state;
    make_index(s, 8);
    uint64_t size = file_size(s->path);
    const uint64_t cuts[] = {size - 1, size / 2, 20000, 16384, 512, 100, 10, 1, 0};
    for (size_t i = 0; i < sizeof cuts / sizeof cuts[0]; i++) {
        assert_int_equal(truncate(s->path, (off_t)cuts[i]), 0);
        count_hits(s, 8); /* asserts the bytes of whatever it gives */
        make_index(s, 8);
        count_hits(s, 8);
        make_index(s, 8);
        assert_int_equal(count_hits(s, 8), 8);
    }
}

/* Random bytes anywhere, then used, written to and used again: no crash and no wrong byte. */
static void test_index__scribbled(void **state)
{
    struct scratch *s = *state;
    for (int round = 0; round < 24; round++) {
        make_index(s, 6);
        uint64_t size = file_size(s->path);
        for (int i = 0; i < 1 + round % 8; i++) {
            uint64_t noise[32];
            for (size_t k = 0; k < 32; k++)
                noise[k] = rng();
            uint64_t at = round % 3 == 0 ? rng() % 65536 : rng() % size;
            write_at(s->path, noise, 1 + rng() % sizeof noise, at);
        }
        count_hits(s, 6);
        make_index(s, 7);
        count_hits(s, 7);
    }
}

static void test_index__read_only(void **state)
{
    struct scratch *s = *state;
    make_index(s, 3);
    assert_int_equal(chmod(s->path, 0400), 0);
    struct wfs_index *index = wfs_index_open(&s->options);
    assert_non_null(index);
    assert_true(wfs_index_is_read_only(index));
    assert_int_equal(get(index, 2), WFS_INDEX_HIT);
    wfs_index_close(index);
}

static uint64_t now_ms(void)
{
    struct timespec ts;
    clock_gettime(CLOCK_MONOTONIC, &ts);
    return (uint64_t)ts.tv_sec * 1000 + (uint64_t)ts.tv_nsec / 1000000;
}

/* Somebody keeps the write lock: readers notice nothing, the writer gives up soon. */
static void test_index__locked_for_writing(void **state)
{
    struct scratch *s = *state;
    make_index(s, 3);
    struct wfs_index *index = wfs_index_open(&s->options);
    sqlite3 *db = raw_connection(s->path);
    assert_int_equal(sqlite3_exec(db, "BEGIN IMMEDIATE", NULL, NULL, NULL), SQLITE_OK);
    uint64_t start = now_ms();
    struct wfs_writer *writer = writer_of(s, index);
    for (uint64_t i = 10; i < 20; i++)
        put(s, writer, i);
    assert_int_equal(get(index, 2), WFS_INDEX_HIT);
    wfs_writer_flush(writer);
    assert_true(now_ms() - start < 15000); /* 2 s, and not for each of ten */
    assert_int_equal(wfs_writer_n_lost(writer), 10);
    assert_int_equal(sqlite3_exec(db, "COMMIT", NULL, NULL, NULL), SQLITE_OK);
    sqlite3_close(db);
    put(s, writer, 10);
    wfs_writer_flush(writer);
    assert_int_equal(get(index, 10), WFS_INDEX_HIT);
    wfs_writer_free(writer);
    wfs_index_close(index);
}

/* A rollback journal's exclusive lock keeps readers out: each is a miss at once. */
static void test_index__locked_for_reading(void **state)
{
    struct scratch *s = *state;
    make_index(s, 3);
    raw_exec(s->path, "PRAGMA journal_mode = DELETE");
    struct wfs_index *index = wfs_index_open(&s->options);
    assert_non_null(index);
    sqlite3 *db = raw_connection(s->path);
    assert_int_equal(sqlite3_exec(db, "BEGIN EXCLUSIVE", NULL, NULL, NULL), SQLITE_OK);
    uint64_t start = now_ms();
    for (int i = 0; i < 20; i++)
        assert_int_equal(get(index, 1), WFS_INDEX_MISS);
    assert_true(now_ms() - start < 20000);    /* no wait for the lock each */
    assert_null(wfs_index_open(&s->options)); /* a mount starts without it */
    assert_int_equal(sqlite3_exec(db, "COMMIT", NULL, NULL, NULL), SQLITE_OK);
    sqlite3_close(db);
    assert_int_equal(get(index, 1), WFS_INDEX_HIT);
    wfs_index_close(index);
}

/* A small file system of its own; only root can make one. */
static void test_index__disk_full(void **state)
{
    struct scratch *s = *state;
    char dir[160], path[192];
    snprintf(dir, sizeof dir, "%s/small", s->dir);
    assert_int_equal(mkdir(dir, 0700), 0);
    if (mount("tmpfs", dir, "tmpfs", 0, "size=3m,mode=0700") < 0) {
        print_message("no tmpfs here: not tested\n");
        skip();
    }
    snprintf(path, sizeof path, "%s/x.db", dir);
    s->options.index_path = path;
    struct wfs_index *index = wfs_index_open(&s->options);
    assert_non_null(index);
    struct wfs_writer *writer = writer_of(s, index);
    for (uint64_t i = 0; i < 10; i++)
        put(s, writer, i);
    wfs_writer_flush(writer);
    assert_true(wfs_writer_n_lost(writer) > 0);
    uint64_t hits = 0;
    for (uint64_t i = 0; i < 10; i++)
        hits += get(index, i) == WFS_INDEX_HIT;
    assert_true(hits < 10);
    wfs_writer_free(writer);
    wfs_index_close(index);
    assert_int_equal(umount2(dir, MNT_DETACH), 0);
}

static void test_index__killed_while_writing(void **state)
{
    struct scratch *s = *state;
    for (int round = 0; round < 8; round++) {
        fflush(NULL);
        pid_t child = fork();
        assert_true(child >= 0);
        if (child == 0) {
            struct wfs_index *index = wfs_index_open(&s->options);
            struct wfs_writer *writer = NULL;
            if (!index || wfs_writer_new(index, s->pool, &s->options, &writer, NULL) < 0)
                _exit(1);
            for (uint64_t i = 0;; i++)
                put(s, writer, (uint64_t)round * 1000 + i);
        }
        wfs_sleep_ms(20 + (unsigned)(rng() % 150));
        int status = 0;
        kill(child, SIGKILL);
        waitpid(child, &status, 0);
        assert_true(WIFSIGNALED(status));
        struct wfs_index *index = wfs_index_open(&s->options);
        assert_non_null(index);
        for (uint64_t i = 0; i < 50; i++)
            assert_int_not_equal(get(index, (uint64_t)round * 1000 + i), WFS_INDEX_BAD);
        wfs_index_close(index);
        uint64_t n_blocks = 0, n_bad = 0;
        assert_int_equal(wfs_index_verify(s->path, false, &n_blocks, &n_bad, NULL), 0);
        assert_int_equal(n_bad, 0);
    }
}

/* Two processes write the same index at once: nobody loses more than time, or what it says that it
 * lost, where a busy machine held the other one's transaction up. */
static void test_index__two_mounts_share_it(void **state)
{
    struct scratch *s = *state;
    pid_t children[2];
    for (int c = 0; c < 2; c++) {
        fflush(NULL);
        children[c] = fork();
        assert_true(children[c] >= 0);
        if (children[c] != 0)
            continue;
        struct wfs_index *index = wfs_index_open(&s->options);
        struct wfs_writer *writer = NULL;
        if (!index || wfs_writer_new(index, s->pool, &s->options, &writer, NULL) < 0)
            _exit(99);
        for (uint64_t i = 0; i < 20; i++)
            put(s, writer, (uint64_t)c * 10 + i);
        wfs_writer_flush(writer);
        int n_lost = (int)wfs_writer_n_lost(writer);
        wfs_writer_free(writer);
        wfs_index_close(index);
        _exit(n_lost);
    }
    int n_lost = 0;
    for (int c = 0; c < 2; c++) {
        int status = 1;
        waitpid(children[c], &status, 0);
        assert_true(WIFEXITED(status));
        n_lost += WEXITSTATUS(status);
    }
    assert_in_range(n_lost, 0, 20);
    assert_in_range(count_hits(s, 30), 30 - n_lost, 30);
}

/* Mounts that come and go at the same moment: each gets the index, whether it must make the tables
 * or meets another one that makes them, or one that folds up the log because it leaves last. */
static void test_index__opened_and_closed_at_once(void **state)
{
    struct scratch *s = *state;
    for (int round = 0; round < 40; round++) {
        pid_t children[4];
        for (size_t c = 0; c < WFS_ARRAY_SIZE(children); c++) {
            fflush(NULL);
            children[c] = fork();
            assert_true(children[c] >= 0);
            for (int i = 0; children[c] == 0; i++) {
                struct wfs_index *index = i < 10 ? wfs_index_open(&s->options) : NULL;
                if (!index)
                    _exit(i);
                wfs_index_close(index);
            }
        }
        for (size_t c = 0; c < WFS_ARRAY_SIZE(children); c++) {
            int status = 1;
            waitpid(children[c], &status, 0);
            assert_true(WIFEXITED(status));
            assert_int_equal(WEXITSTATUS(status), 10);
        }
        assert_int_equal(wfs_index_unlink(s->path, NULL, NULL), 0);
    }
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
    seed = getenv("WEIGHTFS_SEED") ? strtoull(getenv("WEIGHTFS_SEED"), NULL, 0)
                                   : (uint64_t)time(NULL) * 2654435761u;
    rng_state = seed | 1;
    print_message("WEIGHTFS_SEED=%llu\n", (unsigned long long)seed);
    const struct CMUnitTest tests[] = {
        TEST(blocks_come_back),
        TEST(is_private),
        TEST(another_size_is_bad),
        TEST(swapped_blocks_are_bad),
        TEST(bad_block_is_replaced),
        TEST(evicts_least_recently_used),
        TEST(use_is_noted),
        TEST(shrinks_to_a_smaller_limit),
        TEST(other_checkpoints_are_evicted_whole),
        TEST(facts),
        TEST(tables_are_written_when_stale),
        TEST(none),
        TEST(foreign_files_are_left_alone),
        TEST(newer_version_is_left_alone),
        TEST(older_version_is_made_anew),
        TEST(unsafe_places_are_refused),
        TEST(header_scribbled_is_made_anew),
        TEST(truncated),
        TEST(scribbled),
        TEST(read_only),
        TEST(locked_for_writing),
        TEST(locked_for_reading),
        TEST(disk_full),
        TEST(killed_while_writing),
        TEST(two_mounts_share_it),
        TEST(opened_and_closed_at_once),
        TEST(list_stat_and_stale),
        TEST(prune_to_a_size),
        TEST(verify_and_repair),
        TEST(clear),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
