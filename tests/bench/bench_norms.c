/*
 * bench_norms.c - statistics of a checkpoint in the page cache, bytes per second of one thread,
 * beside memcpy of the same mapped bytes into a buffer that is used again, in one run. Samples are
 * interleaved and medians shown. Wanted: float32 at >= 0.70 of memcpy, bfloat16 at >= half of
 * float32.
 *
 *     ninja -C build tests/bench/bench_norms && build/tests/bench/bench_norms [REPEATS [MIB]]
 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "bench.h"
#include "inspect/inspect.h"

#define MAX_REPEATS  101
#define BUFFER_BYTES ((size_t)768 << 10)

static void die(const char *what, const struct wfs_error *err)
{
    fprintf(stderr, "bench_norms: %s: %s\n", what, err ? err->message : strerror(errno));
    exit(1);
}

/* Numbers between 0.5 and 2, of either sign. */
static void fill(uint8_t *p, size_t n, bool is_bf16)
{
    uint32_t keep = is_bf16 ? 0x80ff80ff : 0x80ffffff, set = is_bf16 ? 0x3f003f00 : 0x3f000000;
    uint64_t x = 88172645463325252u;
    for (size_t i = 0; i + 4 <= n; i += 4) {
        x ^= x << 13;
        x ^= x >> 7;
        x ^= x << 17;
        uint32_t bits = ((uint32_t)x & keep) | set;
        memcpy(p + i, &bits, 4);
    }
}

/* A safetensors file of one tensor. */
static void write_file(const char *path, const char *dtype, size_t size_bytes)
{
    char head[256];
    bool is_bf16 = strcmp(dtype, "BF16") == 0;
    int n = snprintf(head + 8, sizeof(head) - 8,
                     "{\"t\":{\"dtype\":\"%s\",\"shape\":[%zu],\"data_offsets\":[0,%zu]}}", dtype,
                     size_bytes / (is_bf16 ? 2 : 4), size_bytes);
    uint64_t len = (uint64_t)n;
    memcpy(head, &len, 8);
    uint8_t *data = malloc(size_bytes);
    FILE *f = fopen(path, "wb");
    if (!data || !f)
        die(path, NULL);
    fill(data, size_bytes, is_bf16);
    if (fwrite(head, 1, 8 + (size_t)n, f) != 8 + (size_t)n ||
        fwrite(data, 1, size_bytes, f) != size_bytes || fclose(f))
        die(path, NULL);
    free(data);
}

static double copy_once(const uint8_t *source, uint8_t *buffer, size_t size_bytes)
{
    double start = seconds_of(CLOCK_MONOTONIC);
    for (size_t off = 0; off < size_bytes; off += BUFFER_BYTES)
        memcpy(buffer, source + off, (size_t)wfs_min_u64(BUFFER_BYTES, size_bytes - off));
    return (double)size_bytes / (seconds_of(CLOCK_MONOTONIC) - start) / 1e9;
}

static double count_once(const struct wfs_inspect_rows *rows, size_t size_bytes)
{
    struct wfs_inspect_run run = {.n_threads = 1};
    struct wfs_stats stats = {0};
    struct wfs_error err = {0};
    bool known;
    double start = seconds_of(CLOCK_MONOTONIC);
    if (wfs_inspect_stats(rows, &run, false, &stats, &known, &err))
        die("statistics", &err);
    return (double)size_bytes / (seconds_of(CLOCK_MONOTONIC) - start) / 1e9;
}

static double compare(const char *dir, const char *dtype, size_t size_bytes, int n_repeats)
{
    char path[512];
    struct wfs_source_options source_options = {0};
    struct wfs_inspect_options options = {0};
    struct wfs_catalog *catalog;
    struct wfs_plan *plan;
    struct wfs_inspect_rows *rows;
    struct wfs_error err = {0};
    double mine[MAX_REPEATS], base[MAX_REPEATS];
    snprintf(path, sizeof(path), "%s/%s.safetensors", dir, dtype);
    write_file(path, dtype, size_bytes);
    if (wfs_catalog_open(path, &source_options, &catalog, &err) ||
        wfs_plan_source(catalog, &plan, &err) ||
        wfs_inspect_rows(catalog, plan, &options, &rows, &err))
        die(path, &err);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    uint8_t *mapped = mmap(NULL, size_bytes, PROT_READ, MAP_SHARED, fd, 0);
    uint8_t *buffer = malloc(BUFFER_BYTES);
    if (mapped == MAP_FAILED || !buffer)
        die(path, NULL);
    for (int i = -1; i < n_repeats; i++) { /* the first warms up */
        base[i < 0 ? 0 : i] = copy_once(mapped, buffer, size_bytes);
        mine[i < 0 ? 0 : i] = count_once(rows, size_bytes);
    }
    double copied = median(base, n_repeats), counted = median(mine, n_repeats);
    printf("%-5s %6.2f GB/s of memcpy's %6.2f GB/s: %.2f\n", dtype, counted, copied,
           counted / copied);
    munmap(mapped, size_bytes);
    close(fd);
    unlink(path);
    free(buffer);
    wfs_inspect_rows_free(rows);
    wfs_plan_free(plan);
    wfs_catalog_free(catalog);
    return counted;
}

int main(int argc, char **argv)
{
    int n_repeats = argc > 1 ? atoi(argv[1]) : 9;
    size_t size_bytes = (size_t)(argc > 2 ? atoi(argv[2]) : 256) << 20;
    char dir[] = "/tmp/bench_norms.XXXXXX";
    if (n_repeats < 1 || n_repeats > MAX_REPEATS || !size_bytes || !mkdtemp(dir))
        die("arguments or /tmp", NULL);
    double f32 = compare(dir, "F32", size_bytes, n_repeats);
    double bf16 = compare(dir, "BF16", size_bytes, n_repeats);
    printf("BF16 at %.2f of F32 per byte\n", bf16 / f32);
    rmdir(dir);
    return 0;
}
