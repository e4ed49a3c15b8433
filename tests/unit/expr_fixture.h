/*
 * expr_fixture.h - what the tests of the expression engine share: a source of counted values, the
 * operations that must succeed as functions, and a source that fails as told.
 */
#ifndef TESTS_UNIT_EXPR_FIXTURE_H
#define TESTS_UNIT_EXPR_FIXTURE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "tensor/tensor.h"

#define N_VALUES 65536

/* A source of uint16 values 0, 1, 2, ...; the pointer fields are NULL after a failed operation. */
struct fixture {
    struct wfs_arena *arena;
    struct wfs_bytes *bytes;
    struct wfs_error err;
};

static inline int setup(void **state)
{
    static uint16_t values[N_VALUES];
    struct fixture *f = calloc(1, sizeof(*f));
    for (size_t i = 0; i < N_VALUES; i++)
        values[i] = (uint16_t)i;
    f->arena = wfs_arena_new();
    assert_int_equal(wfs_bytes_from_memory("values", values, sizeof(values), &f->bytes, &f->err),
                     0);
    *state = f;
    return 0;
}

static inline int teardown(void **state)
{
    struct fixture *f = *state;
    wfs_arena_free(f->arena);
    wfs_bytes_unref(f->bytes);
    free(f);
    return 0;
}

#define SHAPE(...)                                                                                 \
    (sizeof((uint64_t[]){__VA_ARGS__}) / 8), (const uint64_t[])                                    \
    {                                                                                              \
        __VA_ARGS__                                                                                \
    }
#define STRIDES(...)                                                                               \
    (const int64_t[])                                                                              \
    {                                                                                              \
        __VA_ARGS__                                                                                \
    }
#define PERM(...)                                                                                  \
    (const uint32_t[])                                                                             \
    {                                                                                              \
        __VA_ARGS__                                                                                \
    }

static inline const struct wfs_expr *leaf_of(struct fixture *f, struct wfs_bytes *bytes,
                                             uint64_t first, enum wfs_dtype dtype, size_t ndim,
                                             const uint64_t *shape)
{
    const struct wfs_expr *expr = NULL;
    int r =
        wfs_expr_contiguous(f->arena, bytes, first, dtype, (uint32_t)ndim, shape, &expr, &f->err);
    if (r)
        fail_msg("%s", f->err.message);
    return expr;
}

static inline const struct wfs_expr *leaf(struct fixture *f, uint64_t first, size_t ndim,
                                          const uint64_t *shape)
{
    return leaf_of(f, f->bytes, 2 * first, WFS_U16, ndim, shape);
}

/* The operations that must succeed, as functions of their operand. */
static inline const struct wfs_expr *permuted(struct fixture *f, const struct wfs_expr *in,
                                              const uint32_t *perm)
{
    const struct wfs_expr *out = NULL;
    assert_int_equal(wfs_expr_permute(f->arena, in, perm, &out, &f->err), 0);
    return out;
}

static inline const struct wfs_expr *reshaped(struct fixture *f, const struct wfs_expr *in,
                                              size_t ndim, const uint64_t *shape)
{
    const struct wfs_expr *out = NULL;
    assert_int_equal(wfs_expr_reshape(f->arena, in, (uint32_t)ndim, shape, &out, &f->err), 0);
    return out;
}

static inline const struct wfs_expr *sliced(struct fixture *f, const struct wfs_expr *in,
                                            uint32_t axis, uint64_t start, uint64_t stop,
                                            uint64_t step)
{
    const struct wfs_expr *out = NULL;
    assert_int_equal(wfs_expr_slice(f->arena, in, axis, start, stop, step, &out, &f->err), 0);
    return out;
}

static inline const struct wfs_expr *concat(struct fixture *f, const struct wfs_expr *a,
                                            const struct wfs_expr *b, uint32_t axis)
{
    const struct wfs_expr *out = NULL, *const in[] = {a, b};
    assert_int_equal(wfs_expr_concat(f->arena, 2, in, axis, &out, &f->err), 0);
    return out;
}

static inline const struct wfs_expr *flipped(struct fixture *f, const struct wfs_expr *in,
                                             uint32_t axis)
{
    const struct wfs_expr *out = NULL;
    assert_int_equal(wfs_expr_flip(f->arena, in, axis, &out, &f->err), 0);
    return out;
}

static inline const struct wfs_expr *mapped(struct fixture *f, const struct wfs_expr *in,
                                            enum wfs_elem_op_kind kind, enum wfs_dtype dtype,
                                            double value)
{
    const struct wfs_elem_op op = {kind, dtype, value};
    const struct wfs_expr *out = NULL;
    int r = wfs_expr_elementwise(f->arena, in, &op, &out, &f->err);
    if (r)
        fail_msg("%s", f->err.message);
    return out;
}

static inline void assert_values(const struct wfs_expr *expr, size_t n, const uint16_t *want)
{
    struct wfs_error err = {0};
    uint16_t got[64];
    assert_int_equal(expr->n_elems, n);
    assert_int_equal(expr->size_bytes, 2 * n);
    assert_int_equal(wfs_expr_read(expr, got, 2 * n, 0, &err), 0);
    for (size_t i = 0; i < n; i++)
        assert_int_equal(got[i], want[i]);
}
#define VALUES(...)                                                                                \
    (sizeof((uint16_t[]){__VA_ARGS__}) / 2), (const uint16_t[])                                    \
    {                                                                                              \
        __VA_ARGS__                                                                                \
    }

/* Refused with this errno, a message, and no result. */
#define assert_refused(f, refusal, call)                                                           \
    do {                                                                                           \
        const struct wfs_expr *out = NULL;                                                         \
        memset(&(f)->err, 0, sizeof((f)->err));                                                    \
        assert_int_equal(call, -(refusal));                                                        \
        assert_int_equal((f)->err.code, refusal);                                                  \
        assert_true((f)->err.message[0] != '\0');                                                  \
        assert_null(out);                                                                          \
    } while (0)

static inline void assert_same_hash(const struct wfs_expr *a, const struct wfs_expr *b)
{
    struct wfs_hash x = wfs_expr_hash(a), y = wfs_expr_hash(b);
    assert_memory_equal(&x, &y, sizeof(x));
}

static inline void assert_other_hash(const struct wfs_expr *a, const struct wfs_expr *b)
{
    struct wfs_hash x = wfs_expr_hash(a), y = wfs_expr_hash(b);
    assert_memory_not_equal(&x, &y, sizeof(x));
}

/* A source over `inner` that fails as told. */
struct failing {
    struct wfs_bytes base;
    struct wfs_bytes *inner;
    bool can_map, check_fails;
    uint64_t bad_from; /* reads that touch bytes from here on fail */
    uint64_t n_reads, n_maps, n_hints, bytes_read;
};

static inline int failing_read(struct wfs_bytes *bytes, void *buf, size_t len, uint64_t off,
                               struct wfs_error *err)
{
    struct failing *b = (struct failing *)bytes;
    b->n_reads++;
    b->bytes_read += len;
    if (off + len > b->bad_from)
        return wfs_error_set(err, EIO, "injected");
    return wfs_bytes_read(b->inner, buf, len, off, err);
}

static inline int failing_map(struct wfs_bytes *bytes, uint64_t off, uint64_t len,
                              struct wfs_window *ret, struct wfs_error *err)
{
    struct failing *b = (struct failing *)bytes;
    b->n_maps++;
    return b->can_map ? wfs_bytes_map(b->inner, off, len, ret, err) : -ENOTSUP;
}

static inline int failing_check(struct wfs_bytes *bytes, struct wfs_error *err)
{
    return ((struct failing *)bytes)->check_fails ? wfs_error_set(err, EIO, "it changed") : 0;
}

static inline void failing_hint(struct wfs_bytes *bytes, uint64_t off, uint64_t len)
{
    struct failing *b = (struct failing *)bytes;
    b->n_hints++;
    wfs_bytes_hint(b->inner, off, len);
}

static inline void failing_free(struct wfs_bytes *bytes)
{
    (void)bytes; /* on the stack of its test */
}

static const struct wfs_bytes_ops failing_ops = {.kind = "failing",
                                                 .read = failing_read,
                                                 .free = failing_free,
                                                 .map = failing_map,
                                                 .check = failing_check,
                                                 .hint = failing_hint};

static inline struct failing failing(struct wfs_bytes *inner)
{
    struct failing b = {.inner = inner, .can_map = true, .bad_from = UINT64_MAX};
    b.base.ops = &failing_ops;
    b.base.n_refs = 1;
    b.base.size_bytes = inner->size_bytes;
    b.base.name = "failing";
    return b;
}

#define EXPR_TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

#endif
