/*
 * test_kernel.c - the copy kernels against the definition: one element at a time, by odometer.
 * Source and destination end (or begin) at a page that may not be touched, so that a kernel which
 * reads or writes one byte outside its box dies here.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "tensor/kernel/kernel.h"
#include "tensor/kernel/plane.h"
#include "base/base.h"

static uint64_t rng_state;

static uint64_t rng(void)
{
    rng_state ^= rng_state << 13;
    rng_state ^= rng_state >> 7;
    rng_state ^= rng_state << 17;
    return rng_state;
}

static uint64_t below(uint64_t n)
{
    return rng() % n;
}

static int setup_seed(void **state)
{
    (void)state;
    const char *given = getenv("WEIGHTFS_TEST_SEED");
    uint64_t seed = given != NULL ? strtoull(given, NULL, 10) : (uint64_t)time(NULL);
    print_message("seed %llu\n", (unsigned long long)seed);
    rng_state = seed * 2654435761u + 88172645463325252ull;
    return 0;
}

/* ---- memory between two forbidden pages ---------------------------------------------------- */

struct fenced {
    uint8_t *map, *data;
    size_t map_len, len;
};

static struct fenced fenced_new(size_t len, int at_end)
{
    size_t page = (size_t)sysconf(_SC_PAGESIZE);
    size_t room = (len + page - 1) / page * page + (len == 0 ? page : 0);
    struct fenced f = {.map_len = room + 2 * page, .len = len};
    f.map = mmap(NULL, f.map_len, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    assert_true(f.map != MAP_FAILED);
    assert_int_equal(mprotect(f.map + page, room, PROT_READ | PROT_WRITE), 0);
    f.data = f.map + page + (at_end ? room - len : 0);
    return f;
}

static void fenced_free(struct fenced *f)
{
    munmap(f->map, f->map_len);
}

/* ---- the definition ------------------------------------------------------------------------ */

static void naive_copy(const struct wfs_copy *c)
{
    uint64_t index[WFS_COPY_MAX_AXES] = {0};
    for (uint32_t i = 0; i < c->ndim; i++)
        if (c->axes[i].count == 0)
            return;
    for (;;) {
        int64_t d = 0, s = 0;
        for (uint32_t i = 0; i < c->ndim; i++) {
            d += (int64_t)index[i] * c->axes[i].dst_stride;
            s += (int64_t)index[i] * c->axes[i].src_stride;
        }
        memcpy(c->dst + d, c->src + s, c->elem_bytes);
        uint32_t a = c->ndim;
        while (a > 0 && ++index[a - 1] == c->axes[a - 1].count)
            index[--a] = 0;
        if (a == 0)
            return;
    }
}

/* The bytes that one side of a copy reaches: from the lowest to the highest. */
static void extent(const struct wfs_copy *c, int dst, size_t *ret_before, size_t *ret_len)
{
    int64_t low = 0, high = 0;
    for (uint32_t i = 0; i < c->ndim; i++) {
        int64_t stride = dst ? c->axes[i].dst_stride : c->axes[i].src_stride;
        int64_t reach = (int64_t)(c->axes[i].count - 1) * stride;
        *(reach < 0 ? &low : &high) += reach;
    }
    *ret_before = (size_t)-low;
    *ret_len = (size_t)(high - low) + c->elem_bytes;
}

/* Runs the copy by both ways between fences; the destinations must be equal, gaps included. */
static void check_copy(struct wfs_copy *c)
{
    size_t dst_before, dst_len, src_before, src_len;
    extent(c, 1, &dst_before, &dst_len);
    extent(c, 0, &src_before, &src_len);
    struct fenced src = fenced_new(src_len, (int)below(2));
    struct fenced got = fenced_new(dst_len, (int)below(2));
    struct fenced want = fenced_new(dst_len, 1);
    for (size_t i = 0; i < src_len; i++)
        src.data[i] = (uint8_t)(rng() >> 24);
    memset(got.data, 0xA5, dst_len);
    memset(want.data, 0xA5, dst_len);
    c->src = src.data + src_before;
    c->dst = want.data + dst_before;
    naive_copy(c);
    c->dst = got.data + dst_before;
    wfs_kernel_copy(c);
    if (memcmp(got.data, want.data, dst_len) != 0) {
        print_message("elem %u, axes (count dst src):", c->elem_bytes);
        for (uint32_t i = 0; i < c->ndim; i++)
            print_message(" (%llu %lld %lld)", (unsigned long long)c->axes[i].count,
                          (long long)c->axes[i].dst_stride, (long long)c->axes[i].src_stride);
        fail_msg("%s", "the kernel's bytes differ");
    }
    fenced_free(&src);
    fenced_free(&got);
    fenced_free(&want);
}

/* ---- boxes --------------------------------------------------------------------------------- */

static void shuffle(uint32_t *perm, uint32_t n)
{
    for (uint32_t i = 0; i < n; i++)
        perm[i] = i;
    for (uint32_t i = n; i > 1; i--) {
        uint32_t j = (uint32_t)below(i), t = perm[i - 1];
        perm[i - 1] = perm[j];
        perm[j] = t;
    }
}

/* Lays the axes out in the order of perm (last innermost), with gaps and flips now and then. */
static void lay_out(struct wfs_copy *c, int dst, int gaps)
{
    uint32_t perm[WFS_COPY_MAX_AXES];
    int64_t stride = c->elem_bytes;
    shuffle(perm, c->ndim);
    for (uint32_t i = c->ndim; i > 0; i--) {
        struct wfs_copy_axis *axis = &c->axes[perm[i - 1]];
        int64_t step = stride;
        if (gaps && below(4) == 0)
            step += (int64_t)(below(3) * c->elem_bytes);
        stride = step * (int64_t)axis->count;
        if (gaps && below(6) == 0)
            step = -step;
        if (!dst && gaps && below(10) == 0)
            step = 0;
        *(dst ? &axis->dst_stride : &axis->src_stride) = step;
    }
}

static void random_box(struct wfs_copy *c)
{
    static const uint32_t elems[] = {1, 2, 4, 8, 16, 3, 6, 12, 24, 40, 300};
    uint64_t budget = 1 + below(20000);
    *c = (struct wfs_copy){.elem_bytes = elems[below(WFS_ARRAY_SIZE(elems))]};
    c->ndim = (uint32_t)below(6);
    for (uint32_t i = 0; i < c->ndim; i++) {
        uint64_t most = below(3) == 0 ? budget : 1 + below(9);
        c->axes[i].count = 1 + below(most < budget ? most : budget);
        budget = budget / c->axes[i].count + 1;
    }
    int gaps = below(2) == 0;
    lay_out(c, 1, gaps);
    lay_out(c, 0, gaps);
}

static void test_kernel__random_boxes_equal_the_definition(void **state)
{
    (void)state;
    static struct wfs_copy c;
    for (int i = 0; i < 3000; i++) {
        random_box(&c);
        check_copy(&c);
    }
}

/* Every remainder of rows and columns around the sizes of tiles and strips. */
static void test_kernel__transposes_of_every_small_size(void **state)
{
    (void)state;
    static struct wfs_copy c;
    for (uint32_t elem = 1; elem <= 16; elem *= 2) {
        for (uint64_t rows = 1; rows <= 70; rows += 1 + below(4)) {
            for (uint64_t cols = 1; cols <= 36; cols += 1 + below(4)) {
                c = (struct wfs_copy){.elem_bytes = elem, .ndim = 2};
                c.axes[0] = (struct wfs_copy_axis){rows, elem, (int64_t)(cols * elem)};
                c.axes[1] = (struct wfs_copy_axis){cols, (int64_t)(rows * elem), elem};
                check_copy(&c);
            }
        }
    }
}

/* The plane of a matrix at every level of strips that this CPU has, between fences. */
static void check_plane(unsigned level, uint32_t elem_log2, uint64_t rows, uint64_t cols)
{
    static struct wfs_plane plane;
    size_t elem = (size_t)1 << elem_log2, len = rows * cols * elem;
    struct fenced src = fenced_new(len, (int)below(2)), dst = fenced_new(len, (int)below(2));
    for (size_t i = 0; i < len; i++)
        src.data[i] = (uint8_t)(rng() >> 24);
    plane.elem_log2 = elem_log2;
    plane.strips = wfs_strips_level(level);
    plane.rows.count = plane.rows.axes[0].count = rows;
    plane.rows.axes[0].stride = (int64_t)(cols * elem);
    plane.cols.count = plane.cols.axes[0].count = cols;
    plane.cols.axes[0].stride = (int64_t)(rows * elem);
    plane.rows.n_axes = plane.cols.n_axes = 1;
    wfs_plane_transpose(&plane, dst.data, src.data);
    for (uint64_t i = 0; i < rows; i++)
        for (uint64_t j = 0; j < cols; j++)
            assert_memory_equal(dst.data + (j * rows + i) * elem, src.data + (i * cols + j) * elem,
                                elem);
    fenced_free(&src);
    fenced_free(&dst);
}

static void test_kernel__every_instruction_set_agrees(void **state)
{
    (void)state;
    for (unsigned level = 0; level < WFS_N_STRIP_LEVELS; level++) {
        if (wfs_strips_level(level) == NULL) {
            print_message("level %u: not on this CPU\n", level);
            continue;
        }
        for (uint32_t elem_log2 = 0; elem_log2 <= WFS_PLANE_MAX_ELEM_LOG2; elem_log2++)
            for (int i = 0; i < 12; i++)
                check_plane(level, elem_log2, 1 + below(600), 1 + below(600));
    }
}

/* Wider than a column block, so that blocks and their last, longer one are passed. */
static void test_kernel__transposes_of_wide_rows(void **state)
{
    (void)state;
    static const uint64_t widths[] = {1023, 1024, 1025, 1039, 1040, 1041, 2048, 2060, 2064, 3000};
    static struct wfs_copy c;
    for (uint32_t elem = 1; elem <= 16; elem *= 2) {
        for (size_t i = 0; i < WFS_ARRAY_SIZE(widths); i++) {
            uint64_t rows = 60 + below(80), cols = widths[i] / (1 + below(elem));
            c = (struct wfs_copy){.elem_bytes = elem, .ndim = 2};
            c.axes[0] = (struct wfs_copy_axis){cols, (int64_t)(rows * elem), elem};
            c.axes[1] = (struct wfs_copy_axis){rows, elem, (int64_t)(cols * elem)};
            check_copy(&c);
        }
    }
}

/* OIHW -> HWIO and back, whole and as a slice of output channels. */
static void test_kernel__convolutions(void **state)
{
    (void)state;
    enum { O = 70, I = 33, H = 3, W = 3 };
    static struct wfs_copy c;
    for (uint32_t elem = 1; elem <= 16; elem *= 2) {
        int64_t e = elem;
        c = (struct wfs_copy){.elem_bytes = elem, .ndim = 4};
        c.axes[0] = (struct wfs_copy_axis){H, e * W * I * O, e * W};
        c.axes[1] = (struct wfs_copy_axis){W, e * I * O, e};
        c.axes[2] = (struct wfs_copy_axis){I, e * O, e * H * W};
        c.axes[3] = (struct wfs_copy_axis){O, e, e * I * H * W};
        check_copy(&c);
        for (int i = 0; i < 4; i++) {
            int64_t t = c.axes[i].dst_stride;
            c.axes[i].dst_stride = c.axes[i].src_stride;
            c.axes[i].src_stride = t;
        }
        check_copy(&c);
        c.axes[3].count = 65;
        check_copy(&c);
    }
}

static void test_kernel__zero_dimensions_copy_one_element(void **state)
{
    (void)state;
    static struct wfs_copy c;
    for (uint32_t elem = 1; elem < 20; elem++) {
        c = (struct wfs_copy){.elem_bytes = elem};
        check_copy(&c);
    }
}

static void test_kernel__an_empty_axis_copies_nothing(void **state)
{
    (void)state;
    static struct wfs_copy c;
    c = (struct wfs_copy){.elem_bytes = 4, .ndim = 2};
    c.axes[0] = (struct wfs_copy_axis){5, 4, 4};
    c.axes[1] = (struct wfs_copy_axis){0, 20, 20};
    wfs_kernel_copy(&c); /* dst and src are NULL: any access dies */
}

static void test_kernel__a_standing_source_fills(void **state)
{
    (void)state;
    static struct wfs_copy c;
    for (uint32_t elem = 1; elem <= 24; elem++) {
        c = (struct wfs_copy){.elem_bytes = elem, .ndim = 2};
        c.axes[0] = (struct wfs_copy_axis){7, (int64_t)elem * 130, 0};
        c.axes[1] = (struct wfs_copy_axis){1 + below(130), elem, 0};
        check_copy(&c);
        c.axes[0].src_stride = (int64_t)elem * 3;
        check_copy(&c);
    }
}

static void test_kernel__a_standing_destination_keeps_the_last_element(void **state)
{
    (void)state;
    static struct wfs_copy c;
    c = (struct wfs_copy){.elem_bytes = 2, .ndim = 2};
    c.axes[0] = (struct wfs_copy_axis){9, 2, 16};
    c.axes[1] = (struct wfs_copy_axis){8, 0, 2};
    check_copy(&c);
}

static void test_kernel__as_many_axes_as_there_may_be(void **state)
{
    (void)state;
    static struct wfs_copy c;
    c = (struct wfs_copy){.elem_bytes = 2, .ndim = WFS_COPY_MAX_AXES};
    for (uint32_t i = 0; i < c.ndim; i++)
        c.axes[i] = (struct wfs_copy_axis){1, 2, 2};
    for (uint32_t i = 0; i < 12; i++)
        c.axes[i * 10] = (struct wfs_copy_axis){2, INT64_C(2) << i, INT64_C(2) << (i * 5 % 12)};
    check_copy(&c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_kernel__random_boxes_equal_the_definition),
        cmocka_unit_test(test_kernel__transposes_of_every_small_size),
        cmocka_unit_test(test_kernel__every_instruction_set_agrees),
        cmocka_unit_test(test_kernel__transposes_of_wide_rows),
        cmocka_unit_test(test_kernel__convolutions),
        cmocka_unit_test(test_kernel__zero_dimensions_copy_one_element),
        cmocka_unit_test(test_kernel__an_empty_axis_copies_nothing),
        cmocka_unit_test(test_kernel__a_standing_source_fills),
        cmocka_unit_test(test_kernel__a_standing_destination_keeps_the_last_element),
        cmocka_unit_test(test_kernel__as_many_axes_as_there_may_be),
    };
    return cmocka_run_group_tests(tests, setup_seed, NULL);
}
