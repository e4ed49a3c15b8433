/*
 * index_fixture.h - a scratch folder as XDG_CACHE_HOME, an index in it, and blocks whose bytes
 * follow from their number.
 */
#ifndef TESTS_UNIT_INDEX_FIXTURE_H
#define TESTS_UNIT_INDEX_FIXTURE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <fcntl.h>
#include <ftw.h>
#include <sqlite3.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>
#include <cmocka.h>

#include "cache/index/db.h"
#include "cache/index/claims.h"
#include "cache/index/files.h"
#include "cache/index/index.h"
#include "cache/pool/pool.h"
#include "cache/index/writer.h"

#define POOL_BYTES  (64u << 20)
#define BLOCK_BYTES (1u << 20)

static uint64_t seed, rng_state;

static inline uint64_t rng(void)
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

static inline int remove_entry(const char *path, const struct stat *st, int kind, struct FTW *ftw)
{
    (void)st, (void)kind, (void)ftw;
    return remove(path);
}

static inline int set_up(void **state)
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

static inline int tear_down(void **state)
{
    struct scratch *s = *state;
    wfs_pool_free(s->pool);
    nftw(s->dir, remove_entry, 8, FTW_DEPTH | FTW_PHYS);
    free(s);
    return 0;
}

/* ---- blocks whose bytes follow from their number ------------------------------------------- */

static inline struct wfs_block_key key_of(uint64_t number)
{
    struct wfs_block_key key = {.number = number};
    key.hash.bytes[3] = 0x77;
    return key;
}

static inline void fill(uint8_t *data, uint64_t number, size_t len)
{
    uint64_t x = number * 0x9e3779b97f4a7c15ull + 1;
    for (size_t i = 0; i < len; i++) {
        x = x * 6364136223846793005ull + 1442695040888963407ull;
        data[i] = i & 1 ? (uint8_t)(0x3c + (x >> 62)) : (uint8_t)(x >> 40);
    }
}

static inline void put(struct scratch *s, struct wfs_writer *writer, uint64_t number)
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

static inline enum wfs_index_result get(struct wfs_index *index, uint64_t number)
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

static inline struct wfs_writer *writer_of(struct scratch *s, struct wfs_index *index)
{
    struct wfs_writer *writer = NULL;
    assert_int_equal(wfs_writer_new(index, s->pool, &s->options, &writer, NULL), 0);
    return writer;
}

/* Makes an index with blocks 0..n-1. */
static inline void make_index(struct scratch *s, uint64_t n)
{
    struct wfs_index *index = wfs_index_open(&s->options);
    assert_non_null(index);
    struct wfs_writer *writer = writer_of(s, index);
    for (uint64_t i = 0; i < n; i++)
        put(s, writer, i);
    wfs_writer_free(writer);
    wfs_index_close(index);
}

static inline uint64_t count_hits(struct scratch *s, uint64_t n)
{
    struct wfs_index *index = wfs_index_open(&s->options);
    uint64_t hits = 0;
    for (uint64_t i = 0; index && i < n; i++)
        hits += get(index, i) == WFS_INDEX_HIT;
    wfs_index_close(index);
    return hits;
}

static inline uint64_t file_size(const char *path)
{
    struct stat st;
    return stat(path, &st) == 0 ? (uint64_t)st.st_size : 0;
}

static inline void write_at(const char *path, const void *data, size_t len, uint64_t off)
{
    int fd = open(path, O_RDWR | O_CREAT, 0600);
    assert_true(fd >= 0);
    assert_int_equal(pwrite(fd, data, len, (off_t)off), (ssize_t)len);
    close(fd);
}

static inline sqlite3 *raw_connection(const char *path)
{
    sqlite3 *db = NULL;
    assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
    return db;
}

static inline void raw_exec(const char *path, const char *sql)
{
    sqlite3 *db = raw_connection(path);
    assert_int_equal(sqlite3_exec(db, sql, NULL, NULL, NULL), SQLITE_OK);
    sqlite3_close(db);
}

static inline void assert_file_is(const char *path, const void *data, size_t len)
{
    uint8_t *have = malloc(len + 1);
    int fd = open(path, O_RDONLY);
    assert_true(fd >= 0);
    assert_int_equal(read(fd, have, len + 1), (ssize_t)len);
    assert_memory_equal(have, data, len);
    close(fd);
    free(have);
}

/* From WEIGHTFS_SEED, else the clock. */
static inline void set_seed(void)
{
    seed = getenv("WEIGHTFS_SEED") ? strtoull(getenv("WEIGHTFS_SEED"), NULL, 0)
                                   : (uint64_t)time(NULL) * 2654435761u;
    rng_state = seed | 1;
    print_message("WEIGHTFS_SEED=%llu\n", (unsigned long long)seed);
}

#endif
