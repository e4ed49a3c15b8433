/*
 * decode.c - the values of a tensor of block codes as a source: blocks are read whole, decoded to
 * float32 and rounded once to the type asked for. wfs_expr_decode is declared in tensor/tensor.h.
 */
#include "tensor/codes/codes.h"

#include <stdlib.h>

#include "tensor/expr/computed.h"

struct decoded {
    struct wfs_computed computed;
    const struct wfs_code *code;
    const struct wfs_expr *in;
};

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
    const struct decoded *decoded = (const struct decoded *)c;
    const struct decode_work *w = work;
    size_t per_block = wfs_code_elems(decoded->code), bytes = wfs_code_bytes(decoded->code);
    uint64_t block = first / per_block;
    size_t skip = first % per_block, n_blocks = (skip + n - 1) / per_block + 1, at = 0;
    int r = wfs_expr_read(decoded->in, w->blocks, n_blocks * bytes, block * bytes, err);
    while (!r && n > 0) {
        size_t count = wfs_min_u64(LANES / per_block, n_blocks - at);
        for (size_t i = 0; i < count; i++)
            decoded->code->decode(w->blocks + (at + i) * bytes, w->lanes + i * per_block);
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
    struct decoded *decoded = (struct decoded *)bytes;
    struct wfs_computed *c = &decoded->computed;
    size_t chunk_bytes = wfs_computed_chunk_bytes(c->dtype);
    float *work wfs_cleanup(wfs_freep) =
        malloc(LANES * sizeof(*work) + chunk_bytes + blocks_bytes(decoded->code));
    if (!work)
        return wfs_error_nomem(err, "a decoded tensor");
    uint8_t *chunk = (uint8_t *)(work + LANES);
    struct decode_work w = {work, chunk + chunk_bytes};
    return wfs_computed_read(c, buf, len, off, decode_compute, &w, chunk, err);
}

static int decode_check(struct wfs_bytes *bytes, struct wfs_error *err)
{
    return wfs_expr_check(((struct decoded *)bytes)->in, err);
}

static const struct wfs_bytes_ops decode_ops = {
    .kind = "decoded", .read = decode_read, .free = wfs_computed_stay, .check = decode_check};

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
    uint64_t n_elems, size_bytes;
    uint32_t depth = wfs_computed_depth(in);
    int r = check_decode(in, dtype, err);
    if (!r)
        r = wfs_shape_size(dtype, in->ndim, in->shape, &n_elems, &size_bytes, err);
    if (!r)
        r = wfs_computed_check_depth(depth, err);
    if (r)
        return r;
    const struct wfs_code *code = wfs_code_of(in->dtype);
    struct decoded *decoded = wfs_arena_alloc(arena, sizeof(*decoded));
    if (!decoded)
        return wfs_error_nomem(err, "a decoded tensor");
    struct wfs_hash key = wfs_code_key("decode", code, dtype, in);
    wfs_computed_init(&decoded->computed, &decode_ops, "a decoded tensor", dtype, size_bytes, &key,
                      sizeof(key));
    decoded->computed.depth = depth + 1;
    decoded->code = code;
    decoded->in = in;
    decoded->computed.n_operands = 1;
    decoded->computed.operands = &decoded->in;
    return wfs_expr_contiguous(arena, &decoded->computed.base, 0, dtype, in->ndim, in->shape, ret,
                               err);
}
