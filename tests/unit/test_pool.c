/*
 * test_pool.c - the memory pool: single flight, the budget, the order of eviction; and the small
 * deciders beside it: access history, policy, memory limits.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdatomic.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>
#include <cmocka.h>

#include "cache/access.h"
#include "cache/pool/memory.h"
#include "cache/policy.h"
#include "cache/pool/pool.h"
#include "cache/pool/region.h"

#define MIB (UINT64_C(1) << 20)

static uint64_t rng_state;

static uint64_t rng(uint64_t *state)
{
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    return *state;
}

/* ---- region -------------------------------------------------------------------------------- */

static void test_region__extents_do_not_overlap(void **state)
{
    (void)state;
    struct wfs_region *region = NULL;
    struct wfs_extent *held[64] = {0};
    uint64_t sizes[64] = {0};
    assert_int_equal(wfs_region_new(16 * MIB, &region, NULL), 0);
    for (int i = 0; i < 20000; i++) {
        size_t at = rng(&rng_state) % 64;
        if (held[at]) {
            uint8_t *data = wfs_region_data(region, held[at]);
            assert_int_equal(data[0], (uint8_t)at);
            assert_int_equal(data[sizes[at] - 1], (uint8_t)at);
            wfs_region_give(region, held[at]);
            held[at] = NULL;
            continue;
        }
        sizes[at] = 1 + rng(&rng_state) % (2 * MIB);
        held[at] = wfs_region_take(region, sizes[at]);
        if (held[at]) {
            uint8_t *data = wfs_region_data(region, held[at]);
            assert_int_equal((uintptr_t)data % 4096, 0);
            data[0] = data[sizes[at] - 1] = (uint8_t)at;
        }
    }
    for (size_t i = 0; i < 64; i++)
        if (held[i])
            wfs_region_give(region, held[i]);
    /* All holes have become one again. */
    struct wfs_extent *whole = wfs_region_take(region, 16 * MIB);
    assert_non_null(whole);
    assert_null(wfs_region_take(region, 1));
    wfs_region_give(region, whole);
    wfs_region_free(region);
}

/* ---- pool ---------------------------------------------------------------------------------- */

static struct wfs_block_key key_of(uint64_t number)
{
    struct wfs_block_key key = {.number = number};
    key.hash.bytes[0] = (uint8_t)number;
    return key;
}

static enum wfs_pool_result fetch(struct wfs_pool *pool, uint64_t number, uint64_t size)
{
    struct wfs_block_key key = key_of(number);
    struct wfs_block *block = NULL;
    enum wfs_pool_result result = wfs_pool_acquire(pool, &key, size, &block);
    if (result == WFS_POOL_OWNER) {
        memset(block->data, (int)(number & 0xff), size);
        wfs_pool_publish(pool, block);
    }
    if (result == WFS_POOL_OWNER || result == WFS_POOL_HIT) {
        assert_int_equal(block->data[size - 1], number & 0xff);
        wfs_pool_release(pool, block);
    }
    return result;
}

static void test_pool__least_recently_used_goes_first(void **state)
{
    (void)state;
    struct wfs_pool *pool = NULL;
    assert_int_equal(wfs_pool_new(4 * MIB, &pool, NULL), 0);
    for (uint64_t i = 0; i < 4; i++)
        assert_int_equal(fetch(pool, i, MIB), WFS_POOL_OWNER);
    assert_int_equal(fetch(pool, 0, MIB), WFS_POOL_HIT);
    assert_int_equal(fetch(pool, 4, MIB), WFS_POOL_OWNER); /* evicts 1 */
    assert_int_equal(fetch(pool, 0, MIB), WFS_POOL_HIT);
    assert_int_equal(fetch(pool, 2, MIB), WFS_POOL_HIT);
    assert_int_equal(fetch(pool, 1, MIB), WFS_POOL_OWNER);
    wfs_pool_free(pool);
}

/* Block 0 was read whole, block 1 was not; past the warm bytes only block 0 makes room, though
 * there is fresh memory for all. */
static void test_pool__spent_blocks_make_room(void **state)
{
    (void)state;
    struct wfs_pool *pool = NULL;
    const uint64_t n_warm = WFS_POOL_WARM_BYTES / MIB;
    assert_int_equal(wfs_pool_new(2 * WFS_POOL_WARM_BYTES, &pool, NULL), 0);
    for (uint64_t i = 0; i < n_warm; i++)
        assert_int_equal(fetch(pool, i, MIB), WFS_POOL_OWNER);
    struct wfs_block_key key = key_of(0);
    struct wfs_block *block = NULL;
    assert_int_equal(wfs_pool_find(pool, &key, &block), WFS_POOL_HIT);
    wfs_pool_served(pool, block, MIB);
    wfs_pool_release(pool, block);
    assert_int_equal(fetch(pool, n_warm, MIB), WFS_POOL_OWNER);
    assert_int_equal(wfs_pool_find(pool, &key, &block), WFS_POOL_ABSENT);
    for (uint64_t i = 1; i <= n_warm; i++)
        assert_int_equal(fetch(pool, i, MIB), WFS_POOL_HIT);
    wfs_pool_free(pool);
}

static void test_pool__never_waits_for_memory(void **state)
{
    (void)state;
    struct wfs_pool *pool = NULL;
    struct wfs_block *held[4];
    assert_int_equal(wfs_pool_new(4 * MIB, &pool, NULL), 0);
    for (uint64_t i = 0; i < 4; i++) {
        struct wfs_block_key key = key_of(i);
        assert_int_equal(wfs_pool_acquire(pool, &key, MIB, &held[i]), WFS_POOL_OWNER);
    }
    assert_int_equal(fetch(pool, 9, MIB), WFS_POOL_FULL);
    assert_int_equal(fetch(pool, 9, 64 * MIB), WFS_POOL_FULL);
    wfs_pool_publish(pool, held[0]);
    assert_int_equal(fetch(pool, 9, MIB), WFS_POOL_FULL); /* ready, but in hand */
    wfs_pool_release(pool, held[0]);
    assert_int_equal(fetch(pool, 9, MIB), WFS_POOL_OWNER);
    for (uint64_t i = 1; i < 4; i++)
        wfs_pool_abandon(pool, held[i]);
    assert_int_equal(fetch(pool, 9, MIB), WFS_POOL_HIT);
    for (uint64_t i = 20; i < 23; i++)
        assert_int_equal(fetch(pool, i, MIB), WFS_POOL_OWNER);
    wfs_pool_free(pool);
}

static void test_pool__too_big_evicts_nothing(void **state)
{
    (void)state;
    struct wfs_pool *pool = NULL;
    assert_int_equal(wfs_pool_new(4 * MIB, &pool, NULL), 0);
    assert_int_equal(fetch(pool, 1, MIB), WFS_POOL_OWNER);
    assert_int_equal(fetch(pool, 2, 5 * MIB), WFS_POOL_FULL);
    assert_int_equal(fetch(pool, 1, MIB), WFS_POOL_HIT);
    wfs_pool_free(pool);
}

struct flight {
    struct wfs_pool *pool;
    atomic_uint n_owned, n_hit, n_failed;
    bool fails;
};

static void *fly(void *arg)
{
    struct flight *flight = arg;
    for (uint64_t i = 0; i < 20; i++) {
        struct wfs_block_key key = key_of(i);
        struct wfs_block *block = NULL;
        switch (wfs_pool_acquire(flight->pool, &key, 64 << 10, &block)) {
        case WFS_POOL_OWNER:
            atomic_fetch_add(&flight->n_owned, 1);
            nanosleep(&(struct timespec){.tv_nsec = 2000000}, NULL);
            memset(block->data, (int)i, 64 << 10);
            if (flight->fails && i % 2 == 1) {
                wfs_pool_abandon(flight->pool, block);
                continue;
            }
            wfs_pool_publish(flight->pool, block);
            break;
        case WFS_POOL_HIT:
            atomic_fetch_add(&flight->n_hit, 1);
            break;
        case WFS_POOL_FAILED:
            atomic_fetch_add(&flight->n_failed, 1);
            continue;
        default:
            abort();
        }
        for (size_t k = 0; k < 64 << 10; k += 4096)
            if (block->data[k] != i)
                abort();
        wfs_pool_release(flight->pool, block);
    }
    return NULL;
}

static void run_flight(struct flight *flight)
{
    pthread_t threads[16];
    assert_int_equal(wfs_pool_new(8 * MIB, &flight->pool, NULL), 0);
    for (size_t i = 0; i < 16; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, fly, flight), 0);
    for (size_t i = 0; i < 16; i++)
        pthread_join(threads[i], NULL);
    wfs_pool_free(flight->pool);
}

static void test_pool__computes_once_for_all(void **state)
{
    (void)state;
    struct flight flight = {.fails = false};
    run_flight(&flight);
    assert_int_equal(flight.n_owned, 20);
    assert_int_equal(flight.n_hit, 15 * 20);
}

static void test_pool__failure_frees_the_waiters(void **state)
{
    (void)state;
    struct flight flight = {.fails = true};
    run_flight(&flight);
    assert_int_equal(flight.n_owned + flight.n_hit + flight.n_failed, 16 * 20);
    assert_true(flight.n_owned >= 20);
}

static void *churn(void *arg)
{
    struct wfs_pool *pool = arg;
    uint64_t local = rng_state ^ (uint64_t)(uintptr_t)&local;
    for (int i = 0; i < 3000; i++) {
        struct wfs_block_key key = key_of(rng(&local) % 200);
        struct wfs_block *block = NULL;
        uint64_t size = 1000 + key.number * 4000;
        enum wfs_pool_result result = wfs_pool_acquire(pool, &key, size, &block);
        if (result == WFS_POOL_OWNER) {
            memset(block->data, (int)key.number, size);
            wfs_pool_publish(pool, block);
        } else if (result != WFS_POOL_HIT) {
            continue;
        }
        if (block->data[0] != (uint8_t)key.number || block->data[size - 1] != (uint8_t)key.number)
            abort();
        wfs_pool_release(pool, block);
    }
    return NULL;
}

static void test_pool__churns_in_parallel(void **state)
{
    (void)state;
    struct wfs_pool *pool = NULL;
    pthread_t threads[8];
    assert_int_equal(wfs_pool_new(4 * MIB, &pool, NULL), 0);
    for (size_t i = 0; i < 8; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, churn, pool), 0);
    for (size_t i = 0; i < 8; i++)
        pthread_join(threads[i], NULL);
    wfs_pool_free(pool);
}

/* ---- access -------------------------------------------------------------------------------- */

static void test_access__tells_streams_from_isolated_reads(void **state)
{
    (void)state;
    struct wfs_access *access = wfs_access_new();
    struct wfs_hash hash = {{9}};
    assert_false(wfs_access_note(access, &hash, 0, 4096));
    assert_true(wfs_access_note(access, &hash, 4096, 4096));
    assert_true(wfs_access_note(access, &hash, 3 * 4096, 4096)); /* out of order */
    assert_true(wfs_access_note(access, &hash, 2 * 4096, 4096));
    assert_false(wfs_access_note(access, &hash, 100 * MIB, 4096));
    assert_false(wfs_access_note(access, &hash, 50 * MIB, 4096));
    assert_true(wfs_access_note(access, &hash, 100 * MIB + 4096, 4096)); /* two readers */
    assert_true(wfs_access_note(access, &hash, 50 * MIB + 4096, 4096));
    wfs_access_free(access);
}

static void test_access__block_that_keeps_being_read_is_hot(void **state)
{
    (void)state;
    struct wfs_access *access = wfs_access_new();
    struct wfs_block_key key = key_of(3), other = key_of(4);
    assert_true(wfs_access_is_hot(access, &key, MIB, MIB / 2));
    assert_false(wfs_access_is_hot(access, &key, 4 * MIB, 4096));
    assert_false(wfs_access_is_hot(access, &other, 4 * MIB, 4096));
    int n = 0;
    while (!wfs_access_is_hot(access, &key, 4 * MIB, 4096) && n < 1000)
        n++;
    assert_in_range(n, 3, 100);
    wfs_access_free(access);
}

/* ---- policy -------------------------------------------------------------------------------- */

static unsigned count_index_reads(struct wfs_policy *policy, double compute_rate, double index_rate,
                                  unsigned n)
{
    unsigned n_index = 0;
    for (unsigned i = 0; i < n; i++)
        if (wfs_policy_wants_index(policy)) {
            wfs_policy_note_index(policy, MIB, (uint64_t)((double)MIB / index_rate * 1e9));
            n_index++;
        } else {
            wfs_policy_note_compute(policy, MIB, (uint64_t)((double)MIB / compute_rate * 1e9));
        }
    return n_index;
}

static void test_policy__user_decides(void **state)
{
    (void)state;
    struct wfs_policy policy;
    wfs_policy_init(&policy, WFS_CACHE_ALWAYS, false);
    count_index_reads(&policy, 8e9, 0.1e9, 10);
    assert_true(wfs_policy_wants_index(&policy) && wfs_policy_wants_keep(&policy));
    wfs_policy_destroy(&policy);
    wfs_policy_init(&policy, WFS_CACHE_OFF, true);
    assert_false(wfs_policy_wants_index(&policy) || wfs_policy_wants_keep(&policy));
    wfs_policy_destroy(&policy);
}

static void test_policy__auto_takes_the_faster_way(void **state)
{
    (void)state;
    struct wfs_policy policy;
    wfs_policy_init(&policy, WFS_CACHE_AUTO, false);
    assert_false(wfs_policy_wants_keep(&policy)); /* nothing measured */
    assert_true(count_index_reads(&policy, 5e9, 1.5e9, 1000) < 20);
    assert_false(wfs_policy_wants_keep(&policy));
    wfs_policy_destroy(&policy);

    wfs_policy_init(&policy, WFS_CACHE_AUTO, false);
    assert_true(count_index_reads(&policy, 0.1e9, 1.5e9, 1000) > 980);
    assert_true(wfs_policy_wants_keep(&policy));
    /* The source became fast (its pages are in memory now). */
    count_index_reads(&policy, 6e9, 1.5e9, 20000);
    assert_false(wfs_policy_wants_keep(&policy));
    wfs_policy_destroy(&policy);

    wfs_policy_init(&policy, WFS_CACHE_AUTO, true);
    assert_true(wfs_policy_wants_keep(&policy)); /* a network source */
    wfs_policy_destroy(&policy);
}

/* ---- memory -------------------------------------------------------------------------------- */

static void write_text(const char *dir, const char *name, const char *text)
{
    char path[256];
    snprintf(path, sizeof path, "%s/%s", dir, name);
    FILE *f = fopen(path, "w");
    assert_non_null(f);
    fputs(text, f);
    fclose(f);
}

static void test_memory__smallest_cgroup_limit_binds(void **state)
{
    (void)state;
    char root[] = "/tmp/wfs-cgroup-XXXXXX", dir[128];
    assert_non_null(mkdtemp(root));
    assert_true(wfs_memory_cgroup_limit("", root) == UINT64_MAX);
    assert_true(wfs_memory_cgroup_limit("0::/nowhere\n", root) == UINT64_MAX);
    snprintf(dir, sizeof dir, "%s/a", root);
    mkdir(dir, 0700);
    write_text(dir, "memory.max", "1000000\n");
    snprintf(dir, sizeof dir, "%s/a/b", root);
    mkdir(dir, 0700);
    write_text(dir, "memory.max", "max\n");
    assert_int_equal(wfs_memory_cgroup_limit("0::/a/b\n", root), 1000000);
    write_text(dir, "memory.max", "70000\n");
    assert_int_equal(wfs_memory_cgroup_limit("0::/a/b\n", root), 70000);
    assert_int_equal(wfs_memory_cgroup_limit("0::/a/b/gone\n", root), 70000);
    snprintf(dir, sizeof dir, "%s/memory", root);
    mkdir(dir, 0700);
    write_text(dir, "memory.limit_in_bytes", "5000\n");
    assert_int_equal(wfs_memory_cgroup_limit("9:cpu:/x\n4:memory:/y\n0::/a\n", root), 5000);
    assert_true(wfs_memory_cgroup_limit("4:memory\ngarbage\n::\n", root) == UINT64_MAX);
    char command[160];
    snprintf(command, sizeof command, "rm -r %s", root);
    assert_int_equal(system(command), 0);
    assert_true(wfs_memory_default() <= 256 * MIB && wfs_memory_default() > 0);
}

int main(void)
{
    rng_state = (uint64_t)time(NULL) * 2654435761u | 1;
    if (getenv("WEIGHTFS_SEED"))
        rng_state = strtoull(getenv("WEIGHTFS_SEED"), NULL, 0) | 1;
    print_message("WEIGHTFS_SEED=%llu\n", (unsigned long long)rng_state);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_region__extents_do_not_overlap),
        cmocka_unit_test(test_pool__least_recently_used_goes_first),
        cmocka_unit_test(test_pool__spent_blocks_make_room),
        cmocka_unit_test(test_pool__never_waits_for_memory),
        cmocka_unit_test(test_pool__too_big_evicts_nothing),
        cmocka_unit_test(test_pool__computes_once_for_all),
        cmocka_unit_test(test_pool__failure_frees_the_waiters),
        cmocka_unit_test(test_pool__churns_in_parallel),
        cmocka_unit_test(test_access__tells_streams_from_isolated_reads),
        cmocka_unit_test(test_access__block_that_keeps_being_read_is_hot),
        cmocka_unit_test(test_policy__user_decides),
        cmocka_unit_test(test_policy__auto_takes_the_faster_way),
        cmocka_unit_test(test_memory__smallest_cgroup_limit_binds),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
