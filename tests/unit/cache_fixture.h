/*
 * cache_fixture.h - a scratch folder with one big file, expressions over it and a cache.
 */
#ifndef TESTS_UNIT_CACHE_FIXTURE_H
#define TESTS_UNIT_CACHE_FIXTURE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <ftw.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>

#include "cache/cache.h"

#define MIB (UINT64_C(1) << 20)

static inline uint64_t rng(uint64_t *state)
{
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    return *state;
}

struct scratch {
    char dir[64], cache[96], file[96], index[128];
    struct wfs_arena *arena;
    struct wfs_cache_options options;
};

static inline int set_up(void **state)
{
    struct scratch *s = calloc(1, sizeof *s);
    strcpy(s->dir, "/tmp/wfs-cache-XXXXXX");
    if (!mkdtemp(s->dir))
        return -1;
    snprintf(s->cache, sizeof s->cache, "%s/cache", s->dir);
    snprintf(s->file, sizeof s->file, "%s/weights", s->dir);
    snprintf(s->index, sizeof s->index, "%s/index.db", s->dir);
    setenv("XDG_CACHE_HOME", s->cache, 1);
    s->arena = wfs_arena_new();
    s->options = (struct wfs_cache_options){.mode = WFS_CACHE_ALWAYS,
                                            .memory_bytes = 128 * MIB,
                                            .index_path = s->index,
                                            .source = s->file};
    *state = s;
    return 0;
}

static inline int remove_entry(const char *path, const struct stat *st, int kind, struct FTW *ftw)
{
    (void)st, (void)kind, (void)ftw;
    return remove(path);
}

static inline int tear_down(void **state)
{
    struct scratch *s = *state;
    wfs_arena_free(s->arena);
    nftw(s->dir, remove_entry, 8, FTW_DEPTH | FTW_PHYS);
    free(s);
    return 0;
}

static inline struct wfs_bytes *make_file(struct scratch *s, uint64_t size_bytes)
{
    uint8_t *data = malloc(size_bytes);
    struct wfs_bytes *bytes = NULL;
    assert_non_null(data);
    for (uint64_t i = 0; i + 8 <= size_bytes; i += 8) {
        uint64_t x = (i + 1) * 0x9e3779b97f4a7c15ull;
        x &= 0xff3fff3fff3fff3full;
        memcpy(data + i, &x, sizeof x);
    }
    FILE *f = fopen(s->file, "wb");
    assert_non_null(f);
    assert_int_equal(fwrite(data, 1, size_bytes, f), size_bytes);
    fclose(f);
    free(data);
    assert_int_equal(wfs_bytes_open(s->file, &bytes, NULL), 0);
    assert_int_equal(wfs_arena_on_free(s->arena, wfs_bytes_unref_void, bytes), 0);
    return bytes;
}

/* The rows x cols matrix at `off`, transposed. */
static inline const struct wfs_expr *transposed(struct scratch *s, struct wfs_bytes *bytes,
                                                uint64_t off, uint64_t rows, uint64_t cols)
{
    const struct wfs_expr *matrix = NULL, *expr = NULL;
    struct wfs_error err = {0};
    uint64_t shape[2] = {rows, cols};
    int r = wfs_expr_contiguous(s->arena, bytes, off, WFS_BF16, 2, shape, &matrix, &err);
    if (r == 0)
        r = wfs_expr_reverse_axes(s->arena, matrix, &expr, &err);
    if (r < 0)
        print_message("%s\n", err.message);
    assert_int_equal(r, 0);
    return expr;
}

static inline struct wfs_cache *open_cache(struct scratch *s)
{
    struct wfs_cache *cache = NULL;
    assert_int_equal(wfs_cache_new(&s->options, &cache, NULL), 0);
    return cache;
}

static inline uint8_t *gathered(const struct wfs_expr *expr)
{
    uint8_t *want = malloc(expr->size_bytes);
    assert_non_null(want);
    assert_int_equal(wfs_expr_read(expr, want, expr->size_bytes, 0, NULL), 0);
    return want;
}

static inline struct wfs_cache_stats stats_of(struct wfs_cache *cache)
{
    struct wfs_cache_stats stats;
    wfs_cache_stats(cache, &stats);
    return stats;
}

#endif
