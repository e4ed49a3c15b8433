/*
 * coded.c - makes the sources of decode.c and encode.c.
 */
#include "tensor/codes/coded.h"

int wfs_coded_check(struct wfs_bytes *bytes, struct wfs_error *err)
{
    return wfs_expr_check(((struct wfs_coded *)bytes)->in, err);
}

int wfs_coded_expr(struct wfs_arena *arena, const struct wfs_coded_kind *kind,
                   const struct wfs_code *code, const struct wfs_expr *in, enum wfs_dtype dtype,
                   const struct wfs_expr **ret, struct wfs_error *err)
{
    uint64_t n_elems, size_bytes;
    uint32_t depth = wfs_computed_depth(in);
    int r = wfs_shape_size(dtype, in->ndim, in->shape, &n_elems, &size_bytes, err);
    if (!r)
        r = wfs_computed_check_depth(depth, err);
    if (r)
        return r;
    struct wfs_coded *coded = wfs_arena_alloc(arena, sizeof(*coded));
    if (!coded)
        return wfs_error_nomem(err, kind->what);
    struct wfs_hash key = wfs_code_key(kind->verb, code, dtype, in);
    wfs_computed_init(&coded->computed, kind->ops, kind->what, dtype, size_bytes, &key,
                      sizeof(key));
    coded->computed.depth = depth + 1;
    coded->code = code;
    coded->in = in;
    coded->computed.n_operands = 1;
    coded->computed.operands = &coded->in;
    return wfs_expr_contiguous(arena, &coded->computed.base, 0, dtype, in->ndim, in->shape, ret,
                               err);
}
