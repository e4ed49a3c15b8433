/*
 * elem.c - element operations. What only moves bits (sign, byte order) works on codes; arithmetic
 * goes through float64 lanes and is rounded once; integers to which an integer is added stay
 * integers.
 */
#include "tensor/convert/elem.h"

#include <math.h>
#include <string.h>

#include "base/elementary.h"
#include "tensor/convert/lanes.h"
#include "tensor/convert/overflow.h"
#include "tensor/convert/small.h"

#define STRETCH 256 /* elements; a multiple of 8 */

static int refuse(const char *what, enum wfs_dtype dtype, struct wfs_error *err)
{
    return wfs_error_set(err, EINVAL, "%s has no meaning for %s", what,
                         wfs_dtype_info(dtype)->name);
}

static size_t packed_bytes(enum wfs_dtype dtype, uint64_t n)
{
    return (size_t)((n * wfs_dtype_bits(dtype) + 7) / 8);
}

/* ---- arithmetic ---------------------------------------------------------------------------- */

static bool adds_integer(enum wfs_dtype from, const struct wfs_elem_op *op)
{
    return op->kind == WFS_ELEM_ADD && wfs_num_is_integer(wfs_num_format(from)) &&
           wfs_num_is_integer(wfs_num_format(op->dtype)) && op->value == trunc(op->value) &&
           fabs(op->value) < 0x1p63;
}

static void add_integer(enum wfs_dtype from, const struct wfs_elem_op *op, const void *in,
                        void *out, uint64_t n)
{
    uint64_t lanes[STRETCH], value = (uint64_t)(int64_t)op->value;
    for (uint64_t i = 0; i < n; i += STRETCH) {
        uint64_t count = wfs_min_u64(STRETCH, n - i);
        wfs_int_lanes_from(from, in, i, count, lanes);
        for (uint64_t k = 0; k < count; k++)
            lanes[k] += value;
        wfs_int_lanes_to(op->dtype, lanes, count, out, i);
    }
}

static void scale_or_add(const struct wfs_elem_op *op, uint32_t n_components, double *lanes,
                         uint64_t n_lanes)
{
    if (op->kind == WFS_ELEM_SCALE)
        for (uint64_t k = 0; k < n_lanes; k++)
            lanes[k] *= op->value;
    else
        for (uint64_t k = 0; k < n_lanes; k += n_components)
            lanes[k] += op->value;
}

static int arithmetic(enum wfs_dtype from, const struct wfs_elem_op *op, const void *in, void *out,
                      uint64_t n, struct wfs_error *err)
{
    const struct wfs_num_format *a = wfs_num_format(from), *b = wfs_num_format(op->dtype);
    uint32_t n_components = a->n_components;
    double lanes[2 * STRETCH];
    if (a->class == WFS_NUM_NONE || b->class == WFS_NUM_NONE)
        return refuse("arithmetic", a->class == WFS_NUM_NONE ? from : op->dtype, err);
    if (n_components != b->n_components)
        return wfs_error_set(err, EINVAL, "arithmetic takes %s to no %s: cast first",
                             wfs_dtype_info(from)->name, wfs_dtype_info(op->dtype)->name);
    if (adds_integer(from, op)) {
        add_integer(from, op, in, out, n);
        return 0;
    }
    for (uint64_t i = 0; i < n; i += STRETCH) {
        uint64_t n_lanes = wfs_min_u64(STRETCH, n - i) * n_components;
        wfs_lanes_from(from, in, i * n_components, n_lanes, WFS_DECODE_NEAREST, lanes);
        scale_or_add(op, n_components, lanes, n_lanes);
        wfs_lanes_to(op->dtype, lanes, n_lanes, WFS_ENCODE_NEAREST, out, i * n_components);
    }
    return 0;
}

/* ---- exp and log --------------------------------------------------------------------------- */

static int exp_or_log(enum wfs_dtype from, const struct wfs_elem_op *op, const void *in, void *out,
                      uint64_t n, struct wfs_error *err)
{
    if (from != WFS_F32 || op->dtype != WFS_F32)
        return refuse("exp or log", from != WFS_F32 ? from : op->dtype, err);
    for (uint64_t i = 0; i < n; i++) {
        float x;
        memcpy(&x, (const uint8_t *)in + i * sizeof(x), sizeof(x));
        x = op->kind == WFS_ELEM_EXP ? wfs_expf(x) : wfs_logf(x);
        memcpy((uint8_t *)out + i * sizeof(x), &x, sizeof(x));
    }
    return 0;
}

/* ---- signs --------------------------------------------------------------------------------- */

/* Flips the sign bit of component `first` and of every `step`-th after it. */
static void flip_signs(uint32_t bits, uint8_t *out, uint64_t first, uint64_t step, uint64_t n)
{
    for (uint64_t i = first; i < n; i += step) {
        uint64_t sign_bit = (i + 1) * bits - 1;
        out[sign_bit / 8] ^= (uint8_t)(1u << sign_bit % 8);
    }
}

/* Negates elements that take a byte each: floats of 4 or 6 bits, and those (FNUZ) in which the code
 * of -0 stands for NaN and stays as it is. */
static void negate_small_floats(const struct wfs_num_format *fmt, uint8_t *out, uint64_t n)
{
    uint8_t sign = (uint8_t)(1u << (fmt->exp_bits + fmt->man_bits));
    for (uint64_t i = 0; i < n; i++)
        if (fmt->flavour != WFS_FLOAT_FNUZ || (out[i] & (sign - 1)) != 0)
            out[i] ^= sign;
}

static void negate_integers(enum wfs_dtype dtype, uint8_t *out, uint64_t n)
{
    uint64_t lanes[STRETCH];
    for (uint64_t i = 0; i < n; i += STRETCH) {
        uint64_t count = wfs_min_u64(STRETCH, n - i);
        wfs_int_lanes_from(dtype, out, i, count, lanes);
        for (uint64_t k = 0; k < count; k++)
            lanes[k] = 0 - lanes[k];
        wfs_int_lanes_to(dtype, lanes, count, out, i);
    }
}

static int negate(enum wfs_dtype dtype, const void *in, void *out, uint64_t n,
                  struct wfs_error *err)
{
    const struct wfs_num_format *fmt = wfs_num_format(dtype);
    if (fmt->class == WFS_NUM_NONE || fmt->class == WFS_NUM_BOOL || fmt->flavour == WFS_FLOAT_E8M0)
        return refuse("a change of sign", dtype, err);
    memmove(out, in, packed_bytes(dtype, n));
    if (fmt->class != WFS_NUM_FLOAT)
        negate_integers(dtype, out, n);
    else if (fmt->bits == 8)
        negate_small_floats(fmt, out, n);
    else
        flip_signs(fmt->bits, out, 0, 1, n * fmt->n_components);
    return 0;
}

static int conjugate(enum wfs_dtype dtype, const void *in, void *out, uint64_t n,
                     struct wfs_error *err)
{
    const struct wfs_num_format *fmt = wfs_num_format(dtype);
    if (fmt->n_components != 2)
        return refuse("a conjugate", dtype, err);
    memmove(out, in, packed_bytes(dtype, n));
    flip_signs(fmt->bits, out, 1, 2, 2 * n);
    return 0;
}

/* ---- byte order ---------------------------------------------------------------------------- */

#define SWAP(type, swapped)                                                                        \
    for (uint64_t i = 0; i < n; i++) {                                                             \
        type v;                                                                                    \
        memcpy(&v, p + i * sizeof(v), sizeof(v));                                                  \
        v = swapped(v);                                                                            \
        memcpy(p + i * sizeof(v), &v, sizeof(v));                                                  \
    }

static void swap_components(uint32_t bits, uint8_t *p, uint64_t n)
{
    if (bits == 16)
        SWAP(uint16_t, __builtin_bswap16)
    else if (bits == 32)
        SWAP(uint32_t, __builtin_bswap32)
    else if (bits == 64)
        SWAP(uint64_t, __builtin_bswap64)
}

/* Opaque types have bytes too: their whole element is the component. */
static int byteswap(enum wfs_dtype dtype, const void *in, void *out, uint64_t n,
                    struct wfs_error *err)
{
    uint32_t n_components = wfs_num_format(dtype)->n_components == 2 ? 2 : 1;
    uint32_t bits = wfs_dtype_bits(dtype) / n_components;
    if (bits < 8)
        return refuse("a byte order", dtype, err);
    memmove(out, in, packed_bytes(dtype, n));
    swap_components(bits, out, n * n_components);
    return 0;
}

#define CAST_STRETCH 512 /* elements; a multiple of 8 */

/* The conversion may be in place where sizes are equal; what is overwritten must then be kept to be
 * compared with. */
static int cast_in_place(enum wfs_dtype from, enum wfs_dtype to, uint8_t *data, uint64_t n,
                         struct wfs_error *err)
{
    uint8_t before[CAST_STRETCH * 16];
    int r = 0;
    for (uint64_t i = 0; i < n && !r; i += CAST_STRETCH) {
        uint64_t count = wfs_min_u64(CAST_STRETCH, n - i);
        uint8_t *at = data + packed_bytes(from, i);
        memcpy(before, at, packed_bytes(from, count));
        r = wfs_convert(from, before, to, at, count, err);
        if (!r)
            wfs_overflow_count(from, before, to, at, count);
    }
    return r;
}

static int cast(enum wfs_dtype from, enum wfs_dtype to, const void *in, void *out, uint64_t n,
                struct wfs_error *err)
{
    if (in == out && from != to)
        return cast_in_place(from, to, out, n, err);
    int r = wfs_convert(from, in, to, out, n, err);
    if (!r)
        wfs_overflow_count(from, in, to, out, n);
    return r;
}

int wfs_elem_apply(enum wfs_dtype from, const struct wfs_elem_op *op, const void *in, void *out,
                   uint64_t n, struct wfs_error *err)
{
    bool keeps =
        op->kind == WFS_ELEM_NEG || op->kind == WFS_ELEM_CONJ || op->kind == WFS_ELEM_BYTESWAP;
    if (keeps && op->dtype != from)
        return wfs_error_set(err, EINVAL, "an operation on bits takes %s to no %s",
                             wfs_dtype_info(from)->name, wfs_dtype_info(op->dtype)->name);
    switch (op->kind) {
    case WFS_ELEM_CAST:
        return cast(from, op->dtype, in, out, n, err);
    case WFS_ELEM_SCALE:
    case WFS_ELEM_ADD:
        return arithmetic(from, op, in, out, n, err);
    case WFS_ELEM_EXP:
    case WFS_ELEM_LOG:
        return exp_or_log(from, op, in, out, n, err);
    case WFS_ELEM_NEG:
        return negate(from, in, out, n, err);
    case WFS_ELEM_CONJ:
        return conjugate(from, in, out, n, err);
    case WFS_ELEM_BYTESWAP:
        return byteswap(from, in, out, n, err);
    }
    return wfs_error_set(err, EINVAL, "no such element operation: %d", (int)op->kind);
}

bool wfs_ops_equal(uint32_t a_n, const struct wfs_elem_op *a, uint32_t b_n,
                   const struct wfs_elem_op *b)
{
    if (a_n != b_n)
        return false;
    for (uint32_t i = 0; a != b && i < a_n; i++)
        if (a[i].kind != b[i].kind || a[i].dtype != b[i].dtype ||
            memcmp(&a[i].value, &b[i].value, sizeof(a[i].value)) != 0)
            return false;
    return true;
}
