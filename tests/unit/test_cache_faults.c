/*
 * test_cache_faults.c - a cache while memory runs out: it opens or says why not, a read gives right
 * bytes or an error, nothing hangs and nothing leaks (the sanitizer build tells).
 *
 * The n-th allocation fails, once or with all after it, on whatever thread it comes.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <ftw.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>

#include "failing_alloc.h"
#include "cache/cache.h"

#define N_MAX 400 /* more allocations than one round makes */

static void plenty(void)
{
    allocations_left = -1;
}

#define ROWS 1024
#define COLS 1024
#define SIZE ((size_t)ROWS * COLS * 2)

struct fixture {
    char dir[64], index[96];
    struct wfs_arena *arena;
    const struct wfs_expr *expr;
    struct wfs_hash hash;
    uint8_t *want, *have;
};

static int set_up(void **state)
{
    struct fixture *f = calloc(1, sizeof *f);
    const struct wfs_expr *matrix = NULL;
    struct wfs_bytes *bytes = NULL;
    uint64_t shape[2] = {ROWS, COLS};
    strcpy(f->dir, "/tmp/wfs-faults-XXXXXX");
    if (!mkdtemp(f->dir))
        return -1;
    snprintf(f->index, sizeof f->index, "%s/x.db", f->dir);
    f->arena = wfs_arena_new();
    f->want = malloc(SIZE);
    f->have = malloc(SIZE);
    for (size_t i = 0; i < SIZE; i++)
        f->have[i] = (uint8_t)(i * 2654435761u >> 13);
    if (wfs_bytes_from_memory("memory", f->have, SIZE, &bytes, NULL) < 0 ||
        wfs_arena_on_free(f->arena, wfs_bytes_unref_void, bytes) < 0 ||
        wfs_expr_contiguous(f->arena, bytes, 0, WFS_BF16, 2, shape, &matrix, NULL) < 0 ||
        wfs_expr_reverse_axes(f->arena, matrix, &f->expr, NULL) < 0 ||
        wfs_expr_read(f->expr, f->want, SIZE, 0, NULL) < 0)
        return -1;
    f->hash = wfs_expr_hash(f->expr);
    assert_int_equal(wfs_log_open("/dev/null", NULL), 0); /* hundreds of right warnings */
    *state = f;
    return 0;
}

static int remove_entry(const char *path, const struct stat *st, int kind, struct FTW *ftw)
{
    (void)st, (void)kind, (void)ftw;
    return remove(path);
}

static int tear_down(void **state)
{
    struct fixture *f = *state;
    wfs_arena_free(f->arena);
    nftw(f->dir, remove_entry, 8, FTW_DEPTH | FTW_PHYS);
    free(f->want);
    free(f->have);
    free(f);
    return 0;
}

/* One mount's life with memory for n allocations. Returns the number of reads that were right. */
static int live(struct fixture *f, long n)
{
    struct wfs_cache_options options = {.mode = WFS_CACHE_ALWAYS,
                                        .memory_bytes = 16 << 20,
                                        .index_path = f->index,
                                        .source = "memory"};
    struct wfs_cache *cache = NULL;
    struct wfs_error err = {0};
    int n_right = 0;
    atomic_store(&allocations_left, n);
    int r = wfs_cache_new(&options, &cache, &err);
    if (r < 0) {
        plenty();
        assert_int_equal(r, -ENOMEM);
        assert_true(err.message[0] != '\0');
        return 0;
    }
    for (size_t off = 0; off < SIZE; off += SIZE / 8) {
        memset(f->have, 0, SIZE / 8);
        r = wfs_cache_read(cache, f->expr, &f->hash, f->have, SIZE / 8, off, NULL, NULL);
        if (r == 0 && memcmp(f->have, f->want + off, SIZE / 8) == 0)
            n_right++;
        else if (r != -ENOMEM)
            n_right = -1000; /* wrong bytes, or another error than the true one */
    }
    wfs_cache_put_fact(cache, "fact", &f->hash, "12345678", 8);
    wfs_cache_free(cache);
    plenty();
    assert_true(n_right >= 0);
    return n_right;
}

static void run_all(struct fixture *f, bool once)
{
    int n_right = 0, n_whole = 0;
    atomic_store(&fail_once, once);
    for (long n = 0; n < N_MAX; n += n < 120 ? 1 : 7) {
        if (n % 3 == 0)
            unlink(f->index); /* made anew, or there already */
        n_right = live(f, n);
        n_whole += n_right == 8;
    }
    assert_int_equal(n_right, 8);
    assert_true(n_whole > 1);
}

static void test_cache__one_allocation_fails(void **state)
{
    run_all(*state, true);
}

static void test_cache__memory_runs_out(void **state)
{
    run_all(*state, false);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_cache__one_allocation_fails, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_cache__memory_runs_out, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
