/*
 * test_expr_read.c - reads of expressions from sources that fail, change, cannot be mapped or are
 * cut off; from many threads.
 */
#include "expr_fixture.h"

#include <pthread.h>
#include <unistd.h>

/* ---- sources that fail --------------------------------------------------------------------- */

static void test_expr__reads_outside_are_errors(void **state)
{
    struct fixture *f = *state;
    const struct wfs_expr *e = leaf(f, 0, SHAPE(4));
    char buf[16];
    assert_int_equal(wfs_expr_read(e, buf, 9, 0, NULL), -EIO);
    assert_int_equal(wfs_expr_read(e, buf, 1, 8, NULL), -EIO);
    assert_int_equal(wfs_expr_read(e, buf, 2, UINT64_MAX, NULL), -EIO);
    assert_int_equal(wfs_expr_read(e, buf, 0, 8, NULL), 0);
}

/* Axes that a reshape has merged: every range of bytes, and thus every part of every factor, is that
 * part of the whole. */
static void test_expr__every_range_of_merged_axes(void **state)
{
    struct fixture *f = *state;
    const struct wfs_expr *e = permuted(f, leaf(f, 0, SHAPE(4, 3, 5)), PERM(2, 1, 0));
    const struct wfs_expr *shapes[] = {
        reshaped(f, e, SHAPE(60)), reshaped(f, e, SHAPE(15, 4)), reshaped(f, e, SHAPE(5, 12)),
        mapped(f, reshaped(f, e, SHAPE(60)), WFS_ELEM_CAST, WFS_I16, 0)};
    for (size_t i = 0; i < WFS_ARRAY_SIZE(shapes); i++) {
        uint8_t whole[120], part[120];
        for (uint64_t k = 0; k < 60;
             k++) { /* element k of (5, 3, 4) is [k % 4][k / 4 % 3][k / 12] */
            uint16_t v = (uint16_t)(k % 4 * 15 + k / 4 % 3 * 5 + k / 12);
            memcpy(whole + 2 * k, &v, 2);
        }
        for (size_t begin = 0; begin < 120; begin++)
            for (size_t end = begin; end <= 120; end++) {
                memset(part, 0xa5, sizeof(part));
                assert_int_equal(wfs_expr_read(shapes[i], part, end - begin, begin, &f->err), 0);
                assert_memory_equal(part, whole + begin, end - begin);
                for (size_t k = end - begin; k < sizeof(part); k++)
                    assert_int_equal(part[k], 0xa5);
            }
    }
}

static void test_expr__a_source_that_changed_is_an_error(void **state)
{
    struct fixture *f = *state;
    struct failing b = failing(f->bytes);
    const struct wfs_expr *e =
        permuted(f, leaf_of(f, &b.base, 0, WFS_U16, SHAPE(256, 256)), PERM(1, 0));
    uint16_t got[2048];
    assert_int_equal(wfs_expr_read(e, got, sizeof(got), 0, &f->err), 0);
    assert_true(b.n_maps > 0);
    b.check_fails = true;
    assert_int_equal(wfs_expr_read(e, got, sizeof(got), 0, &f->err), -EIO);
    assert_string_equal(f->err.message, "it changed");
}

static void test_expr__a_source_that_fails_is_an_error(void **state)
{
    struct fixture *f = *state;
    struct failing b = failing(f->bytes);
    b.can_map = false;
    const struct wfs_expr *e = leaf_of(f, &b.base, 0, WFS_U16, SHAPE(256, 256));
    const struct wfs_expr *views[] = {
        e, permuted(f, e, PERM(1, 0)), sliced(f, e, 1, 3, 50, 1),
        mapped(f, permuted(f, e, PERM(1, 0)), WFS_ELEM_CAST, WFS_U32, 0)};
    char *buf = malloc(4 * N_VALUES);
    for (size_t i = 0; i < WFS_ARRAY_SIZE(views); i++) {
        b.bad_from = UINT64_MAX;
        memset(&f->err, 0, sizeof(f->err));
        assert_int_equal(wfs_expr_read(views[i], buf, views[i]->size_bytes, 0, &f->err), 0);
        b.bad_from = 100000;
        assert_int_equal(wfs_expr_read(views[i], buf, views[i]->size_bytes, 0, &f->err), -EIO);
        assert_string_equal(f->err.message, "injected");
    }
    free(buf);
}

static void test_expr__what_cannot_be_mapped_is_read_in_bounded_spans(void **state)
{
    struct fixture *f = *state;
    struct failing b = failing(f->bytes);
    uint16_t got[N_VALUES], again[N_VALUES];
    b.can_map = false;
    const struct wfs_expr *e = leaf_of(f, &b.base, 0, WFS_U16, SHAPE(256, 256));
    e = permuted(f, e, PERM(1, 0));
    assert_int_equal(wfs_expr_read(e, got, sizeof(got), 0, &f->err), 0);
    assert_true(b.bytes_read < 2 * sizeof(got));
    b.can_map = true;
    assert_int_equal(wfs_expr_read(e, again, sizeof(again), 0, &f->err), 0);
    assert_memory_equal(got, again, sizeof(got));
    /* Four elements are four small reads, not a span. */
    b.n_reads = b.n_maps = b.bytes_read = 0;
    assert_int_equal(wfs_expr_read(e, got, 8, 512, &f->err), 0);
    assert_int_equal(b.n_maps, 0);
    assert_int_equal(b.bytes_read, 8);
}

/* A real file, cut off inside a page and by whole pages, after it was opened. */
static void check_truncated(struct fixture *f, off_t size)
{
    char path[] = "/tmp/wfs-cut-XXXXXX";
    struct wfs_bytes *bytes;
    uint16_t *got = calloc(N_VALUES, 2);
    int fd = mkstemp(path);
    assert_true(fd >= 0);
    assert_int_equal(wfs_bytes_read(f->bytes, got, 2 * N_VALUES, 0, &f->err), 0);
    assert_int_equal(write(fd, got, 2 * N_VALUES), 2 * N_VALUES);
    assert_int_equal(wfs_bytes_open(path, &bytes, &f->err), 0);
    const struct wfs_expr *e =
        permuted(f, leaf_of(f, bytes, 0, WFS_U16, SHAPE(256, 256)), PERM(1, 0));
    assert_int_equal(wfs_expr_read(e, got, e->size_bytes, 0, &f->err), 0);
    assert_int_equal(ftruncate(fd, size), 0);
    assert_int_equal(wfs_expr_read(e, got, e->size_bytes, 0, &f->err), -EIO);
    wfs_bytes_unref(bytes);
    close(fd);
    unlink(path);
    free(got);
}

static void test_expr__a_truncated_file_is_an_error_and_no_signal(void **state)
{
    struct fixture *f = *state;
    check_truncated(f, 2 * N_VALUES - 1);
    memset(&f->err, 0, sizeof(f->err));
    check_truncated(f, 4096);
    memset(&f->err, 0, sizeof(f->err));
    check_truncated(f, 0);
}

/* Elements far apart in a sparse file: value i at i * step. */
static void check_sparse(struct fixture *f, uint64_t n, uint64_t step, uint64_t n_hints)
{
    char path[] = "/tmp/wfs-sparse-XXXXXX";
    const uint64_t columns = 40;
    struct wfs_bytes *bytes;
    const struct wfs_expr *e;
    uint16_t row[40], *got = malloc(n * sizeof(row));
    int fd = mkstemp(path);
    assert_true(fd >= 0);
    assert_int_equal(unlink(path), 0);
    assert_int_equal(ftruncate(fd, (off_t)(n * step)), 0);
    for (uint64_t i = 0; i < n; i++) {
        for (uint64_t k = 0; k < columns; k++)
            row[k] = (uint16_t)(i * columns + k);
        assert_int_equal(pwrite(fd, row, sizeof(row), (off_t)(i * step)), sizeof(row));
    }
    snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
    assert_int_equal(wfs_bytes_open(path, &bytes, &f->err), 0);
    struct failing b = failing(bytes);
    assert_int_equal(wfs_expr_strided(f->arena, &b.base, 0, WFS_U16, SHAPE(columns, n),
                                      STRIDES(1, (int64_t)step / 2), &e, &f->err),
                     0);
    assert_int_equal(wfs_expr_read(e, got, e->size_bytes, 0, &f->err), 0);
    for (uint64_t i = 0; i < n * columns; i++)
        assert_int_equal(got[i], i % n * columns + i / n);
    assert_int_equal(b.n_hints, n_hints);
    wfs_bytes_unref(bytes);
    close(fd);
    free(got);
}

static void test_expr__elements_far_apart(void **state)
{
    check_sparse(*state, 40, UINT64_C(1) << 30, 0);          /* one by one */
    check_sparse(*state, 1200, UINT64_C(4) << 20, 1200);     /* more than one window */
    check_sparse(*state, 500, (UINT64_C(1) << 20) + 6, 500); /* the strips are hinted */
    check_sparse(*state, 500, 4096, 1);                      /* all of it is hinted */
}

/* ---- many threads -------------------------------------------------------------------------- */

struct reader {
    const struct wfs_expr *expr;
    const uint8_t *want;
    unsigned seed;
    bool failed;
};

static void *read_ranges(void *arg)
{
    struct reader *r = arg;
    uint8_t *buf = malloc(r->expr->size_bytes);
    for (int i = 0; i < 50; i++) {
        uint64_t off = (uint64_t)rand_r(&r->seed) % r->expr->size_bytes;
        uint64_t len = (uint64_t)rand_r(&r->seed) % (r->expr->size_bytes - off) + 1;
        r->failed = r->failed || wfs_expr_read(r->expr, buf, len, off, NULL) ||
                    memcmp(buf, r->want + off, len) != 0;
    }
    free(buf);
    return NULL;
}

static void test_expr__threads_read_one_expression(void **state)
{
    struct fixture *f = *state;
    const struct wfs_expr *e = permuted(f, leaf(f, 0, SHAPE(256, 256)), PERM(1, 0));
    e = concat(f, e, mapped(f, e, WFS_ELEM_NEG, WFS_U16, 0), 1);
    uint8_t *want = malloc(e->size_bytes);
    struct reader readers[4];
    pthread_t threads[4];
    assert_int_equal(wfs_expr_read(e, want, e->size_bytes, 0, &f->err), 0);
    for (unsigned i = 0; i < 4; i++) {
        readers[i] = (struct reader){e, want, i + 1, false};
        assert_int_equal(pthread_create(&threads[i], NULL, read_ranges, &readers[i]), 0);
    }
    for (unsigned i = 0; i < 4; i++) {
        pthread_join(threads[i], NULL);
        assert_false(readers[i].failed);
    }
    free(want);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        EXPR_TEST(test_expr__reads_outside_are_errors),
        EXPR_TEST(test_expr__every_range_of_merged_axes),
        EXPR_TEST(test_expr__a_source_that_changed_is_an_error),
        EXPR_TEST(test_expr__a_source_that_fails_is_an_error),
        EXPR_TEST(test_expr__what_cannot_be_mapped_is_read_in_bounded_spans),
        EXPR_TEST(test_expr__a_truncated_file_is_an_error_and_no_signal),
        EXPR_TEST(test_expr__elements_far_apart),
        EXPR_TEST(test_expr__threads_read_one_expression),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
