/*
 * encode.c - a tensor of floats as block codes: each block is a function of its elements alone, so that
 * any range is the same bits. wfs_expr_encode is declared in tensor/tensor.h.
 */
#include <stdlib.h>

#include "tensor/codes/coded.h"

struct encode_work {
    float *lanes;    /* a chunk's elements */
    uint8_t *stored; /* the same as the input has them */
};

static int refuse_block(const struct wfs_coded *coded, const float *lanes, uint64_t first,
                        struct wfs_error *err)
{
    const char *name = wfs_dtype_info(coded->code->dtype)->name;
    size_t n = wfs_code_elems(coded->code);
    for (size_t i = 0; i < n; i++)
        if (!isfinite(lanes[i]))
            return wfs_error_set(err, ERANGE, "encode: element %llu is %s, which %s cannot hold",
                                 (unsigned long long)(first + i),
                                 isnan(lanes[i]) ? "NaN" : "infinite", name);
    return wfs_error_set(err, ERANGE, "encode: elements %llu to %llu are too large for %s",
                         (unsigned long long)first, (unsigned long long)(first + n - 1), name);
}

static bool all_finite(const float *lanes, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (!isfinite(lanes[i]))
            return false;
    return true;
}

static int encode_compute(struct wfs_computed *c, uint8_t *out, uint64_t first, size_t n,
                          void *work, struct wfs_error *err)
{
    const struct wfs_coded *coded = (const struct wfs_coded *)c;
    const struct encode_work *w = work;
    const struct wfs_expr *in = coded->in;
    size_t width = wfs_dtype_bits(in->dtype) / 8, per_block = wfs_code_elems(coded->code);
    int r = wfs_expr_read(in, w->stored, n * width, first * width, err);
    if (!r)
        r = wfs_convert(in->dtype, w->stored, WFS_F32, w->lanes, n, err);
    for (size_t at = 0; !r && at < n; at += per_block, out += wfs_code_bytes(coded->code)) {
        const float *lanes = w->lanes + at;
        if (!all_finite(lanes, per_block) || !coded->code->encode(lanes, out))
            r = refuse_block(coded, lanes, first + at, err);
    }
    return r;
}

static int encode_read(struct wfs_bytes *bytes, void *buf, size_t len, uint64_t off,
                       struct wfs_error *err)
{
    struct wfs_coded *coded = (struct wfs_coded *)bytes;
    struct wfs_computed *c = &coded->computed;
    size_t stored = wfs_computed_chunk_bytes(coded->in->dtype);
    float *work wfs_cleanup(wfs_freep) =
        malloc(WFS_CHUNK_ELEMS * sizeof(*work) + stored + wfs_computed_chunk_bytes(c->dtype));
    if (!work)
        return wfs_error_nomem(err, "an encoded tensor");
    uint8_t *rest = (uint8_t *)(work + WFS_CHUNK_ELEMS);
    struct encode_work w = {work, rest};
    return wfs_computed_read(c, buf, len, off, encode_compute, &w, rest + stored, err);
}

static const struct wfs_bytes_ops encode_ops = {
    .kind = "encoded", .read = encode_read, .free = wfs_computed_stay, .check = wfs_coded_check};

static int check_encode(const struct wfs_expr *in, enum wfs_dtype dtype, struct wfs_error *err)
{
    const struct wfs_code *code = wfs_code_of(dtype);
    if (!code || !code->encode)
        return wfs_error_set(err, ENOTSUP, "encode: there is no encoder of %s",
                             wfs_dtype_info(dtype)->name);
    if (!wfs_dtype_is_float(in->dtype) || wfs_dtype_bits(in->dtype) % 8 != 0)
        return wfs_error_set(err, EINVAL, "encode: %s as %s: only whole bytes of floats can be",
                             wfs_dtype_info(in->dtype)->name, wfs_dtype_info(dtype)->name);
    return 0;
}

int wfs_expr_encode(struct wfs_arena *arena, const struct wfs_expr *in, enum wfs_dtype dtype,
                    const struct wfs_expr **ret, struct wfs_error *err)
{
    static const struct wfs_coded_kind kind = {"encode", "an encoded tensor", &encode_ops};
    int r = check_encode(in, dtype, err);
    return r ? r : wfs_coded_expr(arena, &kind, wfs_code_of(dtype), in, dtype, ret, err);
}
