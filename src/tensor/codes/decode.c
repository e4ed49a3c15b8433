/*
 * decode.c - the values of a tensor of block codes as a source: blocks are read whole, decoded to
 * float32 and rounded once to the type asked for. wfs_expr_decode is declared in tensor/tensor.h.
 */
#include <stdlib.h>

#include "tensor/codes/coded.h"

/* Elements that are decoded before they are converted: a multiple of every block's. */
#define LANES 1024

struct decode_work {
    float *lanes;
    uint8_t *blocks; /* what a chunk's elements lie in: blocks_bytes() */
};

/* A chunk may begin and end inside of a block. */
static size_t blocks_bytes(const struct wfs_code *code)
{
    return (WFS_CHUNK_ELEMS / wfs_code_elems(code) + 1) * wfs_code_bytes(code);
}

static int decode_compute(struct wfs_computed *c, uint8_t *out, uint64_t first, size_t n,
                          void *work, struct wfs_error *err)
{
    const struct wfs_coded *coded = (const struct wfs_coded *)c;
    const struct decode_work *w = work;
    size_t per_block = wfs_code_elems(coded->code), bytes = wfs_code_bytes(coded->code);
    uint64_t block = first / per_block;
    size_t skip = first % per_block, n_blocks = (skip + n - 1) / per_block + 1, at = 0;
    int r = wfs_expr_read(coded->in, w->blocks, n_blocks * bytes, block * bytes, err);
    while (!r && n > 0) {
        size_t count = wfs_min_u64(LANES / per_block, n_blocks - at);
        for (size_t i = 0; i < count; i++)
            coded->code->decode(w->blocks + (at + i) * bytes, w->lanes + i * per_block);
        size_t n_now = wfs_min_u64(n, count * per_block - skip);
        r = wfs_convert(WFS_F32, w->lanes + skip, c->dtype, out, n_now, err);
        out += n_now * wfs_dtype_bits(c->dtype) / 8;
        n -= n_now;
        at += count;
        skip = 0;
    }
    return r;
}

static int decode_read(struct wfs_bytes *bytes, void *buf, size_t len, uint64_t off,
                       struct wfs_error *err)
{
    struct wfs_coded *coded = (struct wfs_coded *)bytes;
    struct wfs_computed *c = &coded->computed;
    size_t chunk_bytes = wfs_computed_chunk_bytes(c->dtype);
    float *work wfs_cleanup(wfs_freep) =
        malloc(LANES * sizeof(*work) + chunk_bytes + blocks_bytes(coded->code));
    if (!work)
        return wfs_error_nomem(err, "a decoded tensor");
    uint8_t *chunk = (uint8_t *)(work + LANES);
    struct decode_work w = {work, chunk + chunk_bytes};
    return wfs_computed_read(c, buf, len, off, decode_compute, &w, chunk, err);
}

static const struct wfs_bytes_ops decode_ops = {
    .kind = "decoded", .read = decode_read, .free = wfs_computed_stay, .check = wfs_coded_check};

static int check_decode(const struct wfs_expr *in, enum wfs_dtype dtype, struct wfs_error *err)
{
    if (!wfs_code_of(in->dtype))
        return wfs_error_set(err, ENOTSUP, "decode: there is no decoder of %s",
                             wfs_dtype_info(in->dtype)->name);
    if (dtype != WFS_F32 && dtype != WFS_F16 && dtype != WFS_BF16 && dtype != WFS_F64)
        return wfs_error_set(err, EINVAL,
                             "decode: to %s, which is none of float16, bfloat16, "
                             "float32 and float64",
                             wfs_dtype_info(dtype)->name);
    return 0;
}

int wfs_expr_decode(struct wfs_arena *arena, const struct wfs_expr *in, enum wfs_dtype dtype,
                    const struct wfs_expr **ret, struct wfs_error *err)
{
    static const struct wfs_coded_kind kind = {"decode", "a decoded tensor", &decode_ops};
    int r = check_decode(in, dtype, err);
    return r ? r : wfs_coded_expr(arena, &kind, wfs_code_of(in->dtype), in, dtype, ret, err);
}
