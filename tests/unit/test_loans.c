/*
 * test_loans.c - parts of an answer that are lent: together with the buffer they are the bytes of
 * a gather, they stay so while the pool is full of other things, and they come back.
 */
#include <time.h>

#include "cache_fixture.h"

#define MAX_READ (3 * MIB)

/* What was read, the way a reader that writes vectors sees it. */
static void assert_iov(const struct wfs_loans *loans, uint8_t *buf, size_t len, const uint8_t *want)
{
    struct iovec iov[WFS_LOANS_MAX_IOV];
    int n = wfs_loans_iov(loans, buf, len, iov);
    assert_in_range(n, 1, WFS_LOANS_MAX_IOV);
    size_t at = 0;
    for (int i = 0; i < n; i++) {
        assert_true(iov[i].iov_len <= len - at);
        assert_memory_equal(iov[i].iov_base, want + at, iov[i].iov_len);
        at += iov[i].iov_len;
    }
    assert_int_equal(at, len);
}

static void read_lending(struct wfs_cache *cache, const struct wfs_expr *expr, uint8_t *buf,
                         size_t len, uint64_t off, struct wfs_loans *loans)
{
    struct wfs_hash hash = wfs_expr_hash(expr);
    memset(buf, 0xee, len);
    assert_int_equal(wfs_cache_read(cache, expr, &hash, buf, len, off, loans, NULL), 0);
}

static void test_loans__any_range(void **state)
{
    struct scratch *s = *state;
    uint64_t seed = (uint64_t)time(NULL) | 1;
    printf("WEIGHTFS_SEED=%llu\n", (unsigned long long)seed);
    const struct wfs_expr *expr = transposed(s, make_file(s, 16 * MIB), 0, 2048, 4096);
    uint8_t *want = gathered(expr), *buf = malloc(MAX_READ);
    s->options.mode = WFS_CACHE_OFF;
    s->options.memory_bytes = 24 * MIB; /* two blocks at once or so */
    struct wfs_cache *cache = open_cache(s);
    unsigned n_lent = 0;
    for (int i = 0; i < 200; i++) {
        struct wfs_loans loans = {0};
        uint64_t off = rng(&seed) % expr->size_bytes;
        size_t len = (size_t)(1 + rng(&seed) % wfs_min_u64(MAX_READ, expr->size_bytes - off));
        read_lending(cache, expr, buf, len, off, &loans);
        assert_iov(&loans, buf, len, want + off);
        n_lent += loans.n;
        wfs_loans_return(&loans);
        assert_int_equal(loans.n, 0);
    }
    assert_true(n_lent > 0);
    free(want);
    free(buf);
    wfs_cache_free(cache);
}

/* A loan is held while other reads turn the whole pool over. */
static void test_loans__outlive_the_pools_turnover(void **state)
{
    struct scratch *s = *state;
    const struct wfs_expr *expr = transposed(s, make_file(s, 64 * MIB), 0, 8192, 4096);
    uint8_t *want = gathered(expr), *buf = malloc(MAX_READ), *other = malloc(MAX_READ);
    s->options.mode = WFS_CACHE_OFF;
    s->options.memory_bytes = 48 * MIB;
    struct wfs_cache *cache = open_cache(s);
    struct wfs_loans held = {0};
    read_lending(cache, expr, buf, MAX_READ, 0, &held);
    assert_true(held.n > 0);
    for (uint64_t off = 0; off + MAX_READ <= expr->size_bytes; off += MAX_READ) {
        struct wfs_loans loans = {0};
        read_lending(cache, expr, other, MAX_READ, off, &loans);
        assert_iov(&loans, other, MAX_READ, want + off);
        wfs_loans_return(&loans);
    }
    assert_iov(&held, buf, MAX_READ, want);
    wfs_loans_return(&held);
    free(want);
    free(buf);
    free(other);
    wfs_cache_free(cache);
}

/* A part that is small is copied, and so is what no loan is left for. */
static void test_loans__small_parts_are_copied(void **state)
{
    struct scratch *s = *state;
    const struct wfs_expr *expr = transposed(s, make_file(s, 8 * MIB), 0, 2048, 2048);
    struct wfs_cache *cache = open_cache(s);
    uint8_t *want = gathered(expr), *buf = malloc(MIB);
    struct wfs_loans loans = {0};
    read_lending(cache, expr, buf, 1000, 77, &loans);
    assert_int_equal(loans.n, 0);
    assert_memory_equal(buf, want + 77, 1000);
    while (loans.n < WFS_LOANS_MAX)
        read_lending(cache, expr, buf, MIB, 0, &loans);
    read_lending(cache, expr, buf, MIB, 0, &loans);
    assert_int_equal(loans.n, WFS_LOANS_MAX);
    assert_memory_equal(buf, want, MIB);
    wfs_loans_return(&loans);
    free(want);
    free(buf);
    wfs_cache_free(cache);
}

/* The source changes before the loan is handed on: an error, and nothing stays pinned. */
static void test_loans__changed_source(void **state)
{
    struct scratch *s = *state;
    const struct wfs_expr *expr = transposed(s, make_file(s, 8 * MIB), 0, 2048, 2048);
    struct wfs_hash hash = wfs_expr_hash(expr);
    struct wfs_cache *cache = open_cache(s);
    uint8_t *buf = malloc(MIB);
    struct wfs_loans loans = {0};
    read_lending(cache, expr, buf, MIB, 0, &loans);
    wfs_loans_return(&loans);
    assert_int_equal(truncate(s->file, 4096), 0);
    int r = wfs_cache_read(cache, expr, &hash, buf, MIB, 0, &loans, NULL);
    wfs_loans_return(&loans);
    assert_int_equal(r, -EIO);
    free(buf);
    wfs_cache_free(cache);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_loans__any_range, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_loans__outlive_the_pools_turnover, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_loans__small_parts_are_copied, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_loans__changed_source, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
