/*
 * test_cache.c - reading expressions through the cache: the bytes are those of a plain gather,
 * whatever is cached where and whoever reads at the same time.
 */
#include <fcntl.h>
#include <pthread.h>
#include <sqlite3.h>
#include <sys/stat.h>
#include <time.h>

#include "cache_fixture.h"

static uint64_t rng_state;

/* Reads all of it in steps, compares with a gather. */
static void assert_reads(struct wfs_cache *cache, const struct wfs_expr *expr, size_t step)
{
    struct wfs_hash hash = wfs_expr_hash(expr);
    uint8_t *want = gathered(expr), *have = malloc(step);
    for (uint64_t off = 0; off < expr->size_bytes; off += step) {
        size_t n = (size_t)wfs_min_u64(step, expr->size_bytes - off);
        struct wfs_error err = {0};
        int r = wfs_cache_read(cache, expr, &hash, have, n, off, NULL, &err);
        if (r < 0)
            print_message("%s\n", err.message);
        assert_int_equal(r, 0);
        assert_memory_equal(have, want + off, n);
    }
    free(want);
    free(have);
}

/* ---- where bytes come from ----------------------------------------------------------------- */

static void test_cache__without_a_cache(void **state)
{
    struct scratch *s = *state;
    const struct wfs_expr *expr = transposed(s, make_file(s, 8 * MIB), 0, 2048, 2048);
    assert_reads(NULL, expr, 1 << 20);
}

/* Whoever's casts make numbers infinite is told of them; who reads what others cast is not. */
static void test_cache__what_overflows_is_counted_by_reader(void **state)
{
    struct scratch *s = *state;
    const struct wfs_expr *floats = NULL, *halves = NULL;
    struct wfs_elem_op cast = {.kind = WFS_ELEM_CAST, .dtype = WFS_F16};
    uint64_t n = 4096;
    struct wfs_bytes *bytes = make_file(s, n * 4);
    assert_int_equal(wfs_expr_contiguous(s->arena, bytes, 0, WFS_F32, 1, &n, &floats, NULL), 0);
    assert_int_equal(wfs_expr_elementwise(s->arena, floats, &cast, &halves, NULL), 0);
    s->options.mode = WFS_CACHE_OFF;
    struct wfs_cache *one = open_cache(s), *other = open_cache(s);
    uint64_t before = wfs_convert_n_overflowed();
    assert_reads(one, halves, 1024);
    assert_reads(other, floats, 1024);
    uint64_t found = stats_of(one).elems_overflowed;
    assert_true(found > 0 && found < n);
    assert_int_equal(stats_of(other).elems_overflowed, 0);
    assert_true(wfs_convert_n_overflowed() - before >= found); /* assert_reads reads it, too */
    wfs_cache_free(one);
    wfs_cache_free(other);
}
static void test_cache__memory_then_index(void **state)
{
    struct scratch *s = *state;
    const struct wfs_expr *expr = transposed(s, make_file(s, 32 * MIB), 0, 4096, 4096);
    struct wfs_cache *cache = open_cache(s);
    assert_reads(cache, expr, 1 << 20);
    struct wfs_cache_stats first = stats_of(cache);
    assert_true(first.blocks_computed > 1);
    assert_int_equal(first.blocks_index, 0);
    assert_int_equal(first.blocks_dropped, 0);
    assert_int_equal(first.served_bytes, expr->size_bytes);
    assert_int_equal(first.source_bytes, expr->size_bytes);
    wfs_cache_flush(cache); /* a spent block may leave memory before its transaction is committed */
    assert_reads(cache, expr, 100001);
    assert_int_equal(stats_of(cache).blocks_computed, first.blocks_computed);
    assert_int_equal(stats_of(cache).source_bytes, first.source_bytes);
    assert_true(stats_of(cache).blocks_memory > first.blocks_memory);
    wfs_cache_free(cache);

    struct stat st;
    assert_int_equal(stat(s->index, &st), 0);
    assert_true((uint64_t)st.st_size < expr->size_bytes);
    cache = open_cache(s);
    assert_reads(cache, expr, 1 << 20);
    assert_int_equal(stats_of(cache).blocks_computed, 0);
    assert_int_equal(stats_of(cache).blocks_index, first.blocks_computed);
    assert_int_equal(stats_of(cache).source_bytes, 0);
    wfs_cache_free(cache);
}

static void test_cache__off_keeps_nothing(void **state)
{
    struct scratch *s = *state;
    const struct wfs_expr *expr = transposed(s, make_file(s, 8 * MIB), 0, 2048, 2048);
    s->options.mode = WFS_CACHE_OFF;
    struct wfs_cache *cache = open_cache(s);
    assert_reads(cache, expr, 1 << 20);
    assert_true(stats_of(cache).blocks_computed > 0);
    wfs_cache_free(cache);
    assert_int_equal(access(s->index, F_OK), -1);
}

static void test_cache__runs_go_straight_to_the_source(void **state)
{
    struct scratch *s = *state;
    struct wfs_bytes *bytes = make_file(s, 8 * MIB);
    const struct wfs_expr *expr = NULL;
    uint64_t shape[1] = {2 * MIB};
    assert_int_equal(wfs_expr_contiguous(s->arena, bytes, 64, WFS_BF16, 1, shape, &expr, NULL), 0);
    struct wfs_cache *cache = open_cache(s);
    assert_reads(cache, expr, 777777);
    struct wfs_cache_stats stats = stats_of(cache);
    assert_int_equal(stats.blocks_computed + stats.blocks_memory + stats.blocks_index, 0);
    assert_int_equal(stats.source_bytes, expr->size_bytes);
    wfs_cache_count_served(cache, 5);
    assert_int_equal(stats_of(cache).served_bytes, expr->size_bytes + 5);
    wfs_cache_free(cache);
}

static void test_cache__out_of_range_is_refused(void **state)
{
    struct scratch *s = *state;
    const struct wfs_expr *expr = transposed(s, make_file(s, 8 * MIB), 0, 2048, 2048);
    struct wfs_hash hash = wfs_expr_hash(expr);
    struct wfs_cache *cache = open_cache(s);
    uint8_t buf[16];
    assert_int_equal(wfs_cache_read(cache, expr, &hash, buf, 16, 8 * MIB - 15, NULL, NULL),
                     -EINVAL);
    assert_int_equal(wfs_cache_read(cache, expr, &hash, buf, 16, UINT64_MAX - 3, NULL, NULL),
                     -EINVAL);
    assert_int_equal(wfs_cache_read(cache, expr, &hash, buf, 0, 8 * MIB, NULL, NULL), 0);
    wfs_cache_free(cache);
}

static void test_cache__isolated_small_reads_are_gathered(void **state)
{
    struct scratch *s = *state;
    const struct wfs_expr *expr = transposed(s, make_file(s, 64 * MIB), 0, 4096, 8192);
    struct wfs_hash hash = wfs_expr_hash(expr);
    uint8_t *want = gathered(expr), buf[4096];
    s->options.mode = WFS_CACHE_AUTO;
    s->options.index_path = "none";
    struct wfs_cache *cache = open_cache(s);
    /* One read in each of many places. */
    for (uint64_t i = 0; i < 15; i++) {
        uint64_t off = i * 4 * MIB + 12345;
        assert_int_equal(wfs_cache_read(cache, expr, &hash, buf, sizeof buf, off, NULL, NULL), 0);
        assert_memory_equal(buf, want + off, sizeof buf);
    }
    assert_int_equal(stats_of(cache).blocks_computed, 0);
    /* A reader that goes on where it was takes blocks. */
    for (uint64_t off = 0; off < MIB; off += sizeof buf) {
        assert_int_equal(wfs_cache_read(cache, expr, &hash, buf, sizeof buf, off, NULL, NULL), 0);
        assert_memory_equal(buf, want + off, sizeof buf);
    }
    assert_in_range(stats_of(cache).blocks_computed, 1, 2);
    free(want);
    wfs_cache_free(cache);
}

/* Budgets from none at all to ample: the same bytes. */
static void test_cache__any_budget(void **state)
{
    struct scratch *s = *state;
    const struct wfs_expr *expr = transposed(s, make_file(s, 16 * MIB), 0, 2048, 4096);
    for (uint64_t memory = 4096; memory < 600 * MIB; memory *= 16) {
        s->options.memory_bytes = memory;
        s->options.index_path = "none";
        struct wfs_cache *cache = open_cache(s);
        assert_reads(cache, expr, 300000);
        wfs_cache_free(cache);
    }
}

/* ------------------------------------------------------------------------------------------ */

/* It pauses once for every PAUSE_BYTES that were read of it: its speed is the same whether a block
 * is gathered from few long reads or many short ones. */
#define PAUSE_BYTES (64u << 10)

struct slow_bytes {
    struct wfs_bytes base;
    atomic_uint_fast64_t n_bytes;
    atomic_bool changed;
    long pause_ns;
};

static int slow_check(struct wfs_bytes *bytes, struct wfs_error *err)
{
    struct slow_bytes *slow = (struct slow_bytes *)bytes;
    return atomic_load(&slow->changed) ? wfs_error_set(err, EIO, "the source changed") : 0;
}

static int slow_read(struct wfs_bytes *bytes, void *buf, size_t len, uint64_t off,
                     struct wfs_error *err)
{
    struct slow_bytes *slow = (struct slow_bytes *)bytes;
    uint8_t *p = buf;
    uint64_t before = atomic_fetch_add(&slow->n_bytes, len);
    if (slow->pause_ns > 0 && before / PAUSE_BYTES != (before + len) / PAUSE_BYTES)
        nanosleep(&(struct timespec){.tv_nsec = slow->pause_ns}, NULL);
    for (size_t i = 0; i < len; i++)
        p[i] = (uint8_t)((off + i) * 131 >> 3);
    return slow_check(bytes, err);
}

static void slow_free(struct wfs_bytes *bytes)
{
    (void)bytes;
}

static const struct wfs_bytes_ops slow_ops = {
    .kind = "slow", .read = slow_read, .free = slow_free, .check = slow_check};

static void slow_init(struct slow_bytes *slow, uint64_t size_bytes, long pause_ns)
{
    *slow = (struct slow_bytes){.base = {.ops = &slow_ops,
                                         .n_refs = 1,
                                         .size_bytes = size_bytes,
                                         .name = "slow",
                                         .id = {{42}}},
                                .pause_ns = pause_ns};
}

static void test_cache__auto_keeps_what_is_slow(void **state)
{
    struct scratch *s = *state;
    struct slow_bytes slow;
    slow_init(&slow, 16 * MIB, 1000000);
    const struct wfs_expr *expr = transposed(s, &slow.base, 0, 2048, 4096);
    s->options.mode = WFS_CACHE_AUTO;
    struct wfs_cache *cache = open_cache(s);
    assert_reads(cache, expr, 1 << 20);
    wfs_cache_free(cache);
    cache = open_cache(s);
    assert_reads(cache, expr, 1 << 20);
    assert_true(stats_of(cache).blocks_index > 0);
    wfs_cache_free(cache);
}

static void test_cache__changed_source_is_an_error(void **state)
{
    struct scratch *s = *state;
    struct slow_bytes slow;
    uint8_t buf[4096];
    slow_init(&slow, 8 * MIB, 0);
    const struct wfs_expr *expr = transposed(s, &slow.base, 0, 2048, 2048);
    struct wfs_hash hash = wfs_expr_hash(expr);
    struct wfs_cache *cache = open_cache(s);
    assert_reads(cache, expr, 1 << 20); /* into memory */
    atomic_store(&slow.changed, true);
    assert_int_equal(wfs_cache_read(cache, expr, &hash, buf, sizeof buf, 0, NULL, NULL), -EIO);
    wfs_cache_free(cache);
    cache = open_cache(s); /* from the index */
    assert_int_equal(wfs_cache_read(cache, expr, &hash, buf, sizeof buf, 0, NULL, NULL), -EIO);
    wfs_cache_free(cache);
}

/* The same for a real file that is rewritten in place. */
static void test_cache__rewritten_file_is_an_error(void **state)
{
    struct scratch *s = *state;
    const struct wfs_expr *expr = transposed(s, make_file(s, 8 * MIB), 0, 2048, 2048);
    struct wfs_hash hash = wfs_expr_hash(expr);
    struct wfs_cache *cache = open_cache(s);
    struct wfs_error err = {0};
    uint8_t buf[4096];
    assert_reads(cache, expr, 1 << 20);
    nanosleep(&(struct timespec){.tv_nsec = 20000000}, NULL); /* a tick of file times */
    int fd = open(s->file, O_WRONLY);
    assert_int_equal(pwrite(fd, "x", 1, 1000), 1);
    close(fd);
    assert_int_equal(wfs_cache_read(cache, expr, &hash, buf, sizeof buf, 0, NULL, &err), -EIO);
    assert_non_null(strstr(err.message, s->file));
    wfs_cache_free(cache);
}

struct readers {
    struct wfs_cache *cache;
    const struct wfs_expr *const *exprs;
    uint8_t *const *wants;
    size_t n_exprs;
    unsigned n_rounds;
    uint64_t max_len;
    atomic_uint n_wrong, next_seed;
};

static void *read_randomly(void *arg)
{
    struct readers *r = arg;
    uint64_t local = rng_state + 7919ull * (atomic_fetch_add(&r->next_seed, 1) + 1);
    uint8_t *buf = malloc(r->max_len);
    for (unsigned i = 0; i < r->n_rounds; i++) {
        size_t which = rng(&local) % r->n_exprs;
        const struct wfs_expr *expr = r->exprs[which];
        struct wfs_hash hash = wfs_expr_hash(expr);
        uint64_t off = rng(&local) % expr->size_bytes;
        size_t len = (size_t)wfs_min_u64(expr->size_bytes - off, 1 + rng(&local) % r->max_len);
        if (wfs_cache_read(r->cache, expr, &hash, buf, len, off, NULL, NULL) != 0 ||
            memcmp(buf, r->wants[which] + off, len) != 0)
            atomic_fetch_add(&r->n_wrong, 1);
    }
    free(buf);
    return NULL;
}

static void run_readers(struct readers *r, size_t n_threads)
{
    pthread_t threads[16];
    for (size_t i = 0; i < n_threads; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, read_randomly, r), 0);
    for (size_t i = 0; i < n_threads; i++)
        pthread_join(threads[i], NULL);
    assert_int_equal(r->n_wrong, 0);
}

/* 16 readers of one tensor of which even spent blocks are kept (WFS_POOL_WARM_BYTES): each block is
 * computed once. */
static void test_cache__parallel_readers_share_the_work(void **state)
{
    struct scratch *s = *state;
    const struct wfs_expr *expr = transposed(s, make_file(s, 8 * MIB), 0, 2048, 2048);
    uint8_t *want = gathered(expr);
    struct wfs_cache *cache = open_cache(s);
    struct readers r = {.cache = cache,
                        .exprs = &expr,
                        .wants = &want,
                        .n_exprs = 1,
                        .n_rounds = 60,
                        .max_len = 1 << 20};
    run_readers(&r, 16);
    uint64_t block_bytes = wfs_expr_block_bytes(expr);
    uint64_t n_blocks = (expr->size_bytes + block_bytes - 1) / block_bytes;
    assert_true(stats_of(cache).blocks_computed <= n_blocks);
    assert_true(stats_of(cache).blocks_memory > n_blocks);
    free(want);
    wfs_cache_free(cache);
}

/* Many tensors, a budget far too small, an index in use: right bytes, bounded memory. */
static void test_cache__parallel_readers_in_a_small_budget(void **state)
{
    struct scratch *s = *state;
    const struct wfs_expr *exprs[6];
    uint8_t *wants[6];
    struct wfs_bytes *bytes = make_file(s, 48 * MIB);
    for (uint64_t i = 0; i < 6; i++) {
        exprs[i] = transposed(s, bytes, i * 8 * MIB, 1024 << i % 3, 4096 >> i % 3);
        wants[i] = gathered(exprs[i]);
    }
    for (int mode = WFS_CACHE_AUTO; mode <= WFS_CACHE_OFF; mode++) {
        s->options.mode = (enum wfs_cache_mode)mode;
        s->options.memory_bytes = 24 * MIB;
        s->options.index_bytes = 12 * MIB;
        struct wfs_cache *cache = open_cache(s);
        struct readers r = {.cache = cache,
                            .exprs = exprs,
                            .wants = wants,
                            .n_exprs = 6,
                            .n_rounds = 60,
                            .max_len = 200000};
        run_readers(&r, 16);
        wfs_cache_free(cache);
    }
    for (size_t i = 0; i < 6; i++)
        free(wants[i]);
}

/* ---- memory -------------------------------------------------------------------------------- */

static uint64_t rss_anon_bytes(void)
{
    char line[256];
    uint64_t kib = 0;
    FILE *f = fopen("/proc/self/status", "r");
    assert_non_null(f);
    while (fgets(line, sizeof line, f))
        if (sscanf(line, "RssAnon: %lu", &kib) == 1)
            break;
    fclose(f);
    return kib << 10;
}

struct sampler {
    atomic_bool stop;
    uint64_t peak_bytes;
};

static void *sample(void *arg)
{
    struct sampler *sampler = arg;
    while (!atomic_load(&sampler->stop)) {
        sampler->peak_bytes = wfs_max_u64(sampler->peak_bytes, rss_anon_bytes());
        nanosleep(&(struct timespec){.tv_nsec = 2000000}, NULL);
    }
    return NULL;
}

struct bulk {
    struct wfs_cache *cache;
    const struct wfs_expr **exprs;
    size_t n_exprs;
    atomic_uint next, n_wrong;
};

static void *read_whole(void *arg)
{
    struct bulk *bulk = arg;
    static const size_t step = 128 << 10;
    uint8_t *buf = malloc(step);
    for (unsigned i; (i = atomic_fetch_add(&bulk->next, 1)) < bulk->n_exprs;) {
        const struct wfs_expr *expr = bulk->exprs[i];
        struct wfs_hash hash = wfs_expr_hash(expr);
        for (uint64_t off = 0; off < expr->size_bytes; off += step)
            if (wfs_cache_read(bulk->cache, expr, &hash, buf,
                               (size_t)wfs_min_u64(step, expr->size_bytes - off), off, NULL,
                               NULL) != 0)
                atomic_fetch_add(&bulk->n_wrong, 1);
    }
    free(buf);
    return NULL;
}

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define N_BULK 6 /* slow, and their own memory is counted too */
#else
#define N_BULK 48
#endif

static void test_cache__peak_memory_is_bounded(void **state)
{
    struct scratch *s = *state;
    const struct wfs_expr *exprs[N_BULK];
    struct wfs_bytes *bytes = NULL;
    pthread_t threads[16], watch;
    int fd = open(s->file, O_RDWR | O_CREAT, 0600);
    assert_int_equal(ftruncate(fd, N_BULK * 16 * (off_t)MIB), 0);
    close(fd);
    assert_int_equal(wfs_bytes_open(s->file, &bytes, NULL), 0);
    assert_int_equal(wfs_arena_on_free(s->arena, wfs_bytes_unref_void, bytes), 0);
    for (uint64_t i = 0; i < N_BULK; i++)
        exprs[i] = transposed(s, bytes, i * 16 * MIB, 4096, 2048);
    s->options.memory_bytes = 48 * MIB;
    uint64_t before = rss_anon_bytes();
    struct wfs_cache *cache = open_cache(s);
    struct bulk bulk = {.cache = cache, .exprs = exprs, .n_exprs = N_BULK};
    struct sampler sampler = {.peak_bytes = 0};
    assert_int_equal(pthread_create(&watch, NULL, sample, &sampler), 0);
    for (size_t i = 0; i < 16; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, read_whole, &bulk), 0);
    for (size_t i = 0; i < 16; i++)
        pthread_join(threads[i], NULL);
    atomic_store(&sampler.stop, true);
    pthread_join(watch, NULL);
    assert_int_equal(bulk.n_wrong, 0);
    wfs_cache_free(cache);
    print_message("peak %lu MiB above %lu MiB\n", (sampler.peak_bytes - before) >> 20,
                  before >> 20);
#if N_BULK > 6
    assert_true(sampler.peak_bytes - before < (48 + 64) * MIB);
#endif
}

/* ---- facts, rows, drops -------------------------------------------------------------------- */

static void test_cache__facts_outlive_the_mount(void **state)
{
    struct scratch *s = *state;
    struct wfs_hash hash = {{7}};
    uint32_t crc = 0xdeadbeef, back = 0;
    struct wfs_cache *cache = open_cache(s);
    assert_false(wfs_cache_get_fact(cache, "crc32", &hash, &back, sizeof back));
    wfs_cache_put_fact(cache, "crc32", &hash, &crc, sizeof crc);
    wfs_cache_free(cache);
    cache = open_cache(s);
    assert_true(wfs_cache_get_fact(cache, "crc32", &hash, &back, sizeof back));
    assert_int_equal(back, crc);
    wfs_cache_free(cache);
    assert_false(wfs_cache_get_fact(NULL, "crc32", &hash, &back, sizeof back));
    wfs_cache_put_fact(NULL, "crc32", &hash, &crc, sizeof crc);
    wfs_cache_put_table(NULL, NULL);
}

/* A writer that cannot keep up: auto drops and says so, the reader is not held up. */
static void test_cache__auto_drops_when_the_queue_is_full(void **state)
{
    struct scratch *s = *state;
    struct slow_bytes slow;
    sqlite3 *db = NULL;
    slow_init(&slow, 32 * MIB, 300000);
    const struct wfs_expr *expr = transposed(s, &slow.base, 0, 4096, 4096);
    s->options.mode = WFS_CACHE_AUTO;
    s->options.is_network = true;
    s->options.memory_bytes = 16 * MIB;
    struct wfs_cache *cache = open_cache(s);
    assert_int_equal(sqlite3_open(s->index, &db), SQLITE_OK);
    sqlite3_busy_timeout(db, 600000); /* until the writer has written its first row */
    assert_int_equal(sqlite3_exec(db, "BEGIN IMMEDIATE", NULL, NULL, NULL), SQLITE_OK);
    assert_reads(cache, expr, 1 << 20);
    sqlite3_close(db);
    assert_true(stats_of(cache).blocks_dropped > 0);
    assert_reads(cache, expr, 1 << 20);
    wfs_cache_free(cache);
}

#define TEST(name) cmocka_unit_test_setup_teardown(test_cache__##name, set_up, tear_down)

int main(void)
{
    rng_state = (uint64_t)time(NULL) * 2654435761u | 1;
    if (getenv("WEIGHTFS_SEED"))
        rng_state = strtoull(getenv("WEIGHTFS_SEED"), NULL, 0) | 1;
    print_message("WEIGHTFS_SEED=%llu\n", (unsigned long long)rng_state);
    const struct CMUnitTest tests[] = {
        TEST(peak_memory_is_bounded),
        TEST(without_a_cache),
        TEST(what_overflows_is_counted_by_reader),
        TEST(memory_then_index),
        TEST(off_keeps_nothing),
        TEST(runs_go_straight_to_the_source),
        TEST(out_of_range_is_refused),
        TEST(isolated_small_reads_are_gathered),
        TEST(any_budget),
        TEST(auto_keeps_what_is_slow),
        TEST(changed_source_is_an_error),
        TEST(rewritten_file_is_an_error),
        TEST(parallel_readers_share_the_work),
        TEST(parallel_readers_in_a_small_budget),
        TEST(facts_outlive_the_mount),
        TEST(auto_drops_when_the_queue_is_full),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
