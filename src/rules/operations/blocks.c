/*
 * blocks.c - tensors of block codes: put together of the parts that torch keeps, and taken apart. No
 * value is decoded.
 *
 * gpt-oss keeps MXFP4 as two tensors of bytes: codes (..., groups, 16), whose byte i has element 2i in
 * its low half and 2i + 1 in the high one, and scales (..., groups). ggml's block is the scale, then
 * 16 bytes of which byte j has element j in its low half and j + 16 in the high one.
 */
#include "rules/operations/blocks.h"

#include <string.h>

#include "rules/operations/call.h"

#define BLOCK_ELEMS 32
#define CODE_BYTES  16
#define BLOCK_BYTES 17

/* The bytes of an expression as another one. */
static int read_as(struct wfs_op_call *call, const struct wfs_expr *in, enum wfs_dtype dtype,
                   uint32_t ndim, const uint64_t *shape, const struct wfs_expr **ret)
{
    struct wfs_bytes *bytes;
    int r = wfs_expr_as_bytes(call->arena, in, &bytes, call->err);
    return r ? r : wfs_expr_contiguous(call->arena, bytes, 0, dtype, ndim, shape, ret, call->err);
}

/* Half bytes of n blocks in the other order: torch's as pairs (2, 16), ggml's as (16, 2). */
static int turn_halves(struct wfs_op_call *call, uint64_t n, bool to_ggml,
                       const struct wfs_expr **codes)
{
    const uint64_t torch_halves[] = {n, 2, CODE_BYTES}, ggml_halves[] = {n, CODE_BYTES, 2};
    const uint64_t bytes[] = {n, CODE_BYTES};
    const uint32_t swap[] = {0, 2, 1};
    /* Any type of four bits would do: the bits are moved alone. */
    int r = read_as(call, *codes, WFS_F4_E2M1, 3, to_ggml ? torch_halves : ggml_halves, codes);
    if (!r)
        r = wfs_expr_permute(call->arena, *codes, swap, codes, call->err);
    return r ? r : read_as(call, *codes, WFS_U8, 2, bytes, codes);
}

static int check_parts(struct wfs_op_call *call)
{
    const struct wfs_expr *codes = call->in[0], *scales = call->in[1];
    bool fits = call->n_in == 2 && codes->dtype == WFS_U8 && scales->dtype == WFS_U8 &&
                codes->ndim == scales->ndim + 1 && scales->ndim > 0 &&
                codes->shape[codes->ndim - 1] == CODE_BYTES;
    for (uint32_t i = 0; fits && i < scales->ndim; i++)
        fits = codes->shape[i] == scales->shape[i];
    return fits ? 0
                : wfs_op_error(call->err, call->op,
                               "expected bytes of codes (..., groups, 16) and of scales "
                               "(..., groups)");
}

static int apply_mxfp4(struct wfs_op_call *call)
{
    if (call->n_in != 2)
        return wfs_op_error(call->err, call->op, "%u parts, not codes and scales", call->n_in);
    const struct wfs_expr *parts[2] = {call->in[1], call->in[0]};
    uint64_t n = call->in[1]->n_elems, flat[2] = {n, 1}, shape[WFS_MAX_NDIM];
    int r = check_parts(call);
    if (!r)
        r = turn_halves(call, n, true, &parts[1]);
    if (!r)
        r = wfs_expr_reshape(call->arena, parts[0], 2, flat, &parts[0], call->err);
    if (!r)
        r = wfs_expr_concat(call->arena, 2, parts, 1, &call->ret, call->err);
    if (r)
        return r;
    uint32_t ndim = call->in[1]->ndim;
    memcpy(shape, call->in[1]->shape, ndim * sizeof(*shape));
    shape[ndim - 1] *= BLOCK_ELEMS;
    return read_as(call, call->ret, WFS_MXFP4, ndim, shape, &call->ret);
}

/* The bytes [from, to) of every block. */
static int take_bytes(struct wfs_op_call *call, uint64_t from, uint64_t to, uint64_t *ret_n,
                      const struct wfs_expr **ret)
{
    const struct wfs_expr *in = call->in[0];
    if (in->dtype != WFS_MXFP4)
        return wfs_op_error(call->err, call->op, "expected mxfp4, not %s",
                            wfs_dtype_info(in->dtype)->name);
    *ret_n = in->n_elems / BLOCK_ELEMS;
    uint64_t shape[] = {*ret_n, BLOCK_BYTES};
    int r = read_as(call, in, WFS_U8, 2, shape, ret);
    return r ? r : wfs_expr_slice(call->arena, *ret, 1, from, to, 1, ret, call->err);
}

/* The tensor's axes, the last as groups; and the bytes of one, where there are several. */
static int by_groups(struct wfs_op_call *call, const struct wfs_expr *in, uint64_t bytes)
{
    uint64_t shape[WFS_MAX_NDIM + 1];
    uint32_t ndim = call->in[0]->ndim;
    if (ndim == WFS_MAX_NDIM)
        return wfs_op_error(call->err, call->op, "too many axes");
    memcpy(shape, call->in[0]->shape, ndim * sizeof(*shape));
    shape[ndim - 1] /= BLOCK_ELEMS;
    shape[ndim] = bytes;
    return wfs_expr_reshape(call->arena, in, bytes > 1 ? ndim + 1 : ndim, shape, &call->ret,
                            call->err);
}

static int apply_mxfp4_codes(struct wfs_op_call *call)
{
    const struct wfs_expr *e;
    uint64_t n = 0;
    int r = take_bytes(call, 1, BLOCK_BYTES, &n, &e);
    if (!r)
        r = turn_halves(call, n, false, &e);
    return r ? r : by_groups(call, e, CODE_BYTES);
}

static int apply_mxfp4_scales(struct wfs_op_call *call)
{
    const struct wfs_expr *e;
    uint64_t n;
    int r = take_bytes(call, 0, 1, &n, &e);
    return r ? r : by_groups(call, e, 1);
}

static const struct wfs_operation mxfp4 = {
    .name = "mxfp4", .usage = "mxfp4", .class = WFS_OP_JOIN, .apply = apply_mxfp4};
static const struct wfs_operation mxfp4_codes = {
    .name = "mxfp4_codes", .usage = "mxfp4_codes", .apply = apply_mxfp4_codes};
static const struct wfs_operation mxfp4_scales = {
    .name = "mxfp4_scales", .usage = "mxfp4_scales", .apply = apply_mxfp4_scales};
const struct wfs_operation *const wfs_blocks_operations[] = {&mxfp4, &mxfp4_codes, &mxfp4_scales,
                                                             NULL};
