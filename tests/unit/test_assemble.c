/*
 * test_assemble.c - one tensor from hyper-rectangles: random partitions give the tensor back, in
 * any order of the shards; gaps, overlaps and partitions that no straight cut divides are refused.
 */
#include "source_fixture.h"

#include <time.h>

#include "source/sharded/shards.h"

#define MAX_SHARDS 64

struct whole {
    struct wfs_arena *arena;
    struct wfs_bytes *bytes;
    const struct wfs_expr *expr;
    uint64_t shape[3];
};

static void make_whole(struct whole *w, uint64_t a, uint64_t b, uint64_t c)
{
    struct wfs_error err = {0};
    uint32_t n = (uint32_t)(a * b * c);
    uint8_t *data = malloc(4 * (size_t)n);
    assert_non_null(data);
    for (uint32_t i = 0; i < n; i++)
        wfs_store_u32le(data + 4 * (size_t)i, i);
    *w = (struct whole){.arena = wfs_arena_new(), .shape = {a, b, c}};
    assert_int_equal(wfs_bytes_from_memory("whole", data, 4 * (size_t)n, &w->bytes, &err), 0);
    assert_int_equal(
        wfs_expr_contiguous(w->arena, w->bytes, 0, WFS_U32, 3, w->shape, &w->expr, &err), 0);
    free(data);
}

static void free_whole(struct whole *w)
{
    wfs_arena_free(w->arena);
    wfs_bytes_unref(w->bytes);
}

static struct wfs_shard shard_of(struct whole *w, const uint64_t *start, const uint64_t *count)
{
    struct wfs_shard shard = {.expr = w->expr};
    struct wfs_error err = {0};
    for (uint32_t i = 0; i < 3; i++) {
        shard.offset[i] = start[i];
        assert_int_equal(wfs_expr_slice(w->arena, shard.expr, i, start[i], start[i] + count[i], 1,
                                        &shard.expr, &err),
                         0);
    }
    return shard;
}

/* Cuts a box at random places; returns the shards so far. */
static uint32_t cut_randomly(struct whole *w, uint64_t *start, uint64_t *count, int depth,
                             struct wfs_shard *shards, uint32_t n)
{
    uint32_t axis = (uint32_t)rand() % 3;
    if (depth == 0 || n >= MAX_SHARDS / 2 || rand() % 5 == 0 || count[axis] < 2) {
        shards[n] = shard_of(w, start, count);
        return n + 1;
    }
    uint64_t all = count[axis], first = (uint64_t)rand() % (all + 1); /* may be empty */
    count[axis] = first;
    n = cut_randomly(w, start, count, depth - 1, shards, n);
    count[axis] = all - first;
    start[axis] += first;
    n = cut_randomly(w, start, count, depth - 1, shards, n);
    start[axis] -= first;
    count[axis] = all;
    return n;
}

static int assemble(struct whole *w, struct wfs_shard *shards, uint32_t n,
                    const struct wfs_expr **ret, int32_t *ret_axis, struct wfs_error *err)
{
    return wfs_shards_assemble(w->arena, WFS_U32, 3, w->shape, shards, n, ret, ret_axis, err);
}

static void check_equal(struct whole *w, const struct wfs_expr *got)
{
    size_t len = (size_t)w->expr->size_bytes;
    uint8_t *a = malloc(len), *b = malloc(len);
    struct wfs_error err = {0};
    assert_true(a && b);
    assert_true(wfs_shape_equal(got->ndim, got->shape, 3, w->shape));
    assert_int_equal(wfs_expr_read(w->expr, a, len, 0, &err), 0);
    assert_int_equal(wfs_expr_read(got, b, len, 0, &err), 0);
    assert_memory_equal(a, b, len);
    free(a);
    free(b);
}

static void test_assemble__random_partitions(void **state)
{
    (void)state;
    const char *given = getenv("WEIGHTFS_SEED");
    unsigned seed = given ? (unsigned)strtoul(given, NULL, 10) : (unsigned)time(NULL);
    print_message("WEIGHTFS_SEED=%u\n", seed);
    srand(seed);
    for (int round = 0; round < 200; round++) {
        struct whole w;
        struct wfs_shard shards[MAX_SHARDS];
        struct wfs_error err = {0};
        const struct wfs_expr *got = NULL;
        int32_t axis;
        make_whole(&w, 1 + (uint64_t)rand() % 7, 1 + (uint64_t)rand() % 9,
                   1 + (uint64_t)rand() % 5);
        uint64_t start[3] = {0}, count[3] = {w.shape[0], w.shape[1], w.shape[2]};
        uint32_t n = cut_randomly(&w, start, count, 5, shards, 0);
        for (uint32_t i = n; i-- > 1;) {
            uint32_t k = (uint32_t)rand() % (i + 1);
            struct wfs_shard other = shards[i];
            shards[i] = shards[k];
            shards[k] = other;
        }
        if (assemble(&w, shards, n, &got, &axis, &err))
            fail_msg("%s", err.message);
        check_equal(&w, got);
        free_whole(&w);
    }
}

static void test_assemble__the_axis_is_told(void **state)
{
    (void)state;
    struct whole w;
    struct wfs_error err = {0};
    const struct wfs_expr *got = NULL;
    int32_t axis = 7;
    make_whole(&w, 4, 6, 2);
    struct wfs_shard rows[] = {shard_of(&w, (uint64_t[]){3, 0, 0}, (uint64_t[]){1, 6, 2}),
                               shard_of(&w, (uint64_t[]){0, 0, 0}, (uint64_t[]){3, 6, 2})};
    assert_int_equal(assemble(&w, rows, 2, &got, &axis, &err), 0);
    assert_int_equal(axis, 0);
    struct wfs_shard columns[] = {shard_of(&w, (uint64_t[]){0, 0, 0}, (uint64_t[]){4, 1, 2}),
                                  shard_of(&w, (uint64_t[]){0, 1, 0}, (uint64_t[]){4, 5, 2})};
    assert_int_equal(assemble(&w, columns, 2, &got, &axis, &err), 0);
    assert_int_equal(axis, 1);
    assert_int_equal(assemble(&w, &(struct wfs_shard){.expr = w.expr}, 1, &got, &axis, &err), 0);
    assert_int_equal(axis, -1);
    free_whole(&w);
}

static void refuse(struct whole *w, struct wfs_shard *shards, uint32_t n, const char *why)
{
    struct wfs_error err = {0};
    const struct wfs_expr *got = NULL;
    int32_t axis;
    assert_int_equal(assemble(w, shards, n, &got, &axis, &err), -EINVAL);
    if (!strstr(err.message, why))
        fail_msg("'%s' does not say '%s'", err.message, why);
    assert_null(got);
}

static void test_assemble__what_does_not_tile(void **state)
{
    (void)state;
    struct whole w;
    make_whole(&w, 3, 3, 1);
    struct wfs_shard left = shard_of(&w, (uint64_t[]){0, 0, 0}, (uint64_t[]){3, 2, 1});
    struct wfs_shard right = shard_of(&w, (uint64_t[]){0, 2, 0}, (uint64_t[]){3, 1, 1});
    struct wfs_shard short_right = shard_of(&w, (uint64_t[]){0, 2, 0}, (uint64_t[]){2, 1, 1});
    refuse(&w, (struct wfs_shard[]){left}, 1, "gap");
    refuse(&w, (struct wfs_shard[]){right}, 1, "gap");
    refuse(&w, (struct wfs_shard[]){left, short_right}, 2, "gap");
    refuse(&w, (struct wfs_shard[]){left, left, right}, 3, "overlap");
    refuse(&w, (struct wfs_shard[]){left, {.expr = w.expr}}, 2, "overlap");
    refuse(&w, NULL, 0, "no elements");
    left.offset[1] = 2;
    refuse(&w, (struct wfs_shard[]){left}, 1, "beyond");
    left.offset[1] = UINT64_MAX;
    refuse(&w, (struct wfs_shard[]){left}, 1, "beyond");
    /* A pinwheel tiles the square, but no cut goes through it. */
    struct wfs_shard pinwheel[] = {shard_of(&w, (uint64_t[]){0, 0, 0}, (uint64_t[]){1, 2, 1}),
                                   shard_of(&w, (uint64_t[]){0, 2, 0}, (uint64_t[]){2, 1, 1}),
                                   shard_of(&w, (uint64_t[]){2, 1, 0}, (uint64_t[]){1, 2, 1}),
                                   shard_of(&w, (uint64_t[]){1, 0, 0}, (uint64_t[]){2, 1, 1}),
                                   shard_of(&w, (uint64_t[]){1, 1, 0}, (uint64_t[]){1, 1, 1})};
    refuse(&w, pinwheel, 5, "overlap");
    free_whole(&w);
}

/* A row, then a column, then a row ...: each cut lies within the one before. */
static void test_assemble__cuts_within_cuts_are_bounded(void **state)
{
    (void)state;
    enum { N = 80 };
    struct whole w;
    static struct wfs_shard shards[2 * N + 1];
    for (uint64_t deep = 60; deep <= N; deep += 20) {
        const struct wfs_expr *got = NULL;
        int32_t axis;
        struct wfs_error err = {0};
        uint32_t n = 0;
        make_whole(&w, deep + 1, deep + 1, 1);
        for (uint64_t i = 0; i < deep; i++) {
            shards[n++] = shard_of(&w, (uint64_t[]){i, i, 0}, (uint64_t[]){1, deep + 1 - i, 1});
            shards[n++] = shard_of(&w, (uint64_t[]){i + 1, i, 0}, (uint64_t[]){deep - i, 1, 1});
        }
        shards[n++] = shard_of(&w, (uint64_t[]){deep, deep, 0}, (uint64_t[]){1, 1, 1});
        int r = assemble(&w, shards, n, &got, &axis, &err);
        assert_int_equal(r, deep < N ? 0 : -EINVAL);
        if (r)
            assert_non_null(strstr(err.message, "deeper than any mesh"));
        else
            check_equal(&w, got);
        free_whole(&w);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_assemble__random_partitions),
        cmocka_unit_test(test_assemble__the_axis_is_told),
        cmocka_unit_test(test_assemble__what_does_not_tile),
        cmocka_unit_test(test_assemble__cuts_within_cuts_are_bounded),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
