/*
 * file_fixture.h - what the tests of src/file/ share: small manifests over known bytes, and a file
 * read whole.
 */
#ifndef TESTS_UNIT_FILE_FIXTURE_H
#define TESTS_UNIT_FILE_FIXTURE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <cmocka.h>

#include "file/file.h"

#define assert_ok(call, err)                                                                       \
    do {                                                                                           \
        if ((call) != 0)                                                                           \
            fail_msg("%s: %s", #call, (err).message);                                              \
    } while (0)

/* xorshift: the same numbers from the same seed on every machine. */
static inline uint64_t fx_random(uint64_t *state)
{
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    return *state;
}

/* WEIGHTFS_SEED repeats a run. */
static inline uint64_t fx_seed(void)
{
    const char *text = getenv("WEIGHTFS_SEED");
    uint64_t seed = text ? strtoull(text, NULL, 0) : (uint64_t)time(NULL) * 2654435761u | 1;
    print_message("WEIGHTFS_SEED=%llu\n", (unsigned long long)seed);
    return seed;
}

/* A contiguous tensor over bytes of its own: byte i is a function of i and `salt`. Bools are 0, 1.
 */
static inline const struct wfs_expr *fx_expr(struct wfs_arena *arena, enum wfs_dtype dtype,
                                             uint32_t ndim, const uint64_t *shape, unsigned salt)
{
    struct wfs_error err = {0};
    const struct wfs_expr *expr;
    struct wfs_bytes *bytes;
    uint64_t n_elems, size;
    assert_ok(wfs_shape_size(dtype, ndim, shape, &n_elems, &size, &err), err);
    uint8_t *data = malloc(size + 1);
    for (uint64_t i = 0; i < size; i++) {
        uint64_t x = (i + 1) * (salt + 1) * 2654435761u >> 9;
        data[i] = dtype == WFS_BOOL ? x & 1 : (uint8_t)x;
    }
    assert_ok(wfs_bytes_from_memory("fixture", data, size, &bytes, &err), err);
    free(data);
    assert_int_equal(wfs_arena_on_free(arena, wfs_bytes_unref_void, bytes), 0);
    assert_ok(wfs_expr_contiguous(arena, bytes, 0, dtype, ndim, shape, &expr, &err), err);
    return expr;
}

/* The whole file; caller frees. */
static inline uint8_t *fx_read(const struct wfs_vfile *file)
{
    struct wfs_error err = {0};
    uint8_t *data = malloc(file->size_bytes + 1);
    size_t n = 0;
    assert_ok(wfs_vfile_read(file, NULL, data, file->size_bytes + 1, 0, NULL, &n, &err), err);
    assert_int_equal(n, file->size_bytes);
    return data;
}

static inline uint8_t *fx_read_expr(const struct wfs_expr *expr)
{
    struct wfs_error err = {0};
    uint8_t *data = malloc(expr->size_bytes + 1);
    assert_ok(wfs_expr_read(expr, data, expr->size_bytes, 0, &err), err);
    return data;
}

static inline const struct wfs_vfile *fx_plan(const char *writer, const struct wfs_manifest *m,
                                              struct wfs_arena *arena)
{
    struct wfs_error err = {0};
    const struct wfs_vfile *file = NULL;
    const struct wfs_writer *w = wfs_writer_by_name(writer);
    const char *reason;
    assert_int_equal(w->refuses(m, arena, &reason), 0);
    if (reason)
        fail_msg("%s refuses: %s", writer, reason);
    assert_ok(w->plan(m, arena, &file, &err), err);
    return file;
}

#endif
