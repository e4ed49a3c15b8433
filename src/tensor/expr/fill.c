/*
 * fill.c - sources of one repeated value and of counted values, and expressions over them.
 */
#include "tensor/expr/fill.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "tensor/expr/computed.h"

#define ELEM_MAX_BYTES 16

/* ---- one value ----------------------------------------------------------------------------- */

struct fill {
    struct wfs_computed computed;
    uint8_t value[ELEM_MAX_BYTES];
};

static int fill_read(struct wfs_bytes *bytes, void *buf, size_t len, uint64_t off,
                     struct wfs_error *err)
{
    (void)err;
    memcpy(buf, ((struct fill *)bytes)->value + off, len);
    return 0;
}

static int fill_map(struct wfs_bytes *bytes, uint64_t off, uint64_t len, struct wfs_window *ret,
                    struct wfs_error *err)
{
    (void)err;
    *ret = (struct wfs_window){.data = ((struct fill *)bytes)->value + off, .len = len};
    return 0;
}

static const struct wfs_bytes_ops fill_ops = {
    .kind = "fill", .read = fill_read, .free = wfs_computed_stay, .map = fill_map};

/* A whole number that the type holds, or not. */
static bool integer_fits(enum wfs_dtype dtype, double value)
{
    const struct wfs_dtype_info *info = wfs_dtype_info(dtype);
    int bits = info->bits;
    if (dtype == WFS_I2_BYTE || dtype == WFS_U2_BYTE)
        bits = 2;
    if (dtype == WFS_I4_BYTE || dtype == WFS_U4_BYTE)
        bits = 4;
    if (value != trunc(value))
        return false;
    if (info->kind == WFS_KIND_BOOL)
        return value == 0 || value == 1;
    if (info->kind == WFS_KIND_UINT)
        return value >= 0 && value < ldexp(1, bits);
    return value >= -ldexp(1, bits - 1) && value < ldexp(1, bits - 1);
}

static int check_value(enum wfs_dtype dtype, double value, struct wfs_error *err)
{
    uint8_t one[ELEM_MAX_BYTES] = {0};
    double back[2] = {0};
    bool fits;
    if (wfs_dtype_info(dtype)->kind == WFS_KIND_OPAQUE) {
        fits = value == 0 && !wfs_dtype_is_block(dtype);
    } else if (wfs_computed_is_integer(dtype)) {
        fits = integer_fits(dtype, value);
    } else {
        int r = wfs_convert(WFS_F64, &value, dtype, one, 1, err);
        if (!r)
            r = wfs_convert_to_f64(dtype, one, 1, back, err);
        if (r)
            return r;
        fits = !isfinite(value) || isfinite(back[0]);
    }
    if (fits)
        return 0;
    return wfs_error_set(err, EINVAL, "%g is no value of %s", value, wfs_dtype_info(dtype)->name);
}

int wfs_fill_bytes(struct wfs_arena *arena, enum wfs_dtype dtype, double value,
                   struct wfs_bytes **ret, struct wfs_error *err)
{
    int r = check_value(dtype, value, err);
    if (r)
        return r;
    struct fill *fill = wfs_arena_alloc(arena, sizeof(*fill));
    if (!fill)
        return wfs_error_nomem(err, "a filled tensor");
    if (wfs_computed_is_integer(dtype))
        wfs_computed_store(dtype, value < 0 ? (uint64_t)(int64_t)value : (uint64_t)value,
                           fill->value);
    else if (wfs_dtype_info(dtype)->kind != WFS_KIND_OPAQUE)
        r = wfs_convert(WFS_F64, &value, dtype, fill->value, 1, err);
    if (r)
        return r;
    struct {
        char kind[8];
        uint8_t value[ELEM_MAX_BYTES];
    } key = {"fill", {0}};
    memcpy(key.value, fill->value, sizeof(key.value));
    wfs_computed_init(&fill->computed, &fill_ops, "a filled tensor", dtype,
                      (wfs_dtype_bits(dtype) + 7) / 8, &key, sizeof(key));
    *ret = &fill->computed.base;
    return 0;
}

/* ---- arange -------------------------------------------------------------------------------- */

struct arange {
    struct wfs_computed computed;
    double start, step;
};

static int arange_compute(struct wfs_computed *c, uint8_t *out, uint64_t first, size_t n,
                          void *work, struct wfs_error *err)
{
    const struct arange *arange = (const struct arange *)c;
    double *values = work;
    if (wfs_computed_is_integer(c->dtype)) {
        /* Modulo 2^64: the ends fit, so everything between does. */
        uint64_t step = (uint64_t)(__int128)arange->step;
        uint64_t value = (uint64_t)(__int128)arange->start + first * step;
        for (size_t i = 0; i < n; i++, value += step)
            wfs_computed_store(c->dtype, value, out + i * wfs_dtype_bits(c->dtype) / 8);
        return 0;
    }
    for (size_t i = 0; i < n; i++)
        values[i] = arange->start + arange->step * (double)(first + i);
    return wfs_convert(WFS_F64, values, c->dtype, out, n, err);
}

static int arange_read(struct wfs_bytes *bytes, void *buf, size_t len, uint64_t off,
                       struct wfs_error *err)
{
    struct wfs_computed *c = (struct wfs_computed *)bytes;
    double *values wfs_cleanup(wfs_freep) =
        malloc(WFS_CHUNK_ELEMS * sizeof(*values) + wfs_computed_chunk_bytes(c->dtype));
    if (!values)
        return wfs_error_nomem(err, "counted values");
    return wfs_computed_read(c, buf, len, off, arange_compute, values,
                             (uint8_t *)(values + WFS_CHUNK_ELEMS), err);
}

static const struct wfs_bytes_ops arange_ops = {
    .kind = "arange", .read = arange_read, .free = wfs_computed_stay};

int wfs_arange_bytes(struct wfs_arena *arena, enum wfs_dtype dtype, double start, double step,
                     uint64_t n_elems, struct wfs_bytes **ret, struct wfs_error *err)
{
    struct {
        char kind[8];
        uint64_t dtype, n_elems;
        double start, step;
    } key = {"arange", dtype, n_elems, start, step};
    double last = start + step * (double)(n_elems ? n_elems - 1 : 0);
    int r = check_value(dtype, start, err);
    if (!r)
        r = check_value(dtype, last, err);
    if (!r && (wfs_dtype_info(dtype)->kind == WFS_KIND_OPAQUE || !isfinite(start) ||
               !isfinite(step) || (wfs_computed_is_integer(dtype) && step != trunc(step))))
        r = wfs_error_set(err, EINVAL, "%g in steps of %g are no values of %s", start, step,
                          wfs_dtype_info(dtype)->name);
    if (r)
        return r;
    struct arange *arange = wfs_arena_alloc(arena, sizeof(*arange));
    if (!arange)
        return wfs_error_nomem(err, "counted values");
    wfs_computed_init(&arange->computed, &arange_ops, "counted values", dtype,
                      n_elems * wfs_dtype_bits(dtype) / 8, &key, sizeof(key));
    arange->start = start;
    arange->step = n_elems > 1 ? step : 0;
    *ret = &arange->computed.base;
    return 0;
}

/* ---- expressions --------------------------------------------------------------------------- */

int wfs_expr_fill(struct wfs_arena *arena, enum wfs_dtype dtype, uint32_t ndim,
                  const uint64_t *shape, double value, const struct wfs_expr **ret,
                  struct wfs_error *err)
{
    const int64_t still[WFS_MAX_NDIM] = {0};
    uint64_t n_elems, size_bytes;
    struct wfs_bytes *bytes;
    int r = wfs_shape_size(dtype, ndim, shape, &n_elems, &size_bytes, err);
    if (!r)
        r = wfs_fill_bytes(arena, dtype, value, &bytes, err);
    return r ? r : wfs_expr_strided(arena, bytes, 0, dtype, ndim, shape, still, ret, err);
}

static bool is_zero_piece(const struct wfs_piece *piece)
{
    static const uint8_t zeros[ELEM_MAX_BYTES];
    return piece->bytes->ops == &fill_ops && piece->n_ops == 0 &&
           memcmp(((const struct fill *)piece->bytes)->value, zeros, sizeof(zeros)) == 0;
}

bool wfs_expr_is_zeros(const struct wfs_expr *e)
{
    for (uint32_t i = 0; i < e->n_pieces; i++)
        if (!is_zero_piece(&e->pieces[i]))
            return false;
    return true;
}

int wfs_expr_arange(struct wfs_arena *arena, enum wfs_dtype dtype, uint32_t ndim,
                    const uint64_t *shape, double start, double step, const struct wfs_expr **ret,
                    struct wfs_error *err)
{
    uint64_t n_elems, size_bytes;
    struct wfs_bytes *bytes;
    int r = wfs_shape_size(dtype, ndim, shape, &n_elems, &size_bytes, err);
    if (!r)
        r = wfs_arange_bytes(arena, dtype, start, step, n_elems, &bytes, err);
    return r ? r : wfs_expr_contiguous(arena, bytes, 0, dtype, ndim, shape, ret, err);
}
