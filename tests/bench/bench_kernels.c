/*
 * bench_kernels.c - the copy kernels in bytes per second beside memcpy of the same bytes, in one
 * run: source in a file's page cache (mapped), destination in huge pages that are used again.
 * Samples are interleaved and medians shown; differences under 15 % mean nothing.
 *
 *     meson compile -C build bench_kernels && build/tests/bench/bench_kernels [REPEATS [NAME]]
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "bench.h"
#include "tensor/kernel/kernel.h"
#include "tensor/tensor.h"

#define MAX_REPEATS 101
#define ROOM_BYTES  (UINT64_C(736) << 20)

static uint8_t *source, *destination;
static int n_repeats = 7;
static const char *only = "";

struct task {
    void (*run)(const struct task *task);
    uint64_t size_bytes;
    uint64_t part_bytes; /* what is written at a time, always to the same place */
    const struct wfs_copy *copy;
    enum wfs_dtype from, to;
};

static void run_memcpy(const struct task *task)
{
    for (uint64_t off = 0; off < task->size_bytes; off += task->part_bytes)
        memcpy(destination, source + off, task->part_bytes);
}

static void run_copy(const struct task *task)
{
    wfs_kernel_copy(task->copy);
}

/* Small tasks are repeated so that a sample lasts some milliseconds. */
static double sample(const struct task *task)
{
    int n = 1 + (int)((UINT64_C(32) << 20) / task->size_bytes);
    double start = seconds_of(CLOCK_THREAD_CPUTIME_ID);
    for (int i = 0; i < n; i++)
        task->run(task);
    return (double)task->size_bytes * n / (seconds_of(CLOCK_THREAD_CPUTIME_ID) - start) / 1e9;
}

static void compare(const char *name, const struct task *task)
{
    if (strstr(name, only) == NULL)
        return;
    double mine[MAX_REPEATS], base[MAX_REPEATS];
    struct task plain = *task;
    plain.run = run_memcpy;
    sample(&plain);
    sample(task);
    for (int i = 0; i < n_repeats; i++) {
        base[i] = sample(&plain);
        mine[i] = sample(task);
    }
    double a = median(mine, n_repeats), b = median(base, n_repeats);
    printf("%-42s %7.2f GB/s   memcpy %7.2f   ratio %.2f\n", name, a, b, a / b);
}

static void bench_copy(const char *label, struct wfs_copy *copy)
{
    char name[64];
    struct task task = {.run = run_copy, .size_bytes = copy->elem_bytes, .copy = copy};
    for (uint32_t i = 0; i < copy->ndim; i++)
        task.size_bytes *= copy->axes[i].count;
    task.part_bytes = task.size_bytes;
    copy->dst = destination;
    copy->src = source;
    snprintf(name, sizeof(name), "%s, %u B", label, copy->elem_bytes);
    compare(name, &task);
}

static void bench_transpose(uint64_t rows, uint64_t cols, uint32_t elem)
{
    char label[64];
    struct wfs_copy copy = {.elem_bytes = elem, .ndim = 2};
    copy.axes[0] = (struct wfs_copy_axis){cols, (int64_t)(rows * elem), elem};
    copy.axes[1] = (struct wfs_copy_axis){rows, elem, (int64_t)(cols * elem)};
    snprintf(label, sizeof(label), "transpose %llux%llu", (unsigned long long)rows,
             (unsigned long long)cols);
    bench_copy(label, &copy);
}

/* OIHW -> HWIO, or back. */
static void bench_convolution(uint64_t o, uint64_t i, uint64_t hw, uint32_t elem, int back)
{
    char label[64];
    int64_t e = elem;
    struct wfs_copy copy = {.elem_bytes = elem, .ndim = 3};
    copy.axes[0] = (struct wfs_copy_axis){hw, e * (int64_t)(i * o), e};
    copy.axes[1] = (struct wfs_copy_axis){i, e * (int64_t)o, e * (int64_t)hw};
    copy.axes[2] = (struct wfs_copy_axis){o, e, e * (int64_t)(i * hw)};
    for (int a = 0; back && a < 3; a++) {
        int64_t t = copy.axes[a].dst_stride;
        copy.axes[a].dst_stride = copy.axes[a].src_stride;
        copy.axes[a].src_stride = t;
    }
    snprintf(label, sizeof(label), "%s %llux%llux%llu", back ? "HWIO>OIHW" : "OIHW>HWIO",
             (unsigned long long)o, (unsigned long long)i, (unsigned long long)hw);
    bench_copy(label, &copy);
}

/* All panels of a tall matrix, one after the other into one block, as the read engine asks. */
static void run_panels(const struct task *task)
{
    struct wfs_copy copy = *task->copy;
    for (uint64_t off = 0; off < task->size_bytes; off += task->part_bytes) {
        wfs_kernel_copy(&copy);
        copy.src += copy.axes[0].count * copy.elem_bytes;
    }
}

static void bench_panels(uint64_t rows, uint64_t cols, uint64_t width_bytes, uint32_t elem)
{
    char label[64];
    struct wfs_copy copy = {.elem_bytes = elem, .ndim = 2, .dst = destination, .src = source};
    struct task task = {.run = run_panels, .copy = &copy};
    task.size_bytes = rows * cols * elem;
    task.part_bytes = rows * width_bytes;
    copy.axes[0] = (struct wfs_copy_axis){width_bytes / elem, (int64_t)(rows * elem), elem};
    copy.axes[1] = (struct wfs_copy_axis){rows, elem, (int64_t)(cols * elem)};
    snprintf(label, sizeof(label), "%llux%llu in panels of %llu B, %u B", (unsigned long long)rows,
             (unsigned long long)cols, (unsigned long long)width_bytes, elem);
    compare(label, &task);
}

static void bench_copies(void)
{
    static const uint64_t shapes[][2] = {{4096, 4096}, {11008, 4096}, {50257, 768}, {768, 3072}};
    for (size_t s = 0; s < WFS_ARRAY_SIZE(shapes); s++)
        for (uint32_t elem = 1; elem <= 16; elem *= 2)
            bench_transpose(shapes[s][0], shapes[s][1], elem);
    for (uint32_t elem = 1; elem <= 4; elem *= 2) {
        bench_panels(11008, 4096, 512, elem);
        bench_panels(11008, 4096, 1024, elem);
        bench_panels(4096, 11008, 1024, elem);
        bench_convolution(512, 512, 9, elem, 0);
        bench_convolution(512, 512, 9, elem, 1);
    }
}

static void run_stats(const struct task *task)
{
    struct wfs_stats stats = {0};
    wfs_stats_add(&stats, task->from, source, task->size_bytes * 8 / wfs_dtype_bits(task->from),
                  NULL);
    if (stats.n == 0)
        abort();
}

static void run_convert(const struct task *task)
{
    wfs_convert(task->from, source, task->to, destination,
                task->size_bytes * 8 / wfs_dtype_bits(task->from), NULL);
}

/* Statistics read only: per byte they should stand beside memcpy, which reads and writes. */
static void bench_stats(void)
{
    static const enum wfs_dtype types[] = {WFS_F32, WFS_BF16, WFS_F16,       WFS_F64,
                                           WFS_I8,  WFS_I64,  WFS_F8_E4M3FN, WFS_C64};
    char name[64];
    for (size_t i = 0; i < WFS_ARRAY_SIZE(types); i++) {
        struct task task = {.run = run_stats, .from = types[i], .size_bytes = UINT64_C(256) << 20};
        task.part_bytes = task.size_bytes;
        snprintf(name, sizeof(name), "statistics, %s", wfs_dtype_info(types[i])->name);
        compare(name, &task);
    }
}

static void bench_conversions(void)
{
    static const enum wfs_dtype pairs[][2] = {
        {WFS_BF16, WFS_F32},      {WFS_F32, WFS_BF16},      {WFS_F16, WFS_F32},
        {WFS_F32, WFS_F16},       {WFS_F16, WFS_BF16},      {WFS_F64, WFS_F32},
        {WFS_F8_E4M3FN, WFS_F32}, {WFS_F32, WFS_F8_E4M3FN}, {WFS_I64, WFS_I32}};
    char name[64];
    for (size_t i = 0; i < WFS_ARRAY_SIZE(pairs); i++) {
        struct task task = {.run = run_convert,
                            .from = pairs[i][0],
                            .to = pairs[i][1],
                            .size_bytes = UINT64_C(64) << 20};
        task.part_bytes = task.size_bytes;
        snprintf(name, sizeof(name), "%s to %s", wfs_dtype_info(task.from)->name,
                 wfs_dtype_info(task.to)->name);
        compare(name, &task);
    }
}

static int make_source(void)
{
    char path[] = "/tmp/bench_kernels.XXXXXX";
    int fd = mkstemp(path);
    if (fd < 0)
        return -1;
    unlink(path);
    /* halves that are ordinary numbers of every float type, alone and together */
    static uint16_t chunk[1 << 19];
    for (size_t i = 0; i < WFS_ARRAY_SIZE(chunk); i++) {
        uint32_t noise = (uint32_t)i * 2654435761u;
        chunk[i] = (uint16_t)((noise >> 16 & 0x8000) | 0x3c00 | (noise >> 12 & 0x1bf));
    }
    for (uint64_t done = 0; done < ROOM_BYTES; done += sizeof(chunk))
        if (write(fd, chunk, sizeof(chunk)) != (ssize_t)sizeof(chunk))
            return -1;
    source = mmap(NULL, ROOM_BYTES, PROT_READ, MAP_SHARED | MAP_POPULATE, fd, 0);
    close(fd);
    return source == MAP_FAILED ? -1 : 0;
}

static int make_destination(void)
{
    destination =
        mmap(NULL, ROOM_BYTES, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (destination == MAP_FAILED)
        return -1;
    madvise(destination, ROOM_BYTES, MADV_HUGEPAGE);
    memset(destination, 1, ROOM_BYTES);
    return 0;
}

int main(int argc, char **argv)
{
    if (argc > 1)
        n_repeats = atoi(argv[1]);
    if (argc > 2)
        only = argv[2];
    if (n_repeats < 1 || n_repeats > MAX_REPEATS) {
        fprintf(stderr, "REPEATS is 1 to %d\n", MAX_REPEATS);
        return 2;
    }
    if (make_source() < 0 || make_destination() < 0) {
        perror("bench_kernels");
        return 3;
    }
    bench_copies();
    bench_stats();
    bench_conversions();
    return 0;
}
